/** Hunks in the editor: what is new is coloured, what is gone stands in the hover and in the line above, with the buttons. */
import * as vscode from 'vscode';
import { linesOf, type ChangeStore, type Place } from './store';

const WAS_CHARACTERS = 60;

const line = (at: number): vscode.Range => new vscode.Range(at, 0, at, 0);

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
    after: { color: new vscode.ThemeColor('lanebridge.removedForeground'), margin: '0 0 0 2em' },
  });
  private readonly listeners: vscode.Disposable[];
  /** When hunks were last painted, for the tests. */
  painted = 0;

  constructor(private readonly store: ChangeStore) {
    this.listeners = [
      this.added,
      this.removed,
      this.proposed,
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
    for (const place of this.store.of(editor.document.uri)) {
      const { first, last } = linesOf(place);
      const range = last < first ? line(first) : new vscode.Range(first, 0, last, Number.MAX_SAFE_INTEGER);
      const options: vscode.DecorationOptions = { range, hoverMessage: hover(place) };
      if (!place.change.applied) proposed.push({ ...options, renderOptions: { after: { contentText: summary(place) } } });
      else if (last < first) removed.push(options);
      else added.push(options);
    }
    editor.setDecorations(this.added, added);
    editor.setDecorations(this.removed, removed);
    editor.setDecorations(this.proposed, proposed);
  }

  dispose(): void {
    for (const one of this.listeners) one.dispose();
  }
}

function summary({ hunk }: Place): string {
  const [first = ''] = hunk.new;
  if (hunk.new.length === 0) return '→ (taken out)';
  return `→ ${first.trim()}${hunk.new.length > 1 ? ` … ${hunk.new.length} lines` : ''}`;
}

function was({ change, hunk }: Place): string {
  if (hunk.kind === 'create') return 'new file';
  if (hunk.kind === 'delete') return 'deleted';
  if (hunk.kind === 'move') return `moved from ${vscode.workspace.asRelativePath(vscode.Uri.parse(change.uri))}`;
  if (hunk.old.length === 0) return hunk.new.length === 1 ? 'new line' : `${hunk.new.length} new lines`;
  const [first = ''] = hunk.old;
  const short = first.trim().slice(0, WAS_CHARACTERS);
  return hunk.old.length === 1 ? `was: ${short}` : `was ${hunk.old.length} lines: ${short} …`;
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
        lens(`$(diff) ${was(place)}`, 'diff', 'Compare'),
      ];
    });
  }

  dispose(): void {
    for (const one of this.listeners) one.dispose();
  }
}
