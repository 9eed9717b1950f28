/** Where the person writes: the prompt, what goes along, what it may do, and what it would cost. */
import { api, button, count, h, post } from './dom';
import { Completions } from './completions';
import type { Mode, PreviewResult, Waiting } from '../protocol';
import type { Attachment, Setup, ToView } from './messages';

const PREVIEW_PAUSE_MS = 400;
const KEEP_MS = 300;
const LINES_MAX = 12;
const MODES: Record<Mode, string> = { plan: 'Plan: changes and runs nothing', ask: 'Ask: leaves the sandbox only when you allow it', auto: 'Auto: your rules decide' };

interface Draft {
  text: string;
  attachments: Attachment[];
}

export class Composer {
  readonly element: HTMLElement;
  private readonly input = h('textarea', { rows: 2, placeholder: 'Ask, or say what shall change. @ adds a file, / a prompt', 'aria-label': 'Prompt', 'aria-autocomplete': 'list', 'aria-controls': 'completions' });
  private readonly chips = h('div', { class: 'chips', role: 'group', 'aria-label': 'Goes along' });
  private readonly queue = h('div', { class: 'queue' });
  private readonly send = button('Send', () => this.submit('turn'), { class: 'first', title: 'Enter' });
  private readonly stop = button('Stop', () => this.halt(), { class: 'secondary', title: 'Escape' });
  private readonly later = button('Queue', () => this.submit('queue'), { class: 'secondary', title: 'Ctrl+Enter: after the turn that runs' });
  private readonly mode = h('select', { 'aria-label': 'Mode', onchange: () => this.onMode(this.mode.value as Mode) }, ...Object.entries(MODES).map(([value, title]) => h('option', { value, title }, value)));
  private readonly model = button('', () => post({ type: 'command', command: 'chooseThreadModel' }), { class: 'quiet model', title: 'Model' });
  private readonly meter = button('', () => this.togglePreview(), { class: 'quiet meter', title: 'What would be sent', 'aria-expanded': 'false' });
  private readonly preview = h('div', { class: 'preview', hidden: true });
  private readonly completions: Completions;
  private attachments: Attachment[] = [];
  private settingsMode: Mode = 'ask';
  private threadMode: Mode | undefined;
  private isRunning = false;
  private previewSeq = 0;
  private keeping: ReturnType<typeof setTimeout> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  onMode = (_mode: Mode): void => undefined;
  onSent = (): void => undefined;
  onStopped = (): void => undefined;

