// `ResponsesWS` and the managed session with lanes, of the openai package.
import assert from "node:assert/strict";
import test from "node:test";
import { ResponsesWS } from "openai/resources/responses/ws";
import { ResponsesWebSocketSession } from "openai/lib/responses/responses-websocket-session";
import { call, message, output, reasoning, start, tool } from "./server.mjs";

async function connect(server) {
  const socket = new ResponsesWS(server.client);
  const events = socket.stream();
  return {
    socket,
    create: (body) => socket.send({ type: "response.create", model: "m", ...body }),
    // Everything up to what ends a response, or an error.
    async ending() {
      const seen = [];
      for (;;) {
        const { value } = await events.next();
        if (value.type === "error") return { type: "error", error: value.error.error.error, seen };
        if (value.type === "close") return { type: "close", code: value.code, seen };
        if (value.type !== "message") continue;
        seen.push(value.message);
        if (["response.completed", "response.failed", "response.incomplete"].includes(value.message.type))
          return { type: value.message.type, response: value.message.response, seen };
      }
    },
    async close() {
      socket.close();
      for await (const _ of events);
    },
  };
}

test("ResponsesWS: a turn with a tool", async () => {
  const server = await start([{ emit: [reasoning("hm"), call("a")] }, { emit: [message("It is 5.")] }]);
  const wire = await connect(server);
  wire.create({ input: "2 + 3?", tools: [tool], store: false, include: ["reasoning.encrypted_content"] });
  const first = await wire.ending();
  assert.equal(first.type, "response.completed");
  assert.deepEqual(first.seen.map((e) => e.sequence_number), first.seen.map((_, i) => i));
  const asked = first.response.output.find((item) => item.type === "function_call");
  assert.deepEqual(JSON.parse(asked.arguments), { a: 2, b: 3 });
  wire.create({ input: [output(asked, "5")], tools: [tool], store: false, previous_response_id: first.response.id });
  const second = await wire.ending();
  assert.equal(second.response.output[0].content[0].text, "It is 5.");
  assert.ok(second.response.usage.input_tokens_details.cached_tokens > 0);
  await wire.close();
  await server.stop();
});

test("ResponsesWS: an error is an error event, and the socket lives", async () => {
  const server = await start(null);
  const wire = await connect(server);
  wire.create({ input: "x", previous_response_id: "resp_none" });
  const refused = await wire.ending();
  assert.equal(refused.type, "error");
  assert.equal(refused.error.code, "previous_response_not_found");
  wire.create({ input: "x" });
  assert.equal((await wire.ending()).type, "response.completed");
  await wire.close();
  await server.stop();
});

test("ResponsesWS: a warm-up is continued", async () => {
  const server = await start([{ emit: [message("warm")] }]);
  const wire = await connect(server);
  wire.create({ input: "context", generate: false });
  const warm = await wire.ending();
  assert.equal(warm.type, "response.completed");
  assert.deepEqual(warm.response.output, []);
  wire.create({ input: "go", previous_response_id: warm.response.id });
  assert.equal((await wire.ending()).response.output[0].content[0].text, "warm");
  await wire.close();
  await server.stop();
});

test("ResponsesWS: what runs is steered", async () => {
  const server = await start([{ emit: [message("one ".repeat(30)), message("two")], pace: { chunk: 4, delta_ms: 5 } }]);
  const wire = await connect(server);
  const accepted = new Promise((resolve) => wire.socket.on("response.steer.accepted", resolve));
  wire.socket.once("response.created", (event) =>
    wire.socket.send({
      type: "response.steer", previous_response_id: event.response.id,
      input: [{ type: "message", role: "user", content: "shorter" }],
    }));
  wire.create({ input: "tell" });
  const first = await wire.ending();
  await accepted;
  assert.equal(first.type, "response.incomplete");
  assert.equal(first.response.incomplete_details.reason, "steered");
  const second = await wire.ending();
  assert.equal(second.response.previous_response_id, first.response.id);
  assert.equal(second.response.output[0].content[0].text, "two"); // a script goes on where it was
  await wire.close();
  await server.stop();
});

test("the managed session: lanes side by side, a fork, and FIFO within one", async () => {
  const steps = [];
  for (const name of ["a", "b", "c"])
    steps.push({ rollout: name, match: { text: name } },
      { emit: [message(`${name}1 `.repeat(20))], pace: { chunk: 5, delta_ms: 2 } }, { emit: [message(`${name}2`)] },
      { emit: [message(`${name}3`)] });
  const server = await start(steps);
  const socket = new ResponsesWS(server.client);
  for await (const event of socket.stream()) if (event.type === "open") break;
  const session = new ResponsesWebSocketSession(socket, {
    maxLanes: 32, maxBufferedEvents: 10000, maxBufferedBytes: 10_000_000,
  });
  const names = ["a", "b", undefined];
  const lanes = names.map((name) => session.lane(name));
  lanes.forEach((lane, i) => lane.create({ model: "m", input: names[i] ?? "c", store: false }));
  const firsts = await Promise.all(lanes.map((lane) => lane.finalResponse()));
  firsts.forEach((response, i) => assert.match(response.output_text, new RegExp(`^${names[i] ?? "c"}1`)));
  lanes[0].create({ model: "m", input: "x", store: false, previous_response_id: firsts[0].id });
  lanes[0].create({ model: "m", input: "a", store: false }); // waits for the one before
  assert.equal((await lanes[0].finalResponse()).output_text, "a2");
  assert.match((await lanes[0].finalResponse()).output_text, /^a1/);
  const fork = session.lane("fork");
  fork.create({ model: "m", input: "x", store: false, previous_response_id: firsts[1].id });
  assert.equal((await fork.finalResponse()).output_text, "b2");
  session.close();
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.close();
  await closed;
  await server.stop();
});
