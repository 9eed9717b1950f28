/** Above the conversation: its title, the truth about the connection, what keeps it from working. */
import { button, h, post } from './dom';
import type { Connection, ConnectionState } from '../protocol';
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
