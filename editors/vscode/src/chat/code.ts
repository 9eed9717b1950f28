/** What the buttons of a code block and the links of an answer do. */
import * as path from 'node:path';
import * as vscode from 'vscode';

function target(): vscode.TextEditor {
  const editor = vscode.window.activeTextEditor ?? vscode.window.visibleTextEditors.find(({ document }) => document.uri.scheme === 'file');
  if (!editor) throw new Error('No file is open to put this into. Open one and place the cursor.');
  return editor;
}

/** In the place of the selection, as if it had been typed. */
export async function insertCode(text: string): Promise<void> {
  const editor = target();
  await editor.edit((edit) => edit.replace(editor.selection, text));
  await vscode.window.showTextDocument(editor.document, { viewColumn: editor.viewColumn ?? vscode.ViewColumn.Active });
}

/** A file that the answer names, in one of the folders; nothing outside them. */
export async function findFile(name: string): Promise<vscode.Uri | undefined> {
  const clean = name.replace(/^file:\/\//, '').replace(/^\.\//, '');
  if (clean === '') return undefined;
  for (const folder of vscode.workspace.workspaceFolders ?? []) {
    const uri = path.isAbsolute(clean) ? vscode.Uri.file(path.normalize(clean)) : vscode.Uri.joinPath(folder.uri, clean);
    const inside = uri.path === folder.uri.path || uri.path.startsWith(`${folder.uri.path}/`);
    if (inside && (await Promise.resolve(vscode.workspace.fs.stat(uri)).then(() => true, () => false))) return uri;
  }
  return undefined;
}

export async function openPath(name: string, line?: number): Promise<void> {
  const uri = await findFile(name);
  if (!uri) throw new Error(`There is no file "${name}" in the folders that are open.`);
  const at = new vscode.Position(Math.max(0, (line ?? 1) - 1), 0);
  await vscode.window.showTextDocument(uri, { selection: new vscode.Range(at, at), preview: true });
}

/** Web pages open outside, after VS Code asked; everything else is a file or nothing. */
export async function openLink(href: string): Promise<void> {
  if (/^https?:\/\//i.test(href)) {
    await vscode.env.openExternal(vscode.Uri.parse(href, true));
    return;
  }
  const [, file = '', line] = /^([^#?]*?)(?:(?::|#L)(\d+).*)?$/.exec(decodeURI(href)) ?? [];
  await openPath(file, line === undefined ? undefined : Number(line));
}

/** Shown as a refactoring first: the person ticks what is to be done. */
export async function applyCode(text: string, name: string): Promise<void> {
  const named = name === '' ? undefined : await findFile(name);
  const document = named ? await vscode.workspace.openTextDocument(named) : target().document;
  const selection = named ? undefined : target().selection;
  const whole = new vscode.Range(new vscode.Position(0, 0), document.lineAt(document.lineCount - 1).range.end);
  const edit = new vscode.WorkspaceEdit();
  edit.replace(document.uri, selection && !selection.isEmpty ? selection : whole, text, {
    needsConfirmation: true,
    label: `Code of the answer, into ${vscode.workspace.asRelativePath(document.uri)}`,
  });
  await vscode.workspace.applyEdit(edit, { isRefactoring: true });
}
