/**
 * Moments as texts in UTC with six decimals, `2026-12-01T10:00:00.000000Z`: they sort as the moments
 * do, and keep the microseconds that a `Date` loses.
 */
export type Moment = string;

const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
const DURATION = /^P(?=.)(?:(\d{1,4})D)?(?:T(?=.)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?$/;

/** Returns the moment that an RFC 3339 text with an offset names. Throws RangeError for another. */
export function moment(text: string): Moment {
  const parts = RFC_3339.exec(text);
  if (parts === null || !isDay(Number(parts[1]), Number(parts[2]), Number(parts[3]))) {
    throw new RangeError(`${text} is no moment of RFC 3339 with its offset`);
  }
  const seconds = Date.parse(
    `${text.slice(0, 10)}T${text.slice(11, 19)}${parts[6]!.toUpperCase()}`,
  );
  const decimals = (parts[5] ?? ".").slice(1, 7).padEnd(6, "0");
  const utc = new Date(seconds).toISOString();
  if (utc.length !== 24 || utc.startsWith("0000")) {
    throw new RangeError(`${text} lies in no year of four digits`);
  }
  return `${utc.slice(0, 19)}.${decimals}Z`;
}

/** Returns whether a text is a moment of RFC 3339, with offset, that exists in UTC. */
export function isMoment(text: string): boolean {
  try {
    moment(text);
    return true;
  } catch {
    return false;
  }
}

/** Returns the present moment, to the millisecond. */
export function now(): Moment {
  return moment(new Date().toISOString());
}

/** Returns a moment so many milliseconds later; a negative number gives an earlier one. */
export function plus(from: Moment, milliseconds: number): Moment {
  return fromMicroseconds(microseconds(from) + BigInt(Math.round(milliseconds * 1000)));
}

/** Returns the present moment, or the one just after `last` where the clock is not past that. */
export function nowAfter(last: Moment | null): Moment {
  const present = now();
  return last === null || present > last ? present : fromMicroseconds(microseconds(last) + 1n);
}

/** Returns the milliseconds since 1970, decimals cut off. */
export function milliseconds(at: Moment): number {
  return Date.parse(at.slice(0, 23) + "Z");
}

/** Returns a moment as short as it can be written: `2026-12-01T10:00:00Z`. */
export function shortest(at: Moment): string {
  return at.replace(/\.000000Z$/, "Z");
}

/** Returns the length of an ISO 8601 duration of the contracts, in ms. Throws RangeError. */
export function durationMs(text: string): number {
  const parts = DURATION.exec(text);
  if (parts === null) {
    throw new RangeError(`${text} is no duration of days, hours, minutes or seconds`);
  }
  const [days, hours, minutes, seconds] = parts.slice(1).map((part) => Number(part ?? 0));
  return (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1000;
}

function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(2000, month - 1, day));
  date.setUTCFullYear(year, month - 1, day);
  return year > 0 && date.getUTCMonth() === month - 1; // a day too many leads into another month
}

function microseconds(at: Moment): bigint {
  return BigInt(Date.parse(at.slice(0, 19) + "Z")) * 1000n + BigInt(at.slice(20, 26));
}

function fromMicroseconds(count: bigint): Moment {
  const part = ((count % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((count - part) / 1000n)).toISOString().slice(0, 19);
  return `${seconds}.${part.toString().padStart(6, "0")}Z`;
}
