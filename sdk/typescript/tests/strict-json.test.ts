import assert from "node:assert/strict";
import { test } from "node:test";
import { ProblemError, readJson } from "@flexagora/sdk";

function ruleOf(text: string | Uint8Array): string | undefined {
  try {
    readJson(Buffer.from(text));
  } catch (error) {
    if (error instanceof ProblemError) return error.extra.errors?.[0]?.rule;
    throw error;
  }
  return undefined;
}

test("what every reader understands alike is read", () => {
  const text = '{"a": [1, -2.5e3, "\\u00e4\\"{", true, null, {"a": {}}], "b": "a", "": {"b": 1}}';
  assert.deepEqual(readJson(Buffer.from(text)), JSON.parse(text));
  assert.ok(Array.isArray(readJson(Buffer.from("[".repeat(64) + "]".repeat(64)))));
});

test("what readers understand differently is refused", () => {
  const wrong: [string | Uint8Array, string][] = [
    ['{"a": 1, "a": 2}', "uniqueKeys"],
    ['{"x": [{"a": 1, "\\u0061": 2}]}', "uniqueKeys"],
    ["NaN", "json"],
    ["[1,]", "json"],
    ["", "json"],
    ["\ufeff{}", "json"],
    [Buffer.from([0x22, 0xff, 0x22]), "utf-8"],
    ["9223372036854775808", "number"],
    ["1e999", "number"],
    ['"\\u0000"', "characters"],
    ['{"\\ud800": 1}', "characters"],
    ["[".repeat(65) + "]".repeat(65), "depth"],
  ];
  for (const [text, rule] of wrong) assert.equal(ruleOf(text), rule, String(text).slice(0, 30));
});
