/** A provider of meter data: `node main.ts serve`, or `node main.ts withdraw POD "reason"`. */

import { readFileSync } from "node:fs";
import { optionsFromEnvironment, Platform } from "@flexagora/sdk";

import { Metering } from "./metering.ts";
import { seriesOf } from "./readings.ts";

const platform = new Platform(optionsFromEnvironment());
const pods = platform.pointsOfDelivery;
const folder = process.env["PROVIDER_READINGS"] ?? "readings";
const file = process.env["PROVIDER_CUSTOMERS"] ?? "customers.json";
const answers = JSON.parse(readFileSync(file, "utf-8")) as Record<string, boolean>;

/** Asks a customer, whose answer is in a file here: `{"POD-1": true, "POD-2": false}`. */
function ask(subscriptionId: string, podId: string): void {
  if (!Object.hasOwn(answers, podId)) {
    pods.deny(subscriptionId, podId, "We do not supply this point.");
  } else if (answers[podId]) {
    pods.grant(subscriptionId, podId);
    pods.activate(subscriptionId, podId);
  } else {
    pods.deny(subscriptionId, podId, "The customer said no.");
  }
}

async function run(): Promise<void> {
  platform.serveContract("metering", new Metering(platform, ask, (pod) => seriesOf(folder, pod)));
  const stop = () => void platform.stop();
  process.once("SIGTERM", stop).once("SIGINT", stop);
  const url = await platform.listen(Number(process.env["MPP_PORT"] ?? 8100));
  console.log(`The platform is at ${url}`);
}

const [command, podId, reason = "The customer took the consent back."] = process.argv.slice(2);
if (command === "serve") {
  await run();
} else if (command === "withdraw" && podId !== undefined) {
  for (const id of pods.subscriptionsOf(podId)) pods.withdraw(id, podId, reason);
} else {
  console.error('Say "serve", or "withdraw POD reason".');
  process.exitCode = 2;
}
