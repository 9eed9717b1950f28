/** The list that `@` and, at the beginning, `/` open. The keyboard stays in the input. */
import { h, post } from './dom';
import type { Attachment, Completion } from './messages';

export class Completions {
  readonly element = h('ul', { class: 'completions', id: 'completions', role: 'listbox', 'aria-label': 'Suggestions', hidden: true });
  private items: Completion[] = [];
  private chosen = 0;
  private seq = 0;
  private word: { start: number; trigger: '@' | '/' } | undefined;

  constructor(
    private readonly input: HTMLTextAreaElement,
    private readonly attach: (attachment: Attachment) => void,
  ) {}

  update(): void {
    const before = this.input.value.slice(0, this.input.selectionStart);
    const match = /(?:^|\s)@([^\s@]*)$/.exec(before) ?? /^\/([\w-]*)$/.exec(before);
    if (!match) return this.close();
    const query = match[1] ?? '';
    const trigger = before[before.length - query.length - 1] === '/' ? '/' : '@';
    this.word = { start: before.length - query.length - 1, trigger };
    post({ type: 'complete', seq: ++this.seq, trigger, query });
  }

  show(seq: number, items: Completion[]): void {
    if (seq !== this.seq || !this.word) return;
    this.items = items;
    this.chosen = 0;
    this.element.replaceChildren(
      ...items.map((item, index) =>
        h('li', { role: 'option', id: `completion-${index}`, class: item.icon, onmousedown: (event: MouseEvent) => {
          event.preventDefault();
          this.take(index);
        } }, h('span', {}, item.label), h('span', { class: 'quiet-text' }, item.detail)),
      ),
    );
    this.element.hidden = items.length === 0;
    this.mark();
  }

  private mark(): void {
    [...this.element.children].forEach((child, index) => {
      child.setAttribute('aria-selected', String(index === this.chosen));
      if (index === this.chosen) child.scrollIntoView({ block: 'nearest' });
    });
    if (this.element.hidden) this.input.removeAttribute('aria-activedescendant');
    else this.input.setAttribute('aria-activedescendant', `completion-${this.chosen}`);
  }

  private take(index: number): void {
    const item = this.items[index];
    if (!item || !this.word) return;
    const { value, selectionStart } = this.input;
    const insert = item.insert ?? '';
    this.input.value = value.slice(0, this.word.start) + insert + value.slice(selectionStart);
    this.input.selectionStart = this.input.selectionEnd = this.word.start + insert.length;
    if (item.attachment) this.attach(item.attachment);
    this.close();
    this.input.focus();
  }

  close(): void {
    this.word = undefined;
    this.seq++;
    this.items = [];
    this.element.hidden = true;
    this.mark();
  }

  /** True: the key was for the list. */
  key(event: KeyboardEvent): boolean {
    if (this.element.hidden) return false;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') this.chosen = (this.chosen + (event.key === 'ArrowDown' ? 1 : this.items.length - 1)) % this.items.length;
    else if (event.key === 'Enter' || event.key === 'Tab') this.take(this.chosen);
    else if (event.key === 'Escape') this.close();
    else return false;
    event.preventDefault();
    this.mark();
    return true;
  }
}
