/** Markdown that grows. What can no longer change becomes elements once; only the last block is made anew, at most once a
 *  frame, so a long answer costs no more for each word than a short one. */
import DOMPurify from 'dompurify';
import { Marked } from 'marked';
import { button, h, post } from './dom';

const marked = new Marked({ gfm: true, breaks: false, async: false });
/** A block longer than this is shown as plain text until it ends. */
const TAIL_CHARACTERS = 8000;
/** Blocks that are kept together: what is out of sight costs little as a part, but thousands of blocks one by one did not. */
const PART_BLOCKS_COUNT = 32;
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;

function clean(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    FORBID_TAGS: ['style', 'form', 'input', 'button', 'textarea', 'select', 'iframe', 'video', 'audio', 'svg', 'math', 'img'],
    FORBID_ATTR: ['style', 'class', 'id', 'name'],
    ALLOW_DATA_ATTR: false,
  });
}

/** ```c src/a.c  or  ```src/a.c */
function fenceInfo(info: string): { language: string; path: string } {
  const words = info.trim().split(/\s+/);
  const path = words.find((word) => word.includes('/') || /\.\w+$/.test(word)) ?? '';
  const [language = ''] = words;
  return { language: language === path ? '' : language, path };
}

export interface CodeBlock {
  element: HTMLElement;
  code: HTMLElement;
}
export function codeBlock(info: string, text: string): CodeBlock {
  const { language, path } = fenceInfo(info);
  const code = h('code', {}, text);
  const whole = (): string => code.textContent.replace(/\n$/, '');
  const name = path || language || 'code';
  const bar = h(
    'div',
    { class: 'code-bar' },
    h('span', { class: 'code-name' }, name),
    button('Copy', () => post({ type: 'copy', text: whole() }), { class: 'quiet', 'aria-label': `Copy ${name}` }),
    button('Insert', () => post({ type: 'insert', text: whole() }), { class: 'quiet', 'aria-label': `Insert ${name} at the cursor`, title: 'In the place of the selection' }),
    button('Apply', () => post({ type: 'apply', text: whole(), language, path }), { class: 'quiet', 'aria-label': `Apply ${name} to the file`, title: 'Shows what would change first' }),
  );
  const element = h('figure', { class: 'code' }, bar, h('pre', { tabindex: '0', 'aria-label': name }, code));
  return { element, code };
}

function render(text: string): DocumentFragment {
  const fragment = clean(marked.parse(text) as string);
  for (const pre of fragment.querySelectorAll('pre')) {
    const code = pre.querySelector('code');
    const info = FENCE.exec(text.trimStart().split('\n', 1)[0] ?? '');
    pre.replaceWith(codeBlock(info ? text.trimStart().split('\n', 1)[0]?.replace(/^[`~]+/, '') ?? '' : '', code?.textContent ?? pre.textContent).element);
  }
  for (const table of fragment.querySelectorAll('table')) {
    const box = h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Table' });
    table.replaceWith(box);
    box.append(table);
  }
  return fragment;
}

export class Markdown {
  readonly element = h('div', { class: 'markdown' });
  private readonly tail = h('div', { class: 'tail' });
  private part: HTMLElement | undefined;
  private text = '';
  /** Where the block begins that is not at its end. */
  private stable = 0;
  private open: { fence: string; code: Text; shown: number } | undefined;
  private frame = 0;

  constructor(text = '') {
    this.element.append(this.tail);
    if (text !== '') {
      this.text = text;
      this.finish();
    }
  }

  append(delta: string): void {
    this.text += delta;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.update();
    });
  }

  /** The item has ended with this text. */
  complete(text: string): void {
    if (text !== this.text) {
      this.text = text;
      this.stable = 0;
      this.open = undefined;
      this.part = undefined;
      this.element.replaceChildren(this.tail);
    }
    this.finish();
  }

  private finish(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.update();
    if (this.open) this.closeFence(this.text.length);
    else if (this.stable < this.text.length) this.commit(this.text.length);
    this.tail.replaceChildren();
  }

  private commit(end: number): void {
    const block = this.text.slice(this.stable, end);
    this.stable = end;
    if (block.trim() !== '') this.place(render(block));
  }

  /** Behind what is whole. */
  private place(block: Node): void {
    if (!this.part || this.part.childElementCount >= PART_BLOCKS_COUNT) {
      this.part = h('div', { class: 'part' });
      this.tail.before(this.part);
    }
    this.part.append(block);
  }

  /** Splits what is whole from what is not, line by line. */
  private update(): void {
    if (this.open && !this.continueFence()) return;
    let at = this.stable;
    for (;;) {
      const end = this.text.indexOf('\n', at);
      if (end < 0) break;
      const line = this.text.slice(at, end);
      const fence = FENCE.exec(line);
      if (fence) {
        if (at > this.stable) this.commit(at);
        this.stable = end + 1;
        const block = codeBlock(line.trim().replace(/^[`~]+/, ''), '');
        const code = document.createTextNode('');
        block.code.append(code);
        this.tail.replaceChildren();
        this.place(block.element);
        this.open = { fence: fence[1] ?? '```', code, shown: end + 1 };
        if (!this.continueFence()) return;
        at = this.stable;
        continue;
      }
      // Behind an empty line, unless what follows belongs to a list or is indented.
      if (line.trim() === '' && /^[^\s\-*+\d>|]/.test(this.text.slice(end + 1, end + 2))) this.commit(end + 1);
      at = end + 1;
    }
    this.showTail();
  }

  /** True: the fence is closed. Only what is new is put behind what is shown. */
  private continueFence(): boolean {
    if (!this.open) return true;
    const { fence, code } = this.open;
    let at = this.stable;
    for (;;) {
      const end = this.text.indexOf('\n', at);
      const line = this.text.slice(at, end < 0 ? undefined : end).trim();
      if (end < 0) {
        // A last line that may become the closing fence is not shown yet.
        const upTo = fence.startsWith(line.slice(0, 3)) || line.startsWith(fence) ? at : this.text.length;
        if (upTo > this.open.shown) {
          code.appendData(this.text.slice(this.open.shown, upTo));
          this.open.shown = upTo;
        }
        this.stable = at;
        return false;
      }
      if (line.startsWith(fence) && line.replace(/[`~]/g, '') === '') {
        if (at > this.open.shown) code.appendData(this.text.slice(this.open.shown, at));
        this.open = undefined;
        this.stable = end + 1;
        return true;
      }
      at = end + 1;
    }
  }

  private closeFence(end: number): void {
    if (!this.open) return;
    const last = this.text.slice(this.open.shown, end);
    if (!/^\s*[`~]{3,}\s*$/.test(last)) this.open.code.appendData(last);
    this.open = undefined;
    this.stable = end;
  }

  private showTail(): void {
    const rest = this.text.slice(this.stable);
    if (rest.length <= TAIL_CHARACTERS) {
      this.tail.replaceChildren(render(rest));
      return;
    }
    const first = this.tail.firstChild;
    if (first instanceof Text && rest.startsWith(first.data)) first.appendData(rest.slice(first.data.length));
    else this.tail.replaceChildren(document.createTextNode(rest));
  }
}
