/** Elements without a framework. Text is always set as text; the only HTML is that of markdown.ts, which is cleaned. */
import type { FromView } from './messages';

interface Api {
  postMessage(message: FromView): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): Api;
export const api = acquireVsCodeApi();
export const post = (message: FromView): void => api.postMessage(message);

type Child = Node | string | undefined | false;
type Attributes = Record<string, string | boolean | number | ((event: never) => void) | undefined>;

/** `on…` attributes with a function are listeners. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return element;
}

/** A button has its name in words; its key, if it has one, too. */
export function button(label: string, run: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h('button', { type: 'button', ...attributes, onclick: run }, label);
}

/** Said by screen readers, once. */
const live = h('div', { class: 'hidden-text', role: 'status', 'aria-live': 'polite' });
export const liveRegion = live;
export function announce(text: string): void {
  live.textContent = text;
}

export function clock(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  const seconds = ms / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
export const count = (tokens: number): string => (tokens < 1000 ? String(tokens) : `${(tokens / 1000).toFixed(tokens < 10000 ? 1 : 0)}k`);
