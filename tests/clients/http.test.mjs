// The openai package over HTTP: streams, whole answers, and what is stored.
import assert from "node:assert/strict";
import test from "node:test";
import { call, message, output, reasoning, start, tool } from "./server.mjs";

test("HTTP: a stream of typed events", async () => {
  const server = await start([{ emit: [reasoning("let me see"), message("Hello there, all of you.")], pace: { chunk: 3 } }]);
  const stream = await server.client.responses.create({ model: "m", input: "hi", stream: true });
  const types = [];
  let text = "";
  for await (const event of stream) {
    types.push(event.type);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.equal(text, "Hello there, all of you.");
  assert.equal(types[0], "response.created");
  assert.equal(types.at(-1), "response.completed");
  await server.stop();
});

test("HTTP: the stream helper collects the response", async () => {
  const server = await start([{ emit: [call("a")] }, { emit: [message("It is 5.")] }]);
  const first = await server.client.responses.stream({ model: "m", input: "2 + 3?", tools: [tool] }).finalResponse();
  const asked = first.output.find((item) => item.type === "function_call");
  const second = await server.client.responses.stream({
    model: "m", input: [output(asked, "5")], tools: [tool], previous_response_id: first.id,
  }).finalResponse();
  assert.equal(second.output_text, "It is 5.");
  await server.stop();
});

test("HTTP: full history, without a stored response", async () => {
  const server = await start([{ emit: [reasoning("hm"), call("a")] }, { emit: [message("It is 5.")] }]);
  const input = [{ role: "user", content: "2 + 3?" }];
  const body = { model: "m", tools: [tool], store: false, include: ["reasoning.encrypted_content"] };
  const first = await server.client.responses.create({ ...body, input });
  const asked = first.output.find((item) => item.type === "function_call");
  input.push(...first.output, output(asked, "5"));
  const second = await server.client.responses.create({ ...body, input });
  assert.equal(second.output_text, "It is 5.");
  await server.stop();
});

test("HTTP: what is stored is found, listed and deleted; tokens are counted; models are listed", async () => {
  const server = await start([{ emit: [message("kept")] }]);
  const { client } = server;
  const made = await client.responses.create({ model: "m", input: "remember", metadata: { mine: "yes" } });
  const found = await client.responses.retrieve(made.id);
  assert.equal(found.output_text, "kept");
  assert.equal(found.metadata.mine, "yes");
  const items = [];
  for await (const item of client.responses.inputItems.list(made.id)) items.push(item);
  assert.equal(items[0].content[0].text ?? items[0].content, "remember");
  await client.responses.delete(made.id);
  await assert.rejects(client.responses.retrieve(made.id), (error) => error.status === 404);
  assert.ok((await client.responses.inputTokens.count({ model: "m", input: "some words" })).input_tokens > 0);
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  assert.ok(models.length > 0);
  await server.stop();
});

test("HTTP: refusals have the status, code and parameter that the client shows", async () => {
  const server = await start(null);
  const refused = async (body, status, code, param) =>
    assert.rejects(server.client.responses.create({ model: "m", ...body }), (error) => {
      assert.deepEqual([error.status, error.code, error.param], [status, code, param]);
      return true;
    });
  await refused({ input: "x", previous_response_id: "resp_none" }, 400, "previous_response_not_found", "previous_response_id");
  await refused({ input: "x", conversation: "conv_1" }, 400, "unsupported_parameter", "conversation");
  await refused({ input: [{ role: "user" }] }, 400, "missing_required_parameter", "input[0].content");
  await server.stop();
});
