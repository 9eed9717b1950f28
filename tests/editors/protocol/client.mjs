// A bare editor on the protocol's own library: buffers, edits, questions. It knows nothing of Lanebridge.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as lsp from "vscode-languageserver-protocol/node";
import { TextDocument } from "vscode-languageserver-textdocument";

const WAIT_MS = 30000;

export class Client {
  constructor(program, env, folder, trafficFile) {
    this.folder = folder;
    this.buffers = new Map(); // uri -> TextDocument
    this.shown = []; // what the server opened
    this.questions = []; // what it asked
    this.progress = new Map(); // token -> values
    this.edits = []; // labels of edits that were applied
    this.answer = () => null; // a question's button
    this.changes = []; // wake-ups
    this.child = spawn(program, ["lsp", "--stdio"], { env, stdio: ["pipe", "pipe", "inherit"] });
    this.gone = new Promise((resolve) => this.child.once("exit", (code, signal) => resolve({ code, signal })));
    const note = (dir) => (message) =>
      fs.appendFileSync(trafficFile, JSON.stringify({ dir, session: trafficFile, body: message }) + "\n");
    this.connection = lsp.createProtocolConnection(
      new Reader(this.child.stdout, note("out")), new Writer(this.child.stdin, note("in")));
    this.serve();
    this.connection.listen();
  }

  // -- What the server asks of an editor ---------------------------------------------------------------------------

  serve() {
    const on = (type, handler) => this.connection.onRequest(type, (params) => {
      const result = handler(params);
      this.wake();
      return result;
    });
    on(lsp.ApplyWorkspaceEditRequest.type, (params) => this.apply(params));
    on(lsp.ShowDocumentRequest.type, (params) => {
      this.shown.push(params);
      if (!this.buffers.has(params.uri)) this.open(params.uri);
      return { success: true };
    });
    on(lsp.ShowMessageRequest.type, (params) => {
      this.questions.push(params);
      return this.answer(params);
    });
    on(lsp.WorkDoneProgressCreateRequest.type, (params) => void this.progress.set(params.token, []));
    on(lsp.ConfigurationRequest.type, (params) => params.items.map(() => null));
    on(lsp.CodeLensRefreshRequest.type, () => {});
    on(lsp.RegistrationRequest.type, () => {});
    this.connection.onNotification("$/progress", ({ token, value }) => {
      this.progress.get(token)?.push(value);
      this.wake();
    });
    this.connection.onNotification(lsp.LogMessageNotification.type, () => {});
    this.connection.onNotification(lsp.ShowMessageNotification.type, () => {});
    this.connection.onUnhandledNotification((message) => assert.fail(`a bare client is sent ${message.method}`));
  }

  apply({ label, edit }) {
    const changes = edit.documentChanges ?? Object.entries(edit.changes).map(([uri, edits]) => ({ textDocument: { uri }, edits }));
    for (const { textDocument } of changes) {
      const buffer = this.buffers.get(textDocument.uri);
      if (!buffer || (textDocument.version != null && textDocument.version !== buffer.version))
        return { applied: false, failureReason: "not the version that is open" };
    }
    this.edits.push(label);
    // As VS Code does: the answer goes first, the change after it.
    setImmediate(() => {
      for (const { textDocument, edits } of changes) {
        const buffer = this.buffers.get(textDocument.uri);
        this.replace(textDocument.uri, TextDocument.applyEdits(buffer, edits));
      }
    });
    return { applied: true };
  }

  // -- What a person does ------------------------------------------------------------------------------------------

  uri(name) {
    return pathToFileURL(`${this.folder}/${name}`).href;
  }

  text(uri) {
    return this.buffers.get(uri).getText();
  }

  open(uri) {
    const languageId = uri.endsWith(".md") ? "markdown" : "c";
    const text = fs.readFileSync(fileURLToPath(uri), "utf8");
    this.buffers.set(uri, TextDocument.create(uri, languageId, 1, text));
    this.connection.sendNotification(lsp.DidOpenTextDocumentNotification.type,
      { textDocument: { uri, languageId, version: 1, text } });
  }

  // Types over what differs: one change, as small as it can be.
  replace(uri, text) {
    const buffer = this.buffers.get(uri);
    const old = buffer.getText();
    let start = 0;
    while (start < Math.min(old.length, text.length) && old[start] === text[start]) start++;
    let end = 0;
    while (end < Math.min(old.length, text.length) - start && old.at(-1 - end) === text.at(-1 - end)) end++;
    const range = { start: buffer.positionAt(start), end: buffer.positionAt(old.length - end) };
    const contentChanges = [{ range, text: text.slice(start, text.length - end) }];
    const version = buffer.version + 1;
    TextDocument.update(buffer, contentChanges, version);
    assert.equal(buffer.getText(), text);
    this.connection.sendNotification(lsp.DidChangeTextDocumentNotification.type,
      { textDocument: { uri, version }, contentChanges });
    this.wake();
  }

  save(uri) {
    fs.writeFileSync(fileURLToPath(uri), this.text(uri));
    this.connection.sendNotification(lsp.DidSaveTextDocumentNotification.type, { textDocument: { uri } });
  }

  run(command, ...rest) {
    return this.connection.sendRequest(lsp.ExecuteCommandRequest.type, { command, arguments: rest });
  }

  // -- Waiting -----------------------------------------------------------------------------------------------------

  wake() {
    for (const change of this.changes.splice(0)) change();
  }

  async until(condition, what) {
    const end = Date.now() + WAIT_MS;
    while (!condition()) {
      if (Date.now() > end) {
        const buffers = [...this.buffers].map(([uri, buffer]) => `${uri}:\n${buffer.getText()}`).join("\n");
        assert.fail(`did not come: ${what}\n${buffers}\nprogress ${JSON.stringify([...this.progress])}`);
      }
      await new Promise((resolve) => {
        this.changes.push(resolve);
        setTimeout(resolve, 200);
      });
    }
  }

  // The turn that is the count-th to end: its last word.
  async turn(count) {
    const ends = () => [...this.progress.values()].flat().filter((value) => value.kind === "end");
    await this.until(() => ends().length >= count, `the end of turn ${count}`);
    return ends()[count - 1].message;
  }
}

class Reader extends lsp.StreamMessageReader {
  constructor(stream, note) {
    super(stream);
    this.note = note;
  }
  listen(callback) {
    return super.listen((message) => {
      this.note(message);
      callback(message);
    });
  }
}

class Writer extends lsp.StreamMessageWriter {
  constructor(stream, note) {
    super(stream);
    this.note = note;
  }
  write(message) {
    this.note(message);
    return super.write(message);
  }
}
