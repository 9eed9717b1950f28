/** The thread: its turns, from the first to the one that runs. */
import { announce, button, clock, count, h, post } from './dom';
import { newItemView, PlanView, type ItemView } from './items';
import type { Item, Mode, Turn, TurnCompleted, TurnStatus, Usage } from '../protocol';
import type { Event, ThreadView, ToView } from './messages';

/** So near to the first turn those before it are asked for. */
const OLDER_PIXELS = 200;

class TurnView {
  readonly element = h('article', { class: 'turn', 'aria-label': 'Turn' });
  private readonly items = new Map<string, ItemView>();
  private readonly list = h('div', { class: 'items' });
  private readonly notice = h('p', { class: 'notice', role: 'status' });
  private readonly foot = h('footer', {});
  private readonly review = h('div', { class: 'review' });
  private readonly plan = h('div', { class: 'review carry-out', hidden: true });
  private readonly figures = h('span', { class: 'figures' });

  constructor(readonly id: string) {
    this.notice.hidden = true;
    this.review.hidden = true;
    this.foot.hidden = true;
    this.element.append(this.list, this.notice, this.plan, this.review, this.foot);
  }

  item(item: Item, isDone: boolean): ItemView {
    const view = this.items.get(item.id) ?? this.add(item);
    view.update(item, isDone);
    if (isDone) this.notice.hidden = true;
    return view;
  }

  /** What is asked for again, since the connection broke. */
  drop(id: string): void {
    this.items.get(id)?.element.remove();
    this.items.delete(id);
  }

  private add(item: Pick<Item, 'id' | 'type'>): ItemView {
    const view = newItemView(item.type);
    view.element.addEventListener('click', () => view.element.setAttribute('data-touched', ''));
    this.items.set(item.id, view);
    this.list.append(view.element);
    return view;
  }

  delta(id: string, type: Item['type'], text: string): void {
    (this.items.get(id) ?? this.add({ id, type })).append(text);
  }

  tell(text: string): void {
    this.notice.textContent = text;
    this.notice.hidden = text === '';
  }

  end(status: TurnStatus, usage: Usage | undefined, error: string | undefined, totalMs: number | undefined): void {
    this.element.dataset['status'] = status;
    this.tell('');
    if (error && !this.items.has(this.id)) this.tell(error);
    else if (status === 'interrupted') this.tell('Stopped.');
    const figures = [usage ? `${count(usage.inputTokens)} in (${count(usage.cachedTokens)} cached), ${count(usage.outputTokens)} out` : '', totalMs === undefined ? '' : clock(totalMs)];
    this.figures.textContent = figures.filter(Boolean).join(' · ');
    const act = (label: string, type: 'turn/undo' | 'turn/retry' | 'turn/sent', title: string): HTMLElement => button(label, () => post({ type, turnId: this.id }), { class: 'quiet', title });
    this.foot.replaceChildren(
      this.figures,
      act('Undo', 'turn/undo', 'Takes back what this turn changed; what you typed since stays'),
      act('Retry', 'turn/retry', 'Asks the same again'),
      button('Fork', () => post({ type: 'thread/fork', threadId: Transcript.threadId, turnId: this.id }), { class: 'quiet', title: 'A new thread that goes on from here' }),
      act('Sent', 'turn/sent', 'What went to the endpoint'),
    );
    this.foot.hidden = status === 'running';
  }

  /** A turn in mode plan has ended with steps. */
  offerPlan(): void {
    const plan = [...this.items.values()].findLast((view) => view instanceof PlanView);
    if (!plan && !this.list.querySelector('.agent li')) return;
    const accept = (mode: 'ask' | 'auto'): void => {
      if (plan?.ticked.length === 0) return this.tell('Leave at least one step ticked.');
      post({ type: 'turn/acceptPlan', turnId: this.id, mode, ...(plan ? { steps: plan.ticked } : {}) });
      this.withdrawPlan();
    };
    plan?.offer(true);
    this.plan.replaceChildren(h('span', {}, 'Nothing is changed yet.'), button('Carry it out', () => accept('ask'), { title: 'In mode ask' }), button('… by itself', () => accept('auto'), { class: 'secondary', title: 'In mode auto: your rules decide', 'aria-label': 'Carry it out in mode auto' }));
    this.plan.hidden = false;
  }

