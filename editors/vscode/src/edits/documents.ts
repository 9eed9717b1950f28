/** Two kinds of documents that are on no disk: a file without what waits (or with what is proposed), for the diff editor; and
 *  the lines of a hunk to be amended, which count when they are saved. */
import * as vscode from 'vscode';
import { openDocument } from '../editor/convert';
import { linesOf, uriOf, type ChangeStore, type Place } from './store';

const BEFORE = 'lanebridge-before';
const AMEND = 'lanebridge-amend';

async function textOf(uri: vscode.Uri): Promise<string> {
  const open = openDocument(uri);
  if (open) return open.getText();
  return Promise.resolve(vscode.workspace.fs.readFile(uri)).then((bytes) => new TextDecoder().decode(bytes), () => '');
}

/** The other side of the text on the screen: hunks that are applied taken back, others put in. */
export function otherSide(text: string, places: readonly Place[]): string {
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text.split(/\r\n|\n/);
  for (const place of [...places].reverse()) {
    if (place.hunk.kind !== 'lines') continue;
    const { first, last } = linesOf(place);
    lines.splice(first, last - first + 1, ...(place.change.applied ? place.hunk.old : place.hunk.new));
  }
  return lines.join(eol);
}

export class BeforeDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly shown = new Set<string>();
  private readonly listeners: vscode.Disposable[];

  constructor(private readonly store: ChangeStore) {
    this.listeners = [
      vscode.workspace.registerTextDocumentContentProvider(BEFORE, this),
      store.onChange(() => {
        for (const text of this.shown) this.changed.fire(vscode.Uri.parse(text, true));
      }),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => this.shown.delete(uri.toString())),
    ];
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    this.shown.add(uri.toString());
    const file = uri.with({ scheme: 'file', query: '' });
    const places = this.store.of(file);
    if (places.some(({ change, hunk }) => hunk.kind === 'create' && change.applied)) return '';
    return otherSide(await textOf(file), places);
  }

  /** The old lines of a hunk, in place. */
  async peek(place: Place): Promise<void> {
    const file = uriOf(place.change);
    const { first } = linesOf(place);
    const above = this.store.of(file).filter((one) => one.hunk.kind === 'lines' && linesOf(one).first < first);
    const shift = above.reduce((sum, { hunk }) => sum + hunk.old.length - hunk.new.length, 0);
    const old = new vscode.Range(first + shift, 0, first + shift + place.hunk.old.length - 1, Number.MAX_SAFE_INTEGER);
    const there = new vscode.Location(this.other(file), old);
    await vscode.commands.executeCommand('editor.action.peekLocations', file, new vscode.Position(linesOf(place).last, 0), [there], 'peek');
  }

  private other(file: vscode.Uri): vscode.Uri {
    return file.with({ scheme: BEFORE, query: `${Date.now()}` });
  }

  /** The editor's own diff: what was on the left, what is or would be on the right. */
  async compare(file: vscode.Uri): Promise<void> {
    const other = this.other(file);
    const isProposal = this.store.of(file).some(({ change }) => !change.applied);
    const name = vscode.workspace.asRelativePath(file);
    const [left, right, title] = isProposal ? [file, other, `${name} (proposed)`] : [other, file, `${name} (changes)`];
    await vscode.commands.executeCommand('vscode.diff', left, right, title);
  }

  dispose(): void {
    for (const one of this.listeners) one.dispose();
    this.changed.dispose();
  }
}

interface Amended {
  place: Place;
  bytes: Uint8Array;
  changed: number;
}

/** Documents that are saved to the server. */
export class AmendDocuments implements vscode.FileSystemProvider, vscode.Disposable {
  private readonly files = new Map<string, Amended>();
  private readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.changed.event;
  private readonly registered = vscode.workspace.registerFileSystemProvider(AMEND, this, { isCaseSensitive: true });

  constructor(private readonly store: ChangeStore) {}

  async open(place: Place): Promise<void> {
    const file = uriOf(place.change);
    const uri = vscode.Uri.from({ scheme: AMEND, path: file.path.replace(/\/([^/]*)$/, `/hunk at ${linesOf(place).first + 1} of $1`), query: `${place.change.turnId}.${place.hunk.index}` });
    this.files.set(uri.toString(), { place, bytes: new TextEncoder().encode(place.hunk.new.join('\n')), changed: Date.now() });
    await vscode.window.showTextDocument(uri, { preview: false });
    vscode.window.setStatusBarMessage('Save to put these lines in the place of the hunk', 8000);
  }

  private at(uri: vscode.Uri): Amended {
    const file = this.files.get(uri.toString());
    if (!file) throw vscode.FileSystemError.FileNotFound(uri);
    return file;
  }

  stat(uri: vscode.Uri): vscode.FileStat {
    const { bytes, changed } = this.at(uri);
    return { type: vscode.FileType.File, ctime: changed, mtime: changed, size: bytes.length };
  }

  readFile(uri: vscode.Uri): Uint8Array {
    return this.at(uri).bytes;
  }

  async writeFile(uri: vscode.Uri, bytes: Uint8Array): Promise<void> {
    const file = this.at(uri);
    await this.store.amend(file.place, new TextDecoder().decode(bytes));
    this.files.set(uri.toString(), { ...file, bytes, changed: Date.now() });
    const tabs = vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs);
    const tab = tabs.find(({ input }) => input instanceof vscode.TabInputText && input.uri.toString() === uri.toString());
    setTimeout(() => {
      if (tab) void vscode.window.tabGroups.close(tab, true);
    }, 0);
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  createDirectory(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  rename(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  delete(uri: vscode.Uri): void {
    this.files.delete(uri.toString());
  }

  dispose(): void {
    this.registered.dispose();
    this.changed.dispose();
  }
}
