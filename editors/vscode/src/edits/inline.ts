/** A prompt at the cursor. VS Code gives extensions one place for input between lines: the empty beginning of a comment.
 *  So a prompt is one, and it stays empty: no comment is ever made of it, which would open VS Code's list of comments. What
 *  is sent becomes a bar below the lines, which says what the agent does; the changes are painted in the lines themselves
 *  (decorate.ts), and with the last of them decided the bar goes. */
import * as vscode from 'vscode';
import type { Asks } from '../asks';
import type { Bridge } from '../bridge';
import { toRange } from '../editor/convert';
import type { ItemEvent, OfTurn, Range, TurnCompleted, TurnNotice } from '../protocol';
import type { ChangeStore } from './store';

const CONTROLLER = 'lanebridge.inline';
/** Documents of VS Code's inputs for comments. */
const INPUT_SCHEME = 'comment';
const OPEN_MS = 5000;
const WORDS_CHARACTERS = 60;

/** What package.json's menus go by, as `commentThread`. */
type State = 'unsent' | 'running' | 'review' | 'done';
export interface Wish {
  prompt: string;
  uri: string;
  range?: Range;
}
/** Undefined: nothing could be asked yet. */
export type StartTurn = (command: string, wish: Wish) => Promise<Partial<OfTurn> | undefined>;

const isInput = ({ uri }: vscode.TextDocument): boolean => uri.scheme === INPUT_SCHEME && uri.authority === CONTROLLER;
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** What became of one prompt. */
class Bar {
  turn: OfTurn | undefined;

  constructor(
    readonly thread: vscode.CommentThread,
    readonly prompt: string,
  ) {
    thread.canReply = false;
    thread.collapsibleState = vscode.CommentThreadCollapsibleState.Expanded;
    this.show('running', 'asking…');
  }

  get state(): State {
    return this.thread.contextValue as State;
  }

  show(state: State, text: string): void {
    const words = oneLine(this.prompt);
    this.thread.contextValue = state;
    this.thread.label = `${words.length > WORDS_CHARACTERS ? `${words.slice(0, WORDS_CHARACTERS)}…` : words} — ${oneLine(text)}`;
  }

  does(what: string): void {
    if (this.state === 'running') this.show('running', what);
  }
}

export class InlinePrompts implements vscode.Disposable {
  private readonly controller = vscode.comments.createCommentController(CONTROLLER, 'Lanebridge');
  private readonly bars = new Map<vscode.CommentThread, Bar>();
  /** How often an input was opened: lines stay commentable until the last one is sent or closed. */
  private opens = 0;
  /** It may have been one of ours, and have ended before that was known. */
  private lastEnded: TurnCompleted | undefined;
  private readonly listeners: vscode.Disposable[];
  startTurn: StartTurn = () => Promise.resolve(undefined);
  /** The answer to a prompt that changed nothing is in the chat. */
  showChat = (_turn: OfTurn): void => undefined;

  constructor(
    private readonly bridge: Bridge,
    private readonly store: ChangeStore,
    private readonly asks: Asks,
  ) {
    this.controller.options = { prompt: 'What shall change here?', placeHolder: 'What shall change here?  Enter sends, Escape closes' };
    bridge.on('item/started', ({ turnId, item }: ItemEvent) => this.of(turnId)?.does(item.title || 'working…'));
    bridge.on('turn/notice', ({ turnId, text }: TurnNotice) => this.of(turnId)?.does(text));
    bridge.on('turn/completed', (params: TurnCompleted) => this.onCompleted(params));
    this.listeners = [
      asks.onChange(() => this.onAsks()),
      store.onChange(({ turnId, pending }) => this.onChanges(turnId, pending)),
      bridge.onState((state) => {
        if (state !== 'running') this.onLost();
      }),
      vscode.workspace.onDidCloseTextDocument((document) => {
        if (isInput(document) && !vscode.workspace.textDocuments.some((other) => other !== document && isInput(other))) this.endCommenting(this.opens);
      }),
    ];
  }

  /** Not while an input is open: to be told of it VS Code makes all of them anew, with what stands in them, and an Enter
   *  that comes meanwhile sends the text of the one that is gone, which is none. */
  private endCommenting(opens: number): void {
    if (opens === this.opens && this.controller.commentingRangeProvider) this.controller.commentingRangeProvider = undefined;
  }

  private of(turnId: string): Bar | undefined {
    return [...this.bars.values()].find(({ turn }) => turn?.turnId === turnId);
  }

