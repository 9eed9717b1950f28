/** Where the language client does what does not fit VS Code. */
import * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient/node';

/** Files of this edit that are open as notebooks: their text is not what the person sees. */
function notebooks(edit: { changes?: Record<string, unknown>; documentChanges?: unknown[] }): string[] {
  const named = [
    ...Object.keys(edit.changes ?? {}),
    ...(edit.documentChanges ?? []).flatMap((one) => {
      const { textDocument, uri, oldUri } = one as { textDocument?: { uri: string }; uri?: string; oldUri?: string };
      return [textDocument?.uri, uri, oldUri].filter((text) => text !== undefined);
    }),
  ];
  const open = new Set(vscode.workspace.notebookDocuments.map(({ uri }) => uri.toString()));
  return named.filter((text) => open.has(vscode.Uri.parse(text).toString()));
}

export function middleware(inlineAsk: (wish: object) => Promise<void>, started: (result: never) => Promise<void>): Middleware {
  return {
    workspace: {
      handleApplyEdit: async (params, next) => {
        const [first] = notebooks(params.edit);
        if (first === undefined) return next(params, new vscode.CancellationTokenSource().token);
        const name = vscode.workspace.asRelativePath(vscode.Uri.parse(first));
        void vscode.window.showInformationMessage(`Lanebridge: ${name} is open as a notebook, which cannot be edited as text. It was left as it is; close it to let it be changed.`);
        return { applied: false, failureReason: `${name} is open as a notebook in the editor and cannot be edited as text. Leave it, or ask the person to close it.` };
      },
    },
    // The status item and the chat show what runs; a second sign beside them is noise.
    handleWorkDoneProgress: (token, params, next) => {
      if (params.kind === 'end') next(token, params);
    },
    executeCommand: async (command, args, next) => {
      const [wish] = args as [({ prompt?: string; range?: unknown } | undefined)?];
      if (command === 'lanebridge.edit' && wish?.prompt === undefined && wish?.range !== undefined) return inlineAsk(wish);
      const result: unknown = await next(command, args);
      if (typeof result === 'object' && result !== null && 'turnId' in result) await started(result as never);
      return result;
    },
  };
}
