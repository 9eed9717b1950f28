// Both kinds of tests, one after the other. usage: node main.mjs [--full] [PATTERN]
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { installExtension, openWindow, project, run, startBrowser, startCode, startEndpoint, stopAll, top, work } from './code.mjs';
import { floods } from './flood.mjs';
import { userInterface } from './ui.mjs';

const full = process.argv.includes('--full');
const pattern = process.argv.slice(2).find((one) => !one.startsWith('--'));
const results = [];
export function report(name, error, took) {
  results.push(!error);
  console.log(`${error ? 'FAILED' : 'ok'} ${name} (${Math.round(took)} ms)`);
  if (error) console.log(String(error.stack ?? error).replace(/^/gm, '    '));
}

/** One for each time that VS Code asks; a rollout is played once. What it asks before the line is typed is answered, too, with nothing:
 *  a question that failed would keep the server from asking for half a minute. */
function suggestions() {
  const all = (name, text, answer) => Array.from({ length: 20 }, (_, i) => [{ rollout: `${name} ${i}`, match: { text } }, { emit: [{ type: 'message', text: answer }] }]).flat();
  return [...all('inline', 'int total = <|cursor|>', 'count + 1;'), ...all('early', '<|cursor|>', '')].map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Tests inside the extension host: they say what they did by the console, and how they ended by the exit code. */
async function inHost(browser, code) {
  const folders = [await project('in-host'), await project('in-host-too')];
  const workspace = path.join(work, 'projects/both.code-workspace');
  await writeFile(workspace, JSON.stringify({ folders: folders.map((folder) => ({ path: folder })) }));
  const extension = path.join(top, 'editors/vscode');
  const tests = path.join(top, 'tests/editors/vscode/in-host/main.cjs');
  const page = await openWindow(browser, code, workspace, [['extensionDevelopmentPath', extension], ['extensionTestsPath', tests], ['enableProposedApi', '']]);
  let finished;
  const exit = new Promise((done) => (finished = done));
  await page.exposeFunction('codeAutomationLog', (_type, args) => {
    for (const line of args.join(' ').split('\n')) {
      const result = /^(ok|FAILED) (.*)$/.exec(line);
      if (result) results.push(result[1] === 'ok');
      // Without its native modules code-server complains of logs it cannot write.
      if (result || /^(  \| |measured )/.test(line)) console.log(line);
    }
  });
  await page.exposeFunction('codeAutomationExit', (status) => finished(status));
  await page.goto(page.address);
  const status = await Promise.race([exit, new Promise((done) => setTimeout(() => done('no end in five minutes'), 300000))]);
  if (status !== 0) report('the tests inside the extension host end', new Error(`exit ${status}`), 0);
  await page.close();
}

const began = performance.now();
let browser;
try {
  await mkdir(path.join(work, 'projects'), { recursive: true });
  const replay = path.join(work, 'replay.jsonl');
  const rollouts = (await readFile(path.join(top, 'tests/editors/vscode/replay.jsonl'), 'utf8')) + floods();
  const forSecondTries = rollouts.replaceAll(/^\{"rollout":"([^"]*)"/gm, '{"rollout":"$1, again"');
  await writeFile(replay, rollouts + forSecondTries + suggestions());
  const [vsix] = (await readdir(path.join(top, 'editors/vscode'))).filter((name) => name.endsWith('.vsix')).sort().reverse();
  const bundle = process.env.LANEBRIDGE_BUNDLE;
  const endpoint = await startEndpoint(replay);
  const model = { 'lanebridge.path': process.env.LANEBRIDGE, 'lanebridge.endpoint.url': endpoint, 'lanebridge.inlineCompletion.enabled': true };
  // As a person has it, without a key, and with Workspace Trust; each is started when it is first needed.
  const kinds = {
    main: { settings: model },
    bare: { settings: bundle ? {} : { 'lanebridge.path': process.env.LANEBRIDGE }, env: { OPENAI_API_KEY: '' }, isBare: Boolean(bundle) },
    untrusting: { settings: { ...model, 'security.workspace.trust.startupPrompt': 'never' }, trust: true },
  };
  const started = {};
  const code = (kind) =>
    (started[kind] ??= (async () => {
      const { isBare = false, ...options } = kinds[kind];
      const one = Object.assign(await startCode(options), { isBare });
      await installExtension(one, isBare ? bundle : path.join(top, 'editors/vscode', vsix));
      return run(one);
    })());
  /** Started anew where it has died. */
  const running = async () => {
    if (!browser?.isConnected()) browser = await startBrowser();
    return browser;
  };
  if (!pattern || pattern === 'in-host') await inHost(await running(), await code('main'));
  if (pattern !== 'in-host') await userInterface({ browser: running, code, endpoint, full, pattern, report });
} catch (error) {
  report('the tests run to their end', error, 0);
} finally {
  await browser?.close();
  stopAll();
}
if (process.env.LANEBRIDGE_SHOW_LOGS) console.log(await readFile(path.join(work, 'endpoint.log'), 'utf8'));
const failed = results.filter((good) => !good).length;
console.log(`VS Code: ${results.length - failed} passed, ${failed} failed, ${((performance.now() - began) / 1000).toFixed(0)} s`);
process.exit(failed > 0 || results.length === 0 ? 1 : 0);