  withdrawPlan(): void {
    this.plan.hidden = true;
    for (const view of this.items.values()) if (view instanceof PlanView) view.offer(false);
  }

  /** No model was reached for want of a key. */
  offerSetup(): void {
    this.detail(h('div', { class: 'row' }, button('Choose How to Reach a Model…', () => post({ type: 'command', command: 'chooseModel' }), { class: 'secondary' })));
  }

  pending(waiting: number): void {
    this.review.hidden = waiting === 0;
    const act = (label: string, type: 'turn/diff' | 'turn/accept' | 'turn/reject'): HTMLElement => button(label, () => post({ type, turnId: this.id }), { class: type === 'turn/diff' ? '' : 'secondary' });
    this.review.replaceChildren(h('span', {}, waiting === 1 ? 'One change waits for review.' : `${waiting} changes wait for review.`), act('Review', 'turn/diff'), act('Accept all', 'turn/accept'), act('Reject all', 'turn/reject'));
  }

  /** Below the figures: what was asked for by a button. */
  detail(element: HTMLElement): void {
    this.element.querySelector(':scope > .detail')?.remove();
    element.classList.add('detail');
    this.element.append(element);
  }
}

export class Transcript {
  /** Of the thread that is shown. */
  static threadId = '';
  readonly element = h('div', { class: 'transcript', role: 'log', 'aria-label': 'Conversation', tabindex: '0' });
  private readonly turns = new Map<string, TurnView>();
  private follows = true;
  private frame = 0;
  private hasOlder = false;
  private isAsking = false;
  /** Of the settings, and of the thread, which counts. */
  private mode: Mode = 'ask';
  private threadMode: Mode | undefined;
  /** Called when words of an answer come. */
  onFirstWords = (): void => undefined;

  constructor() {
    this.element.addEventListener('scroll', () => {
      const { scrollTop, scrollHeight, clientHeight } = this.element;
      this.follows = scrollHeight - scrollTop - clientHeight < 40;
      if (scrollTop < OLDER_PIXELS) this.askOlder();
    });
    new ResizeObserver(() => this.follow()).observe(this.element);
    this.element.addEventListener('click', (event) => {
      const link = event.target instanceof Element ? event.target.closest('a[href]') : null;
      if (!link) return;
      event.preventDefault();
      post({ type: 'link', href: link.getAttribute('href') ?? '' });
    });
  }

  private follow(): void {
    if (this.follows) this.element.scrollTop = this.element.scrollHeight;
  }

  toEnd(): void {
    this.follows = true;
    this.follow();
  }

  show(view: ThreadView): void {
    Transcript.threadId = view.thread?.id ?? '';
    this.turns.clear();
    this.element.replaceChildren();
    for (const turn of view.turns) this.addTurn(turn);
    for (const [turnId, waiting] of Object.entries(view.pending)) this.turns.get(turnId)?.pending(waiting);
    if (view.thread?.canContinue) this.offerContinue(view.thread.id);
    else if (view.thread?.leased) this.offerTakeOver(view.thread.id);
    this.hasOlder = view.hasOlder;
    this.isAsking = false;
    this.threadMode = view.thread?.mode;
    this.offerPlan(view.turns.at(-1));
    this.toEnd();
  }

  private askOlder(): void {
    if (!this.hasOlder || this.isAsking) return;
    this.isAsking = true;
    post({ type: 'older' });
  }

  /** Above the others; what is read stays where it is. */
  older({ turns, hasOlder }: ToView & { type: 'older' }): void {
    const { scrollHeight, scrollTop } = this.element;
    const first = this.element.firstChild;
    for (const turn of turns) this.element.insertBefore(this.addTurn(turn).element, first);
    this.element.scrollTop = scrollTop + this.element.scrollHeight - scrollHeight;
    this.hasOlder = hasOlder;
    this.isAsking = false;
  }

  setMode(mode: Mode, isOfThread: boolean): void {
    if (isOfThread) this.threadMode = mode;
    else this.mode = mode;
  }

