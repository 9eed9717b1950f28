/** The item in the status bar: what is going on, what waits, and the menu. */
import * as vscode from 'vscode';
import type { Asks } from './asks';
import type { Bridge } from './bridge';
import type { Session } from './chat/session';
import type { ChangeStore } from './edits/store';
import type { Connection, ConnectionState } from './protocol';

/** In words of the person, not of the wire. */
const STATES: Record<ConnectionState, string> = {
  idle: 'no connection open, none is needed',
  connecting: 'connecting',
  ready: 'connected',
  waiting: 'waiting for the model',
  thinking: 'the model thinks',
  streaming: 'the model answers',
  draining: 'an interrupted answer has not ended',
  rotating: 'changing to a fresh connection',
  http: 'connected by HTTP, without a WebSocket',
  offline: 'the endpoint cannot be reached',
};

export class StatusItem implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('lanebridge.status', vscode.StatusBarAlignment.Right, 90);
  private readonly listeners: vscode.Disposable[];
  private connection: Connection | undefined;

  constructor(
    private readonly bridge: Bridge,
    private readonly session: Session,
    private readonly asks: Asks,
    private readonly changes: ChangeStore,
  ) {
    this.item.name = 'Lanebridge';
    bridge.on('connection/updated', (connection: Connection) => {
      this.connection = connection;
      this.update();
    });
    const update = (): void => this.update();
    this.listeners = [bridge.onState(update), session.onBusy(update), asks.onChange(update), changes.onChange(update), vscode.workspace.onDidGrantWorkspaceTrust(update)];
    this.update();
    this.item.show();
  }

  private update(): void {
    const waiting = this.asks.list().length;
    const { text, command, kind } = this.shown(waiting);
    this.item.text = text;
    this.item.command = command;
    this.item.backgroundColor = kind === '' ? undefined : new vscode.ThemeColor(`statusBarItem.${kind}Background`);
    this.item.tooltip = this.tooltip(waiting);
    this.item.accessibilityInformation = { label: `Lanebridge: ${this.sentence(waiting)}`, role: 'button' };
  }

  private shown(waiting: number): { text: string; command: string; kind: '' | 'warning' | 'error' } {
    const menu = 'lanebridge.ui.status';
    if (this.bridge.state === 'failed') return { text: '$(error) Lanebridge', command: menu, kind: 'error' };
    if (waiting > 0) return { text: `$(bell-dot) ${waiting} ${waiting === 1 ? 'waits' : 'wait'}`, command: 'lanebridge.ui.approvals', kind: 'warning' };
    if (this.bridge.state === 'starting') return { text: '$(loading~spin) Lanebridge', command: menu, kind: '' };
    if (this.connection?.state === 'offline' && this.session.isBusy) return { text: '$(debug-disconnect) Lanebridge offline', command: menu, kind: 'warning' };
    if (this.session.isBusy) return { text: '$(sync~spin) Lanebridge', command: menu, kind: '' };
    const pending = this.changes.count;
    return { text: pending > 0 ? `$(diff) Lanebridge ${pending}` : '$(comment-discussion) Lanebridge', command: menu, kind: '' };
  }

  /** The truth in one sentence. */
  private sentence(waiting: number): string {
    if (this.bridge.state === 'failed') return this.bridge.trouble;
    if (this.bridge.state !== 'running') return 'the server starts';
    if (waiting > 0) return waiting === 1 ? 'one question waits for you' : `${waiting} questions wait for you`;
    const pending = this.changes.count;
    const parts = [this.connection ? STATES[this.connection.state] : STATES.idle];
    if (this.connection?.detail) parts.push(this.connection.detail);
    if (pending > 0) parts.push(pending === 1 ? 'one change waits for review' : `${pending} changes wait for review`);
    return parts.join('; ');
  }

  private tooltip(waiting: number): vscode.MarkdownString {
    const text = new vscode.MarkdownString();
    text.appendMarkdown('**Lanebridge**\n\n');
    text.appendText(this.sentence(waiting));
    const connection = this.connection;
    if (connection && connection.sockets > 0) text.appendMarkdown(`\n\n${connection.transport}, ${connection.sockets} socket${connection.sockets === 1 ? '' : 's'}, ${connection.lanes} running`);
    if (connection && connection.abandonedTokens > 0) text.appendMarkdown(`\n\n${connection.abandonedTokens} tokens of interrupted answers`);
    if (!vscode.workspace.isTrusted) text.appendMarkdown('\n\nThis workspace is not trusted: nothing is read, edited or run.');
    return text;
  }

  async menu(): Promise<void> {
    const entry = (label: string, command: string, detail?: string): vscode.QuickPickItem & { command: string } => ({ label, command: `lanebridge.ui.${command}`, ...(detail === undefined ? {} : { detail }) });
    const waiting = this.asks.list().length;
    const chosen = await vscode.window.showQuickPick(
      [
        ...(waiting > 0 ? [entry(`$(bell-dot) Answer what waits (${waiting})`, 'approvals')] : []),
        ...(this.session.isBusy ? [entry('$(debug-stop) Stop', 'stop')] : []),
        ...(this.changes.count > 0 ? [entry(`$(diff) Review ${this.changes.count} changes`, 'nextHunk')] : []),
        entry('$(comment-discussion) Show chat', 'chat'),
        entry('$(history) Threads…', 'threads'),
        entry('$(undo) Undo turn', 'undoTurn'),
        entry('$(key) Choose how to reach a model…', 'chooseModel'),
        entry('$(pulse) Doctor', 'doctor', 'Looks at settings, sandbox, key and network, and says what to do.'),
        entry('$(output) Show log', 'showLog'),
        entry('$(debug-restart) Restart server', 'restart'),
      ],
      { title: `Lanebridge: ${this.sentence(waiting)}` },
    );
    if (chosen) await vscode.commands.executeCommand(chosen.command);
  }

  dispose(): void {
    this.item.dispose();
    for (const one of this.listeners) one.dispose();
  }
}
