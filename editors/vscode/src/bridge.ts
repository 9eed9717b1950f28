/** The one connection to the server, for all folders: starts it, starts it again when it dies, and carries requests and
 *  notifications. What others registered here outlives the process. */
import * as vscode from 'vscode';
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  RevealOutputChannelOn,
  State,
  type Executable,
  type LanguageClientOptions,
  type Middleware,
  type StaticFeature,
} from 'vscode-languageclient/node';
import { effectiveSettings, initializationOptions, needsRestart } from './settings';
import { findServer, type Found } from './server';

export type BridgeState = 'stopped' | 'starting' | 'running' | 'failed';
type Handler = (params: never) => void;
type Server = (params: never, token: vscode.CancellationToken) => unknown;

/** So many deaths in so long a time, and it is not started again by itself. */
const DEATHS_MAX_COUNT = 4;
const DEATHS_WITHIN_MS = 3 * 60 * 1000;

/** What docs/schema/v1 session.json calls ClientCapabilities. */
const CAPABILITIES = {
  version: 1,
  approvals: true,
  questions: true,
  save: true,
  diagnostics: true,
  navigation: true,
  refactor: true,
  review: true,
  secrets: true,
} as const;

const rich: StaticFeature = {
  fillClientCapabilities(capabilities) {
    capabilities.experimental = { ...(capabilities.experimental as object | undefined), lanebridge: CAPABILITIES };
  },
  initialize() {
    // Nothing to do with the server's side: version 1 is all there is.
  },
  getState: () => ({ kind: 'static' }),
  clear() {
    // Nothing is held.
  },
};

