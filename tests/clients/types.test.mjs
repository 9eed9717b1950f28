// Every event and every response object that went out, held against the types of the openai package by tsc.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import test from "node:test";
import { traffic } from "./server.mjs";

const header = `
import type { Response, ResponsesServerEvent, ResponseStreamEvent } from "openai/resources/responses/responses";
type OnSocket<Type> = Extract<ResponsesServerEvent, { type: Type }>;
type InStream<Type> = Extract<ResponseStreamEvent, { type: Type }>;
function socket<Type extends ResponsesServerEvent["type"], E extends OnSocket<Type>>(type: Type, event: E & { type: Type }) {}
function stream<Type extends ResponseStreamEvent["type"], E extends InStream<Type>>(type: Type, event: E & { type: Type }) {}
type Wire<R> = Omit<R, "output_text" | "_request_id">;
function response<R extends Wire<Response>>(response: R) {}
`;

// "event: …\ndata: {…}" of a stream; the last of a stream is [DONE].
function events(frame) {
  if (typeof frame !== "string") return [frame];
  return [...frame.matchAll(/^data: (\{.*)$/gm)].map((match) => ({ ...JSON.parse(match[1]), inStream: true }));
}

// What Open Responses asks for beyond the types.
function plain({ store, presence_penalty, frequency_penalty, usage, ...rest }) {
  assert.ok([store, presence_penalty, frequency_penalty].every((value) => value !== undefined));
  return usage === null ? rest : { ...rest, usage };
}

test("types: every event and response object is what the openai package declares", () => {
  const lines = new Map(); // one of each shape is enough: by all keys and short values
  let total = 0;
  for (const { sent } of traffic) {
    for (const event of sent === undefined ? [] : events(sent)) {
      const { inStream, ...body } = event;
      let line;
      if (typeof body.type === "string" && body.type !== "error") {
        if (body.response) body.response = { ...plain(body.response), output_text: "" }; // the client makes it
        line = `${inStream ? "stream" : "socket"}(${JSON.stringify(body.type)}, ${JSON.stringify(body)});`;
      } else if (body.object === "response" && !body.deleted) {
        line = `response(${JSON.stringify(plain(body))});`;
      } else continue;
      total++;
      lines.set(line.replace(/"[^"]{12,}"/g, "text").replace(/\d+/g, "0"), line);
    }
  }
  assert.ok(total > 250, `only ${total} events were recorded`);
  fs.writeFileSync("traffic.ts", header + [...lines.values()].join("\n") + "\nexport {};\n");
  fs.writeFileSync("tsconfig.json", JSON.stringify({
    compilerOptions: { strict: true, noEmit: true, module: "nodenext", moduleResolution: "nodenext", target: "es2022", skipLibCheck: true, types: [] },
    files: ["traffic.ts"],
  }));
  const { stdout, stderr, status } = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "."], { encoding: "utf8" });
  assert.equal(status, 0, `${lines.size} shapes of ${total} events:\n${stdout}${stderr}`.slice(0, 6000));
  console.log(`# ${total} events, ${lines.size} shapes`);
});
