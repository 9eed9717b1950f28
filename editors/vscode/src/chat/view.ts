/** The chat view's outer half: the page, and what it asks for. The inner half is src/webview. */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { Asks } from '../asks';
import type { Bridge } from '../bridge';
import type { ChangeStore } from '../edits/store';
import type { Connection, StartResult, Status } from '../protocol';
import type { Setup as SetupView, FromView, ToView } from '../webview/messages';
import type { Setup } from '../setup';
import { attachmentsOf, complete, toInput } from './attach';
import { applyCode, insertCode, openLink, openPath } from './code';
import { Coalescer } from './coalesce';
import type { Session } from './session';
import { ThreadActions } from './threads';

export class ChatView implements vscode.WebviewViewProvider, vscode.Disposable {
  static readonly id = 'lanebridge.chat';
  private view: vscode.WebviewView | undefined;
  /** The page has said `ready`, and is told what changes. */
  private isReady = false;
  private connection: Connection | undefined;
  private readonly disposables: vscode.Disposable[] = [];
  private readonly events = new Coalescer((event) => this.post({ type: 'event', event }));
  /** Told once the page is ready. */
  private waiting: ToView[] = [];
  readonly threads: ThreadActions;
  /** Figures the page measured, for the tests. */
  readonly measured: { name: string; ms: number }[] = [];

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly bridge: Bridge,
    private readonly session: Session,
    private readonly asks: Asks,
    private readonly setup: Setup,
    changes: ChangeStore,
  ) {
    this.threads = new ThreadActions(bridge, session, (message) => this.post(message));
    asks.isShown = () => this.view?.visible === true && this.isReady;
    asks.reveal = () => void this.focus('ask');
    bridge.on('connection/updated', (connection: Connection) => {
      this.connection = connection;
      this.post({ type: 'connection', connection });
    });
    this.disposables.push(
      asks.onChange(() => this.tellAsks()),
      session.onEvent((event) => this.events.push(event)),
      session.onThread((view) => {
        this.threads.mode = undefined;
        this.events.drop();
        this.post({ type: 'thread', view });
      }),
      session.onTitle((title) => this.post({ type: 'thread/title', title })),
      setup.onChange(() => void this.tellSetup()),
      bridge.onState((state) => {
        void this.tellSetup();
        if (state === 'running') void session.reload();
      }),
      changes.onChange(({ turnId, pending, changes: list }) => {
        session.setPending(turnId, pending);
        this.post({ type: 'pending', turnId, pending, changes: list });
      }),
    );
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.view = view;
    this.isReady = false;
    view.webview.options = { enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(this.extensionUri, 'dist')] };
    view.webview.onDidReceiveMessage((message: FromView) => void this.receive(message));
    view.onDidDispose(() => {
      this.view = undefined;
      this.isReady = false;
      this.asks.notifyHidden();
    });
    view.onDidChangeVisibility(() => {
      if (view.visible) return;
      this.isReady = false; // hidden pages are thrown away; a new one says ready
      this.asks.notifyHidden();
    });
    view.webview.html = this.page(view.webview);
    this.tellAsks();
  }

  /** No network, no inline code, nothing but our own two files. */
  private page(webview: vscode.Webview): string {
    const nonce = randomBytes(16).toString('base64');
    const at = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(this.extensionUri, 'dist', name)).toString();
    const policy = `default-src 'none'; img-src data:; font-src ${webview.cspSource}; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
    return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lanebridge</title>
<link rel="stylesheet" href="${at('chat.css')}">
</head>
<body>
<div id="root"></div>
<script nonce="${nonce}" src="${at('chat.js')}"></script>
</body>
</html>`;
  }

  post(message: ToView): void {
    if (this.isReady) void this.view?.webview.postMessage(message);
  }

  /** Shows the view, and tells it once it can be told. `focus` only because the person asked. */
  async show(then?: ToView): Promise<void> {
    if (then) this.waiting.push(then);
    await vscode.commands.executeCommand(`${ChatView.id}.focus`);
    if (this.isReady) this.flush();
  }

  /** Visible, but the keyboard stays where it is. */
  async revealQuietly(): Promise<void> {
    if (this.view) this.view.show(true);
    else await vscode.commands.executeCommand(`${ChatView.id}.focus`, { preserveFocus: true });
  }

  focus(what: 'input' | 'ask'): Promise<void> {
    return this.show({ type: 'focus', what });
  }

  get isVisible(): boolean {
    return this.view?.visible === true;
  }

  private flush(): void {
    for (const message of this.waiting.splice(0)) this.post(message);
  }

  private tellAsks(): void {
    const asks = this.asks.list();
    if (this.view) this.view.badge = asks.length > 0 ? { value: asks.length, tooltip: asks.length === 1 ? 'One question waits' : `${asks.length} questions wait` } : undefined;
    this.post({ type: 'asks', asks });
  }

  private async tellSetup(): Promise<void> {
    if (!this.isReady) return;
    const state = await this.setupView();
    this.post({ type: 'setup', setup: state });
  }

  private async setupView(): Promise<SetupView> {
    const status: Status | undefined = this.bridge.state === 'running' ? await this.bridge.request<Status>('status/get').catch(() => undefined) : undefined;
    if (status) this.connection ??= status.connection;
    return {
      server: this.bridge.state,
      trouble: this.bridge.trouble,
      trusted: vscode.workspace.isTrusted,
      model: await this.setup.model(),
      modelName: status?.model ?? '',
      mode: this.setup.mode(),
      folders: status?.folders ?? [],
      notice: status?.notice ?? '',
    };
  }

  private async onReady(): Promise<void> {
    this.isReady = true;
    await this.tellSetup();
    if (this.connection) this.post({ type: 'connection', connection: this.connection });
    this.tellAsks();
    await this.session.reload();
    this.flush();
  }

  private async receive(message: FromView): Promise<void> {
    try {
      await this.handle(message);
    } catch (error) {
      this.post({ type: 'problem', text: error instanceof Error ? error.message : String(error) });
    }
  }

  private async handle(message: FromView): Promise<void> {
    if (await this.threads.handle(message)) return;
    switch (message.type) {
      case 'ready':
        return this.onReady();
      case 'send':
        return this.send(message);
      case 'stop':
        return this.stop();
      case 'older':
        return this.post({ type: 'older', ...this.session.older() });
      case 'approve':
      case 'answer':
        if (!this.asks.answer(message.id, message.result)) this.tellAsks();
        return;
      case 'complete':
        return this.post({ type: 'completions', seq: message.seq, items: await complete(this.bridge, message.trigger, message.query) });
      case 'drop':
        return this.post({ type: 'attach', attachments: await attachmentsOf(message.uris) });
      case 'image':
        return this.post({ type: 'attach', attachments: [{ id: message.uri, label: message.name, detail: message.name, input: { type: 'image', uri: message.uri } }] });
      case 'preview':
        return this.preview(message);
      case 'copy':
        return vscode.env.clipboard.writeText(message.text);
      case 'insert':
        return insertCode(message.text);
      case 'apply':
        return applyCode(message.text, message.path);
      case 'open':
        return openPath(message.path, message.line);
      case 'link':
        return openLink(message.href);
      case 'mode':
        if (this.session.threadId === undefined) this.threads.mode = message.mode;
        else await this.bridge.request('thread/set', { threadId: this.session.threadId, mode: message.mode });
        return;
      case 'command':
        await vscode.commands.executeCommand(message.command === 'trust' ? 'workbench.trust.manage' : `lanebridge.ui.${message.command}`);
        return;
      case 'measured':
        this.measured.push({ name: message.name, ms: message.ms });
        return;
      default:
        return;
    }
  }

  /** What cannot be sent goes back into the input: nothing typed is lost. */
  private async send(message: FromView & { type: 'send' }): Promise<void> {
    const input = toInput(message.text, message.attachments);
    try {
      if (!(await this.setup.ready())) {
        this.post({ type: 'draft', text: message.text, attachments: message.attachments, append: false });
        return;
      }
      const running = this.session.runningTurn();
      const threadId = this.session.threadId;
      if (running !== undefined && message.how === 'steer') {
        await this.bridge.request('turn/steer', { threadId, expectedTurnId: running, input });
        return;
      }
      const started = await this.bridge.request<StartResult>('turn/start', { threadId: threadId ?? (await this.threads.create()), input });
      if (started.threadId !== undefined && started.threadId !== this.session.threadId) await this.session.open(started.threadId);
    } catch (error) {
      this.post({ type: 'draft', text: message.text, attachments: message.attachments, append: false });
      throw error;
    }
  }

  private async stop(): Promise<void> {
    if (this.session.threadId !== undefined) await this.bridge.request('turn/interrupt', { threadId: this.session.threadId });
  }

  private async preview(message: FromView & { type: 'preview' }): Promise<void> {
    const threadId = this.session.threadId;
    const params = { ...(threadId === undefined ? {} : { threadId }), input: toInput(message.text, message.attachments) };
    try {
      this.post({ type: 'preview', seq: message.seq, preview: await this.bridge.request('context/preview', params), why: '' });
    } catch (error) {
      this.post({ type: 'preview', seq: message.seq, preview: undefined, why: error instanceof Error ? error.message : String(error) });
    }
  }

  dispose(): void {
    this.events.drop();
    for (const one of this.disposables) one.dispose();
  }
}
