/** Items of a turn: each shows itself, grows by deltas, and is set right by its end. */
import { clock, h } from './dom';
import { Markdown } from './markdown';
import type { Item, ItemType } from '../protocol';

const OUTPUT_CHARACTERS = 64 * 1024;

export interface ItemView {
  readonly element: HTMLElement;
  append(delta: string): void;
  update(item: Item, isDone: boolean): void;
}

class MessageView implements ItemView {
  readonly element: HTMLElement;
  private readonly text: Markdown;

  constructor(kind: 'agent' | 'reasoning') {
    this.text = new Markdown();
    if (kind === 'agent') this.element = h('section', { class: 'message agent', 'aria-label': 'Answer' }, this.text.element);
    else this.element = h('details', { class: 'reasoning' }, h('summary', {}, 'Reasoning'), this.text.element);
  }

  append(delta: string): void {
    this.text.append(delta);
  }

  update(item: Item, isDone: boolean): void {
    if (isDone || item.text) this.text.complete(item.text ?? '');
    this.element.hidden = isDone && !item.text;
  }
}

class UserView implements ItemView {
  readonly element = h('section', { class: 'message user', 'aria-label': 'You' });

  append(): void {
    // It comes as a whole.
  }

  update(item: Item): void {
    this.element.textContent = item.text ?? '';
  }
}

class NoteView implements ItemView {
  readonly element: HTMLElement;

  constructor(type: ItemType) {
    this.element = h('p', { class: `note ${type}`, role: type === 'error' ? 'alert' : 'note' });
  }

  append(delta: string): void {
    this.element.append(delta);
  }

  update(item: Item): void {
    this.element.textContent = item.text ?? item.title ?? '';
  }
}

const STEP: Record<string, string> = { pending: '○', in_progress: '◐', completed: '●' };

export class PlanView implements ItemView {
  readonly element = h('section', { class: 'plan', 'aria-label': 'Plan' });
  private boxes: { step: string; box: HTMLInputElement }[] = [];

  append(): void {
    // It comes as a whole.
  }

  update(item: Item): void {
    let parsed: { explanation?: string; plan?: { step: string; status: string }[] } = {};
    try {
      parsed = JSON.parse(item.output ?? '{}') as typeof parsed;
    } catch {
      parsed = { explanation: item.output ?? '' };
    }
    const plan = parsed.plan ?? [];
    this.boxes = plan.map(({ step }) => ({ step, box: h('input', { type: 'checkbox', checked: true, hidden: true, 'aria-label': `Carry out: ${step}` }) }));
    const steps = plan.map(({ step, status }, index) =>
      h('li', { class: status }, this.boxes[index]?.box, h('span', { 'aria-hidden': 'true' }, STEP[status] ?? '○'), ' ', step, h('span', { class: 'hidden-text' }, ` (${status.replace('_', ' ')})`)),
    );
    this.element.replaceChildren(h('h3', {}, 'Plan'), ...(parsed.explanation ? [h('p', {}, parsed.explanation)] : []), h('ol', {}, ...steps));
  }

  /** Its steps can be ticked off from now on, or no longer. */
  offer(isOffered: boolean): void {
    for (const { box } of this.boxes) box.hidden = !isOffered;
  }

  get ticked(): string[] {
    return this.boxes.filter(({ box }) => box.checked).map(({ step }) => step);
  }
}

function diffLines(diff: string): HTMLElement {
  const lines = diff.split('\n').map((line) => {
    const kind = /^(\+\+\+|---|diff|index)/.test(line) ? 'head' : line.startsWith('@@') ? 'place' : line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : '';
    return h('span', kind === '' ? {} : { class: kind }, `${line}\n`);
  });
  return h('pre', { class: 'diff', tabindex: '0', 'aria-label': 'Diff' }, ...lines);
}

/** A call of a tool: one line, and behind it what it printed. */
class CallView implements ItemView {
  readonly element = h('details', { class: 'call running' });
  private readonly state = h('span', { class: 'state', 'aria-hidden': 'true' }, '');
  private readonly title = h('span', { class: 'title' });
  private readonly outcome = h('span', { class: 'outcome' });
  private readonly output = h('pre', { class: 'output', tabindex: '0', 'aria-label': 'Output' });
  private readonly body = h('div', {}, this.output);
  private readonly text = document.createTextNode('');

  constructor(type: ItemType) {
    this.element.classList.add(type);
    this.element.append(h('summary', {}, this.state, this.title, this.outcome), this.body);
    this.output.append(this.text);
    this.output.hidden = true;
  }

  append(delta: string): void {
    this.output.hidden = false;
    this.text.appendData(delta);
    if (this.text.length > 2 * OUTPUT_CHARACTERS) this.text.deleteData(0, this.text.length - OUTPUT_CHARACTERS);
    if (!this.element.hasAttribute('data-touched')) (this.element).open = true;
    this.output.scrollTop = this.output.scrollHeight;
  }

  update(item: Item, isDone: boolean): void {
    this.title.textContent = item.title || item.tool || item.type;
    if (!isDone) return;
    this.element.classList.remove('running');
    this.element.classList.toggle('failed', item.ok === false);
    const output = item.output ?? '';
    if (output !== '') {
      this.output.hidden = false;
      this.text.data = output.slice(-OUTPUT_CHARACTERS);
    }
    this.outcome.textContent = outcomeOf(item);
    if (item.diff) {
      this.body.replaceChildren(diffLines(item.diff));
      if (item.ok === false && output !== '') this.body.prepend(this.output);
    }
    if (!this.element.hasAttribute('data-touched')) (this.element).open = item.ok === false;
  }
}

function outcomeOf(item: Item): string {
  const parts = [item.text ?? (item.ok === false ? 'failed' : '')];
  if (item.diff) {
    const lines = item.diff.split('\n');
    const sum = (sign: string, head: string): number => lines.filter((line) => line.startsWith(sign) && !line.startsWith(head)).length;
    parts.push(`+${sum('+', '+++')} −${sum('-', '---')}`);
  }
  if (item.ranMs !== undefined && item.ranMs >= 100) parts.push(clock(item.ranMs));
  return parts.filter((part) => part !== '').join(' · ');
}

export function newItemView(type: ItemType): ItemView {
  if (type === 'agentMessage') return new MessageView('agent');
  if (type === 'reasoning') return new MessageView('reasoning');
  if (type === 'userMessage') return new UserView();
  if (type === 'plan') return new PlanView();
  if (type === 'error' || type === 'compaction') return new NoteView(type);
  return new CallView(type);
}
