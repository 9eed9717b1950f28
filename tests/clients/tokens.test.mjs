// Our tokenizer against js-tiktoken, with the ranks that come with it: the same tokens for prose, sources and rubbish.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import test from "node:test";

const require = createRequire(import.meta.url);
const { Tiktoken } = require("js-tiktoken/lite");

function rubbish(length) {
  let seed = 1, text = "";
  const pick = (n) => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 8) % n;
  const letters = [
    () => 32 + pick(95), () => 32 + pick(95), () => 97 + pick(26), () => 97 + pick(26), () => 65 + pick(26),
    () => 0xa0 + pick(0x500), () => 0x4e00 + pick(2000), () => "  \n\r\t".charCodeAt(pick(5)), () => 0x1f300 + pick(300),
  ];
  for (let i = 0; i < length; i++) text += String.fromCodePoint(letters[pick(letters.length)]());
  return text;
}

const sources = process.env.LANEBRIDGE_SOURCES;
const read = (folder, end) => fs.readdirSync(`${sources}/${folder}`).filter((name) => name.endsWith(end))
  .map((name) => fs.readFileSync(`${sources}/${folder}/${name}`, "utf8")).join("");
const texts = { prose: read("docs", ".md"), sources: read("server/endpoint", ".c"), rubbish: rubbish(40000), long: "ab".repeat(500) };

for (const name of ["cl100k_base", "o200k_base"])
  test(`tokens: ${name} as js-tiktoken has it`, () => {
    const ranks = require(`js-tiktoken/ranks/${name}`);
    const lines = [];
    for (const line of ranks.bpe_ranks.split("\n").filter(Boolean)) {
      const [, first, ...tokens] = line.split(" ");
      tokens.forEach((token, i) => lines.push(`${token} ${Number(first) + i}`));
    }
    fs.writeFileSync(`${name}.tiktoken`, lines.join("\n"));
    const theirs = new Tiktoken(ranks);
    for (const [what, text] of Object.entries(texts)) {
      fs.writeFileSync("text", text);
      const ours = execFileSync(process.env.LANEBRIDGE_TOKENS, [`${name}.tiktoken`, "text"], {
        maxBuffer: 1e9, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"],
      });
      assert.deepEqual(ours.trim().split("\n").map(Number), theirs.encode(text, [], []), what);
    }
  });
