/** Signed events, after the Standard Webhooks specification (https://www.standardwebhooks.com). */

import { createHmac, timingSafeEqual } from "node:crypto";

import { unauthenticated } from "./problems.js";

/** How far the moment of signing may lie from the receiver's clock, either way, in seconds. */
export const TOLERANCE_S = 300;

/** Returns the signature of a body by a secret (`whsec_` and base64) at a moment in seconds. */
export function sign(eventId: string, seconds: number, body: Uint8Array, secret: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signed = createHmac("sha256", key).update(`${eventId}.${seconds}.`).update(body);
  return `v1,${signed.digest("base64")}`;
}

/**
 * Returns when one of the secrets signed the body, not long ago.
 *
 * Throws a 401 problem when a header is missing or malformed, the moment of signing is more than
 * `TOLERANCE_S` away, or no signature is right.
 */
export function verify(
  headers: Readonly<Record<string, string | undefined>>,
  body: Uint8Array,
  secrets: readonly string[],
  nowSeconds = Date.now() / 1000,
): void {
  const eventId = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const given = headers["webhook-signature"];
  if (!eventId || !timestamp || !given) {
    throw unauthenticated("The request is not signed: a webhook header is missing.");
  }
  if (!/^\d{1,11}$/.test(timestamp)) throw unauthenticated("The moment of signing is malformed.");
  if (Math.abs(nowSeconds - Number(timestamp)) > TOLERANCE_S) {
    throw unauthenticated("The request was signed too long ago, or in the future.");
  }
  // Each pair is compared, in constant time, so that the time taken tells nothing of the secrets.
  const expected = secrets.map((secret) => sign(eventId, Number(timestamp), body, secret));
  const right = given
    .split(" ")
    .flatMap((one) => expected.map((other) => equal(one, other)))
    .filter(Boolean);
  if (right.length === 0) throw unauthenticated("The request's signature is not right.");
}

function equal(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)];
  return first.length === second.length && timingSafeEqual(first, second);
}
