/** Cursors of lists: where the next page begins. A cursor belongs to its list and its filter. */

import { createHash } from "node:crypto";

import { invalidField } from "./problems.js";

/** Returns the cursor that leads on after an id, in the list that `list` names with its filter. */
export function cursorAfter(list: string, id: string): string {
  return Buffer.from(`${mark(list)}${id}`).toString("base64url");
}

/** Returns the id that a cursor leads on after. Throws a 400 problem for one of another list. */
export function idBefore(list: string, cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString();
  const id = text.slice(mark(list).length);
  if (cursorAfter(list, id) === cursor) return id;
  throw invalidField("cursor", "cursor", "It is no cursor of this list with this filter.");
}

function mark(list: string): string {
  return createHash("sha256").update(list).digest("hex").slice(0, 8);
}
