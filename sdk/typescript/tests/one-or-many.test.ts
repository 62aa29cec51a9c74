import assert from "node:assert/strict";
import { test } from "node:test";
import { Contract } from "@flexagora/sdk";
import type { FlexOffersToOffer } from "@flexagora/sdk/flexoffer";

const operations = Contract.load("flexoffer").operations;
const errors = (name: string, value: unknown): unknown[] | undefined =>
  operations.find((one) => one.name === name)?.body?.check(value);

test("what a handler checks by itself is given to it as it came", () => {
  assert.deepEqual(errors("offer", [{}, "no flex-offer"]), []);
  assert.notDeepEqual(errors("replaceFlexOffer", {}), []);
});

test("a body is one flex-offer or many", () => {
  const slices = [{ lower: 0, upper: 2.5 }];
  const one = {
    offeredBy: "household-7",
    acceptBefore: "2026-12-01T18:00:00Z",
    assignBefore: "2026-12-01T20:00:00Z",
    profiles: [{ slices }],
    default: { energies: [2.5] },
  };
  const bodies: FlexOffersToOffer[] = [one, [one, one]];
  assert.equal(bodies.length, 2);
  assert.deepEqual(errors("replaceFlexOffer", one), []);
});
