/** The thread that the chat shows, as the server tells of it. What a turn has said so far is kept here, so that a view that
 *  is opened or loaded again can be told all of it. */
import * as vscode from 'vscode';
import type { Bridge } from '../bridge';
import type { ChangesUpdated, Item, ItemDelta, ItemEvent, QueueUpdated, ReadResult, Thread, Turn, TurnCompleted, TurnNotice, TurnStarted, Waiting } from '../protocol';
import type { Event, ThreadView } from '../webview/messages';

/** What a call prints is kept at its end, what a model says as a whole. */
const OUTPUT_CHARACTERS = 256 * 1024;
/** Pages (of 50 turns) of a thread's history that are read when it is opened. */
const PAGES_MAX_COUNT = 400;
/** A thread that another window has is asked for again so often: a window that was just loaded again lets go of it late,
 *  and one that was killed holds it for half a minute. */
const LEASED_LOOKS_MAX_COUNT = 30;
const LEASED_LOOK_MS = 2000;
/** So many turns are shown at once, and as many more whenever somebody scrolls to the first. */
const SHOWN_TURNS_COUNT = 30;

interface Running {
  turn: Turn;
  /** Ids of items that have not ended. */
  open: Set<string>;
}

export class Session implements vscode.Disposable {
  /** Turns that run, by thread. */
  private readonly running = new Map<string, Running>();
  private readonly queues = new Map<string, Waiting[]>();
  private readonly titles = new Map<string, string>();
  private readonly pendings = new Map<string, number>();
  private readonly shown = new vscode.EventEmitter<Event>();
  private readonly switched = new vscode.EventEmitter<ThreadView>();
  private readonly busy = new vscode.EventEmitter<void>();
  private readonly ended = new vscode.EventEmitter<TurnCompleted>();
  private readonly renamed = new vscode.EventEmitter<string>();
  private current: string | undefined;
  private loading = 0;
  private look: NodeJS.Timeout | undefined;
  /** Of the shown thread: turns before those that the view has. */
  private before: Turn[] = [];
  /** Of the shown thread, running or not. */
  lastTurn: string | undefined;
  /** A turn ended while its thread was read: what was read may lack its end. */
  private stale = false;
  /** Of the shown thread. */
  readonly onEvent = this.shown.event;
  readonly onThread = this.switched.event;
  readonly onTitle = this.renamed.event;
  /** Some turn, of any thread, began or ended. */
  readonly onBusy = this.busy.event;
  readonly onEnd = this.ended.event;

  constructor(
    private readonly bridge: Bridge,
    private readonly memory: vscode.Memento,
  ) {
    this.current = memory.get<string>('thread');
    bridge.isBusy = () => this.running.size > 0;
    bridge.on('thread/updated', (params: { threadId: string; title: string }) => {
      this.titles.set(params.threadId, params.title);
      if (params.threadId === this.current) this.renamed.fire(params.title);
    });
    bridge.on('turn/started', (params: TurnStarted) => this.onStarted(params));
    bridge.on('turn/completed', (params: TurnCompleted) => this.onCompleted(params));
    bridge.on('turn/notice', (params: TurnNotice) => this.forward({ method: 'turn/notice', params }));
    bridge.on('item/started', (params: ItemEvent) => this.onItem(params, true));
    bridge.on('item/completed', (params: ItemEvent) => this.onItem(params, false));
    bridge.on('item/delta', (params: ItemDelta) => this.onDelta(params));
    bridge.on('queue/updated', (params: QueueUpdated) => this.onQueue(params));
    bridge.on('changes/updated', (params: ChangesUpdated) => this.pendings.set(params.turnId, params.pending));
    bridge.onState((state) => {
      if (state !== 'running') this.onLost();
    });
  }

  get threadId(): string | undefined {
    return this.current;
  }

  titleOf(threadId: string): string {
    return this.titles.get(threadId) ?? '';
  }

  runningTurn(threadId = this.current): string | undefined {
    return threadId === undefined ? undefined : this.running.get(threadId)?.turn.id;
  }

  get isBusy(): boolean {
    return this.running.size > 0;
  }

  /** Titles of what runs, for the status. */
  runningThreads(): string[] {
    return [...this.running.keys()];
  }

  private forward(event: Event): void {
    if (event.params.threadId === this.current && this.loading === 0) this.shown.fire(event);
  }

  private setBusy(): void {
    void vscode.commands.executeCommand('setContext', 'lanebridge.running', this.running.size > 0);
    this.busy.fire();
  }

  private onStarted(params: TurnStarted): void {
    this.running.set(params.threadId, { turn: { id: params.turnId, status: 'running', items: [] }, open: new Set() });
    const queue = this.queues.get(params.threadId)?.filter(({ turnId }) => turnId !== params.turnId);
    if (queue) this.queues.set(params.threadId, queue);
    if (!this.titles.get(params.threadId)) this.titles.set(params.threadId, params.text);
    this.setBusy();
    if (params.threadId === this.current) this.lastTurn = params.turnId;
    this.forward({ method: 'turn/started', params });
  }

  private onCompleted(params: TurnCompleted): void {
    this.running.delete(params.threadId);
    this.stale = this.stale || this.loading > 0;
    this.setBusy();
    this.forward({ method: 'turn/completed', params });
    this.ended.fire(params);
  }

  private onItem(params: ItemEvent, isOpen: boolean): void {
    const running = this.running.get(params.threadId);
    if (running?.turn.id === params.turnId) {
      const at = running.turn.items.findIndex(({ id }) => id === params.item.id);
      if (params.item.void) running.turn.items = running.turn.items.filter(({ id }) => id !== params.item.id);
      else if (at < 0) running.turn.items.push({ ...params.item });
      else running.turn.items[at] = { ...params.item };
      if (isOpen) running.open.add(params.item.id);
      else running.open.delete(params.item.id);
    }
    this.forward({ method: isOpen ? 'item/started' : 'item/completed', params });
  }

