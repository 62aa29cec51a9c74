/** Readings as CIM NotifyValidatedMeasureData market documents (IEC 62325), in pages. */

import type { ValidatedMeasureDataDocument } from "../metering/client/index.js";
import { newId } from "./ids.js";
import { milliseconds, moment, now, plus, shortest, type Moment } from "./moments.js";
import type { Subscription } from "./subscriptions.js";

/** How good a reading is (ENTSO-E code list, QualityTypeList); A02 is one that is not available. */
export type Quality = "A01" | "A02" | "A03" | "A04" | "A05" | "A06";

/** The energy of one interval that begins at `start`: a decimal in kWh, never negative. */
export interface Reading {
  readonly start: Moment;
  /** null exactly when the quality is A02. */
  readonly quantity: string | null;
  readonly quality: Quality;
}

/** Readings of one PoD in one direction, in the order of time; gaps are allowed. */
export interface Series {
  readonly podId: string;
  readonly direction: "CONSUMPTION" | "PRODUCTION";
  /** The length of an interval, in whole seconds. */
  readonly resolutionS: number;
  readonly readings: readonly Reading[];
}

/** The readings of a part of the period that was asked for; `nextStart` is null on the last page. */
export interface Page {
  readonly series: readonly Series[];
  readonly start: Moment;
  readonly end: Moment;
  readonly nextStart: Moment | null;
}

const NAME = "NotifyValidatedMeasureData_MarketDocument";
const NAMESPACE = "urn:ediel.org:measure:notifyvalidatedmeasuredata:0:1";
const ACTIVE_ENERGY = "8716867000030";
const POINT_TYPES = { CONSUMPTION: "E17", PRODUCTION: "E18" };
const QUANTITY = /^\d{1,18}(\.\d{1,30})?$/;

/** What ECMAScript calls raw JSON: a number keeps the digits that it was given with. */
interface RawJson {
  readonly rawJSON: string;
}
const RAW = JSON as unknown as {
  rawJSON(text: string): RawJson;
  isRawJSON(value: unknown): value is RawJson;
};

/** Returns a reading. Throws RangeError for a start without offset, and for no such quantity. */
export function reading(start: string, quantity: string | null, quality: Quality = "A04"): Reading {
  if ((quantity === null) !== (quality === "A02")) {
    throw new RangeError("A reading has a quantity, unless its quality is not available (A02).");
  }
  if (quantity !== null && !QUANTITY.test(quantity)) {
    throw new RangeError(`${quantity} is no decimal of at most 18 digits and 30 decimals`);
  }
  const digits = quantity?.replace(/^0+(?=\d)/, "") ?? null; // JSON has no leading zeros
  return { start: moment(start), quantity: digits, quality };
}

/**
 * Returns the first part of [start, end) that has at most `maxPoints` readings.
 *
 * The part ends where an interval of every series ends, so that no interval is split between pages;
 * where even the first whole interval has more readings, it is given whole. The pages of a period,
 * each from the `nextStart` of the one before, hold each reading once.
 */
export function page(
  series: readonly Series[],
  start: Moment,
  end: Moment,
  maxPoints: number,
): Page {
  const parts = series
    .map((one) => ({ ...one, readings: between(one.readings, start, end) }))
    .filter((one) => one.readings.length > 0);
  if (parts.reduce((count, one) => count + one.readings.length, 0) <= maxPoints) {
    return { series: parts, start, end, nextStart: null };
  }
  // Of each series no more can come into this page.
  const intervals = intervalsOf(parts, maxPoints + 1);
  const first = intervals[0]![0];
  const shrunk = shrink(intervals.slice(0, maxPoints), intervals[maxPoints]![0]);
  const bound = shrunk > first ? shrunk : grow(intervalsOf(parts), first);
  const isLast = bound >= end || parts.every((one) => one.readings.at(-1)!.start < bound);
  const upTo = isLast ? end : bound;
  const kept = parts
    .map((one) => ({ ...one, readings: between(one.readings, start, upTo) }))
    .filter((one) => one.readings.length > 0);
  return { series: kept, start, end: upTo, nextStart: isLast ? null : bound };
}

/** Returns a page as the document that a provider gives a requester. */
export function meterDocument(
  subscription: Subscription,
  page: Page,
): ValidatedMeasureDataDocument {
  const id = newId();
  const { provider, requester } = subscription.details;
  const document = {
    mRID: id,
    type: { value: "E66" }, // validated measure data
    "process.processType": { value: "E23" }, // periodic metering
    ...participant("sender", provider, "MDR"), // responsible for metered data
    ...participant("receiver", requester, "DGL"),
    createdDateTime: shortest(now()),
    "period.timeInterval": interval(page.start, page.end),
    Series: page.series
      .flatMap((series) => periods(series))
      .map((period, at) => ({
        mRID: `${id}-${at + 1}`,
        ...period,
      })),
  };
  return { [NAME]: document };
}

