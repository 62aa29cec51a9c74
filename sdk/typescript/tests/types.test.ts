import assert from "node:assert/strict";
import { test } from "node:test";
import type { PointOfDeliveryStatus } from "@flexagora/sdk/metering";

const right: PointOfDeliveryStatus = { podId: "A", updatedAt: "2026-12-01T00:00:00Z" };

// The compiler fails where one of these lines is no error.
const wrong: PointOfDeliveryStatus[] = [
  // @ts-expect-error no such state
  { ...right, consent: "MAYBE" },
  // @ts-expect-error an id is a text
  { ...right, podId: 17 },
  // @ts-expect-error no such property
  { ...right, pod: "A" },
  // @ts-expect-error the moment is missing
  { podId: "A" },
];

test("a model is the JSON as it comes, with what it does not know", () => {
  const later = JSON.parse('{"podId": "A", "updatedAt": "2026-12-01T00:00:00Z", "later": 1}');
  const status: PointOfDeliveryStatus = later;
  assert.deepEqual(Object.keys(status), ["podId", "updatedAt", "later"]);
  assert.equal(wrong.length, 4);
});
