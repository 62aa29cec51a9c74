/* Draws a chart above the table of every <figure data-chart="line|bars|stacked">.
 *
 * The table is the chart's text: its first column holds moments (<time datetime>) or categories,
 * every other column numbers: in <data value> or the cell's `data-value`, or plain digits as text.
 * A column's header is its series' name. `data-table-label` on the figure says what the table's
 * disclosure is called, `data-zone` (on it or around it) the time zone. Without this script, or
 * without vendor/uplot.min.js, the table stays as it is.
 */

const COLOURS = 6;
const DASHES = [[], [8, 4], [2, 3], [10, 4, 2, 4], [5, 5], [14, 4]];
const DAY = 86400;
const dark = matchMedia("(prefers-color-scheme: dark)");
const said = document.documentElement.lang;
const language = said === "en" ? "en-GB" : said || undefined; // days before months, as the pages have it
const drawn = new Set();

function numberOf(cell) {
  const exact = cell.dataset.value ?? cell.querySelector("data[value]")?.getAttribute("value");
  const text = (exact ?? cell.textContent).trim();
  const number = Number(text);
  return text === "" || !Number.isFinite(number) ? null : number;
}

function read(table) {
  const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent.trim());
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const times = rows.map((row) => row.cells[0].querySelector("time[datetime]")?.dateTime);
  const points = rows.map((row, index) => ({
    x: times[index] ? Date.parse(times[index]) / 1000 : index,
    label: row.cells[0].textContent.trim(),
    values: names.map((_, column) => numberOf(row.cells[column + 1])),
  }));
  const timed = points.length > 0 && times.every(Boolean);
  if (timed) points.sort((one, other) => one.x - other.x);
  return {
    names,
    timed,
    days: timed && times.every((text) => text.length === 10),
    xs: points.map((point) => point.x),
    labels: points.map((point) => point.label),
    columns: names.map((_, column) => points.map((point) => point.values[column])),
  };
}

/* The columns on top of one another: what is drawn, while the legend tells the values themselves. */
function piled(columns) {
  const sums = columns[0].map(() => 0);
  return columns.map((column) => column.map((value, row) => (sums[row] += value ?? 0)));
}

function stepOf(xs) {
  const steps = xs.slice(1).map((x, index) => x - xs[index]);
  return Math.min(...steps.filter((step) => step > 0), Infinity);
}

