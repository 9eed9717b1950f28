import assert from 'node:assert/strict';
import { test, until } from './ui.mjs';

test('ask, and watch the answer come', async ({ open }) => {
  const window = await open('ask', { file: 'README.md' });
  const chat = await window.chat();
  await window.ask(chat, 'explain the parser');
  await chat.waitForSelector('.agent .markdown :text("state machine")');
  await chat.waitForSelector('.turn footer:not([hidden])');
  assert.equal(await chat.locator('figure.code').count(), 1);
  await window.shot('chat');
});
