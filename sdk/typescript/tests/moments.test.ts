import assert from "node:assert/strict";
import { test } from "node:test";
import { durationMs, isMoment, moment, plus, shortest } from "@flexagora/sdk";

test("a moment is the same however it is written, to the microsecond", () => {
  const written = [
    "2026-12-01T10:00:00.1234567Z",
    "2026-12-01t11:00:00.123456+01:00",
    "2026-11-30T23:30:00.123456999-10:30",
  ];
  assert.deepEqual(new Set(written.map(moment)), new Set(["2026-12-01T10:00:00.123456Z"]));
  assert.equal(shortest(moment("2026-12-01T10:00:00Z")), "2026-12-01T10:00:00Z");
});

test("moments sort as they happen", () => {
  const texts = [
    "2026-12-01T10:00:00Z",
    "2026-12-01T10:00:00.000001Z",
    "2026-12-01T10:30:00+00:29",
  ];
  assert.deepEqual(texts.map(moment).sort(), texts.map(moment));
});

test("what is no moment is none", () => {
  const wrong = [
    "2026-02-29T10:00:00Z",
    "2026-13-01T10:00:00Z",
    "2026-12-01T24:00:00Z",
    "2026-12-01T10:00:60Z",
    "2026-12-01T10:00:00",
    "2026-12-01 10:00:00Z",
    "0000-12-01T10:00:00Z",
    "9999-12-31T23:59:59-01:00",
    "tomorrow",
  ];
  assert.deepEqual(wrong.filter(isMoment), []);
  assert.ok(isMoment("2024-02-29T23:59:59+14:00"));
});

test("a sum is exact before and after 1970", () => {
  assert.equal(plus("1969-12-31T23:59:59.999999Z", 0.001), "1970-01-01T00:00:00.000000Z");
  assert.equal(plus("1970-01-01T00:00:00.000000Z", -0.001), "1969-12-31T23:59:59.999999Z");
});

test("a duration of the contracts has a length", () => {
  assert.equal(durationMs("P1DT2H3M4S"), 93_784_000);
  for (const wrong of ["P", "PT", "P1M", "1D", "P1DT"]) {
    assert.throws(() => durationMs(wrong), RangeError, wrong);
  }
});
