/** Hunks in the editor: what is new is coloured, what is gone stands struck out at the end of the lines that are in its
 *  place, and whole in the hover and in the peek that the line above opens. A proposal is the same the other way round. */
import * as vscode from 'vscode';
import { linesOf, type ChangeStore, type Place } from './store';

/** Of the lines that one line stands for. */
const GHOST_LINES_MAX = 4;
const GHOST_CHARACTERS = 160;

const line = (at: number): vscode.Range => new vscode.Range(at, 0, at, 0);

const short = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text);

/** The lines that the document does not have, at the end of those in whose place they stand: each at its own, and what is
 *  more at the last. Where it has none in their place, they stand at the end of the line before. */
export function ghosts(place: Place): { at: number; text: string }[] {
  const { first, last } = linesOf(place);
  const absent = (place.change.applied ? place.hunk.old : place.hunk.new).map((one) => one.trim().replaceAll('\t', ' '));
  if (place.hunk.kind !== 'lines' || absent.every((one) => one === '')) return [];
  const joined = (lines: string[]): string => {
    const said = lines.slice(0, GHOST_LINES_MAX).map((one) => short(one, GHOST_CHARACTERS)).join('  ⏎  ');
    return lines.length > GHOST_LINES_MAX ? `${said}  ⏎  … ${lines.length - GHOST_LINES_MAX} more` : said;
  };
  if (last < first) return [{ at: Math.max(0, first - 1), text: joined(absent) }];
  const own = absent.slice(0, last - first).map((text, index) => ({ at: first + index, text: joined([text]) }));
  return [...own, { at: last, text: joined(absent.slice(last - first)) }].filter(({ text }) => text !== '');
}

function hover({ change, hunk }: Place): vscode.MarkdownString {
  const text = new vscode.MarkdownString(undefined, true);
  text.appendMarkdown(change.applied ? '**Lanebridge changed this**' : '**Lanebridge proposes this** (not applied yet)');
  text.appendCodeblock([...hunk.old.map((one) => `-${one}`), ...hunk.new.map((one) => `+${one}`)].join('\n'), 'diff');
  return text;
}

export class HunkDecorations implements vscode.Disposable {
  private readonly added = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor('lanebridge.addedBackground'),
    overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.addedForeground'),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  private readonly removed = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    borderColor: new vscode.ThemeColor('editorOverviewRuler.deletedForeground'),
    borderStyle: 'dashed',
    borderWidth: '1px 0 0 0',
    overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.deletedForeground'),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
  });
  private readonly proposed = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor('diffEditor.removedLineBackground'),
    overviewRulerColor: new vscode.ThemeColor('editorOverviewRuler.modifiedForeground'),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
  });
  private readonly gone = ghostType('diffEditor.removedTextBackground', 'line-through');
  private readonly coming = ghostType('diffEditor.insertedTextBackground');
  private readonly listeners: vscode.Disposable[];
  /** When hunks were last painted, for the tests. */
  painted = 0;

  constructor(private readonly store: ChangeStore) {
    this.listeners = [
      this.added,
      this.removed,
      this.proposed,
      this.gone,
      this.coming,
      store.onChange(() => this.paintAll()),
      vscode.window.onDidChangeVisibleTextEditors(() => this.paintAll()),
    ];
    this.paintAll();
  }

  private paintAll(): void {
    for (const editor of vscode.window.visibleTextEditors) this.paint(editor);
    this.painted = Date.now();
  }

  private paint(editor: vscode.TextEditor): void {
    const added: vscode.DecorationOptions[] = [];
    const removed: vscode.DecorationOptions[] = [];
    const proposed: vscode.DecorationOptions[] = [];
    const gone: vscode.DecorationOptions[] = [];
    const coming: vscode.DecorationOptions[] = [];
    for (const place of this.store.of(editor.document.uri)) {
      const { first, last } = linesOf(place);
      const range = last < first ? line(first) : new vscode.Range(first, 0, last, Number.MAX_SAFE_INTEGER);
      const { applied } = place.change;
      const marked = last < first ? removed : applied ? added : proposed;
      marked.push({ range, hoverMessage: hover(place) });
      (applied ? gone : coming).push(...ghosts(place).map((ghost) => ghostAt(editor.document, ghost)));
    }
    editor.setDecorations(this.added, added);
    editor.setDecorations(this.removed, removed);
    editor.setDecorations(this.proposed, proposed);
    editor.setDecorations(this.gone, gone);
    editor.setDecorations(this.coming, coming);
  }

  dispose(): void {
    for (const one of this.listeners) one.dispose();
  }
}

function ghostType(background: string, textDecoration?: string): vscode.TextEditorDecorationType {
  return vscode.window.createTextEditorDecorationType({
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
    after: { color: new vscode.ThemeColor('lanebridge.removedForeground'), backgroundColor: new vscode.ThemeColor(background), margin: '0 0 0 2em', ...(textDecoration === undefined ? {} : { textDecoration }) },
  });
}

function ghostAt(document: vscode.TextDocument, { at, text }: { at: number; text: string }): vscode.DecorationOptions {
  const { end } = document.lineAt(Math.min(at, document.lineCount - 1)).range;
  return { range: new vscode.Range(end, end), renderOptions: { after: { contentText: text } } };
}

/** What no line shows. */
function kindOf({ change, hunk }: Place): string {
  if (hunk.kind === 'create') return 'new file';
  if (hunk.kind === 'delete') return 'deleted';
  return `moved from ${vscode.workspace.asRelativePath(vscode.Uri.parse(change.uri))}`;
}

/** The buttons above a hunk. */
export class HunkLenses implements vscode.CodeLensProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.changed.event;
  private readonly listeners: vscode.Disposable[];

  constructor(private readonly store: ChangeStore) {
    this.listeners = [store.onChange(() => this.changed.fire()), vscode.languages.registerCodeLensProvider([{ scheme: 'file' }], this), this.changed];
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const places = this.store.of(document.uri);
    return places.flatMap((place) => {
      const at = line(Math.min(linesOf(place).first, document.lineCount - 1));
      const lens = (title: string, command: string, tooltip: string): vscode.CodeLens => new vscode.CodeLens(at, { title, command: `lanebridge.ui.${command}`, arguments: [place], tooltip });
      return [
        lens('$(check) Accept', 'acceptHunk', 'Keep this change'),
        lens('$(discard) Reject', 'rejectHunk', 'Bring the old lines back'),
        ...(place.hunk.kind === 'lines' ? [lens('$(edit) Amend', 'amendHunk', 'Put lines of your own there')] : []),
        ...(place.hunk.kind === 'lines' ? [] : [lens(kindOf(place), 'diff', 'Compare')]),
        ...(place.change.applied && place.hunk.old.length > 1 ? [lens(`$(eye) ${place.hunk.old.length} old lines`, 'peekHunk', 'Show the old lines here')] : []),
        lens('$(diff) Compare', 'diff', 'In the diff editor'),
      ];
    });
  }

  dispose(): void {
    for (const one of this.listeners) one.dispose();
  }
}
