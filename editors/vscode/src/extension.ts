import * as vscode from 'vscode';
import { Asks } from './asks';
import { Bridge } from './bridge';
import { Coalescer } from './chat/coalesce';
import { Session } from './chat/session';
import { ChatView } from './chat/view';
import { Commands } from './commands';
import { ChangeActions } from './edits/actions';
import { ghosts, HunkDecorations, HunkLenses } from './edits/decorate';
import { AmendDocuments, BeforeDocuments } from './edits/documents';
import { InlinePrompts } from './edits/inline';
import { ChangeStore } from './edits/store';
import { ChangesTree } from './edits/tree';
import { serveEditor } from './editor/serve';
import { middleware } from './middleware';
import { unsupported } from './server';
import { proxyFor } from './settings';
import { Setup } from './setup';
import { StatusItem } from './status';
import { Reports } from './texts';

let bridge: Bridge | undefined;

/** Everything by itself is started here, in this order; what is returned is for our own tests. */
export function activate(context: vscode.ExtensionContext): unknown {
  const began = performance.now();
  const reason = unsupported(process.platform);
  if (reason !== undefined) {
    void vscode.window.showInformationMessage(reason);
    return undefined;
  }
  const log = vscode.window.createOutputChannel('Lanebridge', { log: true });
  bridge = new Bridge(context.extension, log);
  const setup = new Setup(context, bridge);
  const session = new Session(bridge, context.workspaceState);
  const asks = new Asks(bridge);
  const store = new ChangeStore(bridge);
  const reports = new Reports();
  const before = new BeforeDocuments(store);
  const amended = new AmendDocuments(store);
  const inline = new InlinePrompts(bridge, store, asks);
  const decorations = new HunkDecorations(store);
  const chat = new ChatView(context.extensionUri, bridge, session, asks, setup, store);
  const status = new StatusItem(bridge, session, asks, store);
  const commands = new Commands({ bridge, session, chat, asks, setup, status, changes: new ChangeActions(store, before, amended), inline, reports });

  inline.startTurn = (command, wish) => commands.startTurn(command, wish);
  inline.showChat = (turn) => void commands.showStarted(turn);
  asks.titleOf = (threadId) => session.titleOf(threadId);
  bridge.environment = () => setup.environment();
  bridge.middleware = middleware(
    async (wish) => {
      await vscode.commands.executeCommand('lanebridge.ui.inlineAsk', wish);
    },
    (started) => commands.showStarted(started),
  );
  const startedBridge = bridge;
  context.subscriptions.push(
    log, setup, session, asks, store, reports, before, amended, decorations, chat, status, inline,
    new HunkLenses(store),
    new ChangesTree(store),
    serveEditor(bridge, () => setup.secret()),
    session.onThread(({ thread }) => {
      if (thread) store.load(thread.id).catch((error: unknown) => log.warn(String(error)));
    }),
    vscode.window.registerWebviewViewProvider(ChatView.id, chat),
    vscode.workspace.onDidChangeConfiguration((event) => void startedBridge.onSettings(event)),
  );
  commands.register(context);
  void bridge.start().then(() => session.reload());
  return { bridge, session, asks, store, setup, chat, decorations, ghosts, Coalescer, proxyFor, activationMs: performance.now() - began };
}

export async function deactivate(): Promise<void> {
  await bridge?.dispose();
}