  /** Below these lines, with the keyboard in it. VS Code opens an input where comments can be made: for this moment, here.
   *  It asks where that is with some delay, so it is waited for. */
  async open(uri: vscode.Uri, range: vscode.Range): Promise<void> {
    this.opens++;
    const asked = new Promise<void>((resolve) => {
      this.controller.commentingRangeProvider = {
        provideCommentingRanges: (document) => {
          if (document.uri.toString() !== uri.toString()) return [];
          resolve();
          return [new vscode.Range(0, 0, document.lineCount - 1, 0)];
        },
      };
    });
    const opened = new Promise<void>((resolve) => {
      const listener = vscode.workspace.onDidOpenTextDocument((document) => {
        if (isInput(document)) resolve();
      });
      setTimeout(() => (listener.dispose(), resolve()), OPEN_MS);
    });
    await Promise.race([asked, opened]);
    await vscode.commands.executeCommand('setContext', 'lanebridge.inline', true); // the answer is there before this
    const { start, end } = range;
    await vscode.commands.executeCommand('workbench.action.addComment', { range: { startLineNumber: start.line + 1, startColumn: 1, endLineNumber: end.line + 1, endColumn: end.character + 1 } });
    await opened;
  }

  /** VS Code empties the input when this is done, so the server is not waited for. */
  async send({ thread, text }: vscode.CommentReply): Promise<void> {
    if (text.trim() === '') return;
    const { opens } = this;
    const bar = new Bar(thread, text.trim());
    this.bars.set(thread, bar);
    void this.ask(bar).then(() => this.endCommenting(opens));
    await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
  }

  private async ask(bar: Bar): Promise<void> {
    const { thread, prompt } = bar;
    try {
      const started = await this.startTurn('lanebridge.edit', { prompt, uri: thread.uri.toString(), ...(thread.range ? { range: toRange(thread.range) } : {}) });
      if (started?.threadId !== undefined && started.turnId !== undefined) {
        bar.turn = { threadId: started.threadId, turnId: started.turnId };
        bar.does('working…');
        if (this.lastEnded?.turnId === started.turnId) this.onCompleted(this.lastEnded);
      } else bar.show('unsent', started ? 'not asked: the workspace is not trusted' : 'not asked: how a model is reached is not chosen yet');
    } catch (error) {
      bar.show('unsent', `not asked: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async again(thread: vscode.CommentThread): Promise<void> {
    const bar = this.bars.get(thread);
    if (bar) await this.ask(bar);
  }

  private onAsks(): void {
    for (const { params } of this.asks.list()) this.of(params.turnId)?.does('something is asked first: Alt+L O opens it');
  }

  private onCompleted(params: TurnCompleted): void {
    const { threadId, turnId, status, error } = params;
    const bar = this.of(turnId);
    this.lastEnded = params;
    if (!bar) return;
    const ended = { completed: 'nothing waits here; the answer is in the chat', interrupted: 'stopped', failed: `failed: ${error ?? 'the chat says why'}` };
    bar.show('done', ended[status]);
    void this.store.refresh({ threadId, turnId }).then(() => {
      if (status === 'completed' && bar.state === 'done' && this.bars.has(bar.thread)) this.showChat({ threadId, turnId });
    });
  }

  private onChanges(turnId: string, pending: number): void {
    const bar = this.of(turnId);
    if (!bar || bar.state === 'running') return;
    if (pending > 0) bar.show('review', pending === 1 ? 'one change waits in the lines' : `${pending} changes wait in the lines`);
    else if (bar.state === 'review') this.close(bar.thread);
  }

  private onLost(): void {
    for (const bar of this.bars.values()) if (bar.state === 'running') bar.show('done', 'the server has ended; the chat can continue it');
  }

  async stop(thread: vscode.CommentThread): Promise<void> {
    const turn = this.bars.get(thread)?.turn;
    if (turn) await this.bridge.request('turn/interrupt', { threadId: turn.threadId });
  }

  async decide(verb: 'accept' | 'reject', thread: vscode.CommentThread): Promise<void> {
    const turn = this.bars.get(thread)?.turn;
    if (turn) await this.store.decide(verb, turn);
  }

  close(thread: vscode.CommentThread): void {
    this.bars.delete(thread);
    thread.dispose();
  }

  dispose(): void {
    for (const thread of [...this.bars.keys()]) this.close(thread);
    for (const one of this.listeners) one.dispose();
    this.controller.dispose();
  }
}
