/** The platform's own database: an SQLite file by Node's `node:sqlite`, in transactions. */

import { closeSync, openSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

const VERSION = 1;
const SCHEMA = `
CREATE TABLE subscription (
  id TEXT PRIMARY KEY, role TEXT NOT NULL, state TEXT NOT NULL, state_since TEXT NOT NULL,
  reason TEXT, details TEXT NOT NULL, key_hash TEXT NOT NULL, encrypted_key TEXT,
  next_interim_at TEXT
) STRICT;
CREATE INDEX subscription_key ON subscription (key_hash);
CREATE TABLE event (
  id TEXT PRIMARY KEY, subscription_id TEXT NOT NULL, role TEXT NOT NULL, told TEXT NOT NULL,
  reason TEXT, occurred_at TEXT NOT NULL, received_at TEXT NOT NULL, outcome TEXT NOT NULL
) STRICT;
CREATE INDEX event_subscription ON event (subscription_id, occurred_at);
CREATE TABLE requested_pod (
  subscription_id TEXT NOT NULL, pod_id TEXT NOT NULL, requested_at TEXT NOT NULL,
  PRIMARY KEY (subscription_id, pod_id)
) STRICT;
CREATE TABLE pod (
  subscription_id TEXT NOT NULL REFERENCES subscription, pod_id TEXT NOT NULL,
  consent TEXT, consent_since TEXT, consent_start TEXT, consent_end TEXT, activation TEXT,
  suspended_with_subscription INTEGER NOT NULL DEFAULT 0, reason TEXT, updated_at TEXT,
  PRIMARY KEY (subscription_id, pod_id)
) STRICT;
CREATE INDEX pod_consent ON pod (consent, consent_since);
CREATE TABLE notification (
  number INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE,
  subscription_id TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, first_attempt_at TEXT, next_attempt_at TEXT NOT NULL,
  finished_at TEXT, reason TEXT
) STRICT;
CREATE INDEX notification_waiting ON notification (subscription_id, number)
  WHERE state IN ('QUEUED', 'RETRYING');
CREATE TABLE inbound_key (
  number INTEGER PRIMARY KEY AUTOINCREMENT, key_hash TEXT NOT NULL UNIQUE,
  valid_from TEXT NOT NULL, valid_until TEXT NOT NULL, overlap_ends_at TEXT NOT NULL,
  first_used_at TEXT
) STRICT;
CREATE TABLE outbound_key (
  callee TEXT PRIMARY KEY, encrypted_key TEXT NOT NULL, configured_hash TEXT NOT NULL,
  valid_until TEXT, refresh_id TEXT
) STRICT;
CREATE TABLE reply (
  subject TEXT NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
  encrypted_body TEXT NOT NULL, created_at TEXT NOT NULL, PRIMARY KEY (subject, operation, key)
) STRICT;
`;

/** What a column can hold. */
export type Value = string | number | null;

/** A row, by its columns' names. */
export type Row = Record<string, Value>;

/**
 * A database that has committed what it says it has, also after a power cut.
 *
 * Everything is synchronous: while a transaction runs, nothing else of this process does. Another
 * process, such as a command, may work on the same file; it is waited for up to 30 s.
 */
export class Database {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #afterCommit: (() => void)[] | null = null;

  /** Opens the file, which only its owner may read, and makes the tables the first time. */
  constructor(file: string) {
    if (file !== ":memory:") closeSync(openSync(file, "a", 0o600));
    this.#connection = new DatabaseSync(file);
    this.#connection.exec(
      "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" +
        "PRAGMA foreign_keys = ON",
    );
    this.transaction(() => {
      const version = this.get("PRAGMA user_version")?.["user_version"];
      if (version === VERSION) return;
      if (version !== 0) throw new Error(`${file} was made by version ${version} of this software`);
      this.#connection.exec(`${SCHEMA}; PRAGMA user_version = ${VERSION}`);
    });
  }

  /**
   * Returns what the work gives, once all that it wrote is on the disk; when it throws, nothing is
   * written. Inside another transaction it is a part of that one. The work must not be asynchronous.
   */
  transaction<T>(work: () => T): T {
    if (this.#afterCommit !== null) return work();
    const callbacks: (() => void)[] = [];
    this.#connection.exec("BEGIN IMMEDIATE");
    this.#afterCommit = callbacks;
    let result: T;
    try {
      result = work();
      if (result instanceof Promise) throw new TypeError("A transaction cannot be asynchronous.");
      this.#connection.exec("COMMIT");
    } catch (error) {
      if (this.#connection.isTransaction) this.#connection.exec("ROLLBACK");
      throw error;
    } finally {
      this.#afterCommit = null;
    }
    callbacks.forEach((callback) => callback());
    return result;
  }

  /** Calls a function once the present transaction has committed, or now outside of one. */
  afterCommit(callback: () => void): void {
    if (this.#afterCommit === null) callback();
    else this.#afterCommit.push(callback);
  }

  /** Runs a statement; returns how many rows it changed. */
  run(sql: string, ...values: Value[]): number {
    return Number(this.#statement(sql).run(...(values as SQLInputValue[])).changes);
  }

  /** Returns the first row of a query; null when there is none. */
  get(sql: string, ...values: Value[]): Row | null {
    return (this.#statement(sql).get(...values) as Row | undefined) ?? null;
  }

  /** Returns the rows of a query. */
  all(sql: string, ...values: Value[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  /** Closes the file. */
  close(): void {
    this.#connection.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
