/** The subscriptions in which this platform takes part, and the events that change them. */

import type {
  AcknowledgementOutcome,
  B2bAccess,
  PlatformRole,
  PointsOfDeliveryRequested,
  ServiceOfferCanceled,
  ServiceOfferChanged,
  ServiceOfferConfirmed,
} from "../eu-mp/client/index.js";
import type { Database, Row } from "./database.js";
import { durationMs, moment, now, plus, type Moment } from "./moments.js";
import type { PointsOfDelivery } from "./points-of-delivery.js";
import { conflict, notFound, unauthenticated } from "./problems.js";
import { hashSecret, type SecretBox } from "./secrets.js";

/** The state of a subscription, as the marketplace last told it. */
export type SubscriptionState = "ACTIVE" | "SUSPENDED" | "CANCELED" | "EXPIRED";

/** A subscription as it was confirmed, without its key, and what became of it. */
export interface Subscription {
  readonly id: string;
  /** This platform's own role. */
  readonly role: PlatformRole;
  readonly state: SubscriptionState;
  readonly stateSince: Moment;
  readonly reason: string | null;
  readonly details: Omit<ServiceOfferConfirmed, "b2b"> & { b2b: Omit<B2bAccess, "apiKey"> };
}

/** What an integrator does about an event, in the transaction that records it. */
export interface SubscriptionCallbacks {
  onConfirmed?(subscription: Subscription): void;
  /** It was canceled or has expired; its activations are ENDED already. */
  onCanceled?(subscription: Subscription): void;
  onSuspended?(subscription: Subscription): void;
  onResumed?(subscription: Subscription): void;
  /** Somebody of this company has added points of delivery to ask the provider for. */
  onPointsOfDeliveryRequested?(subscriptionId: string, podIds: readonly string[]): void;
}

/** How far the marketplace's clock may be ahead of this platform's. */
const CLOCK_TOLERANCE_MS = 300_000;

/** Finds subscriptions. */
export class Subscriptions {
  constructor(
    private readonly database: Database,
    private readonly box: SecretBox,
  ) {}

  /** Returns a subscription; null for none. */
  find(id: string): Subscription | null {
    const row = this.database.get("SELECT * FROM subscription WHERE id = ?", id.toLowerCase());
    return row === null ? null : subscription(row);
  }

  /** Returns a subscription. Throws a 404 problem for none. */
  get(id: string): Subscription {
    const found = this.find(id);
    if (found === null) throw notFound(`There is no subscription ${id} that you may see.`);
    return found;
  }

  /** Returns all subscriptions of a role, in the order of their ids. */
  all(role: PlatformRole): Subscription[] {
    const query = "SELECT * FROM subscription WHERE role = ? ORDER BY id";
    return this.database.all(query, role).map(subscription);
  }

  /** Returns the next subscriptions after an id, in the order of their ids. */
  after(id: string, limit: number): Subscription[] {
    const query = "SELECT * FROM subscription WHERE id > ? ORDER BY id LIMIT ?";
    return this.database.all(query, id, limit).map(subscription);
  }

  /** Returns the subscription of a requester's key. Throws a 401 problem for no such key. */
  withKey(key: string): Subscription {
    const query = "SELECT * FROM subscription WHERE key_hash = ? AND role = 'provider'";
    const row = this.database.get(query, hashSecret(key));
    if (row === null) throw unauthenticated("The key is that of no subscription.");
    return subscription(row);
  }

  /** Returns the key to present to the provider. Throws Error on the provider's own platform. */
  keyFor(id: string): string {
    const row = this.database.get("SELECT encrypted_key FROM subscription WHERE id = ?", id);
    if (row === null || row["encrypted_key"] === null) {
      throw new Error("Only the requester's platform has the key of a subscription.");
    }
    return this.box.decrypt(String(row["encrypted_key"]));
  }

  /** Returns the provider's ACTIVE subscriptions whose interim status is due, and sets the next. */
  takeDueForInterim(): Subscription[] {
    const at = now();
    return this.database.transaction(() => {
      const due = this.database
        .all(
          "SELECT * FROM subscription WHERE role = 'provider' AND state = 'ACTIVE'" +
            " AND next_interim_at <= ? ORDER BY next_interim_at",
          at,
        )
        .map(subscription);
      for (const each of due) {
        const next = nextInterim(each.details, at);
        this.database.run(
          "UPDATE subscription SET next_interim_at = ? WHERE id = ?",
          next,
          each.id,
        );
      }
      return due;
    });
  }

