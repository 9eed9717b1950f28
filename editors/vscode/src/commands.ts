/** The commands of the palette, `lanebridge.ui.…`. The server's own names (`lanebridge.ask` …) are registered by the
 *  language client. */
import * as vscode from 'vscode';
import type { Asks } from './asks';
import type { Bridge } from './bridge';
import { selectionAttachment } from './chat/attach';
import type { Session } from './chat/session';
import { ThreadList } from './chat/threadlist';
import type { ChatView } from './chat/view';
import type { ChangeActions } from './edits/actions';
import type { InlinePrompts } from './edits/inline';
import type { Node } from './edits/tree';
import { fromRange, toDiagnostic, toRange } from './editor/convert';
import type { OfTurn, ResumeResult, RulesResult, SentResult, StartResult, UndoResult } from './protocol';
import type { Setup } from './setup';
import type { StatusItem } from './status';
import { doctor, sentText, type Reports } from './texts';

export interface Parts {
  bridge: Bridge;
  session: Session;
  chat: ChatView;
  asks: Asks;
  setup: Setup;
  status: StatusItem;
  changes: ChangeActions;
  inline: InlinePrompts;
  reports: Reports;
}
interface CommandStarted {
  threadId?: string;
  turnId?: string;
  pending?: 'trust';
}
type Wish = { prompt?: string; uri?: string; range?: ReturnType<typeof toRange> };

export class Commands {
  constructor(private readonly parts: Parts) {}

  register(context: vscode.ExtensionContext): void {
    for (const [name, run] of Object.entries(this.table())) {
      const guarded = async (...args: unknown[]): Promise<unknown> => {
        try {
          return await run(...(args as never[]));
        } catch (error) {
          const text = error instanceof Error ? error.message : String(error);
          void vscode.window.showErrorMessage(`Lanebridge: ${text}`);
          return undefined;
        }
      };
      context.subscriptions.push(vscode.commands.registerCommand(`lanebridge.ui.${name}`, guarded));
    }
  }

  private table(): Record<string, (...args: never[]) => unknown> {
    const { bridge, session, chat, asks, setup, status, changes, inline } = this.parts;
    return {
      ask: () => this.ask(),
      inlineAsk: (given?: Wish) => this.inlineAsk(given),
      inlineSend: (reply: vscode.CommentReply) => inline.send(reply),
      inlineAgain: (thread: vscode.CommentThread) => inline.again(thread),
      inlineStop: (thread: vscode.CommentThread) => inline.stop(thread),
      inlineAccept: (thread: vscode.CommentThread) => inline.decide('accept', thread),
      inlineReject: (thread: vscode.CommentThread) => inline.decide('reject', thread),
      inlineClose: (thread: vscode.CommentThread) => inline.close(thread),
      chat: () => chat.focus('input'),
      newThread: () => session.open(undefined).then(() => chat.focus('input')),
      threads: () => this.threads(),
      explain: () => this.onSelection('lanebridge.explain'),
      fix: () => this.fix(),
      addToChat: () => this.addToChat(),
      stop: () => this.stop(),
      approvals: () => asks.openFirst(),
      acceptHunk: (node?: Node) => changes.decide('accept', node),
      rejectHunk: (node?: Node) => changes.decide('reject', node),
      amendHunk: (node?: Node) => changes.amend(node),
      acceptAll: () => changes.decideAll('accept'),
      rejectAll: () => changes.decideAll('reject'),
      nextHunk: () => changes.move(1),
      previousHunk: () => changes.move(-1),
      peekHunk: (node?: Node) => changes.peek(node),
      diff: (node?: Node | OfTurn) => changes.diff(node),
      openFile: (node: Node) => changes.show(node),
      undoTurn: () => this.undo('turn/undo'),
      redoTurn: () => this.undo('turn/redo'),
      retry: () => this.retry(),
      review: () => this.review(),
      commitMessage: () => this.commitMessage(),
      status: () => status.menu(),
      setKey: () => setup.askKey(),
      chooseModel: () => setup.choose(),
      chooseThreadModel: () => this.chooseThreadModel(),
      replayDemo: () => setup.demo().then(() => chat.focus('input')),
      doctor: () => this.doctor(),
      restart: () => bridge.restart(),
      showLog: () => bridge.log.show(),
      rules: () => this.rules(),
      sent: () => this.sent(),
      compact: () => bridge.request('thread/compact', { threadId: this.thread() }),
      continue: () => this.continue(),
    };
  }

