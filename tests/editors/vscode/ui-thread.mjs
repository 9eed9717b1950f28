// One window: what can be done with turns, threads and what goes along with a prompt.
import assert from 'node:assert/strict';
import path from 'node:path';
import { shared, test, until } from './ui.mjs';

const window = shared('chat', { file: 'src/csvline.c' });
const fresh = async () => (await window()).fresh();
const done = (chat, text) => chat.waitForSelector(`.turn:last-of-type .agent .markdown:has-text("${text}")`);
const turns = (chat) => chat.locator('.turn').count();
/** Something is dropped on the chat, as the browser tells it. */
const drop = (chat, { uris = [], image }) =>
  chat.evaluate(
    ([list, name]) => {
      const data = new DataTransfer();
      if (list.length > 0) data.setData('text/uri-list', list.join('\r\n'));
      const png = Uint8Array.from(atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='), (one) => one.charCodeAt(0));
      if (name) data.items.add(new File([png], name, { type: 'image/png' }));
      document.querySelector('.composer').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    },
    [uris, image],
  );

test('a code block is copied, put in at the cursor, and applied after a look', async () => {
  const { chat, page, openFile, editorText } = await fresh();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await chat.ask('explain the parser');
  await done(chat, 'state machine');
  await chat.click('figure.code button:text-is("Copy")');
  await until('the clipboard', async () => /end = take_quoted\(&at\);\n\}$/.test(await page.evaluate(() => navigator.clipboard.readText())));
  await openFile('README.md');
  await page.keyboard.press('Control+End');
  await chat.click('figure.code button:text-is("Insert")');
  await until('the text', async () => /make test[^]*take_quoted\(&at\)/.test(await editorText()));
  await chat.click('figure.code button:text-is("Apply")');
  await page.waitForSelector('.refactor-preview, .bulk-edit-panel');
  assert.match(await editorText(), /make test/, 'nothing is applied before it was looked at');
  await page.click('.bulk-edit-panel .monaco-button:has-text("Discard")');
});
test('files and an image are dropped, and go along', async () => {
  const { chat, folder } = await fresh();
  await drop(chat, { uris: [`file://${path.join(folder, 'README.md')}`, `file://${path.join(folder, 'src')}`, 'https://example.com/'] });
  await until('two chips', async () => (await chat.locator('.chip').count()) === 2);
  await drop(chat, { image: 'dot.png' });
  await chat.waitForSelector('.chip:has-text("dot.png")');
  await chat.ask('explain the parser');
  await done(chat, 'state machine');
  await chat.click('footer button:text-is("Sent")');
  const sent = await (await chat.waitForSelector('.detail table')).textContent();
  assert.match(sent, /file.*folder.*image/);
});
test('a turn is asked again, and a thread goes on from it in another', async () => {
  const { chat } = await fresh();
  await chat.ask('say it at once');
  await done(chat, 'At once.');
  await chat.click('.turn:last-of-type footer button:text-is("Retry")');
  await until('it runs again', async () => (await turns(chat)) >= 2 || (await chat.locator('.turn[data-status="completed"]').count()) === 1);
  await chat.waitForSelector('.bar button:text-is("Send")');
  const before = await turns(chat);
  await chat.click('.turn:first-of-type footer button:text-is("Fork")');
  await until('the fork', async () => (await turns(chat)) === 1 && before >= 1);
  assert.match(await chat.textContent('.transcript'), /At once/);
});
test('a thread is exported, and found by a word', async () => {
  const { chat, page, command, editorText } = await fresh();
  await chat.ask('explain the parser');
  await done(chat, 'state machine');
  await command('Lanebridge: Threads');
  await page.waitForSelector('.quick-input-list .monaco-list-row:has-text("explain the parser")');
  await page.keyboard.type('explain');
  const row = '.quick-input-list .monaco-list-row:has-text("explain the parser") >> nth=0';
  await page.waitForSelector('.quick-input-list .monaco-list-row:has-text("New thread")', { state: 'detached' });
  await page.hover(row);
  await page.click(`${row} >> .action-label[aria-label^="Export"]`);
  await page.waitForSelector('.tab.active:has-text("Untitled")');
  await until('its text', async () => /explain the parser/.test(await editorText()));
});
test('a plan is carried out, without the step that was ticked off', async () => {
  const { chat } = await fresh();
  await chat.selectOption('.composer select', 'plan');
  await chat.ask('plan the work');
  await done(chat, 'That is the plan');
  await chat.waitForSelector('.carry-out:not([hidden])');
  await chat.uncheck('.plan li:has-text("Rename the readme") input');
  await chat.click('.carry-out button:text-is("Carry it out")');
  await done(chat, 'Only the first step');
  assert.match(await chat.textContent('.turn:last-of-type .message.user'), /1\. Read the parser\s*$/);
  assert.equal(await chat.locator('.carry-out:not([hidden])').count(), 0);
  await until('the mode', async () => (await chat.inputValue('.composer select')) === 'ask');
});
test('of a long thread the last turns are shown, and older ones when somebody goes up', async () => {
  const { chat, command } = await fresh();
  const wanted = 33;
  await chat.evaluate(async (count) => {
    const input = document.querySelector('.composer textarea');
    const ended = () => document.querySelectorAll('.turn footer:not([hidden])').length;
    for (let turn = 0; turn < count; turn++) {
      input.value = 'an old turn';
      input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
      while (ended() <= turn) await new Promise((next) => setTimeout(next, 10));
    }
  }, wanted);
  await command('View: Show Explorer'); // the page is thrown away
  const again = await window.again();
  await until('the last turns', async () => (await turns(again)) === 30);
  await again.waitForSelector(`.agent .markdown:has-text("Answer ${wanted} of")`);
  await again.evaluate(() => (document.querySelector('.transcript').scrollTop = 0));
  await until('all of them', async () => (await turns(again)) === wanted);
  assert.match(await again.textContent('.turn:first-of-type .agent'), /Answer 1 of/);
  assert.ok(await again.evaluate(() => document.querySelector('.transcript').scrollTop > 0), 'what was read stays where it was');
});
test('a thread that another window has can be taken over', async () => {
  const { chat } = await fresh();
  await chat.evaluate(() => window.postMessage({ type: 'thread', view: { thread: { id: 'x', title: 'elsewhere', leased: true }, turns: [], hasOlder: false, queue: [], pending: {} } }, '*'));
  await chat.waitForSelector('.continue:has-text("open in another window") button:text-is("Take over")');
});
test('in high contrast nothing serious is wrong either', async () => {
  const { chat, page } = await window();
  await page.emulateMedia({ forcedColors: 'active' });
  try {
    await chat.waitForSelector('body.vscode-high-contrast, body.vscode-high-contrast-light');
    assert.deepEqual(await chat.serious(), []);
  } finally {
    await page.emulateMedia({ forcedColors: 'none' });
  }
});
