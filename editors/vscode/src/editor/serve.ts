/** `lanebridge/editor/…`: what the server asks the editor to do or tell. */
import * as vscode from 'vscode';
import type { Bridge } from '../bridge';
import type { CodeActionParams, ContextResult, DiagnosticsResult, EditResult, LocationsResult, PlaceParams, Range, SymbolsResult } from '../protocol';
import { fromPosition, fromRange, openDocument, toDiagnostic, toRange, toWorkspaceEdit } from './convert';

/** Symbols that are sent at most; a workspace may have a hundred thousand. */
const SYMBOLS_MAX_COUNT = 2000;

const run = <R>(command: string, ...args: unknown[]): Thenable<R | undefined> =>
  vscode.commands.executeCommand<R | undefined>(command, ...args);

async function save({ uris }: { uris: string[] }): Promise<object> {
  for (const text of uris) {
    const document = openDocument(vscode.Uri.parse(text, true));
    if (document?.isDirty && !(await document.save())) throw new Error(`${vscode.workspace.asRelativePath(document.uri)} could not be saved.`);
  }
  return {};
}

/** Files some server checks: those it has ever said anything of. */
class Checked implements vscode.Disposable {
  private readonly seen = new Set<string>();
  private readonly listener = vscode.languages.onDidChangeDiagnostics(({ uris }) => {
    for (const uri of uris) this.seen.add(uri.toString());
  });

  get(wanted: string[] | undefined): DiagnosticsResult {
    const names = wanted ?? vscode.languages.getDiagnostics().map(([uri]) => uri.toString());
    const all = names.map((name) => ({ name, uri: vscode.Uri.parse(name, true) })).map(({ name, uri }) => ({ name, key: uri.toString(), found: vscode.languages.getDiagnostics(uri) }));
    // The event comes up to 50 ms after the fact.
    for (const { key, found } of all) if (found.length > 0) this.seen.add(key);
    const files = all
      .filter(({ key, found }) => found.length > 0 || (wanted && this.seen.has(key)))
      .map(({ name, found }) => ({ uri: name, diagnostics: found.map(toDiagnostic) }));
    return { files };
  }

  dispose(): void {
    this.listener.dispose();
  }
}

function flatten(symbols: (vscode.DocumentSymbol | vscode.SymbolInformation)[], uri: vscode.Uri, container: string | undefined, out: SymbolsResult['symbols']): void {
  for (const symbol of symbols) {
    if (out.length >= SYMBOLS_MAX_COUNT) return;
    const isNested = 'children' in symbol;
    const inside = isNested ? container : symbol.containerName || undefined;
    out.push({
      name: symbol.name,
      kind: (symbol.kind + 1) as SymbolsResult['symbols'][number]['kind'],
      ...(inside === undefined ? {} : { container: inside }),
      uri: (isNested ? uri : symbol.location.uri).toString(),
      range: toRange(isNested ? symbol.selectionRange : symbol.location.range),
    });
    if (isNested) flatten(symbol.children, uri, symbol.name, out);
  }
}

async function symbols({ uri, query }: { uri?: string; query?: string }): Promise<SymbolsResult> {
  const found: SymbolsResult['symbols'] = [];
  if (uri === undefined) {
    flatten((await run<vscode.SymbolInformation[]>('vscode.executeWorkspaceSymbolProvider', query ?? '')) ?? [], vscode.Uri.file('/'), undefined, found);
  } else {
    const file = vscode.Uri.parse(uri, true);
    flatten((await run<vscode.DocumentSymbol[]>('vscode.executeDocumentSymbolProvider', file)) ?? [], file, undefined, found);
  }
  const part = query?.toLowerCase() ?? '';
  return { symbols: uri === undefined ? found : found.filter(({ name }) => name.toLowerCase().includes(part)) };
}

/** The line, from the document or the disk: who asked may not have the file open. */
async function withLines(places: { uri: vscode.Uri; range: vscode.Range }[]): Promise<LocationsResult> {
  const texts = new Map<string, string[]>();
  const locations: LocationsResult['locations'] = [];
  for (const { uri, range } of places) {
    const name = uri.toString();
    let lines = texts.get(name);
    if (!lines) {
      const open = openDocument(uri)?.getText();
      const text = open ?? (await Promise.resolve(vscode.workspace.fs.readFile(uri)).then((bytes) => new TextDecoder().decode(bytes), () => ''));
      lines = text.split(/\r\n|\r|\n/);
      texts.set(name, lines);
    }
    const line = lines[range.start.line];
    locations.push({ uri: name, range: toRange(range), ...(line === undefined ? {} : { text: line }) });
  }
  return { locations };
}

