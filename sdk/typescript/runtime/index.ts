/** What every platform needs beside the generated code; see the README. */

export { bearer } from "./bearer.js";
export { Contract, type ContractName, type Operation } from "./contract.js";
export { cursorAfter, idBefore } from "./cursors.js";
export { Database, type Row, type Value } from "./database.js";
export { newId } from "./ids.js";
export { InboundKeys, OutboundKey, type KeyPolicy, type NewKey } from "./keys.js";
export {
  meterDocument,
  page,
  reading,
  toXml,
  type Page,
  type Quality,
  type Reading,
  type Series,
} from "./meter-documents.js";
export { durationMs, milliseconds, moment, now, plus, shortest, type Moment } from "./moments.js";
export { Marketplace, Notifications, Sender } from "./notifications.js";
export { EuMpService } from "./eu-mp-service.js";
export { optionsFromEnvironment, Platform, type PlatformOptions } from "./platform.js";
export { PointsOfDelivery } from "./points-of-delivery.js";
export * as problems from "./problems.js";
export { ProblemError, type FieldError } from "./problems.js";
export { Replies } from "./replies.js";
export { judge, retryAfter, type Outcome, type Verdict } from "./retrying.js";
export { hashSecret, newSecret, SecretBox } from "./secrets.js";
export {
  Rendered,
  serve,
  type Answer,
  type Around,
  type Call,
  type ServerOptions,
  type Service,
} from "./server.js";
export { isMoment } from "./moments.js";
export { readJson } from "./strict-json.js";
export {
  Inbox,
  isRunning,
  Subscriptions,
  type Subscription,
  type SubscriptionCallbacks,
  type SubscriptionState,
} from "./subscriptions.js";
export { sign, TOLERANCE_S, verify } from "./webhooks.js";