export class Bridge implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private readonly notifications = new Map<string, Handler[]>();
  private readonly servers = new Map<string, Server>();
  private readonly stateChanged = new vscode.EventEmitter<BridgeState>();
  private readonly deaths: number[] = [];
  private options: Record<string, unknown> = {};
  private starting: Promise<void> | undefined;
  private restarting: Promise<void> | undefined;
  private current: BridgeState = 'stopped';
  readonly onState = this.stateChanged.event;
  middleware: Middleware = {};
  found: Found | undefined;
  /** Why it does not run, for the person. */
  trouble = '';
  /** How long the server took to be ready, the last time. */
  startedMs = 0;
  /** Whether a turn runs: then changed settings wait to be taken. */
  isBusy = (): boolean => false;
  /** Variables that the server gets beside those of this process. */
  environment = (): Promise<Record<string, string>> => Promise.resolve({});

  constructor(
    private readonly extension: vscode.Extension<unknown>,
    readonly log: vscode.LogOutputChannel,
  ) {}

  get state(): BridgeState {
    return this.current;
  }

  private setState(state: BridgeState): void {
    if (state === this.current) return;
    this.current = state;
    void vscode.commands.executeCommand('setContext', 'lanebridge.state', state);
    this.stateChanged.fire(state);
  }

  /** Notification `lanebridge/METHOD`. */
  on(method: string, handler: Handler): void {
    const list = this.notifications.get(method) ?? [];
    list.push(handler);
    this.notifications.set(method, list);
  }

  /** Request `lanebridge/METHOD` of the server. */
  serve(method: string, server: Server): void {
    this.servers.set(method, server);
  }

  /** Starts it if need be. Fails with a sentence for the person. */
  async request<R>(method: string, params: object = {}, token?: vscode.CancellationToken): Promise<R> {
    const client = await this.ready();
    // A token that is undefined would count as a second parameter.
    return token ? client.sendRequest<R>(`lanebridge/${method}`, params, token) : client.sendRequest<R>(`lanebridge/${method}`, params);
  }

  async command<R>(command: string, ...args: unknown[]): Promise<R> {
    const client = await this.ready();
    return client.sendRequest<R>('workspace/executeCommand', { command, arguments: args });
  }

  /** The converters between VS Code's shapes and LSP's. */
  get convert(): { code: LanguageClient['code2ProtocolConverter']; protocol: LanguageClient['protocol2CodeConverter'] } {
    if (!this.client) throw new Error('Lanebridge does not run.');
    return { code: this.client.code2ProtocolConverter, protocol: this.client.protocol2CodeConverter };
  }

  private async ready(): Promise<LanguageClient> {
    if (this.current !== 'running') await this.start();
    if (!this.client?.isRunning()) throw new Error(this.trouble || 'Lanebridge does not run.');
    return this.client;
  }

  start(): Promise<void> {
    this.starting ??= this.startOnce().finally(() => {
      this.starting = undefined;
    });
    return this.starting;
  }

  private async startOnce(): Promise<void> {
    if (this.client?.isRunning()) return;
    const began = Date.now();
    this.setState('starting');
    try {
      await this.client?.dispose();
      const path = vscode.workspace.getConfiguration('lanebridge').get<string>('path') ?? '';
      this.found = await findServer(path, this.extension.extensionPath, process.env);
      this.client = this.newClient(this.found, await this.environment());
      await this.client.start();
      this.startedMs = Date.now() - began;
      this.trouble = '';
      this.log.info(`started ${this.found.path} (from ${this.found.from}) in ${this.startedMs} ms`);
      this.setState('running');
    } catch (error) {
      this.trouble = error instanceof Error ? error.message : String(error);
      this.log.error(this.trouble);
      this.setState('failed');
    }
  }

  private newClient(found: Found, more: Record<string, string>): LanguageClient {
    this.options = initializationOptions(this.extension);
    const run: Executable = { command: found.path, args: ['lsp'], options: { env: { ...process.env, ...more } } };
    const options: LanguageClientOptions = {
      documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }],
      initializationOptions: this.options,
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      middleware: { ...this.middleware, ...this.settingsMiddleware() },
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => this.onClosed(),
      },
      stdioOptions: { stdout: () => undefined, stderr: (stream) => this.readLog(stream) },
    };
    const client = new LanguageClient('lanebridge', 'Lanebridge', run, options);
    client.registerFeature(rich);
    for (const [method, handlers] of this.notifications)
      client.onNotification(`lanebridge/${method}`, (params: object) => {
        for (const handler of handlers) handler(params as never);
      });
    for (const [method, server] of this.servers)
      client.onRequest(`lanebridge/${method}`, (params: never, token: vscode.CancellationToken) => server(params, token));
    client.onDidChangeState(({ newState }) => {
      if (this.client !== client || this.starting) return;
      if (newState === State.Running) this.setState('running');
      else if (newState === State.Starting) this.setState('starting');
      else this.setState(this.trouble === '' ? 'stopped' : 'failed');
    });
    return client;
  }

  private settingsMiddleware(): Middleware {
    return {
      workspace: {
        ...this.middleware.workspace,
        configuration: (params) =>
          params.items.map(({ section }) => (section === 'lanebridge' ? effectiveSettings(this.extension) : null)),
        // Without what is only default here: the server may have it from its own file.
        didChangeConfiguration: async () => {
          await this.client?.sendNotification('workspace/didChangeConfiguration', { settings: null });
        },
      },
    };
  }

  private readLog(stream: NodeJS.ReadableStream): void {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (/^(\S+ )?error /.test(line)) this.log.error(line);
        else if (/^(\S+ )?warn /.test(line)) this.log.warn(line);
        else this.log.info(line);
      }
    });
  }

  private onClosed(): { action: CloseAction; handled: true } {
    const now = Date.now();
    this.deaths.push(now);
    while ((this.deaths[0] ?? now) < now - DEATHS_WITHIN_MS) this.deaths.shift();
    if (this.deaths.length <= DEATHS_MAX_COUNT) {
      this.log.warn('the server has ended; it is started again');
      return { action: CloseAction.Restart, handled: true };
    }
    this.trouble = `The server has ended ${this.deaths.length} times in three minutes and is not started again by itself. The log may say why.`;
    this.setState('failed');
    void vscode.window.showErrorMessage(`Lanebridge: ${this.trouble}`, 'Start Again', 'Show Log').then((chosen) => {
      if (chosen === 'Start Again') return this.restart();
      if (chosen === 'Show Log') this.log.show();
      return undefined;
    });
    return { action: CloseAction.DoNotRestart, handled: true };
  }

  /** Changed settings have been taken: it runs with them. */
  async settled(): Promise<void> {
    if (needsRestart(this.extension, this.options)) await this.restart();
    else await this.start();
  }

  /** What the server was told at its start. */
  get startOptions(): Record<string, unknown> {
    return this.options;
  }

  restart(): Promise<void> {
    this.restarting ??= this.restartOnce().finally(() => {
      this.restarting = undefined;
    });
    return this.restarting;
  }

  private async restartOnce(): Promise<void> {
    await this.starting;
    this.deaths.length = 0;
    const client = this.client;
    this.client = undefined;
    this.setState('starting');
    await client?.dispose();
    await this.start();
  }

  /** What is read at the start alone: taken at once where nothing runs. */
  async onSettings(event: vscode.ConfigurationChangeEvent): Promise<void> {
    const path = event.affectsConfiguration('lanebridge.path');
    const proxy = event.affectsConfiguration('http');
    if (!path && !proxy && !event.affectsConfiguration('lanebridge')) return;
    if (this.current === 'stopped') return;
    if (!path && !needsRestart(this.extension, this.options)) return;
    if (!this.isBusy()) return this.restart();
    const now = 'Restart Now';
    const chosen = await vscode.window.showInformationMessage('Lanebridge must start again to take these settings. A turn runs: it would be cut off, and can be continued.', now);
    if (chosen === now) await this.restart();
  }

  async dispose(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    await client?.dispose();
  }
}
