/* Has a page follow what it shows: within <div data-live="/live/...">, whatever is to be fetched at
 * `live:changed` is fetched when the stream says that something has changed.
 *
 * Only a page that is seen has a stream: browsers open few connections to a server at once, and one
 * for each forgotten tab would leave none for pages. Who comes back gets what is new first.
 */

const streams = new Map();

function tell(part) {
  for (const fetched of part.querySelectorAll('[hx-trigger*="live:changed"]')) {
    fetched.dispatchEvent(new CustomEvent("live:changed"));
  }
}

function open(part) {
  const stream = new EventSource(part.dataset.live);
  stream.addEventListener("changed", () => tell(part));
  streams.set(part, stream);
}

function close(part) {
  streams.get(part)?.close();
  streams.delete(part);
}

function follow() {
  for (const part of document.querySelectorAll("[data-live]")) {
    if (document.visibilityState === "hidden") {
      close(part);
    } else if (!streams.has(part)) {
      open(part);
    }
  }
}

document.addEventListener("visibilitychange", () => {
  const back = document.visibilityState === "visible";
  follow();
  if (back) {
    document.querySelectorAll("[data-live]").forEach(tell);
  }
});
window.addEventListener("pagehide", () => [...streams.keys()].forEach(close));
window.addEventListener("pageshow", follow);
