// Tests that need a window, or a VS Code, of their own.
import assert from 'node:assert/strict';
import { shared, test, until } from './ui.mjs';

const bare = shared('first', { file: 'README.md', code: 'bare' });

test('no key: the first question offers three ways, and the demo answers', async () => {
  const window = await bare();
  const { chat } = window;
  await chat.ask('hello');
  await window.page.waitForSelector('.quick-input-widget .monaco-list-row:has-text("Enter a key")');
  assert.equal(await window.page.locator('.quick-input-widget .monaco-list-row').count(), 3);
  await window.shot('vscode-first-question');
  await window.page.keyboard.press('ArrowDown');
  await window.page.keyboard.press('ArrowDown');
  await window.page.keyboard.press('Enter');
  await chat.waitForSelector('.banner:has-text("A recording answers")', { timeout: 30000 });
  await chat.waitForSelector('.agent .markdown:has-text("waits for review")', { timeout: 30000 });
});
test('the extension brings the server, its libraries and its sandbox along', async () => {
  if (!process.env.LANEBRIDGE_BUNDLE) return;
  const window = await bare();
  const [server] = window.servers();
  assert.match(server.program, /\/extensions\/lanebridge\.lanebridge-[^/]*\/server\/bin\/lanebridge$/);
  const libraries = server.maps.match(/\S*lib(websockets|cjson|uv)[^\s/]*\.so\S*/g) ?? [];
  assert.ok(libraries.length > 0 && libraries.every((file) => file.includes('/server/lib/lanebridge/')), libraries.join());
  await window.command('Lanebridge: Doctor');
  await window.page.waitForSelector('.tab.active:has-text("Lanebridge Doctor")');
  await until('its own bubblewrap', async () => /server\/libexec\/lanebridge\/bwrap\); a command was run in it/.test(await window.editorText()));
});
test('no key: one is entered, kept as a secret, and sent', async () => {
  const window = await bare();
  await window.command('Lanebridge: Set API Key');
  await window.page.waitForSelector('.quick-input-widget input[type="password"]');
  await window.page.keyboard.type('sk-of-the-test');
  await window.page.keyboard.press('Enter');
  const chat = await window.showChat();
  await until('no banner', async () => !/No key|recording/.test((await chat.textContent('.banner')) ?? ''));
});
test('a workspace that is not trusted: nothing is done before it is', async ({ open }) => {
  const window = await open('untrusted', { file: 'README.md', code: 'untrusting' });
  const chat = await window.showChat();
  await chat.waitForSelector('.banner:has-text("not trusted")', { timeout: 30000 });
  await chat.ask('explain the parser');
  assert.equal(await chat.locator('.agent').count(), 0);
  await chat.click('.banner button:text-is("Manage Workspace Trust")');
  await window.page.click('.workspace-trust-editor .monaco-button:has-text("Trust") >> nth=0');
  await chat.waitForSelector('.agent .markdown:has-text("state machine")', { timeout: 30000 });
});
