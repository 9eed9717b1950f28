// Runs inside the real extension host. Each test says "ok NAME" or "FAILED NAME".
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const vscode = require('vscode');

const tests = [];
const test = (name, body) => tests.push({ name, body });
const limit = (name, ms, promise) => {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${name}: no end in ${ms} ms`)), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};
async function until(what, condition, ms = 20000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
async function run() {
  const extension = vscode.extensions.getExtension('lanebridge.lanebridge');
  const api = await extension.activate();
  const root = vscode.workspace.workspaceFolders[0].uri.fsPath;
  const context = { api, root, assert, until, vscode, fs, path };
  for (const file of fs.readdirSync(__dirname).filter((name) => name.endsWith('.test.cjs')).sort()) require(path.join(__dirname, file))(test, context);
  let failed = 0;
  for (const { name, body } of tests) {
    const began = performance.now();
    try {
      await limit(name, 45000, Promise.resolve(body()));
      console.log(`ok ${name} (${Math.round(performance.now() - began)} ms)`);
    } catch (error) {
      failed++;
      console.log(`FAILED ${name}\n${String(error.stack ?? error).replace(/^/gm, '  | ')}`);
    }
  }
  if (failed > 0) throw new Error(`${failed} of ${tests.length} failed`);
}
module.exports = { run };
