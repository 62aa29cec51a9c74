import assert from "node:assert/strict";
import { test } from "node:test";
import { newId, now, plus, ProblemError, type Subscription } from "@flexagora/sdk";

import { confirmation, World } from "./world.ts";

function problem(status: number, detail: RegExp) {
  return (error: unknown) =>
    error instanceof ProblemError && error.status === status && detail.test(error.detail);
}

function changed(subscriptionId: string, occurredAt = now()) {
  return { eventId: newId(), occurredAt, subscriptionId, reason: "Because." };
}

test("when a callback throws, nothing is recorded, and the event can come again", () => {
  let broken = true;
  const heard: string[] = [];
  const world: World = new World({
    onConfirmed({ id }: Subscription) {
      world.pods.request(id, ["POD-1"]);
      if (broken) throw new Error("The disk is full.");
      heard.push(id);
    },
  });
  const event = confirmation();
  assert.throws(() => world.inbox.confirmed("provider", event), /disk/);
  assert.equal(world.subscriptions.find(event.subscriptionId), null);
  assert.deepEqual(world.told(), []);
  broken = false;
  assert.equal(world.inbox.confirmed("provider", event), "APPLIED");
  assert.equal(world.inbox.confirmed("provider", event), "DUPLICATE");
  assert.deepEqual(heard, [event.subscriptionId]);
  assert.deepEqual(world.told(), ["consent REQUESTED"]);
});

test("a transaction cannot be asynchronous, and leaves nothing behind", async () => {
  const world = new World();
  const key = "INSERT INTO reply VALUES ('a', 'b', 'c', 'd', 'e', 'f')";
  const work = async (): Promise<void> => void world.database.run(key);
  assert.throws(() => world.database.transaction(work), TypeError);
  assert.equal(world.database.get("SELECT 1 FROM reply"), null);
});

test("the key of a subscription is stored hashed by its provider", () => {
  const world = new World();
  const event = confirmation();
  world.inbox.confirmed("provider", event);
  const stored = JSON.stringify(world.database.all("SELECT * FROM subscription"));
  assert.ok(!stored.includes(event.b2b.apiKey));
  assert.equal(world.subscriptions.withKey(event.b2b.apiKey).id, event.subscriptionId);
  assert.throws(() => world.subscriptions.keyFor(event.subscriptionId), /requester/);
  assert.throws(() => world.subscriptions.withKey("another"), problem(401, /no subscription/));
});

test("a requester's platform can present the key of a subscription, which it stores encrypted", () => {
  const world = new World();
  const event = confirmation();
  world.inbox.confirmed("requester", event);
  assert.equal(world.subscriptions.keyFor(event.subscriptionId), event.b2b.apiKey);
  const stored = JSON.stringify(world.database.all("SELECT * FROM subscription"));
  assert.ok(!stored.includes(event.b2b.apiKey));
});

test("nobody is asked twice, and each step is told in order", () => {
  const world = new World();
  const id = world.subscribe();
  assert.deepEqual(world.pods.request(id, ["B", "A", "B"]), ["B", "A"]);
  assert.deepEqual(world.pods.request(id, ["A", "C"]), ["C"]);
  world.pods.grant(id, "A");
  world.pods.activate(id, "A");
  world.pods.deny(id, "B", "No.");
  const [, , , ...steps] = world.told();
  assert.deepEqual(steps, [
    "consent GRANTED",
    "activation REQUESTED",
    "activation ACTIVE",
    "consent DENIED",
  ]);
  const occurred = world.notifications
    .undelivered()
    .map(({ body }) => JSON.parse(String(body)) as { podId: string; occurredAt: string })
    .filter(({ podId }) => podId === "A")
    .map(({ occurredAt }) => occurredAt);
  assert.equal(new Set(occurred).size, occurred.length); // else the marketplace cannot order them
  assert.deepEqual(
    world.pods.some(id, ["C", "A"]).map(({ podId }) => podId),
    ["A", "C"],
  );
});

