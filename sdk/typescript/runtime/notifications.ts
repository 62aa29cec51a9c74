/** Notifications to the marketplace: kept until they are acknowledged, in order, and retried. */

import {
  Configuration,
  ConnectionApi,
  ResponseError,
  ServiceApi,
  type ActivationNotification,
  type ConnectionTest,
  type ConsentNotification,
  type InterimNotification,
  type Period,
} from "../notifications/client/index.js";
import type { Database, Row } from "./database.js";
import { newId } from "./ids.js";
import type { OutboundKey } from "./keys.js";
import { now, plus, shortest, type Moment } from "./moments.js";
import { judge, type Outcome } from "./retrying.js";

const CALL_MS = 10_000;
const LONGEST_REASON = 1000;
/** How long a delivered notification is kept, in ms. */
export const KEPT_MS = 30 * 24 * 3_600_000;

type Kind = "consent" | "activation" | "interim";
type Change<T> = Omit<T, "eventId" | "reason"> & { reason: string | null };

/** Writes notifications, in the transaction of the change that they tell of. */
export class Notifications {
  /** Called once there is something new to send. */
  wake: () => void = () => {};

  constructor(private readonly database: Database) {}

  /** Tells of the consent that a PoD has now. */
  consent(
    change: Omit<Change<ConsentNotification>, "validity"> & { validity: Period | null },
  ): void {
    const { validity, ...rest } = change;
    this.#add("consent", { ...rest, ...(validity === null ? {} : { validity }) });
  }

  /** Tells of the activation that a PoD has now. */
  activation(change: Change<ActivationNotification>): void {
    this.#add("activation", change);
  }

  /** Tells how a service is doing, unless an earlier status still waits to go out. */
  interim(status: Omit<InterimNotification, "eventId" | "occurredAt">): void {
    const waiting =
      "SELECT 1 FROM notification WHERE subscription_id = ? AND kind = 'interim'" +
      " AND state IN ('QUEUED', 'RETRYING')";
    if (this.database.get(waiting, status.subscriptionId) !== null) return;
    this.#add("interim", { ...status, occurredAt: now(), reason: null });
  }

  /** Returns those that the marketplace has not acknowledged: what waits, is retried or is dead. */
  undelivered(): Row[] {
    return this.database.all(
      "SELECT * FROM notification WHERE state <> 'DELIVERED' ORDER BY number",
    );
  }

  /** Queues all dead ones again, under their ids; returns how many there were. */
  replayDead(): number {
    const again =
      "UPDATE notification SET state = 'QUEUED', attempts = 0, first_attempt_at = NULL," +
      " next_attempt_at = ?, finished_at = NULL WHERE state = 'DEAD'";
    return this.database.run(again, now());
  }

  /**
   * Queues again, under their ids, a part of those that the marketplace has acknowledged since a
   * moment, after an event id; returns how many, and the last one's id.
   */
  replayDelivered(
    since: Moment,
    after: string,
    limit: number,
  ): { queued: number; last: string | null } {
    return this.database.transaction(() => {
      const found = this.database.all(
        "SELECT event_id FROM notification WHERE state = 'DELIVERED' AND finished_at >= ?" +
          " AND event_id > ? ORDER BY event_id LIMIT ?",
        since,
        after,
        limit,
      );
      for (const row of found) {
        this.database.run(
          "UPDATE notification SET state = 'QUEUED', attempts = 0, first_attempt_at = NULL," +
            " next_attempt_at = ?, finished_at = NULL WHERE event_id = ?",
          now(),
          String(row["event_id"]),
        );
      }
      this.database.afterCommit(() => this.wake());
      const last = found.at(-1)?.["event_id"];
      return { queued: found.length, last: last === undefined ? null : String(last) };
    });
  }

