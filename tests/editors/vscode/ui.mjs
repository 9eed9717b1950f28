// What a person sees and does, by the browser: the words for it, and the tests one after the other.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openWindow, project, until, work } from './code.mjs';

const tests = [];
let context;
export const test = (name, body, options = {}) => tests.push({ name, body, ...options });
export { until };
const opened = [];

/** A window on a project of its own, and the words for what is in it. */
class Window {
  static async open(name, { file, code = 'main', ...options } = {}) {
    const folder = await project(name);
    const payload = file ? [['openFile', path.join(folder, file)]] : [];
    const server = await context.code(code);
    const window = new Window();
    Object.assign(window, { folder, server, page: await openWindow(await context.browser(), server, folder, payload, options) });
    opened.push(window);
    for (const name of ['load', 'command', 'openFile', 'disk', 'editorText', 'shot', 'servers', 'killServer', 'showChat', 'fresh']) window[name] = window[name].bind(window);
    await window.load();
    return window;
  }
  async load() {
    await this.page.bringToFront();
    await this.page.goto(this.page.address);
    await this.page.waitForSelector('.statusbar-item[id*="lanebridge.status"]', { timeout: 60000 });
  }
  /** By the palette, as somebody who knows the name; again if something else took the focus from it. */
  async command(title) {
    for (let attempt = 1; ; attempt++) {
      try {
        const timeout = 8000;
        await this.page.keyboard.press('F1');
        await this.page.waitForSelector('.quick-input-widget input[type="text"]', { timeout });
        await this.page.fill('.quick-input-widget input[type="text"]', `>${title}`, { timeout });
        await this.page.waitForSelector(`.quick-input-list .monaco-list-row.focused:has-text("${title}")`, { timeout });
        await this.page.keyboard.press('Enter');
        return;
      } catch (error) {
        if (attempt === 4) throw error;
        await this.page.click('.statusbar');
      }
    }
  }
  async openFile(name) {
    await this.page.click('.statusbar');
    await this.page.keyboard.press('Control+p');
    await this.page.waitForSelector('.quick-input-widget input[type="text"]');
    await this.page.fill('.quick-input-widget input[type="text"]', name);
    await this.page.waitForSelector(`.quick-input-list .monaco-list-row.focused:has-text("${path.basename(name)}")`);
    await this.page.keyboard.press('Enter');
    await this.page.waitForSelector(`.tab.active:has-text("${path.basename(name)}")`);
    // The tab is there before the text, and keys are lost until that has the focus. A click may scroll, or hit what floats above the lines.
    const text = this.page.locator(`.editor-instance .monaco-editor.focused[data-uri$="/${path.basename(name)}"]`);
    await until(`the keyboard in ${name}`, async () => {
      await this.page.keyboard.press('Control+1');
      return text.waitFor({ timeout: 2000 }).then(() => true, () => false);
    });
  }
  /** The inside of the chat view: a frame in a frame. It is shown if it is not. */
  async showChat() {
    const find = async () => {
      for (const one of this.page.frames()) {
        const ready = await one.evaluate(() => document.body?.dataset.running !== undefined && document.visibilityState === 'visible' && innerHeight > 0).catch(() => false);
        if (ready) return one;
      }
      return undefined;
    };
    let frame = await until('the chat', find, 1000).catch(() => undefined);
    if (!frame) {
      await this.command('Lanebridge: Show Chat');
      frame = await until('the chat', find, 60000);
    }
    return Object.assign(frame, {
      ask: async (text) => {
        await frame.fill('.composer textarea', text);
        await frame.press('.composer textarea', 'Enter');
      },
      /** What axe calls serious or worse. */
      serious: async () => {
        await frame.addAxe();
        const { violations } = await frame.evaluate(() => globalThis.axe.run(document.getElementById('root'), { resultTypes: ['violations'] }));
        return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => [id, nodes[0].html]);
      },
      addAxe: () => frame.evaluate(readFileSync(path.join(process.env.LANEBRIDGE_VSCODE, 'node_modules/axe-core/axe.min.js'), 'utf8')),
    });
  }
  /** A thread of its own: a recording is played once in each. */
  async fresh() {
    await this.command('Lanebridge: New Thread');
    this.chat = await this.showChat();
    await until('a new thread', async () => (await this.chat.locator('.turn').count()) === 0);
    return this;
  }
  disk(name) {
    return readFile(path.join(this.folder, name), 'utf8');
  }
  editorText() {
    return this.page.evaluate(() => [...document.querySelectorAll('.editor-instance .view-line')].sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top).map((line) => line.textContent.replaceAll('\u00a0', ' ')).join('\n'));
  }
  async shot(name) {
    mkdirSync(path.join(work, 'shots'), { recursive: true });
    await this.page.screenshot({ path: path.join(work, 'shots', `${name}.png`) });
  }
  /** Only what was started for this window's VS Code: pids, and the program of each. */
  servers() {
    const found = [];
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const [program, command] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        if (command !== 'lsp' || !readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`LANEBRIDGE_STATE=${this.server.folders.state}\0`)) continue;
        found.push({ pid: Number(pid), program, maps: readFileSync(`/proc/${pid}/maps`, 'utf8') });
      } catch {
        // It ended meanwhile.
      }
    }
    return found;
  }
  killServer() {
    const found = this.servers();
    for (const { pid } of found) process.kill(pid, 'SIGKILL');
    if (found.length === 0) throw new Error('there is no server to be killed');
  }
}

/** One window for many tests: to open one takes longer than most of them. Each gets it with the chat as it is now. */
const sharedWindows = new Map();
export function shared(name, options) {
  const get = async () => {
    const window = sharedWindows.get(name) ?? Object.assign(await Window.open(name, options), { isShared: true });
    sharedWindows.set(name, window);
    await window.page.bringToFront();
    return Object.assign(window, { chat: await window.showChat() });
  };
  get.again = async () => (await get()).chat;
  return get;
}

/** What went wrong, if something did. */
async function attempt(name, body, count = 1) {
  try {
    await body({ ...context, open: (...args) => Window.open(...args) });
  } catch (error) {
    for (const window of opened.slice(-1)) await window.shot(`failed-${name.replace(/\W+/g, '-')}-${count}`).catch(() => undefined);
    return error;
  }
}

/** A browser, a VS Code and a server on a busy machine: who fails once may try again, and it is said. */
async function again(name, body, why) {
  console.log(`measured a second try of: ${name} (${String(why.message ?? why).split('\n', 4).join(' ')})`);
  return attempt(name, body, 2);
}

export async function userInterface(given) {
  context = given;
  for (const file of readdirSync(import.meta.dirname).filter((name) => /^ui-.*\.mjs$/.test(name)).sort()) await import(path.join(import.meta.dirname, file));
  for (const { name, body, full } of tests) {
    if ((full && !context.full) || (context.pattern && !new RegExp(context.pattern).test(name))) continue;
    const began = performance.now();
    const first = await attempt(name, body);
    const error = first && (await again(name, body, first));
    context.report(name, error, performance.now() - began);
    for (const window of opened.filter(({ isShared }) => !isShared)) await window.page.close().catch(() => undefined);
  }
}
