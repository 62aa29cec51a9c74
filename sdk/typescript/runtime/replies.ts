/** A repeated call with the same Idempotency-Key gets the first answer and changes nothing. */

import { createHash } from "node:crypto";

import type { Database } from "./database.js";
import { now, plus } from "./moments.js";
import { idempotencyMismatch } from "./problems.js";
import type { SecretBox } from "./secrets.js";
import type { Call } from "./server.js";

const KEPT_MS = 7 * 24 * 3_600_000;

/** The answers that were given; encrypted, since one may hold a key that is shown once. */
export class Replies {
  constructor(
    private readonly database: Database,
    private readonly box: SecretBox,
  ) {}

  /**
   * Returns the answer that the call's key was given before, or what `proceed` gives, which is kept
   * in the transaction of its own writes. Throws a 422 problem when the key is another request's.
   */
  once(call: Call, proceed: () => unknown): unknown {
    const key = call.headers["idempotency-key"];
    if (key === undefined || !call.operation.parameters.some(isIdempotencyKey)) return proceed();
    const operation = `${call.contract.name} ${call.operation.name}`;
    const asked = fingerprint(call);
    return this.database.transaction(() => {
      const kept = this.database.get(
        "SELECT fingerprint, encrypted_body FROM reply WHERE subject = ? AND operation = ? AND key = ?",
        call.caller,
        operation,
        key,
      );
      if (kept !== null) {
        if (kept["fingerprint"] !== asked) throw idempotencyMismatch();
        return JSON.parse(this.box.decrypt(String(kept["encrypted_body"]))) as unknown;
      }
      const body = proceed();
      if (body instanceof Promise) throw new TypeError(`${operation} must answer at once.`);
      this.database.run(
        "INSERT INTO reply VALUES (?, ?, ?, ?, ?, ?)",
        call.caller,
        operation,
        key,
        asked,
        this.box.encrypt(JSON.stringify(body)),
        now(),
      );
      return body;
    });
  }

  /** Forgets the answers older than 7 days. */
  forgetOld(): void {
    this.database.run("DELETE FROM reply WHERE created_at < ?", plus(now(), -KEPT_MS));
  }
}

function isIdempotencyKey(parameter: { name: string }): boolean {
  return parameter.name === "Idempotency-Key";
}

/** What two requests for the same have in common, however their JSON is laid out. */
function fingerprint(call: Call): string {
  const query = call.query.split("&").sort().join("&");
  const parts = [call.method, call.path, query, JSON.stringify(sorted(call.document) ?? null)];
  return createHash("sha256").update(parts.join("\n")).digest("hex");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]));
}
