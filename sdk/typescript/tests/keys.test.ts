import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { InboundKeys, OutboundKey, ProblemError, SecretBox, type NewKey } from "@flexagora/sdk";

import { World } from "./world.ts";

const ISSUED: NewKey = {
  apiKey: "the-second-key",
  validFrom: "2026-12-01T00:00:00Z",
  validUntil: "2099-12-01T00:00:00Z",
  previousKeyValidUntil: "2026-12-02T00:00:00Z",
};

function refused(keys: InboundKeys, key: string, why: RegExp): void {
  assert.throws(
    () => keys.check(key),
    (error) => error instanceof ProblemError && error.status === 401 && why.test(error.detail),
  );
}

test("an old key ends a minute after the first use of the new one, or after its overlap", () => {
  const begin = Date.parse("2026-12-01T00:00:00Z");
  mock.timers.enable({ apis: ["Date"], now: begin });
  const at = (seconds: number): void => mock.timers.setTime(begin + seconds * 1000);
  try {
    const keys = new InboundKeys(new World().database);
    keys.adopt("the-first-key");
    keys.adopt("another-one-that-is-too-late");
    refused(keys, "another-one-that-is-too-late", /unknown/);
    const { apiKey } = keys.issue();
    at(3600);
    keys.check("the-first-key");
    keys.check(apiKey);
    at(3600 + 59);
    keys.check("the-first-key");
    at(3600 + 60);
    refused(keys, "the-first-key", /replaced/);
    const unused = keys.issue();
    at(3660 + 86_399);
    keys.check(apiKey);
    at(3660 + 86_400);
    refused(keys, apiKey, /replaced/);
    at(3660 + 90 * 86_400);
    refused(keys, unused.apiKey, /expired/);
  } finally {
    mock.timers.reset();
  }
});

test("a lost answer is followed by the same question", async () => {
  const world = new World();
  const key = new OutboundKey(world.database, world.box, "https://marketplace.example");
  assert.equal(key.isDue(0), false);
  key.adopt("the-first-key");
  assert.ok(key.isDue(0)); // it went through somebody's hands
  const asked: string[] = [];
  const lost = async (id: string): Promise<NewKey> => {
    asked.push(id);
    throw new Error("The answer was lost.");
  };
  await assert.rejects(key.refresh(lost, () => false));
  await key.refresh(
    async (id) => {
      asked.push(id);
      return ISSUED;
    },
    () => false,
  );
  assert.equal(asked[0], asked[1]);
  assert.equal(key.current(), "the-second-key");
  assert.equal(key.isDue(0), false);
  key.adopt("the-first-key"); // as at the next start
  assert.equal(key.current(), "the-second-key");
  key.adopt("one-from-another-credential");
  assert.equal(key.current(), "one-from-another-credential");
});

test("after a mismatch another question is asked", async () => {
  const world = new World();
  const key = new OutboundKey(world.database, world.box, "https://marketplace.example");
  key.adopt("the-first-key");
  const asked: string[] = [];
  for (let count = 0; count < 2; count += 1) {
    const refusing = async (id: string): Promise<NewKey> => {
      asked.push(id);
      throw new Error("422");
    };
    await assert.rejects(key.refresh(refusing, () => true));
  }
  assert.notEqual(asked[0], asked[1]);
});

test("a stored secret is encrypted, and read by its own key alone", () => {
  const [box, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)].map(
    (key) => new SecretBox(key.toString("base64")),
  );
  const encrypted = box!.encrypt("a secret");
  assert.notEqual(encrypted, box!.encrypt("a secret"));
  assert.equal(box!.decrypt(encrypted), "a secret");
  assert.throws(() => other!.decrypt(encrypted), /cannot be read/);
  assert.throws(() => new SecretBox("short"), RangeError);
});
