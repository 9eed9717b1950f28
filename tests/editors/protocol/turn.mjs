// Two whole turns of a bare client, the first taken back. usage: turn.mjs LANEBRIDGE TOP WORK
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { pathToFileURL } from "node:url";
import * as lsp from "vscode-languageserver-protocol/node";
import { Client } from "./client.mjs";

const [lanebridge, top, work] = process.argv.slice(2);
const project = `${work}/a project`; // a blank in its URI
fs.cpSync(`${top}/tests/corpora/projects/csvline`, project, { recursive: true });
fs.writeFileSync(`${project}/.gitignore`, "build/\n");
for (const name of ["home", "state"]) fs.mkdirSync(`${work}/${name}`, { mode: 0o700 });
const env = {
  PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8", HOME: `${work}/home`, LANEBRIDGE_STATE: `${work}/state`,
  LANEBRIDGE_CONFIG: `${work}/config.json`,
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(ASAN|UBSAN|LSAN)_OPTIONS$/.test(name))),
};
fs.writeFileSync(env.LANEBRIDGE_CONFIG,
  JSON.stringify({ "endpoint.url": `replay:${fs.realpathSync(`${top}/tests/editors`)}/turn.jsonl` }), { mode: 0o600 });

const client = new Client(lanebridge, env, project, `${work}/traffic.jsonl`);
const { connection } = client;
const file = client.uri("src/csvline.c");
const onDisk = () => fs.readFileSync(`${project}/src/csvline.c`, "utf8");
const prompt = "The doubled quote test fails: fix the parser and run the tests.";

// -- Hello ---------------------------------------------------------------------------------------------------------------

await assert.rejects(connection.sendRequest("textDocument/hover", {}), { code: lsp.ErrorCodes.ServerNotInitialized });
const hello = await connection.sendRequest(lsp.InitializeRequest.type, {
  processId: process.pid,
  clientInfo: { name: "protocol-library" },
  rootUri: pathToFileURL(project).href,
  workspaceFolders: [{ uri: pathToFileURL(project).href, name: "a project" }],
  capabilities: {
    general: { positionEncodings: [lsp.PositionEncodingKind.UTF16] },
    workspace: {
      applyEdit: true, configuration: true, workspaceFolders: true, executeCommand: {}, codeLens: { refreshSupport: true },
      workspaceEdit: { documentChanges: true, resourceOperations: ["create", "rename", "delete"] },
    },
    window: { workDoneProgress: true, showDocument: { support: true }, showMessage: { messageActionItem: {} } },
    textDocument: {
      synchronization: { didSave: true },
      codeAction: { codeActionLiteralSupport: { codeActionKind: { valueSet: [lsp.CodeActionKind.Refactor] } } },
    },
  },
});
assert.equal(hello.capabilities.positionEncoding, "utf-16");
assert.equal(hello.capabilities.textDocumentSync.change, lsp.TextDocumentSyncKind.Incremental);
connection.sendNotification(lsp.InitializedNotification.type, {});
await assert.rejects(connection.sendRequest("textDocument/hover", {}), { code: lsp.ErrorCodes.MethodNotFound });
await assert.rejects(connection.sendRequest("$/unknown", {}), { code: lsp.ErrorCodes.MethodNotFound });
connection.sendNotification("$/unknown", {});

// -- A turn, begun at a code action --------------------------------------------------------------------------------------

async function ask(count) {
  const text = client.text(file).split("\n");
  const first = text.findIndex((line) => line.startsWith("static char *take_quoted"));
  const last = text.indexOf("}", first) + 1;
  const range = { start: { line: first, character: 0 }, end: { line: last, character: 0 } };
  const actions = await connection.sendRequest(lsp.CodeActionRequest.type,
    { textDocument: { uri: file }, range, context: { diagnostics: [], only: [lsp.CodeActionKind.Refactor] } });
  const action = actions.find((one) => one.title.includes("Edit selection"));
  const opened = client.shown.length;
  await client.run(action.command.command, ...action.command.arguments);
  await client.until(() => client.shown.length > opened, "the transcript");
  const { uri: transcript, selection } = client.shown.at(-1);
  await client.until(() => client.text(transcript).endsWith(`lines ${first + 1} to ${last}: `), "the place in the transcript");
  const buffer = client.buffers.get(transcript);
  assert.equal(buffer.offsetAt(selection.start), buffer.getText().length, "the cursor stands where the prompt goes");
  client.replace(transcript, client.text(transcript) + prompt);
  await client.run("lanebridge.ask");
  const said = await client.turn(count);
  assert.equal(said, "completed");
  return transcript;
}

client.open(file);
const before = onDisk();
client.replace(file, client.text(file).replace("MAX_FIELDS = 4 ", "MAX_FIELDS = 16 ")); // not saved: the tests must see it
client.replace(file, `/* naïve 😀 */ ${client.text(file)}`);
const typed = client.text(file);
client.answer = ({ message, actions }) => {
  assert.match(message, /Do you trust the files in this folder/);
  assert.equal(onDisk(), before, "nothing happens before the answer");
  assert.equal(actions[0].title, "Decline");
  return actions.find((one) => one.title === "Trust this folder");
};
const transcript = await ask(1);
assert.equal(client.questions.length, 1, "asked once");
await client.until(() => client.text(transcript).includes("Fixed: the tests pass"), "the answer in the transcript");
assert.equal(client.edits.filter((label) => label.startsWith("edit src/csvline.c")).length, 2);
const fixed = typed.replace("        if (*from == '\"') {\n",
  "        if (from[0] == '\"' && from[1] == '\"') {\n" +
  "            from++; /* a doubled quote stands for one */\n        } else if (*from == '\"') {\n");
assert.notEqual(fixed, typed);
assert.equal(client.text(file), fixed, "both edits are in the buffer, and what was typed");
assert.equal(onDisk(), before, "what the person has not saved is not saved by us");

// -- Taken back, and again -----------------------------------------------------------------------------------------------

await client.run("lanebridge.undoTurn");
assert.equal(client.text(file), typed, "the turn is taken back, what was typed is not");
await ask(2);
assert.equal(client.text(file), fixed);
client.save(file);
assert.equal(onDisk(), fixed);
execFileSync("make", ["-s", "test"], { cwd: project, stdio: "ignore" });

// -- Cancelling, and good-bye --------------------------------------------------------------------------------------------

const source = new lsp.CancellationTokenSource();
const asked = connection.sendRequest(lsp.InlineCompletionRequest.type, {
  textDocument: { uri: file }, position: { line: 0, character: 0 },
  context: { triggerKind: lsp.InlineCompletionTriggerKind.Automatic },
}, source.token);
source.cancel();
await asked.catch((error) => assert.equal(error.code, lsp.LSPErrorCodes.RequestCancelled));
assert.equal(await connection.sendRequest(lsp.ShutdownRequest.type), null);
await assert.rejects(client.run("lanebridge.status"), { code: lsp.ErrorCodes.InvalidRequest });
await connection.sendNotification(lsp.ExitNotification.type);
assert.deepEqual(await client.gone, { code: 0, signal: null });
assert.deepEqual(client.questions.length, 1);
console.log("protocol: two turns by code action, prompt, edits and tests; one taken back; saved");
process.exit(0);
