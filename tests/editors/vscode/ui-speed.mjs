// How it feels, measured and printed. Nothing here fails because a machine is slow.
import assert from 'node:assert/strict';
import { shared, test, until } from './ui.mjs';

const window = shared('chat', { file: 'src/csvline.c' });
const percentile = (values, part) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];

/** Types while something goes on, and says how long each letter took to be painted. */
async function type(chat, busy) {
  await chat.evaluate(() => {
    globalThis.typed = [];
    document.querySelector('.composer textarea').addEventListener('keydown', () => {
      const pressed = performance.now();
      requestAnimationFrame(() => setTimeout(() => globalThis.typed.push(performance.now() - pressed)));
    });
  });
  await chat.focus('.composer textarea');
  let letters = 0;
  while (await busy()) {
    await chat.press('.composer textarea', 'abcdefgh '[letters++ % 9]);
    await new Promise((done) => setTimeout(done, 30));
  }
  await chat.fill('.composer textarea', '');
  return chat.evaluate(() => globalThis.typed);
}

test('from Enter to the first character, and from Stop to a ready input', async () => {
  const { chat } = await window();
  await chat.evaluate(() => {
    globalThis.seen = [];
    new MutationObserver(() => {
      if (globalThis.sentAt && document.querySelector('.turn:last-of-type .agent .markdown')?.textContent) {
        globalThis.seen.push(performance.now() - globalThis.sentAt);
        globalThis.sentAt = 0;
      }
    }).observe(document.querySelector('.transcript'), { subtree: true, childList: true, characterData: true });
  });
  for (let round = 0; round < 3; round++) {
    await chat.fill('.composer textarea', 'say it at once');
    await chat.evaluate(() => document.querySelector('.composer textarea').addEventListener('keydown', () => (globalThis.sentAt = performance.now()), { once: true, capture: true }));
    await chat.press('.composer textarea', 'Enter');
    await until('an answer', () => chat.evaluate((wanted) => globalThis.seen.length > wanted, round));
    await chat.waitForSelector('.bar button:text-is("Send")');
  }
  console.log(`measured Enter to first character ${percentile(await chat.evaluate(() => globalThis.seen), 0.5).toFixed(0)} ms (median of 3, the endpoint included)`);
  await (await window()).fresh();
  await chat.ask('take your time');
  await chat.waitForSelector('.turn:last-of-type .agent .markdown:has-text("First I read")');
  const stop = await chat.evaluate(
    () =>
      new Promise((done) => {
        const at = performance.now();
        const button = [...document.querySelectorAll('.bar button')].find(({ textContent }) => textContent === 'Stop');
        new MutationObserver(() => button.hidden && done(performance.now() - at)).observe(button, { attributes: true });
        button.click();
      }),
  );
  console.log(`measured Stop to input ready ${stop.toFixed(0)} ms`);
});
/** Beside what a busy machine makes of it: how much of the time the thread that paints the window has worked. */
async function threadTime(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const get = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    const value = (wanted) => metrics.find(({ name }) => name === wanted).value;
    return { at: value('Timestamp'), worked: value('ThreadTime') };
  };
  const before = await get();
  return async () => {
    const now = await get();
    await session.detach();
    return Math.round((100 * (now.worked - before.worked)) / (now.at - before.at));
  };
}
async function flood(words, name, seconds) {
  const { chat, page } = await (await window()).fresh();
  const used = await threadTime(page);
  await chat.ask(words);
  await chat.waitForSelector('.bar button:text-is("Stop"):visible, .turn:last-of-type footer:not([hidden])');
  const end = Date.now() + seconds * 4000 + 60000;
  const typed = await type(chat, async () => Date.now() < end && (await chat.locator('.bar button:text-is("Stop"):visible').count()) > 0);
  await chat.waitForSelector('.turn footer:not([hidden])');
  const busy = await used();
  const length = await chat.evaluate(() => document.querySelector('.turn:last-of-type .agent .markdown').textContent.length);
  assert.ok(length > seconds * 3000, `${length} characters are there`);
  console.log(`measured ${name}: ${length} characters, ${typed.length > 0 ? painted(typed) : 'over before a letter was typed'}; the window's own thread was busy for ${busy} % of the time`);
}
const painted = (typed) => `a typed letter painted after ${percentile(typed, 0.5).toFixed(0)} ms (median), ${percentile(typed, 0.95).toFixed(0)} ms (95th percentile)`;

/** What the others are compared with: a frame is waited for in any case. */
async function alone() {
  const { chat } = await (await window()).fresh();
  const end = Date.now() + 3000;
  const typed = await type(chat, async () => Date.now() < end);
  assert.ok(typed.length > 0);
  console.log(`measured typing while nothing comes: ${painted(typed)}`);
}
test('typing while nothing comes', alone, { full: true });
test('typing while a thousand tokens a second come', () => flood('talk for three seconds', '1,000 tokens a second for 3 s', 3), { full: true });
test('typing while four thousand tokens come at once', () => flood('say four thousand', 'a burst of 4,000 tokens', 4), { full: true });
test('typing while a thousand tokens a second come for a minute', () => flood('talk for a minute', '1,000 tokens a second for 60 s', 60), { full: true });
