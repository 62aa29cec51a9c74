/** What a requester may ask of this platform: whose readings it wants, and the readings. */

import {
  cursorAfter,
  idBefore,
  meterDocument,
  moment,
  page,
  problems,
  Rendered,
  shortest,
  toXml,
  type Call,
  type Platform,
  type Series,
} from "@flexagora/sdk";
import type {
  ListPointsOfDeliveryRequest,
  PointsOfDeliveryRequest,
  ReadValidatedMeasureDataRequest,
} from "@flexagora/sdk/metering";
import type { DataHandler, PointsOfDeliveryHandler } from "@flexagora/sdk/metering/handler";

/** Serves the metering API; the caller is the subscription whose key was presented. */
export class Metering implements PointsOfDeliveryHandler, DataHandler {
  readonly #platform: Platform;
  readonly #ask: (subscriptionId: string, podId: string) => void;
  readonly #seriesOf: (podId: string) => Series[];

  /** `ask` asks the customer of a PoD that is new, and records the answer now or later. */
  constructor(
    platform: Platform,
    ask: (subscriptionId: string, podId: string) => void,
    seriesOf: (podId: string) => Series[],
  ) {
    this.#platform = platform;
    this.#ask = ask;
    this.#seriesOf = seriesOf;
  }

  requestPointsOfDelivery(
    { subscriptionId, body }: { subscriptionId: string; body: PointsOfDeliveryRequest },
    call: Call,
  ) {
    const { id } = this.#own(subscriptionId, call);
    return this.#platform.database.transaction(() => {
      const pods = this.#platform.pointsOfDelivery;
      for (const podId of pods.request(id, body.podIds)) this.#ask(id, podId);
      return { items: pods.some(id, body.podIds) };
    });
  }

  listPointsOfDelivery(request: ListPointsOfDeliveryRequest, call: Call) {
    const { limit = 50, cursor, activation } = request;
    const { id } = this.#own(request.subscriptionId, call);
    const list = `${id} ${activation}`;
    const after = cursor === undefined ? "" : idBefore(list, cursor);
    const found = this.#platform.pointsOfDelivery.page(id, limit + 1, after, activation);
    const items = found.slice(0, limit);
    if (found.length <= limit) return { items };
    return { items, nextCursor: cursorAfter(list, items.at(-1)!.podId) };
  }

  readValidatedMeasureData(request: ReadValidatedMeasureDataRequest, call: Call) {
    const subscription = this.#own(request.subscriptionId, call);
    const { podId, maxPoints = 5000 } = request;
    const [start, end] = [moment(request.start), moment(request.end)];
    if (end <= start) {
      throw problems.invalidField("end", "endAfterStart", "The end is not after the start.");
    }
    this.#platform.pointsOfDelivery.checkReadable(subscription.id, podId, start, end);
    const part = page(this.#seriesOf(podId), start, end, maxPoints);
    if (part.nextStart !== null) {
      const next = {
        start: shortest(part.nextStart),
        end: shortest(end),
        maxPoints: `${maxPoints}`,
      };
      call.answerHeaders["Link"] = `<${call.path}?${new URLSearchParams(next)}>; rel="next"`;
    }
    const document = meterDocument(subscription, part);
    return call.mediaType === "application/xml" ? new Rendered(toXml(document)) : document;
  }

  #own(subscriptionId: string, { caller }: Call) {
    if (subscriptionId.toLowerCase() === caller) return this.#platform.subscriptions.get(caller);
    throw problems.notFound(`There is no subscription ${subscriptionId} that you may see.`);
  }
}