  private thread(): string {
    const { threadId } = this.parts.session;
    if (threadId === undefined) throw new Error('There is no thread yet: ask something first.');
    return threadId;
  }

  private editor(): vscode.TextEditor {
    const editor = vscode.window.activeTextEditor;
    if (!editor) throw new Error('Open a file and place the cursor first.');
    return editor;
  }

  /** From anywhere, without leaving the keyboard's place; the answer is in the chat. */
  private async ask(): Promise<void> {
    const prompt = await vscode.window.showInputBox({ title: 'Ask Lanebridge', placeHolder: 'What shall be done?' });
    if (!prompt) return;
    const uri = vscode.window.activeTextEditor?.document.uri;
    await this.start('lanebridge.ask', { prompt, ...(uri?.scheme === 'file' ? { uri: uri.toString() } : {}) });
  }

  private async inlineAsk(given?: Wish): Promise<void> {
    const { document, selection } = this.editor();
    if (document.uri.scheme !== 'file') throw new Error('Only files can be edited here.');
    const chosen = selection.isEmpty ? document.lineAt(selection.active.line).range : selection;
    await this.parts.inline.open(document.uri, given?.range ? fromRange(given.range) : chosen);
  }

  private async onSelection(command: string): Promise<void> {
    const { document, selection } = this.editor();
    const range = toRange(selection.isEmpty ? document.lineAt(selection.active.line).range : selection);
    await this.start(command, { uri: document.uri.toString(), range });
  }

  private async fix(): Promise<void> {
    const { document, selection } = this.editor();
    const here = vscode.languages.getDiagnostics(document.uri).filter(({ range }) => range.intersection(selection) !== undefined || range.start.line === selection.active.line);
    if (here.length === 0) throw new Error('There is no problem at the cursor.');
    await this.start('lanebridge.fix', { uri: document.uri.toString(), range: toRange(selection), diagnostics: here.map(toDiagnostic) } as Wish);
  }

  /** A turn by command, in the thread that is shown, or in a new one where that is what is shown. Undefined: nothing can be
   *  asked yet. */
  async startTurn(command: string, wish: Wish): Promise<CommandStarted | undefined> {
    const { bridge, session, chat, setup } = this.parts;
    if (!(await setup.ready())) return undefined;
    const threadId = session.threadId ?? (await chat.threads.create());
    return bridge.command<CommandStarted>(command, { ...wish, threadId });
  }

  /** The chat shows it without taking the keyboard. */
  private async start(command: string, wish: Wish): Promise<void> {
    const started = await this.startTurn(command, wish);
    if (started) await this.showStarted(started);
  }

  async showStarted({ threadId }: CommandStarted): Promise<void> {
    const { session, chat } = this.parts;
    if (threadId !== undefined && threadId !== session.threadId) await session.open(threadId);
    await chat.revealQuietly();
  }

  private async addToChat(): Promise<void> {
    await this.parts.chat.show({ type: 'attach', attachments: [selectionAttachment(this.editor())] });
  }

  private async stop(): Promise<void> {
    const { bridge, session } = this.parts;
    const shown = session.threadId;
    const threads = shown !== undefined && session.runningTurn() !== undefined ? [shown] : session.runningThreads();
    for (const threadId of threads) await bridge.request('turn/interrupt', { threadId });
  }

  private async undo(method: 'turn/undo' | 'turn/redo'): Promise<void> {
    const { files } = await this.parts.bridge.request<UndoResult>(method, { threadId: this.thread() });
    const told = files.filter(({ outcome }) => outcome !== 'done').map(({ path, outcome, text }) => `${path}: ${text ?? outcome}`);
    const verb = method === 'turn/undo' ? 'taken back' : 'done again';
    if (told.length > 0) void vscode.window.showWarningMessage(`Lanebridge: ${files.length - told.length} of ${files.length} files ${verb}. ${told.join('; ')}`);
    else vscode.window.setStatusBarMessage(`Lanebridge: ${files.length} files ${verb}`, 5000);
  }