  constructor() {
    this.completions = new Completions(this.input, (attachment) => this.attach([attachment]));
    this.element = h('div', { class: 'composer' }, this.queue, this.completions.element, this.preview, this.chips, this.input,
      h('div', { class: 'bar' }, this.mode, this.model, this.meter, h('span', { class: 'space' }), this.stop, this.later, this.send));
    this.input.addEventListener('keydown', (event) => this.onKey(event));
    this.input.addEventListener('input', () => this.onInput());
    this.input.addEventListener('paste', (event) => this.onPaste(event));
    const draft = api.getState() as Draft | undefined;
    if (draft) this.setDraft(draft.text, draft.attachments, false);
    this.running(false);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.isComposing || this.completions.key(event)) return;
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.submit(event.ctrlKey || event.metaKey ? 'queue' : 'steer');
    } else if (event.key === 'Escape' && this.isRunning) {
      event.preventDefault();
      this.halt();
    }
  }

  private onInput(): void {
    this.grow();
    this.keep();
    this.completions.update();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.askPreview(), PREVIEW_PAUSE_MS);
  }

  private grow(): void {
    const rows = Math.min(LINES_MAX, Math.max(2, this.input.value.split('\n').length));
    if (rows !== this.input.rows) this.input.rows = rows;
  }

  /** Kept by the window, which costs it something: not for each letter. */
  private keep(): void {
    this.keeping ??= setTimeout(() => {
      this.keeping = undefined;
      api.setState({ text: this.input.value, attachments: this.attachments } satisfies Draft);
    }, KEEP_MS);
  }

  private submit(how: 'turn' | 'steer' | 'queue'): void {
    const text = this.input.value.trim();
    if (text === '' && this.attachments.length === 0) return;
    post({ type: 'send', text, attachments: this.attachments, how: this.isRunning ? (how === 'queue' ? 'queue' : 'steer') : 'turn' });
    this.onSent();
    this.setDraft('', [], false);
  }

  private halt(): void {
    this.onStopped();
    post({ type: 'stop' });
  }

  setDraft(text: string, attachments: Attachment[], append: boolean): void {
    const before = append && this.input.value !== '' ? `${this.input.value}\n` : '';
    this.input.value = before + text;
    this.attachments = append ? this.attachments : [];
    this.attach(attachments);
    this.grow();
    this.keep();
  }

  attach(attachments: Attachment[]): void {
    for (const attachment of attachments) if (!this.attachments.some(({ id }) => id === attachment.id)) this.attachments.push(attachment);
    this.chips.replaceChildren(
      ...this.attachments.map((attachment) =>
        h('span', { class: 'chip', title: attachment.detail }, attachment.label,
          button('×', () => {
            this.attachments = this.attachments.filter((one) => one !== attachment);
            this.attach([]);
            this.input.focus();
          }, { 'aria-label': `Remove ${attachment.label}` })),
      ),
    );
    this.keep();
    if (attachments.length > 0) this.askPreview();
  }

  /** Images become attachments; text is text. */
  private onPaste(event: ClipboardEvent): void {
    for (const item of event.clipboardData?.items ?? []) {
      const file = item.kind === 'file' ? item.getAsFile() : null;
      if (!file?.type.startsWith('image/')) continue;
      event.preventDefault();
      readImage(file);
    }
  }

  running(isRunning: boolean): void {
    this.isRunning = isRunning;
    this.stop.hidden = !isRunning;
    this.later.hidden = !isRunning;
    this.send.textContent = isRunning ? 'Steer' : 'Send';
    this.send.title = isRunning ? 'Enter: into the turn that runs' : 'Enter';
  }

  setup({ mode, modelName }: Setup): void {
    this.settingsMode = mode;
    this.mode.value = this.threadMode ?? mode;
    this.model.textContent = modelName;
    this.model.setAttribute('aria-label', `Model: ${modelName}`);
  }

  /** That of the thread counts where it has one. */
  thread(mode: Mode | undefined): void {
    this.threadMode = mode;
    this.mode.value = mode ?? this.settingsMode;
  }

  waiting(queue: Waiting[]): void {
    this.queue.replaceChildren(
      ...queue.map(({ turnId, text }) => h('div', { class: 'waiting' }, h('span', {}, `Next: ${text || 'a prompt that waits'}`), button('Take back', () => post({ type: 'unqueue', turnId }), { class: 'quiet' }))),
    );
  }

  complete(message: ToView & { type: 'completions' }): void {
    this.completions.show(message.seq, message.items);
  }

  private togglePreview(): void {
    this.preview.hidden = !this.preview.hidden;
    this.meter.setAttribute('aria-expanded', String(!this.preview.hidden));
    this.askPreview();
  }

  private askPreview(): void {
    post({ type: 'preview', seq: ++this.previewSeq, text: this.input.value, attachments: this.attachments });
  }

  showPreview(seq: number, preview: PreviewResult | undefined, why: string): void {
    if (seq !== this.previewSeq) return;
    this.meter.textContent = preview ? `~${count(preview.tokens)}` : '';
    this.meter.hidden = !preview && this.preview.hidden;
    // What is seen is part of what is heard, so that it can be said to press it.
    if (preview) this.meter.setAttribute('aria-label', `${this.meter.textContent} tokens would be sent`);
    const rows = preview?.parts.map(({ label, tokens, included, why: reason }) => h('tr', included ? {} : { class: 'left-out' }, h('td', {}, label), h('td', {}, count(tokens)), h('td', {}, included ? reason : `left out: ${reason}`))) ?? [];
    this.preview.replaceChildren(preview ? h('table', {}, h('caption', {}, 'What would be sent, in tokens'), h('tbody', {}, ...rows)) : h('p', {}, why));
  }

  focus(): void {
    this.input.focus();
  }
}

export function readImage(file: File): void {
  const reader = new FileReader();
  reader.onload = () => {
    if (typeof reader.result === 'string') post({ type: 'image', name: file.name || 'image', uri: reader.result });
  };
  reader.readAsDataURL(file);
}
