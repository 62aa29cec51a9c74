/** Serves contracts over HTTP: who may call, what is right, and problems where it is not. */

import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

import type { Contract, Operation, Parameter } from "./contract.js";
import * as problems from "./problems.js";
import { ProblemError, type FieldError } from "./problems.js";
import { isSafeText, readJson } from "./strict-json.js";

/** A call that was let in and is right, as handlers see it. */
export interface Call {
  readonly operation: Operation;
  readonly contract: Contract;
  /** Who calls: what `authenticate` has returned. */
  readonly caller: string;
  readonly method: string;
  /** The path and the query as they were sent. */
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
  readonly document: unknown;
  readonly correlationId: string;
  /** The media type that the caller accepts best of those that the contract offers. */
  readonly mediaType: string;
  /** Headers to answer with. */
  readonly answerHeaders: Record<string, string>;
}

/** A body that is not JSON, of the media type that the call accepts. */
export class Rendered {
  constructor(readonly text: string) {}
}

/** What a handler gives: now, or later. */
export type Answer<T> = T | Rendered | Promise<T | Rendered>;

/** Surrounds the handlers of a service; returns what `proceed` gives, or something else. */
export type Around = (call: Call, proceed: () => unknown) => unknown;

/** A contract, the object whose methods answer its operations, and who may call them. */
export interface Service {
  readonly contract: Contract;
  readonly handler: object;
  /** Returns who presents an API key. Throws a 401 problem for a key that is not good now. */
  readonly authenticate: (key: string) => string;
  readonly around?: Around;
}

/** What may be set of a server. */
export interface ServerOptions {
  /** How many bytes of a body are read; 1 MiB by default. */
  readonly bodyLimit?: number;
  /** Told of what nobody foresaw, which is answered with a bare 500. */
  readonly onError?: (error: unknown, correlationId: string) => void;
}

const BODY_LIMIT = 1024 * 1024;
const BODY_MS = 30_000;
const DISCARD_MS = 5_000;
const PROBLEM = "application/problem+json";
const CORRELATION_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const ALWAYS = {
  "Cache-Control": "no-store",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/**
 * Returns a server, not yet listening. Each operation is answered by the handler's method of its
 * name; what the contract lets a server leave out is answered 404 where there is no such method.
 * `GET /healthz` is answered 200. Throws TypeError when a method is missing.
 */
export function serve(services: readonly Service[], options: ServerOptions = {}): Server {
  services.forEach(checkComplete);
  const server = createServer({ requestTimeout: 2 * BODY_MS }, (request, response) => {
    const failed = (error: unknown): void => {
      logError(error, "while answering");
      response.destroy();
    };
    answer(services, options, request, response).catch(failed);
  });
  server.keepAliveTimeout = 75_000; // longer than proxies keep a connection that they do not use
  return server;
}

function checkComplete({ contract, handler }: Service): void {
  for (const { name, optional } of contract.operations) {
    if (!optional && method(handler, name) === null) {
      throw new TypeError(`${contract.name}: the handler has no method ${name}`);
    }
  }
}

function method(handler: object, name: string): ((...given: unknown[]) => unknown) | null {
  const found: unknown = (handler as Record<string, unknown>)[name];
  return typeof found === "function"
    ? (found.bind(handler) as (...given: unknown[]) => unknown)
    : null;
}

async function answer(
  services: readonly Service[],
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const given = request.headersDistinct["x-correlation-id"]?.[0] ?? "";
  const correlationId = CORRELATION_ID.test(given) ? given : randomUUID();
  const path = (request.url ?? "/").split("?", 1)[0]!;
  let reply: Reply;
  try {
    reply = await replyTo(services, options, request, path, correlationId);
  } catch (error) {
    if (!(error instanceof ProblemError)) (options.onError ?? logError)(error, correlationId);
    reply = refusal(error, path, correlationId);
  }
  const headers = { ...ALWAYS, ...reply.headers, "X-Correlation-Id": correlationId };
  if (!request.complete) {
    // The rest of a body that is not read must not be taken for the next request; and who still
    // sends it sees no answer unless it is taken for a while.
    response.setHeader("Connection", "close");
    request.resume();
    setTimeout(() => request.destroy(), DISCARD_MS).unref();
  }
  response.writeHead(reply.status, {
    ...headers,
    "Content-Length": Buffer.byteLength(reply.body ?? ""),
  });
  response.end(reply.body ?? undefined); // Node leaves the body out of the answer to a HEAD
}

async function replyTo(
  services: readonly Service[],
  options: ServerOptions,
  request: IncomingMessage,
  path: string,
  correlationId: string,
): Promise<Reply> {
  if (path === "/healthz" && (request.method === "GET" || request.method === "HEAD")) {
    return json(200, { status: "ALIVE" });
  }
  const service = services.find(({ contract }) => path.startsWith(`${contract.basePath}/`));
  if (service === undefined) throw problems.notFound("Nothing is served at this path.");
  const { contract, handler } = service;
  const found = find(contract, request.method ?? "GET", path.slice(contract.basePath.length));
  if (typeof found === "string") return { status: 204, headers: { Allow: found }, body: null };
  const { operation } = found;
  const answering = method(handler, operation.name);
  const caller = operation.secured ? admit(service, request) : "";
  if (answering === null) throw problems.notFound("This operation is not offered here.");

  const headers = request.headersDistinct;
  checkMediaType(operation, request);
  const mediaType = negotiate(operation, headers["accept"]?.join(","));
  const errors: FieldError[] = [];
  const query = (request.url ?? "").slice(path.length + 1);
  const values = parameters(operation, found.values, query, headers, errors);
  const reads = request.method !== "GET" && request.method !== "HEAD";
  const body = reads ? await readBody(request, options.bodyLimit ?? BODY_LIMIT) : Buffer.alloc(0);
  const document = operation.body === null ? undefined : parsed(operation.body, body, errors);
  if (errors.length > 0) throw problems.invalid(errors);

  const call: Call = {
    operation,
    contract,
    caller,
    correlationId,
    path,
    query,
    body,
    document,
    mediaType,
    method: request.method ?? "GET",
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, all]) => [name, all?.join(", ")]),
    ),
    answerHeaders: {},
  };
  const proceed = (): unknown => answering({ ...values, body: document }, call);
  const result = await (service.around?.(call, proceed) ?? proceed());
  if (result instanceof Rendered) {
    const typed = { ...call.answerHeaders, "Content-Type": mediaType };
    return { status: operation.successStatus, headers: typed, body: result.text };
  }
  return json(operation.successStatus, result, call.answerHeaders);
}

