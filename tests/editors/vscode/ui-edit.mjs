// One window: what a person sees and does between the lines.
import assert from 'node:assert/strict';
import { test, until } from './ui.mjs';

const prompt = '.review-widget';
/** What stands at the ends of lines without being in the document. */
const ghosts = (page) =>
  page.evaluate(() => [...document.querySelectorAll('.editor-instance .view-line span')].map((one) => getComputedStyle(one, '::after').content).filter((text) => text !== 'none' && text !== 'normal' && text !== '""'));
async function askHere({ page, openFile }, line, words) {
  await openFile('src/csvline.c');
  await page.keyboard.press('Control+g');
  await page.waitForSelector('.quick-input-widget input[type="text"]');
  await page.keyboard.type(String(line));
  await page.keyboard.press('Enter');
  await page.waitForSelector('.quick-input-widget', { state: 'hidden' });
  await page.keyboard.press('Alt+l');
  await page.keyboard.press('e');
  await page.waitForSelector(`${prompt} .monaco-editor.focused`);
  await page.evaluate(() => (globalThis.input = document.querySelector('.review-widget')));
  await page.keyboard.type(words, { delay: 20 });
  await page.waitForSelector(`${prompt} .monaco-button:has-text("Send")`);
  // An input that VS Code makes anew, while somebody types into it, takes no Enter (decision 22).
  assert.ok(await page.evaluate(() => globalThis.input === document.querySelector('.review-widget')), 'the input is the one that was opened');
  await page.keyboard.press('Enter');
  await page.waitForSelector(`${prompt} .filename:has-text("${words}")`);
}

test('a prompt at the cursor: the change stands in the lines, what is gone too, and is accepted there', async ({ open }) => {
  // A window of its own: nothing else moves the keyboard there, once the chat has had it.
  const here = await open('inline', { file: 'src/csvline.c' });
  const { page, editorText, shot } = here;
  here.chat = await here.showChat();
  await until('the keyboard in the chat', () => here.chat.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'), 10000).catch(() => undefined);
  await askHere(here, 30, 'simplify this');
  await page.waitForSelector(`${prompt} .filename:has-text("2 changes wait")`);
  await until('the new line', async () => /return \*at \+= strcspn/.test(await editorText()));
  await until('the old lines', async () => /\*at \+= strcspn.*⏎.*return \*at;/.test((await ghosts(page)).join('\n')));
  assert.ok((await ghosts(page)).some((text) => text.includes('Reads one plain field')), 'a line that is gone is shown');
  await here.chat.waitForSelector('.turn .message.user:has-text("simplify this")');
  await shot('vscode-inline');
  await page.click('.codelens-decoration a:has-text("2 old lines")');
  await page.waitForSelector('.peekview-widget .view-line:has-text("return *at;")');
  await page.keyboard.press('Escape');
  await page.click(`${prompt} .action-label[aria-label*="Accept Changes"]`);
  await page.waitForSelector(prompt, { state: 'detached' });
  await until('nothing waits', async () => (await ghosts(page)).length === 0);
  assert.match(await editorText(), /return \*at \+= strcspn/);
});