  /** Records a confirmed subscription; its key is kept hashed, and encrypted by who presents it. */
  add(event: ServiceOfferConfirmed, role: PlatformRole): Subscription {
    const { apiKey, ...b2b } = event.b2b;
    const details = { ...event, b2b };
    const next = role === "provider" ? nextInterim(details, now()) : null;
    this.database.run(
      "INSERT INTO subscription VALUES (?, ?, 'ACTIVE', ?, NULL, ?, ?, ?, ?)",
      event.subscriptionId.toLowerCase(),
      role,
      moment(event.occurredAt),
      JSON.stringify(details),
      hashSecret(apiKey),
      role === "provider" ? null : this.box.encrypt(apiKey),
      next,
    );
    return this.get(event.subscriptionId);
  }

  /** Records what an event told of a subscription's state. */
  setState(
    id: string,
    state: SubscriptionState,
    since: Moment,
    reason: string | null,
  ): Subscription {
    const change = "UPDATE subscription SET state = ?, state_since = ?, reason = ? WHERE id = ?";
    this.database.run(change, state, since, reason, id);
    return this.get(id);
  }
}

/** An event as the inbox keeps it. */
interface Entry {
  readonly eventId: string;
  readonly subscriptionId: string;
  readonly role: PlatformRole;
  readonly told: SubscriptionState | "CONFIRMED" | "PODS_REQUESTED";
  readonly occurredAt: Moment;
  readonly reason: string | null;
}

/**
 * Applies each event of the marketplace once, whether it comes twice, late or out of order. The
 * event, the state and what the callbacks write are one transaction: when a callback throws, nothing
 * is recorded, and the marketplace sends the event again.
 */
export class Inbox {
  constructor(
    private readonly database: Database,
    private readonly subscriptions: Subscriptions,
    private readonly pointsOfDelivery: PointsOfDelivery,
    private readonly callbacks: SubscriptionCallbacks = {},
  ) {}

  /** Records a confirmed subscription. Throws a 409 problem when this platform has it otherwise. */
  confirmed(role: PlatformRole, event: ServiceOfferConfirmed): AcknowledgementOutcome {
    return this.#once(entry(role, event, "CONFIRMED"), () => this.#confirm(role, event));
  }

  /** Records that a subscription is over. Throws a 409 problem for one of another role. */
  ended(role: PlatformRole, event: ServiceOfferCanceled): AcknowledgementOutcome {
    const told = entry(role, event, event.state);
    return this.#once(told, () => this.#change(told, event.state));
  }

  /** Records that a subscription is suspended. Throws a 409 problem for one of another role. */
  suspended(role: PlatformRole, event: ServiceOfferChanged): AcknowledgementOutcome {
    const told = entry(role, event, "SUSPENDED");
    return this.#once(told, () => this.#change(told, "SUSPENDED"));
  }

  /** Records that a subscription is active again. Throws a 409 problem for one of another role. */
  resumed(role: PlatformRole, event: ServiceOfferChanged): AcknowledgementOutcome {
    const told = entry(role, event, "ACTIVE");
    return this.#once(told, () => this.#change(told, "ACTIVE"));
  }

  /** Records points of delivery to ask for. Throws a 409 problem except at the requester's. */
  pointsRequested(role: PlatformRole, event: PointsOfDeliveryRequested): AcknowledgementOutcome {
    if (role !== "requester") {
      throw conflict("Only the requester's platform asks for points of delivery.");
    }
    const told = entry(role, event, "PODS_REQUESTED");
    return this.#once(told, () => this.#request(told, event.podIds));
  }