function find(contract: Contract, asked: string, below: string) {
  try {
    return contract.find(asked, below);
  } catch (error) {
    if (asked !== "OPTIONS" || !(error instanceof ProblemError) || error.status !== 405)
      throw error;
    return error.headers["Allow"]!;
  }
}

function json(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  const typed = { ...headers, "Content-Type": "application/json" };
  return { status, headers: typed, body: JSON.stringify(value) };
}

function refusal(error: unknown, path: string, correlationId: string): Reply {
  const known =
    error instanceof ProblemError
      ? error
      : new ProblemError(500, "Internal error", "The error is logged under the correlation id.");
  const { status, title, detail, extra } = known;
  const problem = {
    type: "about:blank",
    title,
    status,
    detail,
    instance: path,
    correlationId,
    ...extra,
  };
  const headers = { ...known.headers, "Content-Type": PROBLEM };
  return { status, headers, body: JSON.stringify(problem) };
}

function logError(error: unknown, correlationId: string): void {
  console.error(`Unforeseen error [${correlationId}]`, error);
}

function admit(service: Service, request: IncomingMessage): string {
  const keys = request.headersDistinct["x-api-key"] ?? [];
  if (keys.length > 1) throw problems.unauthenticated("The credential is there twice.");
  const key = keys[0]?.trim();
  if (!key) throw problems.unauthenticated("Present an API key in X-API-Key.");
  return service.authenticate(key);
}

function checkMediaType(operation: Operation, request: IncomingMessage): void {
  if (operation.body === null) return;
  const sent = request.headers["content-type"];
  if (sent === undefined) {
    // An absent body is reported as such, not as a body of the wrong type.
    const length = request.headers["content-length"] ?? "0";
    if (request.headers["transfer-encoding"] === undefined && Number(length) === 0) return;
    throw problems.unsupportedMediaType("The body has no Content-Type. Send application/json.");
  }
  const [type, ...attributes] = sent.split(";").map((part) => part.trim().toLowerCase());
  if (type !== "application/json") throw problems.unsupportedMediaType("Send application/json.");
  for (const attribute of attributes) {
    const [name, value = ""] = attribute.split("=");
    if (name === "charset" && !["utf-8", "utf8"].includes(value.replaceAll('"', ""))) {
      throw problems.unsupportedMediaType("Only UTF-8 is read.");
    }
  }
}

/** Throws 406 only where the contract offers it: elsewhere the one rendering is the best answer. */
function negotiate(operation: Operation, accept: string | undefined): string {
  const offered = operation.mediaTypes.length > 0 ? operation.mediaTypes : ["application/json"];
  const ranges = (accept ?? "")
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(range);
  if (!operation.negotiated || ranges.length === 0) return offered[0]!;
  const quality = (type: string): number =>
    [type, `${type.split("/")[0]}/*`, "*/*"]
      .map((name) => ranges.find((each) => each.name === name))
      .find((each) => each !== undefined)?.quality ?? 0;
  const best = offered.reduce((one, other) => (quality(other) > quality(one) ? other : one));
  if (quality(best) <= 0) throw problems.notAcceptable(`Available are ${offered.join(" and ")}.`);
  return best;
}

