/** What an item says in many small pieces goes to the page in fewer: each message costs the window a turn through three
 *  processes and a layout, and beside sixty of them in a second it has no time for who is typing. Nothing is reordered. */
import type { Event } from '../webview/messages';

/** The first piece goes at once. */
const EVERY_MS = 40;
type Delta = Extract<Event, { method: 'item/delta' }>;

export class Coalescer {
  private held: Delta | undefined;
  private timer: NodeJS.Timeout | undefined;
  private last = 0;

  constructor(private readonly send: (event: Event) => void) {}

  push(event: Event): void {
    if (event.method !== 'item/delta') {
      this.flush();
      this.send(event);
      return;
    }
    if (this.held?.params.itemId === event.params.itemId) {
      this.held.params.delta += event.params.delta;
      return;
    }
    this.flush();
    this.held = { method: event.method, params: { ...event.params } };
    const wait = this.last + EVERY_MS - Date.now();
    if (wait <= 0) this.flush();
    else this.timer = setTimeout(() => this.flush(), wait);
  }

  private flush(): void {
    clearTimeout(this.timer);
    const event = this.held;
    this.held = undefined;
    if (!event) return;
    this.last = Date.now();
    this.send(event);
  }

  /** The thread is told as a whole: what is held is in it. */
  drop(): void {
    clearTimeout(this.timer);
    this.held = undefined;
  }
}
