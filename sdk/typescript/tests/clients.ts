/**
 * Calls servers of another making by the generated clients, and prints what they say as JSON.
 *
 * In the environment: MARKET and TOKEN, PYTHON (a platform to which there is no key here), PROVIDER,
 * SUBSCRIPTION and SUBSCRIPTION_KEY (a provider of meter data).
 */

import { bearer } from "@flexagora/sdk";
import * as euMp from "@flexagora/sdk/eu-mp";
import * as marketplace from "@flexagora/sdk/marketplace";
import * as metering from "@flexagora/sdk/metering";

const given = process.env as Record<string, string>;

const catalogue = new marketplace.CatalogueApi(
  new marketplace.Configuration({
    basePath: `${given["MARKET"]}/api/v1`,
    accessToken: bearer(() => given["TOKEN"]!),
  }),
);
const platform = new euMp.ConnectionApi(
  new euMp.Configuration({
    basePath: `${given["PYTHON"]}/eu-mp/v1`,
    apiKey: "a-key-that-nobody-has-issued",
  }),
);
const provider = new metering.Configuration({
  basePath: `${given["PROVIDER"]}/metering/v1`,
  apiKey: given["SUBSCRIPTION_KEY"]!,
});
const subscriptionId = given["SUBSCRIPTION"]!;

async function statusOf(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return 200;
  } catch (error) {
    if (error instanceof marketplace.ResponseError || error instanceof euMp.ResponseError) {
      const problem = (await error.response.json()) as marketplace.Problem;
      return problem.status;
    }
    throw error;
  }
}

const { items } = await catalogue.listServices({ q: "meter" });
const pods = await new metering.PointsOfDeliveryApi(provider).listPointsOfDelivery({
  subscriptionId,
});
const missing = catalogue.readService({ serviceId: "0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90" });
console.log(
  JSON.stringify({
    services: items.map(({ description }) => description.name),
    pods: pods.items.map(({ podId }) => podId),
    missing: await statusOf(missing),
    strange: await statusOf(platform.testConnection()),
  }),
);
