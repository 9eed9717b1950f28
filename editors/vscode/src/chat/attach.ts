/** What goes along with a prompt: files, folders, selections, symbols, problems, images. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { Bridge } from '../bridge';
import { toRange } from '../editor/convert';
import type { Input } from '../protocol';
import type { Attachment, Completion } from '../webview/messages';

const COMPLETIONS_MAX_COUNT = 30;
const IMAGE = /\.(png|jpe?g|gif|webp)$/i;

export const toInput = (text: string, attachments: readonly Attachment[]): Input[] => [{ type: 'text', text }, ...attachments.map(({ input }) => input)];

export function fromInput(input: readonly Input[]): { text: string; attachments: Attachment[] } {
  const text = input.flatMap((one) => (one.type === 'text' ? [one.text] : [])).join('\n');
  return { text, attachments: input.flatMap((one) => (one.type === 'text' ? [] : [ofInput(one)])) };
}

function ofInput(input: Exclude<Input, { type: 'text' }>): Attachment {
  const uri = 'uri' in input ? input.uri : undefined;
  const isFile = (uri?.startsWith('file:') ?? false);
  const shown = isFile && uri ? vscode.workspace.asRelativePath(vscode.Uri.parse(uri)) : '';
  const range = 'range' in input && input.range ? `:${input.range.start.line + 1}-${input.range.end.line + 1}` : '';
  const name = input.type === 'symbol' ? input.name : shown === '' ? input.type : path.basename(shown);
  return { id: JSON.stringify([input.type, uri, range, name]), label: name + range, detail: shown === '' ? name : shown + range, input };
}

/** The selection, or the file where nothing is selected. */
export function selectionAttachment(editor: vscode.TextEditor): Attachment {
  const uri = editor.document.uri.toString();
  if (editor.selection.isEmpty) return ofInput({ type: 'file', uri });
  return ofInput({ type: 'selection', uri, range: toRange(editor.selection), text: editor.document.getText(editor.selection) });
}

export async function attachmentsOf(uris: readonly string[]): Promise<Attachment[]> {
  const found: Attachment[] = [];
  for (const text of uris) {
    if (!URL.canParse(text)) continue;
    const dropped = vscode.Uri.parse(text, true);
    // In a window of a remote machine its files have the editor's own scheme.
    const uri = dropped.scheme === 'vscode-remote' ? vscode.Uri.file(dropped.path) : dropped;
    if (uri.scheme !== 'file') continue;
    const stat = await Promise.resolve(vscode.workspace.fs.stat(uri)).catch(() => undefined);
    if (!stat) continue;
    const type = stat.type === vscode.FileType.Directory ? 'folder' : IMAGE.test(uri.path) ? 'image' : 'file';
    found.push(ofInput({ type, uri: uri.toString() }));
  }
  return found;
}

function fixed(query: string): Completion[] {
  const editor = vscode.window.activeTextEditor ?? vscode.window.visibleTextEditors.find(({ document }) => document.uri.scheme === 'file');
  if (!editor || editor.document.uri.scheme !== 'file') return [];
  const found: Completion[] = [];
  const name = path.basename(editor.document.uri.path);
  if (!editor.selection.isEmpty) found.push({ label: 'selection', detail: name, icon: 'selection', attachment: selectionAttachment(editor) });
  if (vscode.languages.getDiagnostics(editor.document.uri).length > 0)
    found.push({ label: 'problems', detail: name, icon: 'problems', attachment: { ...ofInput({ type: 'diagnostics', uri: editor.document.uri.toString() }), label: `problems of ${name}` } });
  return found.filter(({ label }) => label.startsWith(query.toLowerCase()));
}

/** Open files first, then others by name; a query with a letter also finds symbols. */
async function things(query: string): Promise<Completion[]> {
  const found = new Map<string, Completion>();
  const add = (input: Exclude<Input, { type: 'text' }>, icon: Completion['icon']): void => {
    const attachment = ofInput(input);
    found.set(attachment.id, { label: attachment.label, detail: attachment.detail, icon, attachment });
  };
  const matches = (file: string): boolean => file.toLowerCase().includes(query.toLowerCase());
  for (const { input } of vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs))
    if (input instanceof vscode.TabInputText && input.uri.scheme === 'file' && matches(vscode.workspace.asRelativePath(input.uri))) add({ type: 'file', uri: input.uri.toString() }, 'file');
  const letters = query.replace(/[^\w.\-/ ]/g, '');
  const glob = letters === '' ? '**/*' : letters.includes('/') ? `**/${letters}*` : `**/*${letters}*`;
  const folders = new Set<string>();
  for (const uri of await vscode.workspace.findFiles(glob, undefined, COMPLETIONS_MAX_COUNT)) {
    add({ type: 'file', uri: uri.toString() }, 'file');
    const folder = vscode.Uri.joinPath(uri, '..');
    if (query !== '' && matches(path.basename(folder.path))) folders.add(folder.toString());
  }
  for (const uri of [...folders].slice(0, 5)) add({ type: 'folder', uri }, 'folder');
  if (letters.length > 1) {
    const symbols = (await vscode.commands.executeCommand<vscode.SymbolInformation[] | undefined>('vscode.executeWorkspaceSymbolProvider', letters)) ?? [];
    for (const { name, location } of symbols.slice(0, 10)) add({ type: 'symbol', name, uri: location.uri.toString(), range: toRange(location.range) }, 'symbol');
  }
  return [...fixed(query), ...found.values()].slice(0, COMPLETIONS_MAX_COUNT);
}

async function prompts(bridge: Bridge, query: string): Promise<Completion[]> {
  const { prompts: all } = await bridge.request<{ prompts: { name: string; description?: string }[] }>('prompts/list');
  return all
    .filter(({ name }) => name.toLowerCase().startsWith(query.toLowerCase()))
    .map(({ name, description }) => ({ label: `/${name}`, detail: description ?? '', insert: `/${name} `, icon: 'prompt' }));
}

export const complete = (bridge: Bridge, trigger: '@' | '/', query: string): Promise<Completion[]> => (trigger === '@' ? things(query) : prompts(bridge, query));
