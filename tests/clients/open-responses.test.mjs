// The WebSocket cases of Open Responses' compliance, on bare sockets.
import assert from "node:assert/strict";
import test from "node:test";
import WebSocket from "ws";
import { call, message, output, start, tool } from "./server.mjs";

async function open(server) {
  const socket = new WebSocket(`${server.base.replace("http", "ws")}/responses`);
  const events = [];
  let wake = () => {};
  socket.on("message", (data) => (events.push(JSON.parse(data)), wake()));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return {
    async ask(body) {
      socket.send(JSON.stringify({ type: "response.create", model: "m", ...body }));
      for (;;) {
        const event = events.shift();
        if (!event) await new Promise((resolve) => (wake = resolve));
        else if (event.type === "error" || event.response?.status === "completed") return event;
      }
    },
    async close() {
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.close();
      await closed;
    },
  };
}

const text = (event) => event.response.output[0].content[0].text;
const many = (count) => Array.from({ length: count }, (_, i) => ({ emit: [message(`answer ${i}`)] }));
const required = [
  "id", "object", "created_at", "status", "model", "output", "completed_at", "incomplete_details", "previous_response_id",
  "instructions", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
  "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage", "max_output_tokens",
  "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier", "prompt_cache_key",
];

test("Open Responses: a response object has every field", async () => {
  const server = await start(many(1));
  const wire = await open(server);
  const { response } = await wire.ask({ input: "x" });
  assert.deepEqual(required.filter((name) => !(name in response)), []);
  assert.ok(Number.isInteger(response.usage.input_tokens_details.cached_tokens));
  assert.ok(Number.isInteger(response.usage.output_tokens_details.reasoning_tokens));
  await wire.close();
  await server.stop();
});

test("Open Responses: sequential responses on one socket", async () => {
  const server = await start(many(3));
  const wire = await open(server);
  let previous;
  for (let i = 0; i < 3; i++) {
    const event = await wire.ask({ input: `question ${i}`, ...(previous && { previous_response_id: previous }) });
    assert.equal(text(event), `answer ${i}`);
    previous = event.response.id;
  }
  await wire.close();
  await server.stop();
});

test("Open Responses: continuation with store:false", async () => {
  const server = await start(many(2));
  const wire = await open(server);
  const first = await wire.ask({ input: "x", store: false });
  const second = await wire.ask({ input: "y", store: false, previous_response_id: first.response.id });
  assert.equal(second.response.previous_response_id, first.response.id);
  assert.equal(text(second), "answer 1");
  await wire.close();
  await server.stop();
});

test("Open Responses: after a reconnect store:false is not found, and full input recovers", async () => {
  const server = await start(many(2));
  const before = await open(server);
  const first = await before.ask({ input: "x", store: false });
  await before.close();
  const after = await open(server);
  const lost = await after.ask({ input: "y", store: false, previous_response_id: first.response.id });
  assert.equal(lost.error.code, "previous_response_not_found");
  const input = [{ role: "user", content: "x" }, ...first.response.output, { role: "user", content: "y" }];
  assert.equal(text(await after.ask({ input, store: false })), "answer 1");
  await after.close();
  await server.stop();
});

test("Open Responses: an id that never was is not found", async () => {
  const server = await start(many(1));
  const wire = await open(server);
  const event = await wire.ask({ input: "x", previous_response_id: "resp_does_not_exist" });
  assert.equal(event.error.code, "previous_response_not_found");
  assert.equal(event.status, 400);
  await wire.close();
  await server.stop();
});

test("Open Responses: a failed continuation evicts its parent", async () => {
  const server = await start([{ emit: [call("a")] }, { emit: [message("never")] }]);
  const wire = await open(server);
  const first = await wire.ask({ input: "x", store: false, tools: [tool] });
  const asked = first.response.output[0];
  const next = { store: false, tools: [tool], previous_response_id: first.response.id };
  const wrong = await wire.ask({ ...next, input: [output({ call_id: "call_unmatched" }, "5")] });
  assert.equal(wrong.type, "error");
  assert.equal(wrong.status, 400);
  const gone = await wire.ask({ ...next, input: [output(asked, "5")] });
  assert.equal(gone.error.code, "previous_response_not_found");
  await wire.close();
  await server.stop();
});

test("Open Responses: what /responses/compact returns is the base of a new chain", async () => {
  const server = await start(many(3));
  const wire = await open(server);
  const first = await wire.ask({ input: "x", store: false });
  const input = [{ role: "user", content: "x" }, ...first.response.output];
  const answer = await fetch(`${server.base}/responses/compact`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "m", input }),
  });
  assert.equal(answer.status, 200);
  const window = await answer.json();
  assert.equal(window.object, "response.compaction");
  assert.ok(window.output.some((item) => item.type === "compaction"));
  const next = await wire.ask({ input: [...window.output, { role: "user", content: "y" }], store: false });
  assert.equal(next.type, "response.completed");
  const last = await wire.ask({ input: "z", store: false, previous_response_id: next.response.id });
  assert.equal(last.type, "response.completed");
  await wire.close();
  await server.stop();
});
