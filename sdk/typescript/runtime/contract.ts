/** The contracts as they are served: paths, parameters, bodies and answers. */

import { readFileSync } from "node:fs";

import { methodNotAllowed, notFound } from "./problems.js";
import { compile, resolve, type Check, type Json } from "./schemas.js";

/** The names of the contracts that come with this package. */
export type ContractName = "eu-mp" | "notifications" | "marketplace" | "metering" | "flexoffer";

/** A declared parameter; `argument` is its name in the handler's request. */
export interface Parameter {
  readonly name: string;
  readonly argument: string;
  readonly place: "path" | "query" | "header";
  readonly required: boolean;
  readonly type: string;
  readonly default: unknown;
  readonly check: Check;
}

/** An operation of a contract; `name` is the method of the handler that answers it. */
export interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly optional: boolean;
  readonly secured: boolean;
  readonly signed: boolean;
  readonly parameters: readonly Parameter[];
  readonly body: { readonly required: boolean; readonly check: Check } | null;
  readonly successStatus: number;
  readonly mediaTypes: readonly string[];
  readonly negotiated: boolean;
}

interface Route {
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly operations: ReadonlyMap<string, Operation>;
}

const METHODS = ["get", "put", "post", "delete", "patch"];

/** A contract: what a request for a path asks for. */
export class Contract {
  readonly name: string;
  readonly version: string;
  readonly basePath: string;
  readonly operations: readonly Operation[];
  readonly #routes: readonly Route[];

  /** Takes a document whose references are within it; only JSON bodies are served. */
  constructor(name: string, document: Json) {
    this.name = name;
    this.version = String((document["info"] as Json)["version"]);
    this.basePath = String((document["servers"] as Json[])[0]!["url"]).replace(/\/+$/, "");
    const paths = Object.entries(document["paths"] as Record<string, Json>);
    // A path written out goes before one with a parameter in the same place.
    paths.sort(([one], [other]) => specificity(one).localeCompare(specificity(other)));
    this.#routes = paths.map(([path, item]) => route(document, path, item));
    this.operations = this.#routes.flatMap((each) => [...each.operations.values()]);
  }

  /** Returns a contract of this package. */
  static load(name: ContractName): Contract {
    const file = new URL(`../../documents/${name}.json`, import.meta.url);
    return new Contract(name, JSON.parse(readFileSync(file, "utf-8")) as Json);
  }

  /**
   * Returns the operation for a path below the base path, as it was sent, and its path values,
   * still percent-encoded. A HEAD is answered as the GET it goes with. Throws a 404 or 405 problem.
   */
  find(method: string, path: string): { operation: Operation; values: Map<string, string> } {
    for (const { pattern, names, operations } of this.#routes) {
      const found = pattern.exec(path);
      if (found === null) continue;
      const operation = operations.get(method === "HEAD" ? "GET" : method);
      if (operation === undefined) throw methodNotAllowed(method, allowed(operations));
      return { operation, values: new Map(names.map((name, at) => [name, found[at + 1]!])) };
    }
    throw notFound("Nothing is served at this path.");
  }
}

function allowed(operations: ReadonlyMap<string, Operation>): string[] {
  const head = operations.has("GET") ? ["HEAD"] : [];
  return [...operations.keys(), ...head, "OPTIONS"].sort();
}

function specificity(path: string): string {
  return path
    .split("/")
    .map((part) => (part.includes("{") ? "1" : "0"))
    .join("");
}

function route(document: Json, path: string, item: Json): Route {
  const names = [...path.matchAll(/\{([^}]+)\}/g)].map((found) => found[1]!);
  const escaped = path.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{[^}]+\}/g, "([^/]+)");
  const operations = METHODS.filter((method) => method in item).map((method) => {
    const made = operation(document, path, method, item, item[method] as Json);
    return [made.method, made] as const;
  });
  return { pattern: new RegExp(`^${escaped}$`), names, operations: new Map(operations) };
}

function operation(
  document: Json,
  path: string,
  method: string,
  item: Json,
  node: Json,
): Operation {
  const responses = node["responses"] as Record<string, Json>;
  const success = Object.keys(responses)
    .filter((status) => status.startsWith("2"))
    .sort()[0]!;
  const declared = [
    ...((item["parameters"] ?? []) as Json[]),
    ...((node["parameters"] ?? []) as Json[]),
  ].map((each) => parameter(document, resolve(document, each)));
  const security = (node["security"] ?? document["security"] ?? []) as unknown[];
  return {
    name: camelCase(String(node["operationId"]).split(".").at(-1)!),
    method: method.toUpperCase(),
    path,
    optional: node["x-optional"] === true,
    secured: security.length > 0,
    signed: declared.some((each) => each.name === "webhook-signature"),
    parameters: declared,
    body: body(document, node),
    successStatus: Number(success),
    mediaTypes: Object.keys((resolve(document, responses[success]!)["content"] ?? {}) as Json),
    negotiated: "406" in responses,
  };
}

function parameter(document: Json, node: Json): Parameter {
  const schema = resolve(document, node["schema"] as Json);
  return {
    name: String(node["name"]),
    argument: camelCase(String(node["name"])),
    place: node["in"] as Parameter["place"],
    required: node["required"] === true,
    type: String(schema["type"]),
    default: schema["default"],
    check: compile(document, schema),
  };
}

function body(document: Json, node: Json): Operation["body"] {
  if (!("requestBody" in node)) return null;
  const declared = resolve(document, node["requestBody"] as Json);
  const media = (declared["content"] as Record<string, Json>)["application/json"];
  if (media === undefined) return null;
  return {
    required: declared["required"] === true,
    check: compile(document, media["schema"] as Json),
  };
}

function camelCase(name: string): string {
  const [first = "", ...rest] = name.split(/[^A-Za-z0-9]+/);
  const start = first.charAt(0).toLowerCase() + first.slice(1);
  return start + rest.map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("");
}
