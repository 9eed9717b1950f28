// What a person sees and does, by the browser. Each test has a window of its own on a project of its own.
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openWindow, project, top, until, work } from './code.mjs';

const tests = [];
export const test = (name, body, options = {}) => tests.push({ name, body, ...options });

/** A window, with the words for what is in it. */
export class Window {
  constructor(page, folder) {
    Object.assign(this, { page, folder });
  }
  static async open(context, name, { file, ...options } = {}) {
    const folder = await project(name);
    const payload = file ? [['openFile', path.join(folder, file)]] : [];
    const window = new Window(await openWindow(context.browser, context.code, folder, payload, options), folder);
    await window.load();
    return window;
  }
  async load() {
    await this.page.goto(this.page.address);
    await this.page.waitForSelector('.monaco-workbench', { timeout: 30000 });
    await this.page.waitForSelector('.statusbar-item[id*="lanebridge.status"]', { timeout: 30000 });
  }
  async command(title) {
    await this.page.keyboard.press('F1');
    await this.page.waitForSelector('.quick-input-widget input');
    await this.page.keyboard.type(title);
    await this.page.waitForSelector(`.quick-input-list .monaco-list-row.focused :text("${title.replace(/^>?/, '')}")`, { timeout: 10000 });
    await this.page.keyboard.press('Enter');
  }
  /** The inside of the chat view: a frame in a frame. */
  async chat() {
    await this.command('Lanebridge: Show Chat');
    return this.frame();
  }
  async frame() {
    return until('the chat', async () => {
      for (const frame of this.page.frames()) {
        if (frame.isDetached()) continue;
        const box = await frame.$('.composer textarea').catch(() => null);
        if (box) return frame;
      }
      return undefined;
    });
  }
  async ask(frame, text) {
    await frame.fill('.composer textarea', text);
    await frame.press('.composer textarea', 'Enter');
  }
  disk(name) {
    return readFile(path.join(this.folder, name), 'utf8');
  }
  editorText() {
    return this.page.evaluate(() => [...document.querySelectorAll('.editor-instance .view-line')].sort((a, b) => a.offsetTop - b.offsetTop).map((line) => line.textContent.replaceAll('\u00a0', ' ')).join('\n'));
  }
  async shot(name) {
    mkdirSync(path.join(work, 'shots'), { recursive: true });
    await this.page.screenshot({ path: path.join(work, 'shots', `${name}.png`) });
  }
  close() {
    return this.page.close();
  }
}

export async function userInterface(context) {
  await import('./ui-chat.mjs');
  for (const { name, body, full } of tests) {
    if ((full && !context.full) || (context.pattern && !name.includes(context.pattern))) continue;
    const began = performance.now();
    const opened = [];
    const tools = { ...context, open: async (...args) => {
      const window = await Window.open(context, ...args);
      opened.push(window);
      return window;
    } };
    try {
      await body(tools);
      context.report(name, undefined, performance.now() - began);
    } catch (error) {
      for (const window of opened) await window.shot(`failed-${name.replace(/\W+/g, '-')}`).catch(() => undefined);
      context.report(name, error, performance.now() - began);
    }
    for (const window of opened) await window.close().catch(() => undefined);
  }
}
export { top, until, work };
