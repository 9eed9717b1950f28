/** VS Code's shapes as LSP has them. Both count characters in UTF-16. */
import * as vscode from 'vscode';
import type { Diagnostic, Position, Range, WorkspaceEdit } from '../protocol';

export const toRange = (range: vscode.Range): Range => ({
  start: { line: range.start.line, character: range.start.character },
  end: { line: range.end.line, character: range.end.character },
});
export const fromPosition = ({ line, character }: Position): vscode.Position => new vscode.Position(line, character);
export const fromRange = ({ start, end }: Range): vscode.Range => new vscode.Range(fromPosition(start), fromPosition(end));

export function toDiagnostic(one: vscode.Diagnostic): Diagnostic {
  const code = typeof one.code === 'object' ? one.code.value : one.code;
  return {
    range: toRange(one.range),
    message: one.message,
    severity: (one.severity + 1) as 1 | 2 | 3 | 4,
    ...(one.source === undefined ? {} : { source: one.source }),
    ...(code === undefined ? {} : { code }),
  };
}

/** The document, if it is open; nothing is opened for it. */
export function openDocument(uri: vscode.Uri): vscode.TextDocument | undefined {
  const text = uri.toString();
  return vscode.workspace.textDocuments.find((document) => document.uri.toString() === text);
}

/** Text edits alone: what creates, moves or deletes files is not shown by VS Code's own type, and is no refactoring's
 *  business here. Undefined where there is no change. A version goes along where the document is open. */
export function toWorkspaceEdit(edit: vscode.WorkspaceEdit | undefined): WorkspaceEdit | undefined {
  if (!edit || edit.size === 0) return undefined;
  const documentChanges = edit.entries().map(([uri, edits]) => ({
    textDocument: { uri: uri.toString(), version: openDocument(uri)?.version ?? null },
    edits: edits.map((one) => ({ range: toRange(one.range), newText: one.newText })),
  }));
  return documentChanges.length > 0 ? { documentChanges } : undefined;
}
