/** Approvals and questions: above the input, oldest first. They come without taking the keyboard, and take no answer before
 *  they can have been read. */
import { announce, button, h, post } from './dom';
import type { Rule } from '../protocol';
import type { Ask } from './messages';

const DEAD_MS = 500;
const SCOPES: Record<Rule['scope'], string> = { once: 'once', turn: 'for this turn', session: 'for this session', workspace: 'always here' };
const KINDS: Record<string, string> = { command: 'Command', edit: 'Edit', read: 'Read', network: 'Network', tool: 'Tool', protected: 'Protected file', trust: 'Trust' };

class AskView {
  readonly element: HTMLElement;
  private readonly shown = performance.now();

  constructor(readonly ask: Ask) {
    this.element = h('section', { class: 'ask dead', role: 'group' });
    this.element.append(...(ask.kind === 'approval' ? this.approval(ask) : this.question(ask)));
    this.element.setAttribute('aria-label', ask.kind === 'approval' ? ask.params.title : 'Question');
    setTimeout(() => this.element.classList.remove('dead'), DEAD_MS);
  }

  /** What was pressed too soon was meant for something else. */
  private act(run: () => void): () => void {
    return () => {
      if (performance.now() - this.shown >= DEAD_MS) run();
    };
  }

  private approval({ id, params, threadTitle }: Ask & { kind: 'approval' }): HTMLElement[] {
    const decide = (result: (FromApprove)['result']): (() => void) => this.act(() => post({ type: 'approve', id, result }));
    const note = h('input', { type: 'text', placeholder: 'No, use …', 'aria-label': 'What to do instead', onkeydown: (event: KeyboardEvent) => {
      if (event.key === 'Enter') decide({ decision: 'decline', ...(note.value.trim() === '' ? {} : { note: note.value.trim() }) })();
    } });
    const rules = params.rules.map((rule) => button(`Allow ${SCOPES[rule.scope]}`, decide({ decision: 'accept', ruleId: rule.id }), { class: 'secondary', title: rule.text, 'aria-description': rule.text }));
    const literal = params.rules.map((rule) => h('li', {}, h('b', {}, SCOPES[rule.scope]), ': ', rule.text));
    return [
      h('h3', {}, `${KINDS[params.kind] ?? params.kind}: ${params.title}`),
      ...(threadTitle === '' ? [] : [h('p', { class: 'quiet-text' }, threadTitle)]),
      h('pre', { tabindex: '0', 'aria-label': 'What will happen' }, params.show),
      ...(params.reason === '' ? [] : [h('p', {}, params.reason)]),
      h('div', { class: 'row' },
        button('Decline', () => decide({ decision: 'decline', ...(note.value.trim() === '' ? {} : { note: note.value.trim() }) })(), { class: 'first' }),
        button('Allow once', decide({ decision: 'accept' }), { class: 'secondary' }),
        ...rules),
      h('label', { class: 'note-line' }, h('span', {}, 'Note with Decline'), note),
      ...(literal.length > 0 ? [h('details', { class: 'rules' }, h('summary', {}, 'What exactly will be allowed'), h('ul', {}, ...literal))] : []),
    ];
  }

  private question({ id, params, threadTitle }: Ask & { kind: 'question' }): HTMLElement[] {
    const answers = new Map<string, string>();
    const done = this.act(() => post({ type: 'answer', id, result: { answers: [...answers].filter(([, text]) => text !== '').map(([name, text]) => ({ id: name, text })) } }));
    const single = params.questions.length === 1;
    const blocks = params.questions.map((question) => {
      const options = question.options.map(({ label, description }) =>
        h('label', { class: 'option', title: description }, h('input', { type: 'radio', name: `q${id}.${question.id}`, value: label, onchange: () => answers.set(question.id, label) }), h('span', {}, label), description ? h('span', { class: 'quiet-text' }, description) : undefined),
      );
      const free = question.free || question.options.length === 0 ? h('input', { type: 'text', 'aria-label': 'An answer of your own', oninput: (event: InputEvent) => answers.set(question.id, (event.target as HTMLInputElement).value), onkeydown: (event: KeyboardEvent) => {
        if (event.key === 'Enter' && single) done();
      } }) : undefined;
      return h('fieldset', {}, h('legend', {}, question.text), ...options, free);
    });
    return [...(threadTitle === '' ? [] : [h('p', { class: 'quiet-text' }, threadTitle)]), ...blocks, h('div', { class: 'row' }, button('Answer', done, { class: 'first' }))];
  }

  focus(): void {
    this.element.querySelector<HTMLElement>('button, input')?.focus();
  }
}
type FromApprove = Extract<import('./messages').FromView, { type: 'approve' }>;

export class Asks {
  readonly element = h('div', { class: 'asks' });
  private views: AskView[] = [];

  show(asks: Ask[]): void {
    const known = new Map(this.views.map((view) => [view.ask.id, view]));
    const isNew = asks.some(({ id }) => !known.has(id));
    this.views = asks.map((ask) => known.get(ask.id) ?? new AskView(ask));
    for (const view of known.values()) if (!this.views.includes(view)) view.element.remove();
    for (const view of this.views) if (!view.element.isConnected) this.element.append(view.element);
    if (isNew) announce(`The agent asks: ${this.views.at(-1)?.element.getAttribute('aria-label') ?? ''}`);
  }

  focus(): void {
    this.views[0]?.focus();
  }
}
