// The real endpoint as a child: its address, and what went over its wire.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import OpenAI from "openai";

const program = process.env.LANEBRIDGE;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lanebridge-clients-"));
let count = 0;
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill();
  fs.rmSync(folder, { recursive: true, force: true });
});

// Frames of all servers of this process: {sent: …} and {got: …}.
export const traffic = [];

export async function start(steps, ...options) {
  const name = path.join(folder, String(count++));
  const engine = [];
  if (steps) {
    fs.writeFileSync(`${name}.jsonl`, steps.map((step) => JSON.stringify(step)).join("\n"));
    engine.push("--engine", `replay:${name}.jsonl`);
  }
  const args = ["endpoint", "--listen", "127.0.0.1:0", "--trace", `${name}.trace`, "--exit-with-stdin"];
  const child = spawn(program, [...args, ...engine, ...options], { stdio: ["pipe", "pipe", "inherit"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  const line = await new Promise((resolve, reject) => {
    child.stdout.once("data", (bytes) => resolve(String(bytes).trim()));
    child.once("exit", (code) => reject(new Error(`the endpoint ended with ${code}`)));
  });
  const base = line.replace("ws:", "http:").replace("/responses", "");
  return {
    base,
    origin: base.replace("/v1", ""),
    client: new OpenAI({ apiKey: "none-needed", baseURL: base, maxRetries: 0 }),
    metrics: async () => (await fetch(`${base.replace("/v1", "")}/metrics`)).json(),
    async stop() {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.stdin.end();
      await gone;
      for (const frame of fs.readFileSync(`${name}.trace`, "utf8").trim().split("\n"))
        if (frame) traffic.push(JSON.parse(frame));
    },
  };
}

// -- Scripts -----------------------------------------------------------------------------------------------------

export const message = (text, more = {}) => ({ type: "message", text, ...more });
export const reasoning = (text) => ({ type: "reasoning", text });
export const call = (label, name = "add", args = { a: 2, b: 3 }) => ({
  type: "function_call", call: label, name, arguments: args,
});
export const tool = {
  type: "function", name: "add", description: "adds two numbers", strict: true,
  parameters: {
    type: "object", properties: { a: { type: "number" }, b: { type: "number" } }, required: ["a", "b"],
    additionalProperties: false,
  },
};
export const output = (call, text) => ({ type: "function_call_output", call_id: call.call_id, output: text });