  #add(
    kind: Kind,
    change: { subscriptionId: string; occurredAt: Moment; reason: string | null },
  ): void {
    const eventId = newId();
    const { reason, occurredAt, ...rest } = change;
    const said = reason ? { reason: reason.slice(0, LONGEST_REASON) } : {};
    const body = JSON.stringify({ eventId, occurredAt: shortest(occurredAt), ...rest, ...said });
    this.database.run(
      "INSERT INTO notification (event_id, subscription_id, kind, body, state, next_attempt_at)" +
        " VALUES (?, ?, ?, ?, 'QUEUED', ?)",
      eventId,
      change.subscriptionId,
      kind,
      body,
      now(),
    );
    this.database.afterCommit(() => this.wake());
  }
}

/** The platform's connection to the marketplace, by the generated client. */
export class Marketplace {
  readonly #connection: ConnectionApi;
  readonly #service: ServiceApi;

  /** Takes the base URL. Throws RangeError for one without TLS unless that is allowed. */
  constructor(
    baseUrl: string,
    private readonly key: OutboundKey,
    allowHttp = false,
  ) {
    const url = new URL(baseUrl);
    if (url.protocol !== "https:" && !(allowHttp && url.protocol === "http:")) {
      throw new RangeError(`The marketplace's URL must begin with https://, and it is ${baseUrl}.`);
    }
    const configuration = new Configuration({
      basePath: `${baseUrl.replace(/\/+$/, "")}/notifications/v1`,
      apiKey: () => key.current(),
      fetchApi: (input, init) =>
        fetch(input, { ...init, redirect: "error", signal: AbortSignal.timeout(CALL_MS) }),
    });
    this.#connection = new ConnectionApi(configuration);
    this.#service = new ServiceApi(configuration);
  }

  /** Returns what the marketplace says of the connection. Throws ResponseError or FetchError. */
  test(): Promise<ConnectionTest> {
    return this.#connection.testConnection();
  }

  /** Replaces the key when it ends within so many ms, 7 days by default. */
  async refreshKeyIfDue(beforeMs = 7 * 24 * 3_600_000): Promise<void> {
    if (!this.key.isDue(beforeMs)) return;
    await this.key.refresh(
      (idempotencyKey) => this.#connection.refreshApiKey({ idempotencyKey }),
      (error) => error instanceof ResponseError && error.response.status === 422,
    );
  }

  /** Returns the answer to one notification; its event id is the key of every attempt. */
  async send(kind: Kind, body: string, eventId: string): Promise<Outcome> {
    const request = { idempotencyKey: eventId };
    const parsed: unknown = JSON.parse(body);
    try {
      if (kind === "consent") {
        const consentNotification = parsed as ConsentNotification;
        await this.#service.notifyConsentRaw({ ...request, consentNotification });
      } else if (kind === "activation") {
        const activationNotification = parsed as ActivationNotification;
        await this.#service.notifyActivationRaw({ ...request, activationNotification });
      } else {
        const interimNotification = parsed as InterimNotification;
        await this.#service.notifyInterimRaw({ ...request, interimNotification });
      }
      return { status: 200, retryAfter: null, detail: "" };
    } catch (error) {
      if (!(error instanceof ResponseError)) return { status: null, detail: reasonOf(error) };
      const { status, headers } = error.response;
      const said = (await error.response.text().catch(() => "")).slice(0, LONGEST_REASON);
      const detail = `The marketplace answered ${status}. ${said}`;
      return { status, retryAfter: headers.get("Retry-After"), detail };
    }
  }
}

const CONCURRENCY = 8;
const THRESHOLD = 10;
const PROBE_MS = 30_000;
const POLL_MS = 1_000;

/**
 * Sends notifications while it runs: in order within a subscription, several subscriptions at once.
 * After ten failures in a row the marketplace is only probed, every 30 s, until it answers again.
 */
export class Sender {
  readonly #busy = new Map<string, Promise<void>>();
  #failures = 0;
  #probeAt = "";
  #timer: NodeJS.Timeout | null = null;
  #stopping = false;
  #looking = false;
  readonly #database: Database;
  readonly #marketplace: Pick<Marketplace, "send">;
  readonly #onError: (error: unknown) => void;

  /** Takes what is told of an error that nobody foresaw. */
  constructor(
    database: Database,
    marketplace: Pick<Marketplace, "send">,
    onError: (error: unknown) => void = console.error,
  ) {
    this.#database = database;
    this.#marketplace = marketplace;
    this.#onError = onError;
  }