async function places(command: string, { uri, position }: PlaceParams): Promise<LocationsResult> {
  const found = (await run<(vscode.Location | vscode.LocationLink)[]>(command, vscode.Uri.parse(uri, true), fromPosition(position))) ?? [];
  return withLines(found.map((one) => ('targetUri' in one ? { uri: one.targetUri, range: one.targetSelectionRange ?? one.targetRange } : one)));
}

function edited(edit: vscode.WorkspaceEdit | undefined): EditResult {
  const made = toWorkspaceEdit(edit);
  return made ? { edit: made } : {};
}

async function rename({ uri, position, newName }: PlaceParams & { newName: string }): Promise<EditResult> {
  return edited(await run<vscode.WorkspaceEdit>('vscode.executeDocumentRenameProvider', vscode.Uri.parse(uri, true), fromPosition(position), newName));
}

/** Those that are an edit and nothing else, and not our own. */
async function codeAction({ uri, range, kinds, title }: CodeActionParams): Promise<EditResult> {
  const RESOLVED = 20; // so many are asked for their edit
  const kind = kinds?.length === 1 ? kinds[0] : undefined;
  const all = (await run<vscode.CodeAction[]>('vscode.executeCodeActionProvider', vscode.Uri.parse(uri, true), fromRange(range), kind, RESOLVED)) ?? [];
  const able = all.filter((one) => !one.command && one.edit && one.edit.size > 0 && !one.disabled && (!kinds?.length || kinds.some((wanted) => one.kind?.value.startsWith(wanted))));
  const chosen = title === undefined ? (able.length === 1 ? able[0] : undefined) : able.find((one) => one.title === title);
  return { ...edited(chosen?.edit), titles: able.map((one) => one.title) };
}

async function format({ uri, range }: { uri: string; range?: Range }): Promise<EditResult> {
  const file = vscode.Uri.parse(uri, true);
  const style = { tabSize: 4, insertSpaces: true };
  const editor = vscode.window.visibleTextEditors.find((one) => one.document.uri.toString() === file.toString());
  if (typeof editor?.options.tabSize === 'number') style.tabSize = editor.options.tabSize;
  if (typeof editor?.options.insertSpaces === 'boolean') style.insertSpaces = editor.options.insertSpaces;
  const edits = range
    ? await run<vscode.TextEdit[]>('vscode.executeFormatRangeProvider', file, fromRange(range), style)
    : await run<vscode.TextEdit[]>('vscode.executeFormatDocumentProvider', file, style);
  const edit = new vscode.WorkspaceEdit();
  edit.set(file, edits ?? []);
  return edited(edits?.length ? edit : undefined);
}

/** What the person looks at. Only files: no output, no settings, no chat. */
export function context(): ContextResult {
  const isFile = (document: vscode.TextDocument): boolean => document.uri.scheme === 'file' || document.uri.scheme === 'untitled';
  const visible = vscode.window.visibleTextEditors.filter(({ document }) => isFile(document));
  const active = vscode.window.activeTextEditor;
  const open = vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs).flatMap(({ input }) => (input instanceof vscode.TabInputText && input.uri.scheme === 'file' ? [input.uri.toString()] : []));
  return {
    ...(active && isFile(active.document) ? { active: active.document.uri.toString(), selection: toRange(active.selection) } : {}),
    visible: visible.map(({ document, visibleRanges }) => ({ uri: document.uri.toString(), ranges: visibleRanges.map(toRange) })),
    open: [...new Set(open)],
  };
}

export function serveEditor(bridge: Bridge, secret: (name: string) => Thenable<string | undefined>): vscode.Disposable {
  const checked = new Checked();
  bridge.serve('editor/save', save);
  bridge.serve('editor/diagnostics', ({ uris }: { uris?: string[] }) => checked.get(uris));
  bridge.serve('editor/symbols', symbols);
  bridge.serve('editor/definition', (params: PlaceParams) => places('vscode.executeDefinitionProvider', params));
  bridge.serve('editor/references', (params: PlaceParams) => places('vscode.executeReferenceProvider', params));
  bridge.serve('editor/rename', rename);
  bridge.serve('editor/codeAction', codeAction);
  bridge.serve('editor/format', format);
  bridge.serve('editor/context', context);
  bridge.serve('editor/secret', async ({ name }: { name: string }) => {
    const value = await secret(name);
    return value === undefined ? {} : { value };
  });
  return checked;
}
