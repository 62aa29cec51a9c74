/**
 * Consents and activations of points of delivery (PoDs), which are the provider's to change. Every
 * change and its notification to the marketplace are one transaction.
 */

import type { ActivationState, ConsentState, Period } from "../notifications/client/index.js";
import type { PointOfDeliveryStatus } from "../metering/client/index.js";
import type { Database, Row } from "./database.js";
import { moment, now, nowAfter, plus, shortest, type Moment } from "./moments.js";
import type { Notifications } from "./notifications.js";
import { conflict, forbidden, illegalTransition, notFound } from "./problems.js";
import {
  contains,
  hasEnded,
  isRunning,
  type Subscription,
  type Subscriptions,
} from "./subscriptions.js";

type Steps<State extends string> = Readonly<Record<string, Readonly<Record<string, State>>>>;

const NEVER_ASKED = "not requested";
const ASK_AGAIN = { request: "REQUESTED" } as const;
const CONSENT: Steps<ConsentState> = {
  [NEVER_ASKED]: ASK_AGAIN,
  REQUESTED: { deny: "DENIED", grant: "GRANTED", timeOut: "TIMED_OUT" },
  GRANTED: { expire: "EXPIRED", withdraw: "WITHDRAWN" },
  DENIED: ASK_AGAIN,
  TIMED_OUT: ASK_AGAIN,
  WITHDRAWN: ASK_AGAIN,
  EXPIRED: ASK_AGAIN,
};
const ACTIVATION: Steps<ActivationState> = {
  [NEVER_ASKED]: { request: "REQUESTED" },
  REQUESTED: { activate: "ACTIVE", end: "ENDED" },
  ACTIVE: { end: "ENDED", suspend: "SUSPENDED" },
  SUSPENDED: { activate: "ACTIVE", end: "ENDED" },
  ENDED: { request: "REQUESTED" },
};

/** The points of delivery under the subscriptions in which this platform is the provider. */
export class PointsOfDelivery {
  constructor(
    private readonly database: Database,
    private readonly subscriptions: Subscriptions,
    private readonly notifications: Notifications,
  ) {}

  /**
   * Begins the consent process of PoDs; returns the ids of those that are new. Where the service
   * needs no consent, their activation is REQUESTED right away. Throws a 409 problem unless the
   * subscription is ACTIVE and in its agreed period.
   */
  request(subscriptionId: string, podIds: readonly string[]): string[] {
    return this.database.transaction(() => {
      const subscription = this.subscriptions.get(subscriptionId);
      if (!isRunning(subscription)) {
        throw conflict(`The subscription is ${subscription.state}, or not in its agreed period.`);
      }
      const added = [...new Set(podIds)].filter((podId) => {
        const add = "INSERT OR IGNORE INTO pod (subscription_id, pod_id) VALUES (?, ?)";
        return this.database.run(add, subscriptionId, podId) === 1;
      });
      for (const podId of added) {
        if (subscription.details.service.consentRequired)
          this.#consent(subscriptionId, podId, "request");
        else this.#activation(subscriptionId, podId, "request", null);
      }
      return added;
    });
  }

  /** Begins a new round after a consent has ended, at the provider's decision. Throws 409. */
  askAgain(subscriptionId: string, podId: string): void {
    this.database.transaction(() => {
      this.#checkNotEnded(subscriptionId);
      if (this.#row(subscriptionId, podId)["consent"] === null) {
        throw conflict("The service needs no consent for this point of delivery.");
      }
      this.#consent(subscriptionId, podId, "request");
    });
  }

  /**
   * Records that the customer consents; the activation is REQUESTED. Readings are given within the
   * validity only; without one there is no bound. Throws a 409 problem.
   */
  grant(subscriptionId: string, podId: string, validity?: Period): void {
    this.database.transaction(() => {
      this.#checkNotEnded(subscriptionId);
      this.#row(subscriptionId, podId);
      this.database.run(
        "UPDATE pod SET consent_start = ?, consent_end = ? WHERE subscription_id = ? AND pod_id = ?",
        validity ? moment(validity.start) : null,
        validity?.end ? moment(validity.end) : null,
        subscriptionId,
        podId,
      );
      this.#consent(subscriptionId, podId, "grant");
      this.#activation(subscriptionId, podId, "request", null);
    });
  }

