import * as vscode from 'vscode';
import { Bridge } from './bridge';
import { serveEditor } from './editor/serve';
import { unsupported } from './server';

let bridge: Bridge | undefined;

export function activate(context: vscode.ExtensionContext): unknown {
  const began = performance.now();
  const reason = unsupported(process.platform);
  if (reason !== undefined) {
    void vscode.window.showInformationMessage(reason);
    return undefined;
  }
  const log = vscode.window.createOutputChannel('Lanebridge', { log: true });
  bridge = new Bridge(context.extension, log);
  context.subscriptions.push(log, serveEditor(bridge, (name) => context.secrets.get(name)));
  void bridge.start();
  return { bridge, activationMs: performance.now() - began };
}

export async function deactivate(): Promise<void> {
  await bridge?.dispose();
}
