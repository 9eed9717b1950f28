/** The inside of the chat view. It is told everything by the extension; see messages.ts. */
import { Asks } from './asks';
import { Composer, readImage } from './composer';
import { h, liveRegion, post } from './dom';
import type { ToView } from './messages';
import { Header } from './panels';
import { Transcript } from './transcript';

const header = new Header();
const transcript = new Transcript();
const asks = new Asks();
const composer = new Composer();
const empty = h('div', { class: 'empty' }, h('p', {}, 'Ask about the code, or say what shall change.'), h('p', { class: 'quiet-text' }, 'Every edit comes to the editor, where you accept or reject it.'));

composer.onMode = (mode) => {
  composer.thread(mode);
  transcript.setMode(mode, true);
  post({ type: 'mode', mode });
};
let sent = 0;
let stopped = 0;
composer.onSent = () => {
  sent = performance.now();
  transcript.toEnd();
};
composer.onStopped = () => (stopped = performance.now());
transcript.onFirstWords = () => {
  if (sent === 0) return;
  const began = sent;
  sent = 0;
  requestAnimationFrame(() => requestAnimationFrame(() => post({ type: 'measured', name: 'enter to first character', ms: performance.now() - began })));
};

function running(turnId: string | undefined): void {
  composer.running(turnId !== undefined);
  document.body.dataset['running'] = String(turnId !== undefined);
  if (turnId === undefined && stopped > 0) {
    post({ type: 'measured', name: 'stop to input ready', ms: performance.now() - stopped });
    stopped = 0;
  }
}

type Handlers = { [T in ToView['type']]: (message: ToView & { type: T }) => void };
const handlers: Handlers = {
  setup: ({ setup }) => {
    header.setup(setup);
    composer.setup(setup);
    transcript.setMode(setup.mode, false);
  },
  thread: ({ view }) => {
    header.thread(view.thread?.title ?? '');
    composer.thread(view.thread?.mode);
    transcript.show(view);
    empty.hidden = !transcript.isEmpty;
    composer.waiting(view.queue);
    running(view.running);
  },
  older: (message) => transcript.older(message),
  event: ({ event }) => {
    empty.hidden = true;
    if (event.method === 'turn/started') running(event.params.turnId);
    if (event.method === 'queue/updated') return composer.waiting(event.params.turns ?? []);
    transcript.event(event);
    if (event.method === 'turn/completed') running(undefined);
  },
  'thread/title': ({ title }) => header.thread(title),
  asks: ({ asks: list }) => asks.show(list),
  connection: ({ connection }) => header.state(connection),
  pending: ({ turnId, pending }) => transcript.pending(turnId, pending),
  completions: (message) => composer.complete(message),
  preview: ({ seq, preview, why }) => composer.showPreview(seq, preview, why),
  sent: (message) => transcript.sent(message),
  undone: (message) => transcript.undone(message),
  attach: ({ attachments }) => {
    composer.attach(attachments);
    composer.focus();
  },
  draft: ({ text, attachments, append }) => composer.setDraft(text, attachments, append),
  focus: ({ what }) => (what === 'ask' ? asks.focus() : composer.focus()),
  problem: ({ text }) => header.tell(text),
};

window.addEventListener('message', ({ data }: MessageEvent<ToView>) => {
  (handlers[data.type] as ((message: ToView) => void) | undefined)?.(data);
});

/** Files from the explorer come as a list of URIs, images from elsewhere as data. */
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  const list = event.dataTransfer?.getData('application/vnd.code.uri-list') || event.dataTransfer?.getData('text/uri-list') || '';
  const uris = list.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'));
  if (uris.length > 0) post({ type: 'drop', uris });
  else for (const file of event.dataTransfer?.files ?? []) if (file.type.startsWith('image/')) readImage(file);
});

document.getElementById('root')?.append(header.element, empty, transcript.element, asks.element, composer.element, liveRegion);
header.thread('');
post({ type: 'ready' });
