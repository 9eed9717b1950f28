// Tests that need a window, or a VS Code, of their own.
import assert from 'node:assert/strict';
import { test, until } from './ui.mjs';

test('no key: the first question offers three ways, and the demo answers', async ({ open }) => {
  const window = await open('first', { file: 'README.md', code: 'bare' });
  const chat = await window.showChat();
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
test('no key: one is entered, kept as a secret, and sent', async ({ open }) => {
  const window = await open('key', { file: 'README.md', code: 'bare' });
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