  /** Records that the customer refuses. Throws a 409 problem. */
  deny(subscriptionId: string, podId: string, reason: string): void {
    this.database.transaction(() => this.#consent(subscriptionId, podId, "deny", reason));
  }

  /** Records that the customer takes the consent back; the activation ends at once. Throws 409. */
  withdraw(subscriptionId: string, podId: string, reason: string): void {
    this.database.transaction(() => this.#consent(subscriptionId, podId, "withdraw", reason));
  }

  /** Lets data flow. Throws a 409 problem unless subscription and consent allow it. */
  activate(subscriptionId: string, podId: string): void {
    this.database.transaction(() => {
      const subscription = this.subscriptions.get(subscriptionId);
      const reason = obstacle(subscription, this.#row(subscriptionId, podId));
      if (reason !== null) throw conflict(`The service cannot be active. ${reason}`);
      this.#activation(subscriptionId, podId, "activate", null);
    });
  }

  /** Stops the data for the time being. Throws a 409 problem. */
  suspend(subscriptionId: string, podId: string, reason: string): void {
    this.database.transaction(() => this.#activation(subscriptionId, podId, "suspend", reason));
  }

  /** Expires consents whose period is over, and times out those that nobody answered in time. */
  expireDue(timeoutMs: number): void {
    const at = now();
    this.database.transaction(() => {
      const over = "SELECT * FROM pod WHERE consent = 'GRANTED' AND consent_end <= ?";
      for (const row of this.database.all(over, at)) {
        this.#consent(...ids(row), "expire", "The consent's period is over.");
      }
      const silent = "SELECT * FROM pod WHERE consent = 'REQUESTED' AND consent_since <= ?";
      for (const row of this.database.all(silent, plus(at, -timeoutMs))) {
        this.#consent(...ids(row), "timeOut", "The customer did not answer.");
      }
    });
  }

  /** Returns how far PoDs have come, in the order of their ids. */
  some(subscriptionId: string, podIds: readonly string[]): PointOfDeliveryStatus[] {
    return [...new Set(podIds)]
      .sort(byCode)
      .map((podId) => status(this.#row(subscriptionId, podId)));
  }

  /** Returns the next PoDs of a subscription after one, in the order of their ids. */
  page(
    subscriptionId: string,
    limit: number,
    after = "",
    activation?: ActivationState,
  ): PointOfDeliveryStatus[] {
    const query =
      "SELECT * FROM pod WHERE subscription_id = ? AND pod_id > ? AND (? IS NULL OR activation = ?)" +
      " ORDER BY pod_id LIMIT ?";
    const state = activation ?? null;
    return this.database.all(query, subscriptionId, after, state, state, limit).map(status);
  }

  /** Returns the running subscriptions under which a PoD was asked for. */
  subscriptionsOf(podId: string): string[] {
    const query =
      "SELECT p.subscription_id AS id FROM pod p JOIN subscription s ON s.id = p.subscription_id" +
      " WHERE p.pod_id = ? AND s.state NOT IN ('CANCELED', 'EXPIRED') ORDER BY s.id";
    return this.database.all(query, podId).map((row) => String(row["id"]));
  }

  /** Returns for how many PoDs of a subscription the service is active. */
  countActive(subscriptionId: string): number {
    const query =
      "SELECT count(*) AS n FROM pod WHERE subscription_id = ? AND activation = 'ACTIVE'";
    return Number(this.database.get(query, subscriptionId)!["n"]);
  }

  /**
   * Returns when readings of the period may be given to the requester now. Throws a 403 problem
   * with the reason.
   */
  checkReadable(subscriptionId: string, podId: string, start: Moment, end: Moment): void {
    const query = "SELECT * FROM pod WHERE subscription_id = ? AND pod_id = ?";
    const row = this.database.get(query, subscriptionId, podId);
    if (row === null) {
      throw forbidden("The point of delivery was not requested under this subscription.");
    }
    const reason = obstacle(this.subscriptions.get(subscriptionId), row);
    if (reason !== null) throw forbidden(reason);
    if (row["activation"] !== "ACTIVE") {
      const because = row["reason"] === null ? "" : ` ${String(row["reason"])}`;
      throw forbidden(`The activation is ${row["activation"] ?? NEVER_ASKED}.${because}`);
    }
    const validity = consentValidity(row);
    const covers =
      validity === null || (validity.start <= start && !(validity.end && end > validity.end));
    if (!covers) throw forbidden(`The customer's consent covers readings from ${words(validity)}.`);
  }

  /** Suspends what is ACTIVE under a subscription that is suspended. */
  suspendAll({ id }: Subscription, reason: string): void {
    for (const podId of this.#withActivation(id, "= 'ACTIVE'")) {
      this.#activation(id, podId, "suspend", reason);
      const mark =
        "UPDATE pod SET suspended_with_subscription = 1 WHERE subscription_id = ? AND pod_id = ?";
      this.database.run(mark, id, podId);
    }
  }

  /** Activates again what was suspended with the subscription, where it still may be. */
  resumeAll(subscription: Subscription, reason: string): void {
    const suspended = "= 'SUSPENDED' AND suspended_with_subscription = 1";
    for (const podId of this.#withActivation(subscription.id, suspended)) {
      if (obstacle(subscription, this.#row(subscription.id, podId)) !== null) continue;
      this.#activation(subscription.id, podId, "activate", reason);
    }
  }

  /** Ends the activations under a subscription that is over. */
  endAll({ id }: Subscription, reason: string): void {
    for (const podId of this.#withActivation(id, "<> 'ENDED'"))
      this.#activation(id, podId, "end", reason);
  }

  #withActivation(subscriptionId: string, condition: string): string[] {
    const query = `SELECT pod_id FROM pod WHERE subscription_id = ? AND activation ${condition} ORDER BY 1`;
    return this.database.all(query, subscriptionId).map((row) => String(row["pod_id"]));
  }

  #consent(
    subscriptionId: string,
    podId: string,
    action: string,
    reason: string | null = null,
  ): void {
    const row = this.#row(subscriptionId, podId);
    const state = after("Consent", CONSENT, row["consent"] as string | null, action);
    const occurredAt = nowAfter(row["updated_at"] as Moment | null);
    this.database.run(
      "UPDATE pod SET consent = ?, consent_since = ?, updated_at = ?, reason = ?" +
        " WHERE subscription_id = ? AND pod_id = ?",
      state,
      occurredAt,
      occurredAt,
      reason,
      subscriptionId,
      podId,
    );
    const validity = state === "GRANTED" ? consentValidity(row) : null;
    this.notifications.consent({ occurredAt, subscriptionId, podId, state, validity, reason });
    const runs = row["activation"] !== null && row["activation"] !== "ENDED";
    if (row["consent"] === "GRANTED" && runs) {
      this.#activation(
        subscriptionId,
        podId,
        "end",
        reason ?? `The customer's consent is ${state}.`,
      );
    }
  }

  #activation(subscriptionId: string, podId: string, action: string, reason: string | null): void {
    const row = this.#row(subscriptionId, podId);
    const state = after("Activation", ACTIVATION, row["activation"] as string | null, action);
    const occurredAt = nowAfter(row["updated_at"] as Moment | null);
    this.database.run(
      "UPDATE pod SET activation = ?, suspended_with_subscription = 0, updated_at = ?, reason = ?" +
        " WHERE subscription_id = ? AND pod_id = ?",
      state,
      occurredAt,
      reason,
      subscriptionId,
      podId,
    );
    this.notifications.activation({ occurredAt, subscriptionId, podId, state, reason });
  }

  #checkNotEnded(subscriptionId: string): void {
    const { state } = this.subscriptions.get(subscriptionId);
    if (hasEnded(state)) throw conflict(`The subscription is ${state}.`);
  }

  #row(subscriptionId: string, podId: string): Row {
    const query = "SELECT * FROM pod WHERE subscription_id = ? AND pod_id = ?";
    const row = this.database.get(query, subscriptionId, podId);
    if (row === null) throw notFound(`There is no point of delivery ${podId} that you may see.`);
    return row;
  }
}

function after<State extends string>(
  kind: string,
  steps: Steps<State>,
  state: string | null,
  action: string,
): State {
  const allowed = steps[state ?? NEVER_ASKED] ?? {};
  const next = allowed[action];
  if (next === undefined) {
    throw illegalTransition(kind, state ?? NEVER_ASKED, action, Object.keys(allowed));
  }
  return next;
}

/** Returns in words what stands against an active service now; null when nothing does. */
function obstacle({ state, details }: Subscription, pod: Row): string | null {
  const at = now();
  if (state !== "ACTIVE") return `The subscription is ${state}.`;
  if (!contains(details.terms.validity, at)) {
    return `The subscription is valid from ${words(details.terms.validity)}.`;
  }
  if (!details.service.consentRequired) return null;
  if (pod["consent"] !== "GRANTED")
    return `The customer's consent is ${pod["consent"] ?? NEVER_ASKED}.`;
  const validity = consentValidity(pod);
  if (validity !== null && !contains(validity, at)) {
    return `The customer's consent is valid from ${words(validity)}.`;
  }
  return null;
}

function consentValidity(pod: Row): Period | null {
  if (pod["consent_start"] === null) return null;
  const start = String(pod["consent_start"]);
  return pod["consent_end"] === null ? { start } : { start, end: String(pod["consent_end"]) };
}

function words(period: { start: string; end?: string }): string {
  return `${period.start} to ${period.end ?? "an open end"}`;
}

function status(row: Row): PointOfDeliveryStatus {
  return {
    podId: String(row["pod_id"]),
    ...(row["consent"] === null ? {} : { consent: row["consent"] as ConsentState }),
    ...(row["activation"] === null ? {} : { activation: row["activation"] as ActivationState }),
    ...(row["reason"] === null ? {} : { reason: String(row["reason"]).slice(0, 1000) }),
    updatedAt: shortest(String(row["updated_at"])),
  };
}

function ids(row: Row): [string, string] {
  return [String(row["subscription_id"]), String(row["pod_id"])];
}

function byCode(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