  #once(told: Entry, apply: () => AcknowledgementOutcome): AcknowledgementOutcome {
    return this.database.transaction(() => {
      const known = this.database.get("SELECT role FROM event WHERE id = ?", told.eventId);
      if (known !== null) {
        checkRole(String(known["role"]), told.role);
        return "DUPLICATE";
      }
      checkOccurredAt(told.occurredAt);
      const outcome = apply();
      this.database.run(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        told.eventId,
        told.subscriptionId,
        told.role,
        told.told,
        told.reason,
        told.occurredAt,
        now(),
        outcome,
      );
      return outcome;
    });
  }

  #confirm(role: PlatformRole, event: ServiceOfferConfirmed): AcknowledgementOutcome {
    const known = this.subscriptions.find(event.subscriptionId);
    if (known !== null) {
      if (known.role === role) return "SUPERSEDED";
      throw conflict(`This platform is the ${known.role} of this subscription already.`);
    }
    const added = this.subscriptions.add(event, role);
    const early = this.#newest(added.id);
    const { id, state } = early === null ? added : this.#setState(added.id, early);
    if (hasEnded(state)) return "SUPERSEDED";
    this.callbacks.onConfirmed?.(this.subscriptions.get(id));
    return "APPLIED";
  }

  #change(told: Entry, state: SubscriptionState): AcknowledgementOutcome {
    const before = this.subscriptions.find(told.subscriptionId);
    if (before === null) return "APPLIED"; // the confirmation is still to come, and will find this
    checkRole(before.role, told.role);
    const isOlder = told.occurredAt < before.stateSince && !hasEnded(state);
    if (hasEnded(before.state) || isOlder) return "SUPERSEDED";
    const { occurredAt, reason } = told;
    const after = this.subscriptions.setState(before.id, state, occurredAt, reason);
    if (after.state !== before.state) this.#follow(after);
    return "APPLIED";
  }

  #follow(subscription: Subscription): void {
    const reason = subscription.reason ?? "";
    if (subscription.state === "SUSPENDED") {
      this.pointsOfDelivery.suspendAll(subscription, reason);
      this.callbacks.onSuspended?.(subscription);
    } else if (subscription.state === "ACTIVE") {
      this.pointsOfDelivery.resumeAll(subscription, reason);
      this.callbacks.onResumed?.(subscription);
    } else {
      this.pointsOfDelivery.endAll(subscription, reason);
      this.callbacks.onCanceled?.(subscription);
    }
  }

  #request(told: Entry, podIds: readonly string[]): AcknowledgementOutcome {
    const known = this.subscriptions.find(told.subscriptionId);
    if (known !== null) {
      checkRole(known.role, told.role);
      if (hasEnded(known.state)) return "SUPERSEDED";
    }
    for (const podId of podIds) {
      this.database.run(
        "INSERT OR IGNORE INTO requested_pod VALUES (?, ?, ?)",
        told.subscriptionId,
        podId,
        told.occurredAt,
      );
    }
    this.callbacks.onPointsOfDeliveryRequested?.(told.subscriptionId, podIds);
    return "APPLIED";
  }

  /** Returns what was last told of a subscription before its confirmation; an end is final. */
  #newest(subscriptionId: string): Row | null {
    return this.database.get(
      "SELECT * FROM event WHERE subscription_id = ? AND told NOT IN ('CONFIRMED', 'PODS_REQUESTED')" +
        " ORDER BY told IN ('CANCELED', 'EXPIRED') DESC, occurred_at DESC LIMIT 1",
      subscriptionId,
    );
  }

  #setState(id: string, told: Row): Subscription {
    const reason = told["reason"] as string | null;
    const state = String(told["told"]) as SubscriptionState;
    return this.subscriptions.setState(id, state, String(told["occurred_at"]), reason);
  }
}

/** Returns whether a subscription is ACTIVE and in its agreed period now. */
export function isRunning({ state, details }: Subscription): boolean {
  return state === "ACTIVE" && contains(details.terms.validity, now());
}

/** Returns whether a moment lies in a period of the contracts; without an end it is open. */
export function contains(period: { start: string; end?: string }, at: Moment): boolean {
  return moment(period.start) <= at && (period.end === undefined || at < moment(period.end));
}

/** Returns whether a subscription in this state is over for good. */
export function hasEnded(state: SubscriptionState): boolean {
  return state === "CANCELED" || state === "EXPIRED";
}

function entry(
  role: PlatformRole,
  event: { eventId: string; subscriptionId: string; occurredAt: string; reason?: string },
  told: Entry["told"],
): Entry {
  return {
    eventId: event.eventId.toLowerCase(),
    subscriptionId: event.subscriptionId.toLowerCase(),
    occurredAt: moment(event.occurredAt),
    reason: event.reason ?? null,
    role,
    told,
  };
}

function checkRole(known: string, told: string): void {
  if (known !== told) {
    throw conflict(`This platform is the ${known} of this subscription, not the ${told}.`);
  }
}

/** What is refused comes again, and can be taken once the clocks agree. */
function checkOccurredAt(occurredAt: Moment): void {
  const at = now();
  if (occurredAt <= plus(at, CLOCK_TOLERANCE_MS)) return;
  const detail = `It is ${at} here: one of the clocks is wrong.`;
  throw conflict(detail, [{ pointer: "/occurredAt", rule: "notInTheFuture", detail }]);
}

/** A little before it is late. */
function nextInterim(details: Subscription["details"], at: Moment): Moment {
  return plus(at, durationMs(details.terms.interimStatusInterval) * 0.9);
}

function subscription(row: Row): Subscription {
  return {
    id: String(row["id"]),
    role: row["role"] as PlatformRole,
    state: row["state"] as SubscriptionState,
    stateSince: String(row["state_since"]),
    reason: row["reason"] as string | null,
    details: JSON.parse(String(row["details"])) as Subscription["details"],
  };
}
