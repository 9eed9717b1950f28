// Starts what the tests need: an endpoint that plays a recording, VS Code, a browser; and opens windows in it.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { chromium } from 'playwright-core';

export const top = process.env.LANEBRIDGE_TOP;
export const lanebridge = process.env.LANEBRIDGE;
export const work = process.env.LANEBRIDGE_WORK;
const cache = process.env.LANEBRIDGE_VSCODE;
const children = [];

function start(name, command, args, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const log = createWriteStream(path.join(work, `${name}.log`), { flags: 'a' });
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  children.push(child);
  return child;
}
export function stopAll() {
  for (const child of children) {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}
async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
export async function until(what, test, limit = 30000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await test();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/** `lanebridge endpoint`, playing the file. */
export async function startEndpoint(replay) {
  const child = start('endpoint', lanebridge, ['endpoint', '--listen', '127.0.0.1:0', '--engine', `replay:${replay}`]);
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  child.stderr.on('data', (text) => (said += text));
  return until('the endpoint says where it is', () => /ws:\/\/\S+/.exec(said)?.[0]);
}

/** One VS Code for all windows. `settings` are those of the machine. */
export async function startCode({ settings = {}, trust = false, env = {} } = {}) {
  const port = await freePort();
  const home = path.join(work, `code-${port}`);
  const folders = { user: path.join(home, 'user'), extensions: path.join(home, 'extensions'), state: path.join(home, 'state') };
  await mkdir(path.join(folders.user, 'User'), { recursive: true });
  await mkdir(path.join(folders.user, 'Machine'), { recursive: true });
  await mkdir(folders.extensions, { recursive: true });
  await mkdir(folders.state, { recursive: true, mode: 0o700 });
  await writeFile(path.join(home, 'empty.yaml'), '');
  const code = {
    port, home, folders,
    origin: `http://127.0.0.1:${port}`,
    entry: path.join(cache, 'node_modules/code-server/out/node/entry.js'),
    env: { LANEBRIDGE_STATE: folders.state, LANEBRIDGE_CONFIG: path.join(home, 'no-config.json'), XDG_CACHE_HOME: path.join(home, 'cache'), PATH: process.env.PATH, OPENAI_API_KEY: 'none', ...env },
  };
  code.args = [code.entry, '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, '--user-data-dir', folders.user, '--extensions-dir', folders.extensions, '--config', path.join(home, 'empty.yaml')];
  await setSettings(code, settings);
  return Object.assign(code, { trust });
}
export async function setSettings(code, settings) {
  const quiet = {
    'workbench.startupEditor': 'none', 'workbench.tips.enabled': false, 'telemetry.telemetryLevel': 'off', 'extensions.ignoreRecommendations': true,
    'git.enabled': false, 'window.commandCenter': false, 'workbench.secondarySideBar.defaultVisibility': 'hidden', 'chat.commandCenter.enabled': false,
    'chat.disableAIFeatures': true, 'files.autoSave': 'off', 'editor.minimap.enabled': false, 'workbench.layoutControl.enabled': false, 'files.simpleDialog.enable': true,
    ...settings,
  };
  await writeFile(path.join(code.folders.user, 'Machine', 'settings.json'), JSON.stringify(quiet));
  await writeFile(path.join(code.folders.user, 'User', 'settings.json'), JSON.stringify(quiet));
}
export async function installExtension(code, vsix) {
  const child = start('install', process.execPath, [...code.args, '--install-extension', vsix], code.env);
  const exit = await new Promise((done) => child.on('exit', done));
  if (exit !== 0) throw new Error(`the extension cannot be installed: ${await readFile(path.join(work, 'install.log'), 'utf8')}`);
}
/** A machine that has none of our libraries, no bubblewrap and no server in PATH. */
const HIDE = `for file in /usr/lib/*/libwebsockets*.so.* /usr/lib/*/libcjson.so.* /usr/lib/*/libuv.so.* "$(command -v bwrap)"; do
  [ ! -e "$file" ] || mount --bind /dev/null "$file" || exit 1
done
exec "$@"`;
export async function run(code) {
  const bare = code.isBare ? ['unshare', '--mount', 'sh', '-c', HIDE, 'sh'] : [];
  const args = [...code.args, '--disable-telemetry', '--disable-update-check', '--disable-getting-started-override', '--ignore-last-opened', '--reconnection-grace-time', '5',
    '--vscode-option', 'enable-smoke-test-driver', ...(code.trust ? [] : ['--disable-workspace-trust'])];
  const [command, ...all] = [...bare, process.execPath, ...args];
  start(`code-${code.port}`, command, all, code.env);
  await until('VS Code listens', () => fetch(`${code.origin}/healthz`).then((answer) => answer.ok, () => false));
  return code;
}
export const startBrowser = () => chromium.launch({ executablePath: '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'] });

/** A fresh copy of a small C project to work in. */
export async function project(name) {
  const folder = path.join(work, 'projects', name);
  await cp(path.join(top, 'tests/corpora/projects/csvline'), folder, { recursive: true });
  return folder;
}
/** A window on the folder, or on the folders of a workspace file. `payload` as VS Code's web server has it. */
export async function openWindow(browser, code, folder, payload = [], { size = { width: 1280, height: 800 } } = {}) {
  const page = await browser.newPage({ viewport: size });
  page.setDefaultTimeout(60000);
  page.problems = [];
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(message.text());
  });
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.remote = (file) => `vscode-remote://127.0.0.1:${code.port}${file}`;
  const opened = folder.endsWith('.code-workspace') ? { workspace: folder } : { folder };
  const query = new URLSearchParams({ ...opened, payload: JSON.stringify(payload.map(([key, value]) => [key, value.startsWith('/') ? page.remote(value) : value])) });
  page.address = `${code.origin}/?${query}`;
  return page;
}
