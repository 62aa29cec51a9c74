/** What the tests share: a platform's parts on a database in memory, and a subscription. */

import {
  Database,
  Inbox,
  newId,
  Notifications,
  now,
  plus,
  PointsOfDelivery,
  SecretBox,
  Subscriptions,
  type SubscriptionCallbacks,
} from "@flexagora/sdk";
import type { ServiceOfferConfirmed } from "@flexagora/sdk/eu-mp";

export const KEY = Buffer.alloc(32, 7).toString("base64");

export class World {
  readonly database: Database;
  readonly box = new SecretBox(KEY);
  readonly notifications: Notifications;
  readonly subscriptions: Subscriptions;
  readonly pods: PointsOfDelivery;
  readonly inbox: Inbox;

  constructor(callbacks: SubscriptionCallbacks = {}, file = ":memory:") {
    this.database = new Database(file);
    this.notifications = new Notifications(this.database);
    this.subscriptions = new Subscriptions(this.database, this.box);
    this.pods = new PointsOfDelivery(this.database, this.subscriptions, this.notifications);
    this.inbox = new Inbox(this.database, this.subscriptions, this.pods, callbacks);
  }

  /** Returns the id of a subscription that this platform has just been told of. */
  subscribe(consentRequired = true): string {
    const event = confirmation(consentRequired);
    this.inbox.confirmed("provider", event);
    return event.subscriptionId;
  }

  /** Returns what waits to be told, such as `consent GRANTED`. */
  told(): string[] {
    return this.notifications.undelivered().map(({ kind, body }) => {
      const said = JSON.parse(String(body)) as { state?: string };
      return `${String(kind)} ${said.state ?? ""}`.trim();
    });
  }
}

export function confirmation(consentRequired = true): ServiceOfferConfirmed {
  const company = { marketPlayerId: newId(), name: "A company", roles: [] };
  return {
    eventId: newId(),
    occurredAt: now(),
    subscriptionId: newId(),
    service: {
      serviceId: newId(),
      version: 1,
      name: "Meter data",
      category: "METERING_DATA",
      dataStandard: "CIM_IEC_62325",
      consentRequired,
    },
    provider: { ...company, eicCode: "18XCREVILLENT--2" },
    requester: company,
    terms: {
      text: "Daily.",
      price: { model: "FREE" },
      validity: { start: plus(now(), -60_000) },
      interimStatusInterval: "PT1H",
    },
    b2b: {
      baseUrl: "https://provider.example",
      contract: "metering",
      contractVersion: "1.0.0",
      apiKey: `fxb_${"k".repeat(40)}`,
    },
  };
}
