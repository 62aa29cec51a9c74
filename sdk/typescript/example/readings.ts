/** The meters: the CSV files of a folder, each named for its point of delivery (PoD), in kWh. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { milliseconds, reading, type Series } from "@flexagora/sdk";

const known = new Map<string, { changed: number; series: Series }>();

/** Returns the series of a PoD, none where there is no file. Throws RangeError for a wrong row. */
export function seriesOf(folder: string, podId: string): Series[] {
  const file = join(folder, `${podId}.csv`); // the contract lets no slash into the id of a PoD
  if (!existsSync(file)) return [];
  const changed = statSync(file).mtimeMs;
  const before = known.get(file);
  if (before?.changed === changed) return [before.series];
  const series = read(file, podId);
  known.set(file, { changed, series });
  return [series];
}

/** A row is a moment with its offset and a decimal; the rows are in the order of time. */
function read(file: string, podId: string): Series {
  const [, ...rows] = readFileSync(file, "utf-8").trim().split(/\r?\n/);
  const readings = rows.map((row) => reading(...(row.split(",") as [string, string])));
  const starts = readings.map((each) => milliseconds(each.start) / 1000);
  const steps = starts.slice(1).map((start, at) => start - starts[at]!);
  if (steps.some((step) => step <= 0)) throw new RangeError(`${file} is not in the order of time`);
  const resolutionS = steps.reduce((one, other) => Math.min(one, other), 3600);
  return { podId, direction: "CONSUMPTION", resolutionS, readings };
}
