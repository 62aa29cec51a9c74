/** When a notification is tried again, and when it is given up. Nothing here reads a clock. */

import { milliseconds, plus, type Moment } from "./moments.js";

/** What the marketplace answered, or why there was no answer. */
export type Outcome =
  | { readonly status: number; readonly retryAfter: string | null; readonly detail: string }
  | { readonly status: null; readonly detail: string };

/** What follows from an attempt; `nextAttemptAt` is there for RETRYING only. */
export interface Verdict {
  readonly state: "DELIVERED" | "RETRYING" | "DEAD";
  readonly nextAttemptAt: Moment | null;
  /** Whether a marketplace that is well gives such an answer. */
  readonly alive: boolean;
}

/** The same bytes would be refused again, whenever they come. */
const REFUSALS = new Set([400, 405, 410, 413, 414, 415, 422]);
const FIRST_DELAY_MS = 2_000;
const LONGEST_DELAY_MS = 6 * 3_600_000;
const JITTER = 0.2;
const SPAN_MS = 75 * 3_600_000;

/**
 * Returns what follows from the answer to one attempt, after so many failures before it.
 *
 * Delays double from 2 s to 6 h, each longer by up to a fifth: `chance`, from 0 to 1, says by how
 * much. `Retry-After` is never undercut. After 75 h it is given up.
 */
export function judge(
  outcome: Outcome,
  failures: number,
  firstAttemptAt: Moment,
  at: Moment,
  chance: number,
): Verdict {
  const { status } = outcome;
  if (status !== null && status >= 200 && status < 300) {
    return { state: "DELIVERED", nextAttemptAt: null, alive: true };
  }
  const alive = status === 409 || (status !== null && REFUSALS.has(status));
  if (status !== null && REFUSALS.has(status)) return { state: "DEAD", nextAttemptAt: null, alive };
  const floor = status === null ? null : retryAfter(outcome.retryAfter, at);
  const givenUp = plus(firstAttemptAt, SPAN_MS);
  if (at >= givenUp || (floor !== null && floor > plus(at, SPAN_MS))) {
    return { state: "DEAD", nextAttemptAt: null, alive };
  }
  const delay = Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS) * (1 + JITTER * chance);
  const planned = plus(at, delay);
  const nextAttemptAt = floor !== null && floor > planned ? floor : planned;
  return { state: "RETRYING", nextAttemptAt, alive };
}

/** Returns the moment that a Retry-After header names (RFC 9110, 10.2.3); null for none to come. */
export function retryAfter(value: string | null, at: Moment): Moment | null {
  const text = (value ?? "").trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) > 0 ? plus(at, Number(text) * 1000) : null;
  const wait = Date.parse(text) - milliseconds(at);
  return wait > 0 ? plus(at, wait) : null;
}
