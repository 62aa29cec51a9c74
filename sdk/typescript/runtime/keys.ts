/** API keys in both directions: those issued to the marketplace, and the one presented to it. */

import type { Database, Row } from "./database.js";
import { newId } from "./ids.js";
import { moment, now, plus, shortest, type Moment } from "./moments.js";
import { unauthenticated } from "./problems.js";
import { hashSecret, newSecret, type SecretBox } from "./secrets.js";

/** A key just issued, the only time that it is seen; as the contracts have it. */
export interface NewKey {
  readonly apiKey: string;
  readonly validFrom: string;
  readonly validUntil: string;
  readonly previousKeyValidUntil: string;
}

/** How long keys live, in ms. */
export interface KeyPolicy {
  /** How long a key is valid. */
  readonly validity: number;
  /** How long the key before stays valid while the new one is not used. */
  readonly overlap: number;
  /** How long the key before stays valid once the new one is used. */
  readonly grace: number;
}

const DAY = 24 * 3_600_000;
const DEFAULTS: KeyPolicy = { validity: 90 * DAY, overlap: DAY, grace: 60_000 };

/** The keys that were issued to the marketplace, stored hashed. */
export class InboundKeys {
  readonly #policy: KeyPolicy;

  constructor(
    private readonly database: Database,
    policy: Partial<KeyPolicy> = {},
  ) {
    this.#policy = { ...DEFAULTS, ...policy };
  }

  /** Takes the configured key as the first one, unless there are keys already. */
  adopt(configured: string | undefined): void {
    this.database.transaction(() => {
      if (configured && this.database.get("SELECT 1 FROM inbound_key") === null)
        this.#add(configured);
    });
  }

  /** Returns a new key. Those before it stay valid for the overlap, or until it is used. */
  issue(): NewKey {
    return this.#add(newSecret("fxk"));
  }

  /** Returns when a key is valid now. Throws a 401 problem when it is not. */
  check(presented: string): void {
    const at = now();
    const hash = hashSecret(presented);
    const row = this.database.get("SELECT * FROM inbound_key WHERE key_hash = ?", hash);
    if (row === null) throw unauthenticated("The API key is unknown.");
    if (at >= String(row["valid_until"])) throw unauthenticated("The API key has expired.");
    const number = row["number"]!;
    for (const newer of this.database.all("SELECT * FROM inbound_key WHERE number > ?", number)) {
      if (at >= this.#endOfThoseBefore(newer)) {
        throw unauthenticated("The API key was replaced by a newer one.");
      }
    }
    if (row["first_used_at"] === null) this.#noteFirstUse(number, at);
  }

  #endOfThoseBefore(newer: Row): Moment {
    const overlapEnds = String(newer["overlap_ends_at"]);
    if (newer["first_used_at"] === null) return overlapEnds;
    const graceEnds = plus(String(newer["first_used_at"]), this.#policy.grace);
    return graceEnds < overlapEnds ? graceEnds : overlapEnds;
  }

  #noteFirstUse(number: Row[string], at: Moment): void {
    this.database.transaction(() => {
      const used =
        "UPDATE inbound_key SET first_used_at = ? WHERE number = ? AND first_used_at IS NULL";
      this.database.run(used, at, number!);
      this.database.run("DELETE FROM inbound_key WHERE valid_until < ?", plus(at, -DAY));
    });
  }

  #add(key: string): NewKey {
    const from = now();
    const until = plus(from, this.#policy.validity);
    const overlapEnds = plus(from, this.#policy.overlap);
    this.database.run(
      "INSERT INTO inbound_key (key_hash, valid_from, valid_until, overlap_ends_at) VALUES (?, ?, ?, ?)",
      hashSecret(key),
      from,
      until,
      overlapEnds,
    );
    return {
      apiKey: key,
      validFrom: shortest(from),
      validUntil: shortest(until),
      previousKeyValidUntil: shortest(overlapEnds),
    };
  }
}

/** The key that is presented to one callee, stored encrypted and refreshed before it expires. */
export class OutboundKey {
  constructor(
    private readonly database: Database,
    private readonly box: SecretBox,
    private readonly callee: string,
  ) {}

  /** Takes the configured key when there is none yet, or when another one was configured. */
  adopt(configured: string | undefined): void {
    if (!configured) return;
    const hash = hashSecret(configured);
    this.database.transaction(() => {
      if (this.#row()?.["configured_hash"] === hash) return;
      this.database.run(
        "INSERT OR REPLACE INTO outbound_key VALUES (?, ?, ?, NULL, NULL)",
        this.callee,
        this.box.encrypt(configured),
        hash,
      );
    });
  }

  /** Returns the key to present; null when there is none yet. */
  find(): string | null {
    const row = this.#row();
    return row === null ? null : this.box.decrypt(String(row["encrypted_key"]));
  }

  /** Returns the key to present. Throws Error when there is none yet. */
  current(): string {
    const key = this.find();
    if (key === null) throw new Error(`There is no API key for ${this.callee} yet.`);
    return key;
  }

  /**
   * Returns whether the key should be refreshed now: it ends within so many ms. The first key is
   * due at once: it passed through a person's hands, and its end is unknown.
   */
  isDue(beforeMs: number): boolean {
    const row = this.#row();
    if (row === null) return false;
    if (row["refresh_id"] !== null || row["valid_until"] === null) return true;
    return now() >= plus(String(row["valid_until"]), -beforeMs);
  }

  /**
   * Replaces the key by the one that `call` gets for an idempotency key.
   *
   * The idempotency key is stored before the call, so that a lost answer, or the death of this
   * process, is followed by the same question and the same new key. Throws what the call throws;
   * `isMismatch` tells of an error whether another question is needed (422).
   */
  async refresh(
    call: (idempotencyKey: string) => Promise<NewKey>,
    isMismatch: (error: unknown) => boolean,
  ): Promise<void> {
    this.current();
    const set = "UPDATE outbound_key SET refresh_id = ? WHERE callee = ?";
    const refreshId = String(this.#row()?.["refresh_id"] ?? newId());
    this.database.run(set, refreshId, this.callee);
    let issued: NewKey;
    try {
      issued = await call(refreshId);
    } catch (error) {
      if (isMismatch(error)) this.database.run(set, null, this.callee);
      throw error;
    }
    this.database.run(
      "UPDATE outbound_key SET encrypted_key = ?, valid_until = ?, refresh_id = NULL" +
        " WHERE callee = ? AND refresh_id = ?",
      this.box.encrypt(issued.apiKey),
      moment(issued.validUntil),
      this.callee,
      refreshId,
    );
  }

  #row(): Row | null {
    return this.database.get("SELECT * FROM outbound_key WHERE callee = ?", this.callee);
  }
}
