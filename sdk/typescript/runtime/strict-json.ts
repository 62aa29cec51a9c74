/** A JSON reader that refuses whatever two readers could understand differently. */

import { invalidField, type FieldError, invalid } from "./problems.js";

const MAX_DEPTH = 64;
const MAX_INTEGER = 2n ** 63n - 1n;
const MAX_NUMBER_CHARACTERS = 64;
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|-?\d[\d.eE+-]*/gs;
const UNSAFE = /[\0]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Returns whether every database and every encoder can take the text. */
export function isSafeText(text: string): boolean {
  return !UNSAFE.test(text);
}

/** Returns one step of a path as a JSON pointer has it. */
export function escapePointer(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}

/**
 * Returns the value of a JSON text in UTF-8.
 *
 * Throws a 400 problem for other encodings, keys that are there twice, numbers beyond 64 bits,
 * nesting deeper than 64, and the NUL character or a lone surrogate in a text.
 */
export function readJson(data: Uint8Array): unknown {
  const text = decode(data);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidField("", "json", `The body is not JSON: ${(error as Error).message}.`);
  }
  checkTokens(text);
  checkTexts(value);
  return value;
}

function decode(data: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw invalidField("", "utf-8", "The body must be JSON in UTF-8.");
  }
}

/** Looks at what parsing hides: keys that are there twice, large numbers, the depth. */
function checkTokens(text: string): void {
  const open: (Set<string> | null)[] = []; // the keys of each object around; null for an array
  let isKey = false;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") {
      open.push(token === "{" ? new Set() : null);
      isKey = token === "{";
      if (open.length > MAX_DEPTH) {
        throw invalidField("", "depth", `The body is nested deeper than ${MAX_DEPTH}.`);
      }
    } else if (token === "}" || token === "]") {
      open.pop();
      isKey = false;
    } else if (token === ",") {
      isKey = open.at(-1) != null;
    } else if (token === ":") {
      isKey = false;
    } else if (token.startsWith('"')) {
      if (isKey) noteKey(open.at(-1)!, JSON.parse(token) as string);
    } else {
      checkNumber(token);
    }
  }
}

function noteKey(seen: Set<string>, key: string): void {
  if (seen.has(key)) {
    throw invalidField(
      "",
      "uniqueKeys",
      `The key ${JSON.stringify(key.slice(0, 60))} is there twice.`,
    );
  }
  seen.add(key);
}

function checkNumber(token: string): void {
  const isInteger = /^-?\d+$/.test(token);
  const tooLong = token.length > MAX_NUMBER_CHARACTERS;
  if (isInteger && (tooLong || BigInt(token.replace("-", "")) > MAX_INTEGER)) {
    throw invalidField(
      "",
      "number",
      `Integers must be between -${MAX_INTEGER} and ${MAX_INTEGER}.`,
    );
  }
  if (tooLong || !Number.isFinite(Number(token))) {
    throw invalidField(
      "",
      "number",
      "Numbers must be those of a double, at most 64 characters long.",
    );
  }
}

function checkTexts(whole: unknown): void {
  const errors: FieldError[] = [];
  const pending: [unknown, string][] = [[whole, ""]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [value, pointer] = next;
    if (typeof value === "string" && !isSafeText(value)) {
      const detail = "A text must have no NUL character and no lone surrogate.";
      errors.push({ pointer, rule: "characters", detail });
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (isSafeText(key)) {
          pending.push([inner, `${pointer}/${escapePointer(key)}`]);
        } else {
          const detail = "A key must have no NUL character and no lone surrogate.";
          errors.push({ pointer, rule: "characters", detail });
        }
      }
    }
  }
  if (errors.length > 0) throw invalid(errors);
}
