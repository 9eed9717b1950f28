// The engine `upstream` against an independent server that knows nothing of us: aimock, by both of its interfaces.
import { LLMock } from "@copilotkit/aimock";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { output, start, tool } from "./server.mjs";

async function pair(api) {
  const mock = new LLMock({ port: 0, logLevel: "silent", chunkSize: 5, latency: 5 });
  await mock.start();
  const server = await start(null, "--engine", `upstream:${mock.url}`, "--upstream-api", api);
  return { mock, server, async stop() { await server.stop(); await mock.stop(); } };
}
// What the mock was sent, as the chat messages into which it turns everything.
const sent = (mock) => mock.getLastRequest().body;

for (const api of ["chat", "responses"]) {
  test(`upstream by ${api}: a stream of typed events`, async () => {
    const { mock, server, stop } = await pair(api);
    mock.onMessage("hi", { content: "Hello there, all of you.", reasoning: "They greet." });
    const stream = await server.client.responses.create({ model: "m", input: "hi", stream: true });
    let text = "", deltas = 0, last;
    for await (const event of stream) {
      last = event;
      if (event.type === "response.output_text.delta") { text += event.delta; deltas++; }
    }
    assert.equal(text, "Hello there, all of you.");
    assert.ok(deltas > 1);
    assert.equal(last.type, "response.completed");
    assert.equal(last.response.output[0].type, "reasoning");
    assert.equal(last.response.output_text ?? last.response.output[1].content[0].text, text);
    assert.ok(last.response.usage.output_tokens >= (api === "chat" ? 1 : 0)); // by Responses it counts nothing
    await stop();
  });

  test(`upstream by ${api}: a call, its output, an image`, async () => {
    const { mock, server, stop } = await pair(api);
    mock.onToolResult("call_add", { content: "It is 5." });
    mock.onMessage("what is this?", { content: "A dot." });
    mock.onMessage("2 + 3?", { toolCalls: [{ name: "add", arguments: '{"a":2,"b":3}', id: "call_add" }] });
    const body = { model: "m", tools: [tool] };
    const first = await server.client.responses.create({ ...body, input: "2 + 3?" });
    const call = first.output.find((item) => item.type === "function_call");
    assert.deepEqual(JSON.parse(call.arguments), { a: 2, b: 3 });
    const second = await server.client.responses.create({
      ...body, previous_response_id: first.id, input: [output(call, "5")],
    });
    assert.equal(second.output_text, "It is 5.");
    const url = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    const third = await server.client.responses.create({
      ...body, previous_response_id: second.id,
      input: [{ role: "user", content: [{ type: "input_text", text: "what is this?" },
                                        { type: "input_image", image_url: url, detail: "auto" }] }],
    });
    assert.equal(third.output_text, "A dot.");
    assert.ok(JSON.stringify(sent(mock)).includes(api === "chat" ? url : "what is this?"));
    assert.ok(JSON.stringify(sent(mock)).includes("It is 5."));
    await stop();
  });

  test(`upstream by ${api}: errors are the documented ones`, async () => {
    const { mock, server, stop } = await pair(api);
    mock.onMessage("hi", { content: "Hello." });
    await server.client.responses.create({ model: "m", input: "hi" }); // it is known what the server is
    for (const [status, told] of [[400, 400], [401, 403], [429, 429], [500, 500], [503, 503]]) {
      mock.nextRequestError(status, { message: `no: ${status}` });
      await assert.rejects(server.client.responses.create({ model: "m", input: "hi" }),
                           (error) => error.status === told && error.message.includes(`no: ${status}`));
    }
    const again = await server.client.responses.create({ model: "m", input: "hi" });
    assert.equal(again.output_text, "Hello.");
    await stop();
  });

  test(`upstream by ${api}: lanebridge run, a whole turn`, async () => {
    const { mock, server, stop } = await pair(api);
    const patch = "*** Begin Patch\n*** Update File: a.c\n@@\n-int x = 1;\n+int x = 2;\n*** End Patch\n";
    const calls = (name, args, id) => ({ toolCalls: [{ name, arguments: JSON.stringify(args), id }] });
    mock.onToolResult("call_p", { content: "x is 2 now." });
    mock.onToolResult("call_r", calls("apply_patch", { input: patch }, "call_p"));
    mock.onMessage("make x two", calls("read_file", { path: "a.c" }, "call_r"));
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lanebridge-turn-"));
    fs.mkdirSync(path.join(folder, "work"));
    fs.writeFileSync(path.join(folder, "work/a.c"), "int x = 1;\n");
    const url = server.base.replace("http:", "ws:") + "/responses";
    fs.writeFileSync(path.join(folder, "config.json"), JSON.stringify({ endpoint: { url } }));
    const child = spawn(process.env.LANEBRIDGE, ["run", "-C", path.join(folder, "work"), "make x two"], {
      env: { PATH: "/usr/bin:/bin", HOME: folder, LANEBRIDGE_CONFIG: path.join(folder, "config.json"),
             LANEBRIDGE_STATE: path.join(folder, "state"), OPENAI_API_KEY: "none-needed" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    child.stdout.on("data", (bytes) => (said += bytes));
    child.stderr.on("data", (bytes) => (said += bytes));
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 0, said);
    assert.ok(said.includes("x is 2 now."), said);
    assert.equal(fs.readFileSync(path.join(folder, "work/a.c"), "utf8"), "int x = 2;\n");
    fs.rmSync(folder, { recursive: true, force: true });
    await stop();
  });
}