test("what a state does not allow is refused with what it allows", () => {
  const world = new World();
  const id = world.subscribe();
  world.pods.request(id, ["A"]);
  assert.throws(() => world.pods.withdraw(id, "A", ""), problem(409, /deny, grant, timeOut/));
  assert.throws(() => world.pods.activate(id, "A"), problem(409, /consent is REQUESTED/));
  world.pods.deny(id, "A", "No.");
  assert.throws(() => world.pods.grant(id, "A"), problem(409, /Allowed now: request/));
  world.pods.askAgain(id, "A");
  assert.throws(() => world.pods.grant(id, "B"), problem(404, /point of delivery B/));
});

test("readings are given while subscription, consent and activation allow it", () => {
  const world = new World();
  const id = world.subscribe();
  const [start, end] = ["2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"];
  const refused = (why: RegExp): void =>
    assert.throws(() => world.pods.checkReadable(id, "A", start, end), problem(403, why));
  refused(/not requested under/);
  world.pods.request(id, ["A"]);
  refused(/consent is REQUESTED/);
  world.pods.grant(id, "A", { start: "2026-01-01T00:00:00Z", end: plus(now(), 60_000) });
  refused(/activation is REQUESTED/);
  world.pods.activate(id, "A");
  world.pods.checkReadable(id, "A", start, end);
  assert.throws(
    () => world.pods.checkReadable(id, "A", "2025-12-31T00:00:00.000000Z", end),
    problem(403, /covers readings from/),
  );
  world.inbox.suspended("provider", changed(id));
  refused(/subscription is SUSPENDED/);
  world.inbox.resumed("provider", changed(id));
  world.pods.checkReadable(id, "A", start, end);
  world.pods.suspend(id, "A", "The meter is replaced.");
  refused(/SUSPENDED. The meter is replaced/);
  world.inbox.suspended("provider", changed(id));
  world.inbox.resumed("provider", changed(id));
  refused(/SUSPENDED/); // it was not suspended with the subscription, so it is not resumed with it
  world.pods.activate(id, "A");
  world.pods.withdraw(id, "A", "I moved.");
  refused(/consent is WITHDRAWN/);
  assert.equal(world.told().at(-1), "activation ENDED");
});

test("the end of a subscription ends every activation, once", () => {
  const world = new World();
  const id = world.subscribe(false);
  world.pods.request(id, ["A", "B"]);
  world.pods.activate(id, "A");
  const event = { ...changed(id), state: "CANCELED" as const };
  assert.equal(world.inbox.ended("provider", event), "APPLIED");
  assert.deepEqual(world.told().slice(-2), ["activation ENDED", "activation ENDED"]);
  assert.equal(world.inbox.resumed("provider", changed(id)), "SUPERSEDED");
  assert.equal(world.told().length, 5);
  assert.throws(() => world.pods.request(id, ["C"]), problem(409, /CANCELED/));
});

test("consents expire and time out", () => {
  const world = new World();
  const id = world.subscribe();
  world.pods.request(id, ["A", "B"]);
  world.pods.grant(id, "A", { start: "2026-01-01T00:00:00Z", end: plus(now(), -1000) });
  world.pods.expireDue(60_000);
  assert.deepEqual(
    world.pods.page(id, 10).map(({ consent, activation }) => [consent, activation]),
    [
      ["EXPIRED", "ENDED"],
      ["REQUESTED", undefined],
    ],
  );
  world.pods.expireDue(-1000);
  assert.equal(world.pods.page(id, 10).at(-1)!.consent, "TIMED_OUT");
});

test("an interim status is due before it is late, and only one waits at a time", () => {
  const world = new World();
  const id = world.subscribe();
  assert.deepEqual(world.subscriptions.takeDueForInterim(), []);
  world.database.run("UPDATE subscription SET next_interim_at = ?", plus(now(), -1));
  assert.deepEqual(
    world.subscriptions.takeDueForInterim().map((one) => one.id),
    [id],
  );
  const next = String(
    world.database.get("SELECT next_interim_at FROM subscription")!["next_interim_at"],
  );
  assert.ok(next > plus(now(), 53 * 60_000) && next < plus(now(), 55 * 60_000));
  for (let count = 0; count < 2; count += 1) {
    world.notifications.interim({ subscriptionId: id, status: "OPERATIONAL", activePods: 0 });
  }
  assert.deepEqual(world.told(), ["interim"]);
});
