/* Says every <time datetime data-relative> in words such as "3 minutes ago", and keeps them true.
 *
 * What was written before stays as the title, with the time zone, where there is no title yet.
 * Without this script the exact moment is there to be read.
 */

const UNITS = [
  ["year", 31557600],
  ["month", 2629800],
  ["week", 604800],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];
const EVERY = 30000;
const said = document.documentElement.lang;
const language = said === "en" ? "en-GB" : said || undefined; // days before months, as the pages have it
const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

function relative(seconds) {
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return words.format(Math.trunc(seconds / length), unit);
}

function exact(element, moment) {
  const timeZone = element.closest("[data-zone]")?.dataset.zone || undefined;
  const how = { dateStyle: "full", timeStyle: "long", timeZone };
  return new Intl.DateTimeFormat(language, how).format(moment);
}

function tell(within) {
  for (const element of within.querySelectorAll("time[datetime][data-relative]")) {
    const moment = Date.parse(element.dateTime);
    if (Number.isNaN(moment)) continue;
    if (!element.title) element.title = exact(element, moment);
    element.textContent = relative((moment - Date.now()) / 1000);
  }
}

setInterval(() => tell(document), EVERY);
document.addEventListener("htmx:load", (event) => tell(event.target.parentNode ?? document));
tell(document);
