/** A market player's platform: its state, its connection to the marketplace, its server. */

import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { ServiceStatus } from "../notifications/client/index.js";
import { Contract, type ContractName } from "./contract.js";
import { Database } from "./database.js";
import { EuMpService } from "./eu-mp-service.js";
import { InboundKeys, OutboundKey, type KeyPolicy } from "./keys.js";
import { Marketplace, Notifications, reasonOf, Sender } from "./notifications.js";
import { PointsOfDelivery } from "./points-of-delivery.js";
import { Replies } from "./replies.js";
import { SecretBox } from "./secrets.js";
import { serve, type Call, type Service } from "./server.js";
import {
  Inbox,
  Subscriptions,
  type Subscription,
  type SubscriptionCallbacks,
} from "./subscriptions.js";
import { verify } from "./webhooks.js";

/** What a platform must know and may be told. */
export interface PlatformOptions extends SubscriptionCallbacks {
  /** The file of the platform's own database; its encryption key lies beside it, in `.key`. */
  readonly database: string;
  readonly marketplaceUrl: string;
  /** The first key to present to the marketplace; it is replaced by a new one at once. */
  readonly apiKey?: string | undefined;
  /** The first key that the marketplace presents here. */
  readonly inboundApiKey?: string | undefined;
  /** The secrets of the marketplace's signatures (`whsec_...`); events signed by none are refused. */
  readonly signingSecrets: readonly string[];
  /** Whether the marketplace may be called without TLS; for loopback only. */
  readonly allowHttp?: boolean;
  readonly keyPolicy?: Partial<KeyPolicy>;
  /** How long a customer has to answer, in ms; 14 days by default. */
  readonly consentTimeout?: number;
  /** How a service is doing, for the periodic interim status; OPERATIONAL by default. */
  readonly serviceStatus?: (subscription: Subscription) => ServiceStatus;
}

const FORTNIGHT = 14 * 24 * 3_600_000;

/** Returns what the environment says (`MPP_...`); the README has the list. */
export function optionsFromEnvironment(environment = process.env): PlatformOptions {
  const secrets = (environment["MPP_SIGNING_SECRETS"] ?? "").split(",");
  return {
    database: environment["MPP_DATABASE"] ?? "platform.db",
    marketplaceUrl: environment["MPP_MARKETPLACE_URL"] ?? "http://127.0.0.1:8000",
    apiKey: environment["MPP_API_KEY"],
    inboundApiKey: environment["MPP_INBOUND_API_KEY"],
    signingSecrets: secrets.map((one) => one.trim()).filter((one) => one !== ""),
    allowHttp: environment["MPP_ALLOW_HTTP"] === "true",
  };
}

/** Serves the EU-MP API and what `serveContract` adds, sends notifications, keeps keys fresh. */
export class Platform {
  readonly database: Database;
  readonly subscriptions: Subscriptions;
  readonly pointsOfDelivery: PointsOfDelivery;
  readonly notifications: Notifications;
  readonly inboundKeys: InboundKeys;
  readonly outboundKey: OutboundKey;
  readonly marketplace: Marketplace;
  readonly #options: PlatformOptions;
  readonly #replies: Replies;
  readonly #sender: Sender;
  readonly #services: Service[];
  readonly #jobs: NodeJS.Timeout[] = [];
  #server: Server | null = null;

  /** Opens the database; nothing is served or sent yet. Throws RangeError for unsound options. */
  constructor(options: PlatformOptions) {
    this.#options = options;
    this.database = new Database(options.database);
    const box = SecretBox.fromFile(`${options.database}.key`);
    this.subscriptions = new Subscriptions(this.database, box);
    this.notifications = new Notifications(this.database);
    this.pointsOfDelivery = new PointsOfDelivery(
      this.database,
      this.subscriptions,
      this.notifications,
    );
    this.inboundKeys = new InboundKeys(this.database, options.keyPolicy);
    this.outboundKey = new OutboundKey(this.database, box, options.marketplaceUrl);
    const { marketplaceUrl, allowHttp } = options;
    this.marketplace = new Marketplace(marketplaceUrl, this.outboundKey, allowHttp);
    this.#replies = new Replies(this.database, box);
    this.#sender = new Sender(this.database, this.marketplace);
    this.notifications.wake = () => this.#sender.wake();
    const inbox = new Inbox(this.database, this.subscriptions, this.pointsOfDelivery, options);
    const keys = { inbound: this.inboundKeys, outbound: this.outboundKey };
    const euMp = new EuMpService(
      this.database,
      inbox,
      this.subscriptions,
      this.notifications,
      keys,
    );
    this.#services = [
      this.#service("eu-mp", euMp, (key) => {
        this.inboundKeys.check(key);
        return "marketplace";
      }),
    ];
  }

  /**
   * Serves a contract to requesters beside the EU-MP API. The key of a subscription says who calls:
   * `call.caller` is the subscription's id.
   */
  serveContract(name: ContractName, handler: object): void {
    this.#services.push(this.#service(name, handler, (key) => this.subscriptions.withKey(key).id));
  }

  /**
   * Starts to serve, send and keep house; returns the base URL. Port 0 is one that is free. Throws
   * RangeError without a signing secret: anybody could send events then.
   */
  async listen(port: number, host = "127.0.0.1"): Promise<string> {
    if (this.#options.signingSecrets.length === 0)
      throw new RangeError("There is no signing secret.");
    this.inboundKeys.adopt(this.#options.inboundApiKey);
    this.outboundKey.adopt(this.#options.apiKey);
    const server = serve(this.#services);
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(port, host, () => resolve());
    });
    this.#sender.start();
    this.#every(1, () => this.#keepHouse());
    this.#every(10, async () => {
      await this.marketplace
        .refreshKeyIfDue()
        .catch((error) => console.warn("The key was not refreshed yet.", reasonOf(error)));
    });
    this.#every(3600, () => {
      this.#replies.forgetOld();
      this.#sender.forgetDelivered();
    });
    return `http://${host.includes(":") ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
  }

  /** Stops, after the calls that are under way; what was not sent goes out after the next start. */
  async stop(): Promise<void> {
    this.#jobs.splice(0).forEach((job) => clearInterval(job));
    const server = this.#server;
    const closed = server && new Promise((resolve) => server.close(resolve));
    await Promise.all([this.#sender.stop(), closed]);
    this.database.close();
  }

  #service(name: ContractName, handler: object, authenticate: Service["authenticate"]): Service {
    const around = (call: Call, proceed: () => unknown): unknown => {
      if (call.operation.signed) verify(call.headers, call.body, this.#options.signingSecrets);
      return this.#replies.once(call, proceed);
    };
    return { contract: Contract.load(name), handler, authenticate, around };
  }

  #every(seconds: number, work: () => void | Promise<void>): void {
    const run = (): void => void Promise.resolve().then(work).catch(console.error);
    this.#jobs.push(setInterval(run, seconds * 1000));
    run();
  }

  #keepHouse(): void {
    this.pointsOfDelivery.expireDue(this.#options.consentTimeout ?? FORTNIGHT);
    for (const subscription of this.subscriptions.takeDueForInterim()) {
      const status = this.#options.serviceStatus?.(subscription) ?? "OPERATIONAL";
      const activePods = this.pointsOfDelivery.countActive(subscription.id);
      this.notifications.interim({ subscriptionId: subscription.id, status, activePods });
    }
  }
}
