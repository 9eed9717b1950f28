/** What waits for review, as the server has it: asked for again whenever that may have changed. Nothing is worked out here. */
import * as vscode from 'vscode';
import type { Bridge } from '../bridge';
import type { Change, ChangesResult, ChangesUpdated, Hunk, OfTurn } from '../protocol';

export interface Place {
  change: Change;
  hunk: Hunk;
}
export interface Updated extends OfTurn {
  pending: number;
  changes: Change[];
}
/** Typing moves lines: the server is asked where they are once it pauses. */
const TYPING_PAUSE_MS = 120;

const countOf = (changes: readonly Change[]): number => changes.reduce((sum, { hunks }) => sum + hunks.length, 0);

/** First and last line of the hunk in the document, from 0; `last` is one less than `first` where it has no lines there. */
export function linesOf({ change, hunk }: Place): { first: number; last: number } {
  const first = Math.max(0, ((change.applied ? hunk.newStart : hunk.oldStart) ?? 1) - 1);
  const count = change.applied ? hunk.new.length : hunk.old.length;
  return { first, last: first + count - 1 };
}
export const uriOf = (change: Change): vscode.Uri => vscode.Uri.parse(change.kind === 'move' && change.applied ? (change.newUri ?? change.uri) : change.uri, true);

export class ChangeStore implements vscode.Disposable {
  /** By turn; oldest turn first. */
  private readonly turns = new Map<string, { threadId: string; changes: Change[] }>();
  private readonly changed = new vscode.EventEmitter<Updated>();
  private readonly asking = new Map<string, Promise<void>>();
  private readonly again = new Set<string>();
  private readonly listeners: vscode.Disposable[] = [];
  private timer: NodeJS.Timeout | undefined;
  readonly onChange = this.changed.event;

  constructor(private readonly bridge: Bridge) {
    bridge.on('changes/updated', (params: ChangesUpdated) => {
      if (params.pending === 0) this.set(params, []);
      else void this.refresh(params);
    });
    bridge.onState((state) => {
      if (state !== 'running') for (const [turnId, { threadId }] of [...this.turns]) this.set({ threadId, turnId }, []);
    });
    this.listeners.push(
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0 && this.of(document.uri).length > 0) this.afterTyping(document.uri);
      }),
    );
  }

  private afterTyping(uri: vscode.Uri): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const turns = new Map(this.of(uri).map(({ change }) => [change.turnId, change]));
      for (const change of turns.values()) void this.refresh(change);
    }, TYPING_PAUSE_MS);
  }

  /** What is there of a thread that was opened: hunks outlive the server. */
  async load(threadId: string): Promise<void> {
    if (this.bridge.state !== 'running') return;
    const { changes } = await this.bridge.request<ChangesResult>('changes/list', { threadId });
    for (const turnId of new Set(changes.map((change) => change.turnId)))
      this.set({ threadId, turnId }, changes.filter((change) => change.turnId === turnId));
  }

  /** One question at a time for each turn; one more if something happened meanwhile. */
  refresh({ threadId, turnId }: OfTurn): Promise<void> {
    const under = this.asking.get(turnId);
    if (under) {
      this.again.add(turnId);
      return under;
    }
    const ask = async (): Promise<void> => {
      do {
        this.again.delete(turnId);
        const { changes } = await this.bridge.request<ChangesResult>('changes/list', { threadId, turnId });
        this.set({ threadId, turnId }, changes);
      } while (this.again.has(turnId));
    };
    const promise = ask()
      .catch((error: unknown) => this.bridge.log.warn(`changes of a turn cannot be read: ${String(error)}`))
      .finally(() => this.asking.delete(turnId));
    this.asking.set(turnId, promise);
    return promise;
  }

  private set({ threadId, turnId }: OfTurn, changes: Change[]): void {
    const waiting = changes.map((change) => ({ ...change, hunks: change.hunks.filter(({ state }) => state === 'pending') })).filter(({ hunks }) => hunks.length > 0);
    if (waiting.length === 0) this.turns.delete(turnId);
    else this.turns.set(turnId, { threadId, changes: waiting });
    void vscode.commands.executeCommand('setContext', 'lanebridge.changes', this.turns.size > 0);
    this.changed.fire({ threadId, turnId, pending: countOf(waiting), changes: waiting });
  }

  all(): Change[] {
    return [...this.turns.values()].flatMap(({ changes }) => changes);
  }

  get count(): number {
    return countOf(this.all());
  }

  /** Of one file, from its top. */
  of(uri: vscode.Uri): Place[] {
    const text = uri.toString();
    return this.all()
      .filter((change) => uriOf(change).toString() === text)
      .flatMap((change) => change.hunks.map((hunk) => ({ change, hunk })))
      .sort((a, b) => linesOf(a).first - linesOf(b).first);
  }

  /** The hunk at the line, or the next one to it. */
  at(uri: vscode.Uri, line: number): Place | undefined {
    const places = this.of(uri);
    return places.find((place) => linesOf(place).first <= line && line <= Math.max(linesOf(place).first, linesOf(place).last)) ?? places.find((place) => linesOf(place).first >= line) ?? places.at(-1);
  }

  async decide(verb: 'accept' | 'reject', change: OfTurn & { path?: string }, hunk?: Hunk): Promise<void> {
    const { threadId, turnId, path } = change;
    const params = { threadId, turnId, ...(path === undefined ? {} : { path }), ...(hunk ? { hunk: hunk.index } : {}) };
    await this.bridge.request<ChangesResult>(`changes/${verb}`, params);
    await this.refresh(change);
  }

  async decideAll(verb: 'accept' | 'reject'): Promise<void> {
    for (const [turnId, { threadId }] of [...this.turns]) await this.decide(verb, { threadId, turnId });
  }

  async amend({ change, hunk }: Place, text: string): Promise<void> {
    const { threadId, turnId, path } = change;
    await this.bridge.request<ChangesResult>('changes/amend', { threadId, turnId, path, hunk: hunk.index, text });
    await this.refresh(change);
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const one of this.listeners) one.dispose();
    this.changed.dispose();
  }
}
