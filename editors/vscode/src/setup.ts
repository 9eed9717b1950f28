/** How a model is reached: a key, a local server, or the demo. Asked at the first question where nothing is known. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { Bridge } from './bridge';
import type { Mode } from './protocol';

const SECRET = 'apiKey';
const DEFAULT_LOCAL = 'ws://127.0.0.1:7777/v1/responses';

export type Model = 'ready' | 'none' | 'replay';

const isLocal = (url: string): boolean => /^\w+:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])([:/]|$)/i.test(url);

/** What is wrong with it, or undefined. */
export function urlTrouble(url: string): string | undefined {
  if (!URL.canParse(url)) return 'This is no URL. One looks like wss://host/v1/responses.';
  const { protocol, username } = new URL(url);
  if (!['ws:', 'wss:', 'http:', 'https:'].includes(protocol)) return 'It must begin with ws:, wss:, http: or https:.';
  if (username !== '') return 'A key does not belong into a URL, where it is shown. Set it by "Lanebridge: Set API Key".';
  return (protocol === 'ws:' || protocol === 'http:') && !isLocal(url) ? 'Without encryption it must be on this machine: use wss: or https:.' : undefined;
}

export class Setup implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onChange = this.changed.event;
  private readonly listeners: vscode.Disposable[];

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly bridge: Bridge,
  ) {
    this.listeners = [
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('lanebridge')) this.changed.fire();
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.onTrust()),
    ];
  }

  private get settings(): vscode.WorkspaceConfiguration {
    return vscode.workspace.getConfiguration('lanebridge');
  }

  /** VS Code's trust is ours: the folders are vouched for, and prompts that waited go on. */
  private async onTrust(): Promise<void> {
    for (const folder of vscode.workspace.workspaceFolders ?? [])
      await this.bridge.request('workspace/trust', { uri: folder.uri.toString(), trusted: true });
    this.changed.fire();
  }

  /** Answers editor/secret; and goes along in the environment of a server that does not ask. */
  secret(): Thenable<string | undefined> {
    return this.context.secrets.get(SECRET);
  }

  async environment(): Promise<Record<string, string>> {
    const key = await this.secret();
    const name = this.settings.get<string>('endpoint.apiKeyEnv') ?? '';
    return key === undefined || name === '' ? {} : { [name]: key };
  }

  mode(): Mode {
    return this.settings.get<Mode>('mode') ?? 'ask';
  }

  async model(): Promise<Model> {
    const url = await this.endpoint();
    if (url.startsWith('replay:')) return 'replay';
    if (isLocal(url)) return 'ready';
    const name = this.settings.get<string>('endpoint.apiKeyEnv') ?? '';
    const headers = Object.keys(this.settings.get<Record<string, string>>('endpoint.headers') ?? {});
    const isKnown =
      (await this.secret()) !== undefined ||
      (process.env[name] ?? '') !== '' ||
      (this.settings.get<string[]>('endpoint.apiKeyCommand') ?? []).length > 0 ||
      headers.some((header) => /^(authorization|api-key)$/i.test(header));
    return isKnown ? 'ready' : 'none';
  }

  /** As the server has it: its own file may name another one than the settings here. */
  private async endpoint(): Promise<string> {
    const set = this.settings.get<string>('endpoint.url') ?? '';
    if (this.bridge.state !== 'running') return set;
    return this.bridge.request<{ endpoint: string }>('status/get').then(({ endpoint }) => endpoint, () => set);
  }

  /** Whether something can be asked now; where nothing is known, the person chooses first. */
  async ready(): Promise<boolean> {
    if ((await this.model()) !== 'none') return true;
    await this.choose();
    return (await this.model()) !== 'none';
  }

  async choose(): Promise<void> {
    const choices = [
      { label: '$(key) Enter a key', detail: 'Of OpenAI, or of the endpoint in the setting lanebridge.endpoint.url. It is kept in the secret storage, never in a file.', run: () => this.askKey() },
      { label: '$(server) Use a local model', detail: 'The URL of a Responses endpoint; `lanebridge endpoint` makes one of llama.cpp, Ollama, vLLM or LM Studio.', run: () => this.askUrl() },
      { label: '$(play) Play the demo', detail: 'A recording answers. No key, no network, no model.', run: () => this.demo() },
    ];
    const chosen = await vscode.window.showQuickPick(choices, { title: 'Lanebridge: how shall a model be reached?', ignoreFocusOut: true });
    await chosen?.run();
  }

  async askKey(): Promise<void> {
    const key = await vscode.window.showInputBox({
      title: 'Lanebridge: API key',
      prompt: 'It is kept in the secret storage and sent to the endpoint alone. Empty: forget the one that is kept.',
      password: true,
      ignoreFocusOut: true,
      validateInput: (text) => (/[^\x21-\x7e]/.test(text.trim()) ? 'A key has no blanks and no letters beyond ASCII.' : undefined),
    });
    if (key === undefined) return;
    if (key.trim() === '') await this.context.secrets.delete(SECRET);
    else await this.context.secrets.store(SECRET, key.trim());
    if ((await this.endpoint()).startsWith('replay:')) await this.settings.update('endpoint.url', undefined, vscode.ConfigurationTarget.Global);
    await this.bridge.restart();
    this.changed.fire();
  }

  async askUrl(): Promise<void> {
    const set = this.settings.get<string>('endpoint.url') ?? '';
    const url = await vscode.window.showInputBox({
      title: 'Lanebridge: URL of the endpoint',
      prompt: 'lanebridge endpoint --listen 127.0.0.1:7777 --engine upstream:http://127.0.0.1:8080 gives a local server one.',
      value: isLocal(set) ? set : DEFAULT_LOCAL,
      ignoreFocusOut: true,
      validateInput: urlTrouble,
    });
    if (url === undefined) return;
    await this.useEndpoint(url);
  }

  /** The recording lies where an update of the extension does not move it. */
  async demo(): Promise<void> {
    const folder = this.context.globalStorageUri;
    await vscode.workspace.fs.createDirectory(folder);
    const file = vscode.Uri.joinPath(folder, 'demo.jsonl');
    await vscode.workspace.fs.copy(vscode.Uri.joinPath(this.context.extensionUri, 'media', 'demo.jsonl'), file, { overwrite: true });
    await this.useEndpoint(`replay:${path.normalize(file.fsPath)}`);
  }

  private async useEndpoint(url: string): Promise<void> {
    await this.settings.update('endpoint.url', url, vscode.ConfigurationTarget.Global);
    await this.bridge.settled();
    this.changed.fire();
  }

  dispose(): void {
    for (const one of this.listeners) one.dispose();
    this.changed.dispose();
  }
}
