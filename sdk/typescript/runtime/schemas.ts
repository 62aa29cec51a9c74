/** Checks values against the schemas of a contract, by Ajv; nothing here is written by field. */

import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";

import { isMoment } from "./moments.js";
import type { FieldError } from "./problems.js";
import { escapePointer } from "./strict-json.js";

/** A part of a parsed OpenAPI document. */
export type Json = { readonly [name: string]: unknown };

/** Returns every rule that a value breaks, at most 200 of them; none for a sound one. */
export type Check = (value: unknown) => FieldError[];

const MOST_ERRORS = 200;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DATE = /^\d{4}-\d\d-\d\d$/;
const EMAIL = /^[^@\s\0-\x20\x7f]{1,64}@(?!-)[A-Za-z0-9.-]{1,250}(?<![.-])$/;
const URI_CHARACTERS = /^[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=%-]+$/;
const UNCHECKED = ["int32", "int64", "float", "double", "password", "byte", "binary"];

const ajv = new Ajv({ allErrors: true, strict: false, formats: formats() });

/** Returns the check of a schema. Throws Error for a schema with a format that nothing checks. */
export function compile(document: Json, schema: Json): Check {
  // Without references Ajv knows the types of all items, and compares 10,000 of them by their hash.
  const validate: ValidateFunction = ajv.compile(dereferenced(document, schema) as Json);
  return (value) =>
    validate(value) ? [] : (validate.errors ?? []).slice(0, MOST_ERRORS).map(fieldError);
}

/** Returns what a node of a document refers to, or the node itself. */
export function resolve(document: Json, node: Json): Json {
  let found = node;
  while (typeof found["$ref"] === "string") {
    const steps = found["$ref"].replace(/^#\//, "").split("/");
    found = steps.reduce<Json>(
      (at, step) => at[step.replaceAll("~1", "/").replaceAll("~0", "~")] as Json,
      document,
    );
  }
  return found;
}

function dereferenced(document: Json, node: unknown): unknown {
  if (Array.isArray(node)) return node.map((item) => dereferenced(document, item));
  if (typeof node !== "object" || node === null) return node;
  const whole = resolve(document, node as Json);
  if (whole["x-checked-by-handler"] === true) return {}; // one of many that is wrong is not all
  return Object.fromEntries(
    Object.entries(whole).map(([name, value]) => [name, dereferenced(document, value)]),
  );
}

function fieldError(error: ErrorObject): FieldError {
  const { instancePath, keyword, params } = error;
  switch (keyword) {
    case "required": {
      const pointer = `${instancePath}/${escapePointer(String(params["missingProperty"]))}`;
      return { pointer, rule: keyword, detail: "This is required." };
    }
    case "additionalProperties": {
      const name = String(params["additionalProperty"]).slice(0, 100);
      const pointer = `${instancePath}/${escapePointer(name)}`;
      return { pointer, rule: keyword, detail: "There is no such property." };
    }
    case "enum": {
      const allowed = (params["allowedValues"] as unknown[]).join(", ");
      return { pointer: instancePath, rule: keyword, detail: `The value is none of ${allowed}.` };
    }
    case "format":
      if (params["format"] === "date-time") {
        const detail = "This must be a moment of RFC 3339 with its offset.";
        return { pointer: instancePath, rule: keyword, detail };
      }
  }
  return {
    pointer: instancePath,
    rule: keyword,
    detail: `The value ${error.message ?? "is wrong"}.`,
  };
}

function formats(): Record<string, true | ((text: string) => boolean)> {
  return {
    ...Object.fromEntries(UNCHECKED.map((name) => [name, true as const])),
    "date-time": isMoment,
    date: (text) => DATE.test(text) && isMoment(`${text}T00:00:00Z`),
    uuid: (text) => UUID.test(text),
    email: (text) => EMAIL.test(text) && !text.includes(".."),
    uri: isUri,
  };
}

function isUri(text: string): boolean {
  return URI_CHARACTERS.test(text) && URL.canParse(text);
}
