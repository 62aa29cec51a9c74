/** Refusals as RFC 9457 problem documents. */

/** One field that breaks one rule: a JSON pointer into the body, or a parameter's name. */
export interface FieldError {
  readonly pointer: string;
  readonly rule: string;
  readonly detail: string;
}

interface Extra {
  readonly errors?: readonly FieldError[];
  readonly state?: string;
  readonly allowed?: readonly string[];
}

/** A call that is refused; the server answers with its problem document. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly extra: Extra = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(`${status} ${title}: ${detail}`);
  }
}

/** 400: the request breaks rules, all of which are named. */
export function invalid(errors: readonly FieldError[]): ProblemError {
  const detail =
    errors.length === 1 ? errors[0]!.detail : `${errors.length} rules of the contract are broken.`;
  return new ProblemError(400, "The request is not valid", detail, { errors });
}

/** 400 for one field. */
export function invalidField(pointer: string, rule: string, detail: string): ProblemError {
  return invalid([{ pointer, rule, detail }]);
}

/** 401: there is no credential, or one that is not good. */
export function unauthenticated(detail: string): ProblemError {
  const headers = { "WWW-Authenticate": 'ApiKey realm="flexagora"' };
  return new ProblemError(401, "Authentication is required", detail, {}, headers);
}

/** 403: the caller is known and may not do this. */
export function forbidden(detail: string): ProblemError {
  return new ProblemError(403, "This is not allowed", detail);
}

/** 404: it is not there, or another company's. */
export function notFound(detail: string): ProblemError {
  return new ProblemError(404, "Not found", detail);
}

/** 405: the path is there, but not for this method. */
export function methodNotAllowed(method: string, allowed: readonly string[]): ProblemError {
  const list = allowed.join(", ");
  const detail = `${method} is not one of ${list}.`;
  return new ProblemError(405, "This method is not allowed here", detail, {}, { Allow: list });
}

/** 406: none of the media types that the caller accepts can be given. */
export function notAcceptable(detail: string): ProblemError {
  return new ProblemError(406, "None of the accepted media types is available", detail);
}

/** 409: the present state does not allow it. */
export function conflict(detail: string, errors?: readonly FieldError[]): ProblemError {
  const title = "The request conflicts with the present state";
  return new ProblemError(409, title, detail, errors === undefined ? {} : { errors });
}

/** 409: a state machine does not allow this step from where it stands. */
export function illegalTransition(
  kind: string,
  state: string,
  action: string,
  allowed: readonly string[],
): ProblemError {
  const list = allowed.length > 0 ? allowed.join(", ") : "none: this state is final";
  const detail = `${kind} is ${state}, which does not allow '${action}'. Allowed now: ${list}.`;
  const title = "The present state does not allow this";
  return new ProblemError(409, title, detail, { state, allowed });
}

/** 413: the body is larger than what is read. */
export function payloadTooLarge(limit: number): ProblemError {
  return new ProblemError(413, "The body is too large", `At most ${limit} bytes are read.`);
}

/** 415: the body is of a media type that this operation does not take. */
export function unsupportedMediaType(detail: string): ProblemError {
  return new ProblemError(415, "The media type is not supported", detail);
}

/** 422: the Idempotency-Key was used before, for a different request. */
export function idempotencyMismatch(): ProblemError {
  const title = "This Idempotency-Key belongs to a different request";
  return new ProblemError(422, title, "Use a new Idempotency-Key for a new request.");
}

/** 503: something that this depends on is away; the same call may work later. */
export function unavailable(detail: string): ProblemError {
  return new ProblemError(503, "Temporarily unavailable", detail);
}