  private onDelta(params: ItemDelta): void {
    const running = this.running.get(params.threadId);
    if (running?.turn.id === params.turnId) {
      let item = running.turn.items.find(({ id }) => id === params.itemId);
      if (!item) {
        item = { id: params.itemId, type: params.type };
        running.turn.items.push(item);
        running.open.add(item.id);
      }
      if (item.type === 'commandExecution' || item.type === 'toolCall') item.output = ((item.output ?? '') + params.delta).slice(-OUTPUT_CHARACTERS);
      else item.text = (item.text ?? '') + params.delta;
    }
    this.forward({ method: 'item/delta', params });
  }

  private onQueue(params: QueueUpdated): void {
    const known = this.queues.get(params.threadId) ?? [];
    const turnId = params.turnId;
    if (params.turns) this.queues.set(params.threadId, params.turns);
    else if (turnId !== undefined && !known.some((one) => one.turnId === turnId)) this.queues.set(params.threadId, [...known, { turnId, text: '' }]);
    this.forward({ method: 'queue/updated', params: { ...params, turns: this.queues.get(params.threadId) ?? [] } });
  }

  /** The server is gone, and with it what ran. When it is back, the thread tells what became of it. */
  private onLost(): void {
    this.running.clear();
    this.queues.clear();
    this.setBusy();
  }

  /** Shows a thread, or none yet. What comes meanwhile is in what was read or told after it. */
  async open(threadId: string | undefined): Promise<void> {
    this.current = threadId;
    await this.memory.update('thread', threadId);
    await this.reload();
  }

  /** Tells the shown thread as a whole. */
  async reload(): Promise<void> {
    this.loading++;
    let view: ThreadView | undefined;
    try {
      view = await this.read();
    } catch {
      this.current = undefined; // it was deleted, or belongs to another state folder
      view = empty();
    } finally {
      this.loading--;
    }
    if (this.loading > 0) return;
    this.lastTurn = view.turns.at(-1)?.id;
    this.switched.fire(view);
    clearTimeout(this.look);
    if (view.thread?.leased) this.lookAgain(view.thread.id, LEASED_LOOKS_MAX_COUNT);
    if (!this.stale) return;
    this.stale = false;
    await this.reload();
  }

  /** Until the other window has let go of it. */
  private lookAgain(threadId: string, looks: number): void {
    this.look = setTimeout(() => void this.isLeased(threadId).then((isLeased) => {
      if (threadId !== this.current) return undefined;
      if (!isLeased) return this.reload();
      if (looks > 1) this.lookAgain(threadId, looks - 1);
      return undefined;
    }), LEASED_LOOK_MS);
  }

  private async isLeased(threadId: string): Promise<boolean> {
    if (this.bridge.state !== 'running') return true;
    return this.bridge.request<ReadResult>('thread/read', { threadId }).then(({ thread }) => thread.leased === true, () => true);
  }

  private async read(): Promise<ThreadView> {
    const threadId = this.current;
    this.before = [];
    if (threadId === undefined || this.bridge.state !== 'running') return empty();
    const turns: Turn[] = [];
    let cursor: string | undefined;
    let thread: Thread | undefined;
    for (let page = 0; page < PAGES_MAX_COUNT; page++) {
      const result: ReadResult = await this.bridge.request('thread/read', { threadId, ...(cursor === undefined ? {} : { cursor }) });
      thread = result.thread;
      turns.push(...result.turns);
      cursor = result.nextCursor;
      if (cursor === undefined) break;
    }
    if (thread) this.titles.set(threadId, thread.title);
    const shown = turns.filter(({ status }) => status !== 'queued');
    this.before = shown.splice(0, Math.max(0, shown.length - SHOWN_TURNS_COUNT));
    return this.withRunning(threadId, thread, shown);
  }

  /** The turns before those that were told last. */
  older(): { turns: Turn[]; hasOlder: boolean } {
    const turns = this.before.splice(Math.max(0, this.before.length - SHOWN_TURNS_COUNT));
    return { turns, hasOlder: this.before.length > 0 };
  }

  /** What was read, and of the turn that runs what has been told since. */
  private withRunning(threadId: string, thread: Thread | undefined, turns: Turn[]): ThreadView {
    const running = this.running.get(threadId);
    if (running) {
      const at = turns.findIndex(({ id }) => id === running.turn.id);
      const before = at < 0 ? [] : (turns[at]?.items ?? []);
      const items: Item[] = before.filter(({ id }) => !running.turn.items.some((item) => item.id === id)).concat(running.turn.items);
      const turn: Turn = { ...running.turn, items };
      if (at < 0) turns.push(turn);
      else turns[at] = turn;
    }
    return {
      ...(thread ? { thread } : {}),
      turns,
      hasOlder: this.before.length > 0,
      ...(running ? { running: running.turn.id } : {}),
      queue: this.queues.get(threadId) ?? [],
      pending: Object.fromEntries(this.pendings),
    };
  }

  setPending(turnId: string, pending: number): void {
    this.pendings.set(turnId, pending);
  }

  dispose(): void {
    clearTimeout(this.look);
    for (const emitter of [this.shown, this.switched, this.busy, this.ended, this.renamed]) emitter.dispose();
  }
}

const empty = (): ThreadView => ({ turns: [], hasOlder: false, queue: [], pending: {} });
