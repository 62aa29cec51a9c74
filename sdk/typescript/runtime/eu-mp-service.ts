/** What the marketplace may ask of a platform: the EU-MP API, over the inbox and the keys. */

import type {
  HeldEvent,
  HeldEventKind,
  HeldEventPage,
  HeldServiceOffer,
  HeldServiceOfferPage,
  NotificationReplay,
  NotificationReplayOrder,
  PlatformRole,
  PointsOfDeliveryRequested,
  ServiceOfferCanceled,
  ServiceOfferChanged,
  ServiceOfferConfirmed,
} from "../eu-mp/client/index.js";
import type {
  ConnectionHandler,
  PointsOfDeliveryHandler,
  RecoveryHandler,
  ServiceOfferHandler,
} from "../eu-mp/server/index.js";
import type { Database, Row } from "./database.js";
import type { InboundKeys, OutboundKey } from "./keys.js";
import { moment, now, plus, shortest } from "./moments.js";
import { KEPT_MS, type Notifications } from "./notifications.js";
import { invalidField } from "./problems.js";
import { hashSecret } from "./secrets.js";
import type { Call } from "./server.js";
import type { Inbox, Subscription, Subscriptions } from "./subscriptions.js";

interface Event<Body> {
  platformRole: PlatformRole;
  body: Body;
}

const AT_ONCE = 500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const KINDS: Readonly<Record<string, HeldEventKind>> = {
  CONFIRMED: "service-offer.confirmed",
  CANCELED: "service-offer.canceled",
  EXPIRED: "service-offer.canceled",
  SUSPENDED: "service-offer.suspended",
  ACTIVE: "service-offer.resumed",
  PODS_REQUESTED: "points-of-delivery.requested",
};

/** Serves the whole EU-MP API. */
export class EuMpService
  implements ServiceOfferHandler, PointsOfDeliveryHandler, ConnectionHandler, RecoveryHandler
{
  constructor(
    private readonly database: Database,
    private readonly inbox: Inbox,
    private readonly subscriptions: Subscriptions,
    private readonly notifications: Notifications,
    private readonly keys: { inbound: InboundKeys; outbound: OutboundKey },
  ) {}

  confirmServiceOffer({ platformRole, body }: Event<ServiceOfferConfirmed>) {
    return { eventId: body.eventId, outcome: this.inbox.confirmed(platformRole, body) };
  }

  cancelServiceOffer({ platformRole, body }: Event<ServiceOfferCanceled>) {
    return { eventId: body.eventId, outcome: this.inbox.ended(platformRole, body) };
  }

  suspendServiceOffer({ platformRole, body }: Event<ServiceOfferChanged>) {
    return { eventId: body.eventId, outcome: this.inbox.suspended(platformRole, body) };
  }

  resumeServiceOffer({ platformRole, body }: Event<ServiceOfferChanged>) {
    return { eventId: body.eventId, outcome: this.inbox.resumed(platformRole, body) };
  }

  receiveRequestedPointsOfDelivery({ platformRole, body }: Event<PointsOfDeliveryRequested>) {
    return { eventId: body.eventId, outcome: this.inbox.pointsRequested(platformRole, body) };
  }

  refreshApiKey() {
    return this.keys.inbound.issue();
  }

  testConnection(_request: object, { contract: { name, version } }: Call) {
    const time = shortest(now());
    return { status: "AVAILABLE" as const, contract: name, contractVersion: version, time };
  }

  listHeldEvents(request: { since: string; limit?: number; cursor?: string }): HeldEventPage {
    const { since, limit = 50, cursor } = request;
    const found = this.database.all(
      "SELECT * FROM event WHERE occurred_at >= ? AND id > ? ORDER BY id LIMIT ?",
      moment(since),
      after(cursor),
      limit + 1,
    );
    return paged(found.map(heldEvent), limit, (each) => each.eventId);
  }

  listHeldServiceOffers(request: { limit?: number; cursor?: string }): HeldServiceOfferPage {
    const { limit = 50, cursor } = request;
    const found = this.subscriptions.after(after(cursor), limit + 1);
    return paged(found.map(heldServiceOffer), limit, (each) => each.subscriptionId);
  }

  replayNotifications({ body }: { body: NotificationReplayOrder }): NotificationReplay {
    const cursor = after(body.cursor);
    const { queued, last } = this.notifications.replayDelivered(
      moment(body.since),
      cursor,
      AT_ONCE,
    );
    const presented = this.keys.outbound.find();
    return {
      queued,
      ...(queued < AT_ONCE || last === null ? {} : { nextCursor: last }),
      keptSince: shortest(plus(now(), -KEPT_MS)),
      ...(presented === null ? {} : { apiKeyHash: hashSecret(presented) }),
    };
  }
}

/** The ids in these lists are UUIDs, and so are the cursors. */
function after(cursor: string | undefined): string {
  if (cursor === undefined) return "";
  if (UUID.test(cursor)) return cursor.toLowerCase();
  throw invalidField("cursor", "cursor", "It is no cursor of this list.");
}

function paged<Item>(found: Item[], limit: number, id: (item: Item) => string) {
  const items = found.slice(0, limit);
  return found.length > limit ? { items, nextCursor: id(items.at(-1)!) } : { items };
}

function heldEvent(row: Row): HeldEvent {
  return {
    eventId: String(row["id"]),
    kind: KINDS[String(row["told"])]!,
    platformRole: row["role"] as PlatformRole,
    subscriptionId: String(row["subscription_id"]),
    occurredAt: shortest(String(row["occurred_at"])),
    receivedAt: shortest(String(row["received_at"])),
    outcome: row["outcome"] as HeldEvent["outcome"],
  };
}

function heldServiceOffer({
  id,
  role,
  state,
  stateSince,
  reason,
  details,
}: Subscription): HeldServiceOffer {
  const { occurredAt, supersedes, service, provider, requester, terms } = details;
  return {
    subscriptionId: id,
    platformRole: role,
    state,
    stateSince: shortest(stateSince),
    confirmedAt: occurredAt,
    ...(reason === null ? {} : { reason }),
    ...(supersedes === undefined ? {} : { supersedes }),
    service,
    provider,
    requester,
    terms,
  };
}
