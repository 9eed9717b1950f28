/** Above the conversation: its title, the truth about the connection, what keeps it from working; and the list of threads. */
import { button, h, post } from './dom';
import type { Connection, ConnectionState, Thread } from '../protocol';
import type { FromView, Setup } from './messages';

type Command = Extract<FromView, { type: 'command' }>['command'];
const STATES: Record<ConnectionState, string> = {
  idle: '',
  connecting: 'Connecting…',
  ready: '',
  waiting: 'Waiting for the model…',
  thinking: 'Thinking…',
  streaming: 'Answering…',
  draining: 'The stopped answer has not ended yet.',
  rotating: 'Changing to a fresh connection…',
  http: 'By HTTP: there is no WebSocket to the endpoint.',
  offline: 'The endpoint cannot be reached.',
};

export class Header {
  readonly element: HTMLElement;
  private readonly title = h('h2', { class: 'thread-title' });
  private readonly connection = h('span', { class: 'connection', role: 'status' });
  private readonly banner = h('div', { class: 'banner', role: 'alert', hidden: true });

  constructor() {
    this.element = h('header', {}, h('div', { class: 'row' }, this.title, this.connection), this.banner);
  }

  thread(title: string): void {
    this.title.textContent = title || 'New thread';
  }

  state({ state, detail }: Connection): void {
    const text = STATES[state];
    this.connection.textContent = detail !== '' && state === 'offline' ? `${text} ${detail}` : text;
    this.connection.dataset['state'] = state;
  }

  setup(setup: Setup): void {
    const [text, ...commands] = problem(setup);
    this.banner.hidden = text === '';
    const buttons = commands.map(([label, command]) => button(label, () => post({ type: 'command', command }), { class: 'secondary' }));
    this.banner.replaceChildren(h('p', {}, text), h('div', { class: 'row' }, ...buttons));
  }

  tell(text: string): void {
    this.banner.hidden = false;
    this.banner.replaceChildren(h('p', {}, text), h('div', { class: 'row' }, button('Close', () => (this.banner.hidden = true), { class: 'secondary' })));
  }
}

/** The first thing in the way, and what to do. */
function problem(setup: Setup): [string, ...[string, Command][]] {
  if (setup.server === 'failed') return [setup.trouble, ['Start Again', 'restart'], ['Doctor', 'doctor'], ['Show Log', 'showLog']];
  if (!setup.trusted) return ['This workspace is not trusted: nothing is read, edited or run before it is.', ['Manage Workspace Trust', 'trust']];
  if (setup.notice !== '') return [setup.notice];
  if (setup.model === 'none') return ['No key is known yet. Enter one, name a local model, or play the demo.', ['Choose…', 'chooseModel']];
  if (setup.model === 'replay') return ['A recording answers: no model is behind it.', ['Choose a Model…', 'chooseModel']];
  return [''];
}

/** All threads of the folder, to be searched. Opened by the history button of the view's title. */
export class ThreadList {
  readonly element = h('div', { class: 'threads', hidden: true });
  private readonly search = h('input', { type: 'search', placeholder: 'Search threads', 'aria-label': 'Search threads', oninput: () => post({ type: 'threads', query: this.search.value }) });
  private readonly list = h('ul', {});

  constructor() {
    this.element.append(h('div', { class: 'row' }, this.search, button('Close', () => this.close(), { class: 'secondary' })), this.list);
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
  }

  open(): void {
    this.element.hidden = false;
    post({ type: 'threads', query: '' });
    this.search.focus();
  }

  close(): void {
    this.element.hidden = true;
  }

  show(threads: Thread[]): void {
    const act = (label: string, type: 'thread/archive' | 'thread/delete' | 'thread/export', threadId: string): HTMLElement => button(label, () => post({ type, threadId }), { class: 'quiet' });
    this.list.replaceChildren(
      ...threads.map((thread) =>
        h('li', {},
          button(thread.title || 'Untitled', () => {
            post({ type: 'thread/open', threadId: thread.id });
            this.close();
          }, { class: 'link' }),
          h('span', { class: 'quiet-text' }, [thread.updated === undefined ? '' : new Date(thread.updated).toLocaleString(), thread.leased ? 'open elsewhere' : '', thread.canContinue ? 'cut off' : ''].filter(Boolean).join(' · ')),
          act('Export', 'thread/export', thread.id), act('Archive', 'thread/archive', thread.id), act('Delete', 'thread/delete', thread.id)),
      ),
    );
  }
}
