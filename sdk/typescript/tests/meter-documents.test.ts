import assert from "node:assert/strict";
import { test } from "node:test";
import { meterDocument, page, plus, reading, toXml, type Page, type Series } from "@flexagora/sdk";

import { World } from "./world.ts";

const START = "2026-10-25T00:00:00.000000Z";

function series(resolutionS: number, offsets: number[], direction: Series["direction"]): Series {
  const readings = offsets.map((offset) => reading(plus(START, offset * 1000), `0.${offset + 1}`));
  return { podId: "POD-1", direction, resolutionS, readings };
}

function pages(all: Series[], end: string, maxPoints: number): Page[] {
  const found: Page[] = [];
  for (let start: string | null = START; start !== null;) {
    const next: Page = page(all, start, end, maxPoints);
    found.push(next);
    start = next.nextStart;
  }
  return found;
}

test("the pages of a period hold each reading once, and split no interval", () => {
  const hourly = series(3600, [0, 3600, 7200, 14_400], "CONSUMPTION");
  const quarters = Array.from({ length: 20 }, (_, number) => number * 900);
  const quarterly = series(900, quarters, "PRODUCTION");
  const end = plus(START, 5 * 3_600_000);
  for (let maxPoints = 1; maxPoints <= 25; maxPoints += 1) {
    const found = pages([hourly, quarterly], end, maxPoints);
    for (const one of [hourly, quarterly]) {
      const starts = found.flatMap((part) =>
        part.series
          .filter(({ direction }) => direction === one.direction)
          .flatMap(({ readings }) => readings.map((each) => each.start)),
      );
      assert.deepEqual(
        starts,
        one.readings.map((each) => each.start),
        `at most ${maxPoints}`,
      );
    }
    for (const { start, end: bound } of found) {
      const inside = hourly.readings.filter(
        (each) => each.start < bound && plus(each.start, 3_600_000) > bound,
      );
      assert.deepEqual(inside, [], `${start} to ${bound}`);
    }
    assert.equal(found.at(-1)!.end, end);
  }
});

test("where a whole interval has too many readings, the page has no more than that", () => {
  const hourly = series(3600, [0, 3600], "CONSUMPTION");
  const quarterly = series(900, [0, 900, 1800, 2700, 3600], "PRODUCTION");
  const part = page([hourly, quarterly], START, plus(START, 7_200_000), 2);
  assert.equal(part.nextStart, plus(START, 3_600_000));
  assert.deepEqual(
    part.series.map(({ readings }) => readings.length),
    [1, 4],
  );
});

test("only what begins in the period is given", () => {
  const hourly = series(3600, [0, 3600, 7200], "CONSUMPTION");
  const part = page([hourly], plus(START, 1), plus(START, 7_200_000), 100);
  assert.deepEqual(
    part.series[0]!.readings.map((each) => each.start),
    [plus(START, 3_600_000)],
  );
  assert.deepEqual(page([hourly], plus(START, 8_000_000), plus(START, 9_000_000), 9).series, []);
});

test("a quantity keeps its digits, in both renderings", () => {
  const world = new World();
  const subscription = world.subscriptions.get(world.subscribe());
  const readings = [
    reading("2026-10-25T00:00:00Z", "001234567890123456.1234567890"),
    reading("2026-10-25T01:00:00Z", null, "A02"),
    reading("2026-10-25T03:00:00Z", "0.30"),
  ];
  const one: Series = { podId: "POD-1", direction: "CONSUMPTION", resolutionS: 3600, readings };
  const document = meterDocument(subscription, page([one], START, plus(START, 86_400_000), 10));
  const json = JSON.stringify(document);
  assert.match(json, /"quantity":1234567890123456\.1234567890,/);
  assert.match(json, /\{"position":\{"value":4\},"quantity":0\.30,"quality":\{"value":"A04"\}\}/);
  assert.match(json, /\{"position":\{"value":2\},"quality":\{"value":"A02"\}\}/);
  assert.match(json, /"codingScheme":"A01","value":"18XCREVILLENT--2"/);
  const xml = toXml(document);
  assert.match(xml, /<quantity>1234567890123456\.1234567890<\/quantity>/);
  assert.match(xml, /<sender_MarketParticipant\.mRID codingScheme="A01">18XCREVILLENT--2</);
});

test("what is no reading is refused", () => {
  for (const wrong of ["-1", "1e3", "NaN", "", ".5", "1,5", "1".repeat(19)]) {
    assert.throws(() => reading("2026-10-25T00:00:00Z", wrong), RangeError, wrong);
  }
  assert.throws(() => reading("2026-10-25T00:00:00", "1"), RangeError);
  assert.throws(() => reading("2026-10-25T00:00:00Z", null), RangeError);
  assert.throws(() => reading("2026-10-25T00:00:00Z", "1", "A02"), RangeError);
});