  private async retry(): Promise<void> {
    const turnId = this.parts.session.lastTurn;
    if (turnId === undefined) throw new Error('There is no turn yet: ask something first.');
    await this.parts.bridge.request<StartResult>('turn/retry', { threadId: this.thread(), turnId });
    await this.parts.chat.revealQuietly();
  }

  private async threads(): Promise<void> {
    const { bridge, session, chat } = this.parts;
    if (await new ThreadList(bridge, session, chat.threads).pick()) await chat.focus('input');
  }

  private async review(): Promise<void> {
    const { bridge, setup } = this.parts;
    const targets = [
      { label: 'What is not committed', target: 'changes' },
      { label: 'What is staged', target: 'staged' },
      { label: 'This branch against another…', target: 'branch' },
      { label: 'A commit…', target: 'commit' },
    ];
    const chosen = await vscode.window.showQuickPick(targets, { title: 'Review' });
    if (!chosen) return;
    const asked = chosen.target === 'branch' || chosen.target === 'commit';
    const base = asked ? await vscode.window.showInputBox({ title: chosen.label, value: chosen.target === 'branch' ? 'main' : 'HEAD' }) : undefined;
    if ((asked && !base) || !(await setup.ready())) return;
    const started = await bridge.request<StartResult>('review/start', { target: chosen.target, ...(base ? { base } : {}) });
    await this.showStarted(started);
  }

  /** Into the message of git's view; where that is not there, into a document. */
  private async commitMessage(): Promise<void> {
    const { bridge, setup } = this.parts;
    if (!(await setup.ready())) return;
    const git = vscode.extensions.getExtension<{ getAPI(version: 1): { repositories: { inputBox: { value: string } }[] } }>('vscode.git');
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri.toString();
    const work = async (): Promise<{ message: string }> => bridge.request('commit/message', folder === undefined ? {} : { folder });
    const { message } = await vscode.window.withProgress({ location: vscode.ProgressLocation.SourceControl, title: 'Lanebridge writes the message' }, work);
    const repository = git?.isActive ? git.exports.getAPI(1).repositories[0] : undefined;
    if (repository) repository.inputBox.value = message;
    else await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ language: 'git-commit', content: message }));
  }

  private async chooseThreadModel(): Promise<void> {
    const { bridge, session } = this.parts;
    const { models } = await bridge.request<{ models: { id: string; isDefault?: boolean }[] }>('model/list');
    const chosen = await vscode.window.showQuickPick(models.map(({ id, isDefault }) => ({ label: id, description: isDefault ? 'default' : '' })), { title: 'Model' });
    if (!chosen) return;
    if (session.threadId !== undefined) await bridge.request('thread/set', { threadId: session.threadId, model: chosen.label });
    else await vscode.workspace.getConfiguration('lanebridge').update('model', chosen.label, vscode.ConfigurationTarget.Global);
  }

  private async doctor(): Promise<void> {
    const { bridge, setup, reports } = this.parts;
    if (!bridge.found) throw new Error(bridge.trouble);
    const program = bridge.found.path;
    const work = async (): Promise<string> => doctor(program, bridge.startOptions, await setup.environment());
    const text = await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: 'Lanebridge: the doctor looks' }, work);
    await reports.show('Lanebridge Doctor', text);
  }

  private async rules(): Promise<void> {
    const { bridge } = this.parts;
    const { rules } = await bridge.request<RulesResult>('rules/list');
    if (rules.length === 0) return void vscode.window.showInformationMessage('Lanebridge remembers no approvals.');
    const chosen = await vscode.window.showQuickPick(
      rules.map(({ id, scope, text, folder }) => ({ label: text, description: scope, ...(folder === undefined ? {} : { detail: folder }), id })),
      { title: 'Remembered approvals: choose those to forget', canPickMany: true },
    );
    for (const { id } of chosen ?? []) await bridge.request('rules/delete', { id });
    return undefined;
  }

  private async sent(): Promise<void> {
    const sent = await this.parts.bridge.request<SentResult>('log/sent', { turnId: this.parts.session.runningTurn() ?? '' });
    await this.parts.reports.show('What Lanebridge sent', sentText(sent));
  }

  private async continue(): Promise<void> {
    await this.parts.bridge.request<ResumeResult>('thread/resume', { threadId: this.thread(), continue: true });
    await this.parts.session.reload();
    await this.parts.chat.revealQuietly();
  }
}
