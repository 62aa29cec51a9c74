import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, plus, retryAfter, type Outcome } from "@flexagora/sdk";

const AT = "2026-12-01T10:00:00.000000Z";
const HOUR = 3_600_000;

function answered(status: number, wait: string | null = null): Outcome {
  return { status, retryAfter: wait, detail: "" };
}

test("an acknowledgement ends it", () => {
  assert.equal(judge(answered(200), 0, AT, AT, 0).state, "DELIVERED");
});

for (const status of [400, 405, 410, 413, 414, 415, 422]) {
  test(`${status} ends it, from a marketplace that is well`, () => {
    const { state, alive } = judge(answered(status), 0, AT, AT, 0);
    assert.deepEqual([state, alive], ["DEAD", true]);
  });
}

for (const status of [401, 403, 404, 408, 409, 429, 500, 501, 502, 503]) {
  test(`after ${status} it is tried again`, () => {
    assert.equal(judge(answered(status), 0, AT, AT, 0).state, "RETRYING");
  });
}

test("delays double from 2 s to 6 h, each longer by up to a fifth", () => {
  const none: Outcome = { status: null, detail: "" };
  const delay = (failures: number, chance: number): string | null =>
    judge(none, failures, AT, AT, chance).nextAttemptAt;
  assert.equal(delay(0, 0), plus(AT, 2_000));
  assert.equal(delay(0, 1), plus(AT, 2_400));
  assert.equal(delay(3, 0), plus(AT, 16_000));
  assert.equal(delay(60, 0), plus(AT, 6 * HOUR));
  assert.equal(delay(5_000, 1), plus(AT, 7.2 * HOUR));
});

test("Retry-After is never undercut, in seconds or as a date", () => {
  assert.equal(judge(answered(503, "120"), 0, AT, AT, 0).nextAttemptAt, plus(AT, 120_000));
  assert.equal(judge(answered(503, "1"), 0, AT, AT, 0).nextAttemptAt, plus(AT, 2_000));
  const date = "Tue, 01 Dec 2026 10:05:00 GMT";
  assert.equal(judge(answered(429, date), 0, AT, AT, 0).nextAttemptAt, plus(AT, 300_000));
  for (const none of [null, "", "soon", "-5", "0", "Tue, 01 Dec 2026 09:00:00 GMT"]) {
    assert.equal(retryAfter(none, AT), null, String(none));
  }
});

test("after 75 h it is given up, and so is what asks to wait longer", () => {
  assert.equal(judge(answered(503), 9, AT, plus(AT, 75 * HOUR - 1), 0).state, "RETRYING");
  assert.equal(judge(answered(503), 9, AT, plus(AT, 75 * HOUR), 0).state, "DEAD");
  assert.equal(judge(answered(503, String(76 * 3600)), 0, AT, AT, 0).state, "DEAD");
});
