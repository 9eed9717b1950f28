// The agents SDK, over its WebSocket transport and over HTTP.
import assert from "node:assert/strict";
import test from "node:test";
import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool, withResponsesWebSocketSession } from "@openai/agents";
import { z } from "zod";
import { call, message, reasoning, start } from "./server.mjs";

setTracingDisabled(true);
const script = [{ emit: [reasoning("hm"), call("a")] }, { emit: [message("It is 5.", { phase: "final_answer" })] }];

function agentWith(ran) {
  const add = tool({
    name: "add", description: "adds two numbers", parameters: z.object({ a: z.number(), b: z.number() }),
    execute: ({ a, b }) => (ran.push([a, b]), String(a + b)),
  });
  return new Agent({ name: "adder", instructions: "Add.", model: "m", tools: [add] });
}

test("agents SDK: a turn with a tool over one WebSocket", async () => {
  const server = await start(script);
  const ran = [];
  await withResponsesWebSocketSession(async ({ run }) => {
    const result = await run(agentWith(ran), "2 + 3?");
    assert.equal(result.finalOutput, "It is 5.");
  }, { providerOptions: { apiKey: "none-needed", baseURL: server.base, websocketBaseURL: server.base.replace("http", "ws") } });
  assert.deepEqual(ran, [[2, 3]]);
  const metrics = await server.metrics();
  assert.equal(metrics.requests.websocket, 2);
  assert.equal(metrics.connections.opened, 1);
  await server.stop();
});

test("agents SDK: streamed, over one WebSocket", async () => {
  const server = await start(script);
  const ran = [];
  await withResponsesWebSocketSession(async ({ run }) => {
    const result = await run(agentWith(ran), "2 + 3?", { stream: true });
    let text = "";
    for await (const piece of result.toTextStream()) text += piece;
    await result.completed;
    assert.equal(text, "It is 5.");
  }, { providerOptions: { apiKey: "none-needed", baseURL: server.base, websocketBaseURL: server.base.replace("http", "ws") } });
  assert.deepEqual(ran, [[2, 3]]);
  await server.stop();
});

test("agents SDK: the same over HTTP", async () => {
  const server = await start(script);
  const ran = [];
  const modelProvider = new OpenAIProvider({ openAIClient: server.client });
  const result = await new Runner({ modelProvider }).run(agentWith(ran), "2 + 3?");
  assert.equal(result.finalOutput, "It is 5.");
  assert.deepEqual(ran, [[2, 3]]);
  await server.stop();
});