/** Returns the same document in the CIM XML rendering. */
export function toXml(document: ValidatedMeasureDataDocument): string {
  const content = element("", document[NAME]).replace(/^<>|<\/>$/g, "");
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${NAME} xmlns="${NAMESPACE}">${content}</${NAME}>\n`;
}

/** Returns one part for each grid of the readings; intervals without a reading are left out. */
function periods(series: Series): object[] {
  const length = series.resolutionS * 1000;
  const groups: Reading[][] = [];
  let grid: number | null = null;
  for (const each of series.readings) {
    const offset = milliseconds(each.start) % length;
    if (offset !== grid) groups.push([]);
    grid = offset;
    groups.at(-1)!.push(each);
  }
  return groups.map((readings) => {
    const start = readings[0]!.start;
    return {
      "marketEvaluationPoint.mRID": { value: series.podId },
      "marketEvaluationPoint.type": { value: POINT_TYPES[series.direction] },
      product: ACTIVE_ENERGY,
      "quantity_Measure_Unit.name": { value: "KWH" },
      Period: {
        resolution: duration(series.resolutionS),
        timeInterval: interval(start, plus(readings.at(-1)!.start, length)),
        Point: readings.map(({ start: at, quantity, quality }) => ({
          position: { value: (milliseconds(at) - milliseconds(start)) / length + 1 },
          ...(quantity === null ? {} : { quantity: RAW.rawJSON(quantity) }),
          quality: { value: quality },
        })),
      },
    };
  });
}

function participant(
  side: string,
  company: { marketPlayerId: string; eicCode?: string },
  role: string,
): object {
  const { eicCode, marketPlayerId } = company;
  const id =
    eicCode === undefined ? { value: marketPlayerId } : { codingScheme: "A01", value: eicCode };
  return {
    [`${side}_MarketParticipant.mRID`]: id,
    [`${side}_MarketParticipant.marketRole.type`]: { value: role },
  };
}

function interval(start: Moment, end: Moment): object {
  return { start: { value: bound(start) }, end: { value: bound(end) } };
}

/** To the minute where it is one, as CIM has it. */
function bound(at: Moment): string {
  return shortest(at).replace(/:00Z$/, "Z");
}

function duration(seconds: number): string {
  const parts = [
    [Math.floor((seconds % 86_400) / 3600), "H"],
    [Math.floor((seconds % 3600) / 60), "M"],
    [seconds % 60, "S"],
  ] as const;
  const time = parts.map(([count, letter]) => (count > 0 ? `${count}${letter}` : "")).join("");
  const days = Math.floor(seconds / 86_400);
  return `P${days > 0 ? `${days}D` : ""}${time === "" ? "" : `T${time}`}`;
}

function element(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.map((each) => element(name, each)).join("");
  if (RAW.isRawJSON(value)) return `<${name}>${value.rawJSON}</${name}>`;
  if (typeof value !== "object" || value === null)
    return `<${name}>${escapeXml(String(value))}</${name}>`;
  const { codingScheme, value: inner, ...fields } = value as Record<string, unknown>;
  if (inner !== undefined) {
    const scheme =
      codingScheme === undefined ? "" : ` codingScheme="${escapeXml(String(codingScheme))}"`;
    return `<${name}${scheme}>${escapeXml(String(inner))}</${name}>`;
  }
  const content = Object.entries(fields)
    .map(([key, each]) => element(key, each))
    .join("");
  return `<${name}>${content}</${name}>`;
}

function escapeXml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** The readings that begin in [start, end); they are in the order of time. */
function between(readings: readonly Reading[], start: Moment, end: Moment): readonly Reading[] {
  return readings.slice(firstFrom(readings, start), firstFrom(readings, end));
}

function firstFrom(readings: readonly Reading[], at: Moment): number {
  let [low, high] = [0, readings.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (readings[middle]!.start < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

type Interval = readonly [Moment, Moment];

function intervalsOf(parts: readonly Series[], most?: number): Interval[] {
  return parts
    .flatMap(({ readings, resolutionS }) =>
      readings
        .slice(0, most)
        .map((each) => [each.start, plus(each.start, resolutionS * 1000)] as const),
    )
    .sort(([one], [other]) => (one < other ? -1 : Number(one > other)));
}

/** The last moment up to `bound` that lies in no interval that begins before it. */
function shrink(intervals: readonly Interval[], bound: Moment): Moment {
  return intervals.reduceRight((at, [begin, end]) => (begin < at && at < end ? begin : at), bound);
}

/** The first moment after `first` that lies in no interval; the intervals are in order. */
function grow(intervals: readonly Interval[], first: Moment): Moment {
  let bound = first;
  for (const [begin, end] of intervals) {
    if (begin >= bound && bound > first) break;
    if (end > bound) bound = end;
  }
  return bound;
}
