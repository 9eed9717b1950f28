/** What the chat view can do with threads and turns. */
import * as vscode from 'vscode';
import type { Bridge } from '../bridge';
import type { Input, Mode, ResumeResult, SentResult, StartResult, ThreadResult, UndoResult } from '../protocol';
import type { FromView, ToView } from '../webview/messages';
import { fromInput } from './attach';
import type { Session } from './session';

type Of<T extends FromView['type']> = FromView & { type: T };

export class ThreadActions {
  constructor(
    private readonly bridge: Bridge,
    private readonly session: Session,
    private readonly post: (message: ToView) => void,
  ) {}

  /** Of the thread that begins with the next prompt. */
  mode: Mode | undefined;

  /** A new thread in the folder of the active file; it is what the chat shows from now on. */
  async create(): Promise<string> {
    const uri = vscode.window.activeTextEditor?.document.uri;
    const folder = (uri && vscode.workspace.getWorkspaceFolder(uri)) ?? vscode.workspace.workspaceFolders?.[0];
    const { thread } = await this.bridge.request<ThreadResult>('thread/start', { ...(folder ? { folder: folder.uri.toString() } : {}), ...(this.mode ? { mode: this.mode } : {}) });
    this.mode = undefined;
    await this.session.open(thread.id);
    return thread.id;
  }

  /** True: it was one of these. */
  async handle(message: FromView): Promise<boolean> {
    if (message.type.startsWith('thread/')) await this.ofThread(message as never);
    else if (message.type.startsWith('turn/')) await this.ofTurn(message as never);
    else if (message.type === 'unqueue') await this.unqueue(message.turnId);
    else return false;
    return true;
  }

  private async ofThread(message: Of<Extract<FromView['type'], `thread/${string}`>>): Promise<void> {
    if (message.type === 'thread/new') return this.session.open(undefined);
    const { threadId } = message;
    switch (message.type) {
      case 'thread/open':
        return this.session.open(threadId);
      case 'thread/rename':
        await this.bridge.request('thread/rename', { threadId, title: message.title });
        return;
      case 'thread/fork': {
        const { thread } = await this.bridge.request<ThreadResult>('thread/fork', { threadId, ...(message.turnId === undefined ? {} : { turnId: message.turnId }) });
        return this.session.open(thread.id);
      }
      case 'thread/continue':
        await this.bridge.request<ResumeResult>('thread/resume', { threadId, continue: true });
        return this.session.reload();
      case 'thread/export':
        return this.export(threadId);
      case 'thread/delete':
        return this.remove(threadId);
      case 'thread/archive':
        await this.bridge.request('thread/archive', { threadId });
        return this.left(threadId);
      case 'thread/takeOver':
        await this.bridge.request('thread/takeOver', { threadId });
        return this.session.reload();
      case 'thread/compact':
        await this.bridge.request('thread/compact', { threadId });
        return;
    }
  }

  private async export(threadId: string): Promise<void> {
    const { text } = await this.bridge.request<{ text: string }>('thread/export', { threadId, format: 'markdown' });
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content: text, language: 'markdown' }));
  }

  private async remove(threadId: string): Promise<void> {
    const yes = 'Delete';
    const title = this.session.titleOf(threadId);
    const chosen = await vscode.window.showWarningMessage(`Delete the thread${title === '' ? '' : ` "${title}"`}? It cannot be brought back.`, { modal: true }, yes);
    if (chosen !== yes) return;
    await this.bridge.request('thread/delete', { threadId });
    await this.left(threadId);
  }

  private async left(threadId: string): Promise<void> {
    if (this.session.threadId === threadId) await this.session.open(undefined);
  }

  private async ofTurn(message: Of<Extract<FromView['type'], `turn/${string}`>>): Promise<void> {
    const { turnId } = message;
    const threadId = this.session.threadId;
    if (threadId === undefined) return;
    const which = { threadId, turnId };
    switch (message.type) {
      case 'turn/retry':
        await this.bridge.request<StartResult>('turn/retry', which);
        return;
      case 'turn/undo':
      case 'turn/redo': {
        const { files } = await this.bridge.request<UndoResult>(message.type, which);
        return this.post({ type: 'undone', turnId, files });
      }
      case 'turn/sent':
        return this.post({ type: 'sent', turnId, sent: await this.bridge.request<SentResult>('log/sent', { turnId }) });
      case 'turn/diff':
        await vscode.commands.executeCommand('lanebridge.ui.diff', which);
        return;
      case 'turn/accept':
      case 'turn/reject':
        await this.bridge.request(message.type === 'turn/accept' ? 'changes/accept' : 'changes/reject', which);
        return;
      case 'turn/acceptPlan':
        await this.bridge.request('plan/accept', { ...which, mode: message.mode, ...(message.steps ? { steps: message.steps } : {}) });
        return this.session.reload(); // the thread has left mode plan
    }
  }

  /** A prompt that waits comes back into the input. */
  private async unqueue(turnId: string): Promise<void> {
    const { input } = await this.bridge.request<{ input: Input[] }>('turn/unqueue', { threadId: this.session.threadId, turnId });
    this.post({ type: 'draft', ...fromInput(input), append: true });
  }
}