function range(text: string): { name: string; quality: number } {
  const [name = "", ...attributes] = text.split(";").map((part) => part.trim().toLowerCase());
  const given = attributes.map((each) => /^q\s*=\s*([01](?:\.\d{0,3})?)$/.exec(each)?.[1]);
  const quality = given.find((each) => each !== undefined);
  return { name, quality: Math.min(Number(quality ?? 1), 1) };
}

function parameters(
  operation: Operation,
  path: ReadonlyMap<string, string>,
  queryText: string,
  headers: NodeJS.Dict<string[]>,
  errors: FieldError[],
): Record<string, unknown> {
  const query = queryOf(queryText, errors);
  const declared = operation.parameters;
  for (const name of query.keys()) {
    if (!declared.some((each) => each.place === "query" && each.name === name)) {
      const detail = "There is no such query parameter.";
      errors.push({ pointer: name.slice(0, 100), rule: "unknown", detail });
    }
  }
  const values: Record<string, unknown> = {};
  for (const parameter of declared) {
    const given =
      parameter.place === "query"
        ? query.get(parameter.name)
        : parameter.place === "header"
          ? headers[parameter.name.toLowerCase()]
          : [path.get(parameter.name)!].flatMap(
              (raw) => decoded(raw, parameter.name, errors) ?? [],
            );
    const value = valueOf(parameter, given, errors);
    if (value !== undefined) values[parameter.argument] = value;
  }
  return values;
}

function valueOf(parameter: Parameter, given: string[] | undefined, errors: FieldError[]): unknown {
  const { name, type } = parameter;
  const note = (rule: string, detail: string): void =>
    void errors.push({ pointer: name, rule, detail });
  if (given === undefined) {
    if (parameter.required) note("required", `${name} is missing.`);
    return parameter.default;
  }
  if (given.length === 0) return undefined; // what could not be decoded is noted already
  if (given.length > 1) return note("repeated", `${name} is there twice.`);
  const value = type === "integer" ? integer(given[0]!) : given[0]!;
  if (value === undefined) return note("type", `${name} must be of type ${type}.`);
  const found = parameter.check(value);
  errors.push(...found.map((each) => ({ ...each, pointer: name + each.pointer })));
  return found.length === 0 ? value : undefined;
}

function integer(text: string): number | undefined {
  return /^-?(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : undefined;
}

function queryOf(text: string, errors: FieldError[]): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const pair of text.split("&").filter((each) => each !== "")) {
    const [rawName = "", ...rest] = pair.replaceAll("+", " ").split("=");
    const name = decoded(rawName, "query", errors);
    const value = name === null ? null : decoded(rest.join("="), name.slice(0, 100), errors);
    if (name !== null && value !== null) values.set(name, [...(values.get(name) ?? []), value]);
  }
  return values;
}

function decoded(raw: string, pointer: string, errors: FieldError[]): string | null {
  try {
    const text = decodeURIComponent(raw);
    if (isSafeText(text)) return text;
  } catch {
    // noted below
  }
  errors.push({
    pointer,
    rule: "characters",
    detail: "It must be UTF-8 without the NUL character.",
  });
  return null;
}

function parsed(
  declared: NonNullable<Operation["body"]>,
  body: Uint8Array,
  errors: FieldError[],
): unknown {
  if (body.length === 0) {
    if (declared.required)
      errors.push({ pointer: "", rule: "required", detail: "The body is missing." });
    return undefined;
  }
  try {
    const document = readJson(body);
    errors.push(...declared.check(document));
    return document;
  } catch (error) {
    if (!(error instanceof ProblemError) || error.extra.errors === undefined) throw error;
    errors.push(...error.extra.errors);
    return undefined;
  }
}

async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > limit) throw problems.payloadTooLarge(limit);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const incomplete = (detail: string): void =>
    reject(problems.invalidField("", "incomplete", detail));
  const late = `The body did not arrive within ${BODY_MS / 1000} s.`;
  const timer = setTimeout(() => incomplete(late), BODY_MS);
  const chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > limit) reject(problems.payloadTooLarge(limit));
    else chunks.push(chunk);
  };
  request.on("data", onData);
  request.once("end", () => resolve(Buffer.concat(chunks)));
  request.once("error", () => incomplete("The body is incomplete."));
  request.once("close", () => incomplete("The body is incomplete."));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    request.off("data", onData);
  }
}
