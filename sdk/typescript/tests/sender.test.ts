import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Marketplace, OutboundKey, Sender, type Outcome } from "@flexagora/sdk";

import { World } from "./world.ts";

const OK: Outcome = { status: 200, retryAfter: null, detail: "" };

/** Sends what waits to a marketplace that answers as it is told; returns what arrived. */
async function sent(world: World, answer: (body: { podId: string }) => Outcome): Promise<string[]> {
  const arrived: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const send = (kind: string, body: string): Promise<Outcome> => {
    const parsed = JSON.parse(body) as { podId: string; state: string };
    arrived.push(`${parsed.podId} ${kind} ${parsed.state}`);
    return Promise.resolve(answer(parsed));
  };
  const sender = new Sender(world.database, { send });
  const idle = setInterval(() => {
    const query = "SELECT count(*) AS n FROM notification WHERE state = 'QUEUED'";
    const first = "SELECT min(number) FROM notification WHERE state IN ('QUEUED', 'RETRYING')";
    const ready = `${query} AND number IN (${first} GROUP BY subscription_id)`;
    if (world.database.get(ready)!["n"] === 0) resolve();
  }, 5);
  sender.start();
  await promise;
  clearInterval(idle);
  await sender.stop();
  return arrived;
}

function withGranted(podIds: string[], file?: string): World {
  const world = new World({}, file);
  for (const podId of podIds) {
    const id = world.subscribe();
    world.pods.request(id, [podId]);
    world.pods.grant(id, podId);
  }
  return world;
}

test("everything is sent once, in order within a subscription", async () => {
  const world = withGranted(["A", "B"]);
  const arrived = await sent(world, () => OK);
  for (const pod of ["A", "B"]) {
    assert.deepEqual(
      arrived.filter((one) => one.startsWith(pod)),
      [`${pod} consent REQUESTED`, `${pod} consent GRANTED`, `${pod} activation REQUESTED`],
    );
  }
  assert.deepEqual(world.told(), []);
  assert.deepEqual(await sent(world, () => OK), []);
});

test("one that is retried holds up its own subscription alone; a dead one none", async () => {
  const world = withGranted(["A", "B", "C"]);
  const arrived = await sent(world, ({ podId }) => {
    if (podId === "A") return { status: 503, retryAfter: "60", detail: "away" };
    return { status: podId === "B" ? 422 : 200, retryAfter: null, detail: "refused" };
  });
  assert.deepEqual(
    arrived.filter((one) => one.startsWith("A")),
    ["A consent REQUESTED"],
  );
  assert.equal(arrived.filter((one) => one.startsWith("B")).length, 3);
  assert.equal(arrived.filter((one) => one.startsWith("C")).length, 3);
  const states = world.notifications.undelivered().map((row) => String(row["state"]));
  assert.deepEqual(states, ["RETRYING", "QUEUED", "QUEUED", "DEAD", "DEAD", "DEAD"]);
  assert.equal(world.notifications.replayDead(), 3);
});

test("what waits survives the end of the process", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sender-"));
  const file = join(folder, "platform.db");
  withGranted(["A"], file).database.close();
  const again = new World({}, file);
  assert.equal((await sent(again, () => OK)).length, 3);
  again.database.close();
  rmSync(folder, { recursive: true });
});

test("after ten failures in a row the marketplace is left alone for a while", async () => {
  const world = withGranted(Array.from({ length: 40 }, (_, number) => `POD-${number}`));
  let calls = 0;
  const send = (): Promise<Outcome> => {
    calls += 1;
    return Promise.resolve({ status: null, detail: "No answer." });
  };
  const sender = new Sender(world.database, { send });
  sender.start();
  for (let turn = 0; turn < 200; turn += 1) {
    sender.wake();
    await new Promise((resolve) => setImmediate(resolve)); // a turn in which it could have sent
  }
  await sender.stop();
  assert.ok(calls >= 10 && calls <= 17, `${calls} calls`); // up to 7 were under way beside the tenth
});

test("a notification carries its event id as Idempotency-Key, the key, and no redirection", async () => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.url, request.headers["x-api-key"] as string);
    seen.push(request.headers["idempotency-key"] as string);
    request.resume();
    if (request.url?.endsWith("consent")) response.writeHead(307, { Location: "/elsewhere" }).end();
    else response.writeHead(503, { "Retry-After": "7" }).end("away");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const world = new World();
  const key = new OutboundKey(world.database, world.box, url);
  key.adopt("the-first-key-of-this-platform");
  assert.throws(() => new Marketplace(url, key), RangeError); // not without TLS, unless allowed
  const marketplace = new Marketplace(url, key, true);
  const redirected = await marketplace.send("consent", "{}", "id-1");
  assert.equal(redirected.status, null);
  const refused = await marketplace.send("activation", "{}", "id-2");
  assert.deepEqual([refused.status, "retryAfter" in refused && refused.retryAfter], [503, "7"]);
  server.closeAllConnections();
  server.close();
  assert.deepEqual(seen, [
    "/notifications/v1/service/consent",
    "the-first-key-of-this-platform",
    "id-1",
    "/notifications/v1/service/activation",
    "the-first-key-of-this-platform",
    "id-2",
  ]);
});