  /** Starts sending; what another process queues is found within a second. */
  start(): void {
    this.#stopping = false;
    this.#timer = setInterval(() => this.wake(), POLL_MS);
    this.wake();
  }

  /** Looks for notifications soon; however often it is called meanwhile, it looks once. */
  wake(): void {
    if (this.#stopping || this.#timer === null || this.#looking) return;
    this.#looking = true;
    setImmediate(() => {
      this.#looking = false;
      try {
        this.#look();
      } catch (error) {
        this.#onError(error);
      }
    });
  }

  /** Stops, after the calls that are under way. What was not sent goes out after the next start. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all(this.#busy.values());
  }

  /** Forgets what was delivered more than 30 days ago. */
  forgetDelivered(): void {
    const old = "DELETE FROM notification WHERE state = 'DELIVERED' AND finished_at < ?";
    this.#database.run(old, plus(now(), -KEPT_MS));
  }

  #look(): void {
    if (this.#stopping) return;
    const room = this.#isParked() ? Number(this.#mayProbe()) : CONCURRENCY - this.#busy.size;
    for (const subscriptionId of room > 0 ? this.#due().slice(0, room) : []) {
      const sending = this.#drain(subscriptionId)
        .catch(this.#onError)
        .finally(() => {
          this.#busy.delete(subscriptionId);
          this.wake();
        });
      this.#busy.set(subscriptionId, sending);
    }
  }

  #isParked(): boolean {
    return this.#failures >= THRESHOLD;
  }

  #mayProbe(): boolean {
    return this.#busy.size === 0 && now() >= this.#probeAt;
  }

  /** Returns the subscriptions of which the first one that waits may be sent now. */
  #due(): string[] {
    const query =
      "SELECT subscription_id FROM notification WHERE number IN (SELECT min(number)" +
      " FROM notification WHERE state IN ('QUEUED', 'RETRYING') GROUP BY subscription_id)" +
      " AND next_attempt_at <= ? ORDER BY number";
    const found = this.#database.all(query, now()).map((row) => String(row["subscription_id"]));
    return found.filter((subscriptionId) => !this.#busy.has(subscriptionId));
  }

  /** Sends what waits of a subscription, one after the other, as long as that goes well. */
  async #drain(subscriptionId: string): Promise<void> {
    const first =
      "SELECT * FROM notification WHERE subscription_id = ? AND state IN ('QUEUED', 'RETRYING')" +
      " ORDER BY number LIMIT 1";
    do {
      const row = this.#database.get(first, subscriptionId);
      if (row === null || String(row["next_attempt_at"]) > now()) return;
      await this.#send(row);
    } while (!this.#stopping && !this.#isParked());
  }

  async #send(row: Row): Promise<void> {
    const eventId = String(row["event_id"]);
    const at = now();
    const outcome = await this.#marketplace.send(row["kind"] as Kind, String(row["body"]), eventId);
    const first = row["first_attempt_at"] === null ? at : String(row["first_attempt_at"]);
    const attempts = Number(row["attempts"]);
    const verdict = judge(outcome, attempts, first, now(), Math.random());
    this.#failures = verdict.alive ? 0 : this.#failures + 1;
    this.#probeAt = plus(now(), PROBE_MS);
    this.#database.run(
      "UPDATE notification SET state = ?, attempts = ?, first_attempt_at = ?, next_attempt_at = ?," +
        " finished_at = ?, reason = ? WHERE event_id = ?",
      verdict.state,
      attempts + 1,
      first,
      verdict.nextAttemptAt ?? String(row["next_attempt_at"]),
      verdict.state === "RETRYING" ? null : now(),
      outcome.detail || null,
      eventId,
    );
  }
}

/** Returns why a call to the marketplace has failed, in a line without any secret. */
export function reasonOf(error: unknown): string {
  if (error instanceof ResponseError) return `The marketplace answered ${error.response.status}.`;
  let deepest = error;
  while (deepest instanceof Error && deepest.cause instanceof Error) deepest = deepest.cause;
  return `No answer: ${deepest instanceof Error ? deepest.message : String(deepest)}`;
}