  private offerPlan(turn: Pick<Turn, 'id' | 'status'> | undefined): void {
    if (turn?.status === 'completed' && (this.threadMode ?? this.mode) === 'plan') this.turns.get(turn.id)?.offerPlan();
  }

  get isEmpty(): boolean {
    return this.turns.size === 0;
  }

  private offer(text: string, label: string, type: 'thread/continue' | 'thread/takeOver', threadId: string): void {
    this.element.append(h('div', { class: 'continue', role: 'status' }, h('span', {}, text), button(label, () => post({ type, threadId }))));
  }

  private offerContinue(threadId: string): void {
    this.offer('The last turn was cut off. What it had done is kept.', 'Continue', 'thread/continue', threadId);
  }

  private offerTakeOver(threadId: string): void {
    this.offer('This thread is open in another window. Until that is closed, it can only be read here; taken over, it can only be read there.', 'Take over', 'thread/takeOver', threadId);
  }

  private addTurn(turn: Turn): TurnView {
    const view = this.turn(turn.id);
    const isRunning = turn.status === 'running';
    for (const item of turn.items) view.item(item, !isRunning || item.ok !== undefined || item.ranMs !== undefined);
    if (!isRunning) view.end(turn.status, turn.usage, turn.error, undefined);
    return view;
  }

  private turn(id: string): TurnView {
    let view = this.turns.get(id);
    if (!view) {
      view = new TurnView(id);
      this.turns.set(id, view);
      this.element.querySelector('.continue')?.remove();
      this.element.append(view.element);
    }
    return view;
  }

  event({ method, params }: Event): void {
    if (method === 'turn/started') this.started(params.turnId);
    else if (method === 'turn/completed') this.completed(params);
    else if (method === 'turn/notice') this.turn(params.turnId).tell(params.text);
    else if (method === 'item/started') this.turn(params.turnId).item(params.item, false);
    else if (method === 'item/completed' && params.item.void) this.turn(params.turnId).drop(params.item.id);
    else if (method === 'item/completed') this.turn(params.turnId).item(params.item, true);
    else if (method === 'item/delta') {
      this.turn(params.turnId).delta(params.itemId, params.type, params.delta);
      if (params.type === 'agentMessage') this.onFirstWords();
    }
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.follow();
    });
  }

  private started(turnId: string): void {
    for (const turn of this.turns.values()) turn.withdrawPlan();
    this.turn(turnId);
  }

  private completed(params: TurnCompleted): void {
    this.turn(params.turnId).end(params.status, params.usage, params.error, params.timing.totalMs);
    this.offerPlan({ id: params.turnId, status: params.status });
    if (params.code) this.turn(params.turnId).offerSetup();
    announce(params.status === 'completed' ? 'The turn is done.' : params.status === 'interrupted' ? 'Stopped.' : `The turn failed. ${params.error ?? ''}`);
  }

  pending(turnId: string, waiting: number): void {
    this.turns.get(turnId)?.pending(waiting);
    this.follow();
  }

  undone({ turnId, files }: ToView & { type: 'undone' }): void {
    const lines = files.map(({ path, outcome, text }) => h('li', {}, `${path}: ${outcome === 'done' ? 'as it was' : (text ?? outcome)}`));
    const redo = button('Redo', () => post({ type: 'turn/redo', turnId }), { class: 'secondary' });
    this.turns.get(turnId)?.detail(h('div', { role: 'status' }, h('ul', {}, ...lines), redo));
    this.follow();
  }

  sent({ turnId, sent }: ToView & { type: 'sent' }): void {
    const rows = sent.requests.flatMap((request) => request.parts.map((part) => h('tr', {}, h('td', {}, part.label), h('td', {}, [part.path, part.lines].filter(Boolean).join(':')), h('td', {}, part.tokens === undefined ? `${part.bytes} bytes` : `~${count(part.tokens)}`))));
    const table = h('table', {}, h('caption', {}, `Sent to ${sent.requests[0]?.host || 'the endpoint'}, in ${sent.requests.length} requests`), h('tbody', {}, ...rows));
    this.turns.get(turnId)?.detail(h('div', { class: 'table' }, table));
    this.follow();
  }
}