function times(held, zone) {
  const at = (seconds, options) =>
    new Intl.DateTimeFormat(language, { timeZone: zone, ...options }).format(seconds * 1000);
  const full = held.days ? { dateStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
  const day = { day: "numeric", month: "short" };
  return {
    label: (seconds) => (seconds === null ? "–" : at(seconds, full)),
    splits: (_, splits, axis, space, step) => {
      let before = "";
      return splits.map((seconds) => {
        const date = at(seconds, day);
        if (step >= DAY) return date;
        const time = at(seconds, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
        const text = date === before ? time : `${time}\n${date}`;
        before = date;
        return text;
      });
    },
  };
}

function options(figure, held, kind) {
  const style = getComputedStyle(figure);
  const colour = (name) => style.getPropertyValue(name).trim();
  const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 3 });
  const short = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 2 });
  const near = figure.closest("[data-zone]")?.dataset.zone;
  const zone = held.days ? "UTC" : near || undefined;
  const words = times(held, zone);
  const bars = kind !== "line";
  const step = held.timed ? stepOf(held.xs) : 1;
  const width = Number.isFinite(step) ? step : 3600;
  const axis = {
    stroke: colour("--pico-muted-color") || style.color,
    font: `12px ${style.fontFamily}`,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1 },
  };
  const grouped = (index) => {
    const part = (width * 0.8) / held.names.length;
    return uPlot.paths.bars({
      align: 1,
      disp: {
        x0: { unit: 1, values: () => held.xs.map((x) => x - width * 0.4 + index * part) },
        size: { unit: 1, values: () => held.xs.map(() => part * 0.95) },
      },
    });
  };
  const series = held.names.map((name, index) => {
    const ink = colour(`--chart-${(index % COLOURS) + 1}`) || style.color;
    return {
      label: name,
      stroke: ink,
      fill: bars ? ink : undefined,
      width: bars ? 0 : 2,
      dash: bars ? undefined : DASHES[index % DASHES.length],
      points: { show: !bars && held.xs.length < 3 },
      paths: bars ? (kind === "stacked" ? uPlot.paths.bars({ size: [0.8, 80] }) : grouped(index)) : undefined,
      value: (_, value, at, row) => {
        const own = row === null ? null : held.columns[index][row];
        return own === null || own === undefined ? "–" : numbers.format(own);
      },
    };
  });
  const first = {
    label: figure.querySelector("thead th")?.textContent.trim() ?? "",
    value: (_, x, at, row) => (row === null ? "–" : held.timed ? words.label(x) : held.labels[row]),
  };
  const ends = [held.xs[0] - width * 0.6, held.xs.at(-1) + width * 0.6];
  return {
    tzDate: (seconds) => (zone ? uPlot.tzDate(new Date(seconds * 1000), zone) : new Date(seconds * 1000)),
    scales: {
      x: { time: held.timed, range: bars || held.xs.length < 2 ? () => ends : undefined },
      y: { range: (_, low, high) => [Math.min(low ?? 0, 0) * 1.1, Math.max(high ?? 0, 0) * 1.1 || 1] },
    },
    axes: [
      held.timed
        ? { ...axis, values: words.splits, space: 70 }
        : { ...axis, splits: () => held.xs, values: () => held.labels, grid: { show: false } },
      { ...axis, values: (_, splits) => splits.map((value) => short.format(value)), size: 56 },
    ],
    cursor: { drag: { x: false, y: false }, points: { show: !bars } },
    legend: { live: true },
    series: kind === "stacked" ? [first, ...series.reverse()] : [first, ...series],
  };
}

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.held = read(figure.querySelector("table"));
    this.kind = figure.dataset.chart;
    this.place = document.createElement("div");
    this.place.className = "chart";
    this.place.tabIndex = 0;
    this.place.setAttribute("role", "img");
    this.said = document.createElement("p");
    this.said.className = "visually-hidden";
    this.said.setAttribute("aria-live", "polite");
    const caption = figure.querySelector("figcaption, caption")?.textContent.trim();
    this.place.setAttribute("aria-label", caption || this.held.names.join(", "));
    this.fold();
    this.draw();
    this.place.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.resize()).observe(this.place);
  }

  fold() {
    const table = this.figure.querySelector("table");
    const shown = table.closest(".scroll") ?? table;
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = this.figure.dataset.tableLabel || "Table";
    shown.before(this.place, this.said, details);
    details.append(summary, shown);
  }

  size() {
    return { width: Math.max(this.place.clientWidth, 200), height: innerWidth < 600 ? 220 : 280 };
  }

  draw() {
    const { xs, columns } = this.held;
    this.plot?.destroy();
    const ys = this.kind === "stacked" ? piled(columns).reverse() : columns;
    const how = { ...options(this.figure, this.held, this.kind), ...this.size() };
    this.plot = new uPlot(how, [xs, ...ys], this.place);
  }

  resize() {
    const size = this.size();
    if (size.width !== this.plot.width) this.plot.setSize(size);
  }

  /* The arrow keys, Home and End move over the points as the mouse does, and say each. */
  walk(event) {
    const last = this.held.xs.length - 1;
    const now = this.plot.cursor.idx;
    const steps = { ArrowLeft: (now ?? last + 1) - 1, ArrowRight: (now ?? -1) + 1, Home: 0, End: last };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const row = Math.min(Math.max(steps[event.key], 0), last);
    const left = this.plot.valToPos(this.held.xs[row], "x");
    this.plot.setCursor({ left, top: this.plot.over.clientHeight / 2 });
    const rows = [...this.place.querySelectorAll(".u-legend .u-series")];
    const pairs = rows.map((each) => [...each.cells].map((cell) => cell.textContent.trim()).join(": "));
    this.said.textContent = pairs.join(", ");
  }
}

function enhance(within) {
  if (typeof uPlot === "undefined") return;
  const figures = [...within.querySelectorAll("figure[data-chart]")];
  if (within.matches?.("figure[data-chart]")) figures.push(within);
  for (const figure of figures) {
    if (figure.dataset.drawn || !figure.querySelector("tbody td")) continue;
    figure.dataset.drawn = "yes";
    drawn.add(new Chart(figure));
  }
}

dark.addEventListener("change", () => {
  for (const chart of drawn) {
    if (chart.figure.isConnected) chart.draw();
    else drawn.delete(chart);
  }
});
document.addEventListener("htmx:load", (event) => enhance(event.target));
enhance(document);
