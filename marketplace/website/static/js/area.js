/* Lets people draw an area on a map: <div data-area-map data-target="id of a textarea">.
 *
 * Inside of it are the map that `maps.draw_picker` made, buttons with `data-do` in an element with
 * the attribute `data-area-tools`, hidden until now, and an element with `data-area-status` (a live
 * region). The textarea holds GeoJSON, a Polygon or a MultiPolygon, and is what the form sends: it
 * can be written by hand, with this script or without. What is said comes from the data-said-...
 * attributes of the outer element, in which {count}, {areas} and {place} are filled in.
 */

import { Wrong, polygonsOf, ringOf, unbroken } from "./geojson.js";

const SVG = "http://www.w3.org/2000/svg";
const CLICK = 5; // pixels that a click may wander
const STEP = 0.2; // share of the view that a pan moves by
const ZOOM = 1.5;
const DEEPEST = 30;
const WAIT = 300; // milliseconds without a key before the textarea is read

const ACTS = {
  close: (picker) => picker.close(),
  undo: (picker) => picker.undo(),
  clear: (picker) => picker.clear(),
  corner: (picker) => picker.corner(picker.middle()),
  in: (picker) => picker.zoom(ZOOM),
  out: (picker) => picker.zoom(1 / ZOOM),
  left: (picker) => picker.pan(-STEP, 0),
  right: (picker) => picker.pan(STEP, 0),
  up: (picker) => picker.pan(0, -STEP),
  down: (picker) => picker.pan(0, STEP),
};
const KEYS = {
  ...{ ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", "+": "in", "=": "in", "-": "out" },
  ...{ Enter: "close", Backspace: "undo", Delete: "undo", " ": "corner" },
};

const degrees = (radians) => (radians * 180) / Math.PI;
const radians = (angle) => (angle * Math.PI) / 180;
const stretched = (latitude) =>
  degrees(Math.asinh(Math.tan(radians(Math.max(-84, Math.min(84, latitude))))));
const latitudeOf = (y) => degrees(Math.atan(Math.sinh(radians(y))));

class Picker {
  constructor(box) {
    this.box = box;
    this.svg = box.querySelector("svg.map");
    this.text = document.getElementById(box.dataset.target);
    this.status = box.querySelector("[data-area-status]");
    this.tools = box.querySelector("[data-area-tools]");
    const whole = this.svg.viewBox.baseVal;
    this.whole = { x: 0, y: 0, width: whole.width, height: whole.height };
    this.view = { ...this.whole };
    this.corners = [];
    this.polygons = [];
    this.prepare();
    this.listen();
    this.read();
  }

  prepare() {
    this.svg.querySelector(".map-area")?.remove();
    this.area = this.add("path", "map-area");
    this.area.setAttribute("fill-rule", "evenodd");
    this.line = this.add("path", "map-line");
    this.dots = this.add("path", "map-dots");
    this.cross = this.add("path", "map-cross");
    this.svg.tabIndex = 0;
    this.svg.setAttribute("role", "application");
    this.svg.setAttribute("aria-label", this.svg.querySelector("title").textContent);
    if (this.tools) this.tools.hidden = false;
  }

  add(name, kind) {
    const element = document.createElementNS(SVG, name);
    element.setAttribute("class", kind);
    return this.svg.appendChild(element);
  }

  listen() {
    this.tools?.addEventListener("click", (event) => ACTS[event.target.closest("[data-do]")?.dataset.do]?.(this));
    this.svg.addEventListener("keydown", (event) => {
      if (!KEYS[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      ACTS[KEYS[event.key]](this);
    });
    this.svg.addEventListener("pointerdown", (event) => this.press(event));
    this.svg.addEventListener("pointermove", (event) => this.drag(event));
    this.svg.addEventListener("pointerup", (event) => this.release(event));
    this.svg.addEventListener("pointercancel", () => (this.pressed = null));
    this.svg.addEventListener("dblclick", (event) => {
      event.preventDefault();
      this.close();
    });
    let timer = 0;
    this.text.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.read(), WAIT);
    });
  }

  /* Pointer: a click adds a corner, and a mouse that drags moves the map. */
  press(event) {
    if (event.button !== 0) return;
    this.svg.focus({ preventScroll: true });
    this.pressed = { x: event.clientX, y: event.clientY, view: { ...this.view }, moved: false };
  }

  drag(event) {
    const start = this.pressed;
    if (!start) return;
    const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
    start.moved ||= Math.hypot(dx, dy) > CLICK;
    if (!start.moved || event.pointerType !== "mouse") return;
    this.svg.setPointerCapture(event.pointerId);
    const unit = this.unit();
    this.show({ ...start.view, x: start.view.x - dx * unit, y: start.view.y - dy * unit });
  }

  release(event) {
    const start = this.pressed;
    this.pressed = null;
    if (!start || start.moved) return;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    this.corner(point);
  }

  corner({ x, y }) {
    const last = this.corners.at(-1);
    const near = last && this.place(last);
    if (near && Math.hypot(near.x - x, near.y - y) < CLICK * this.unit()) return;
    const { west, top, scale } = this.svg.dataset;
    this.corners.push([Number(west) + x / scale, latitudeOf(top - y / scale)]);
    this.draw();
    this.say("corners");
  }

  close() {
    if (this.corners.length < 3) {
      if (this.corners.length) this.say("few");
      return;
    }
    this.polygons.push([ringOf(this.corners)]);
    this.corners = [];
    this.write();
  }

  undo() {
    if (this.corners.length) {
      this.corners.pop();
      this.draw();
      this.say("corners");
    } else if (this.polygons.length) {
      this.polygons.pop();
      this.write();
    }
  }

  clear() {
    this.corners = [];
    this.polygons = [];
    this.write();
  }

  write() {
    const [first] = this.polygons;
    const area =
      this.polygons.length > 1
        ? { type: "MultiPolygon", coordinates: this.polygons }
        : { type: "Polygon", coordinates: first };
    this.text.value = this.polygons.length ? JSON.stringify(area) : "";
    this.text.removeAttribute("aria-invalid");
    this.text.dispatchEvent(new Event("change", { bubbles: true }));
    this.draw();
    this.say("areas");
  }

  read() {
    try {
      this.polygons = polygonsOf(this.text.value);
      this.text.removeAttribute("aria-invalid");
      this.say("areas");
    } catch (wrong) {
      if (!(wrong instanceof Wrong)) throw wrong;
      this.polygons = [];
      this.text.setAttribute("aria-invalid", "true");
      this.say(wrong.message, wrong.place);
    }
    this.draw();
  }

  say(what, place = "") {
    if (!this.status) return;
    const name = `said${what[0].toUpperCase()}${what.slice(1)}`;
    this.status.textContent = (this.box.dataset[name] ?? "")
      .replace("{count}", this.corners.length)
      .replace("{areas}", this.polygons.length)
      .replace("{place}", place);
  }

  /* The view: zoomed and moved, but never beyond what the server has drawn. */
  zoom(factor) {
    const middle = this.middle();
    const width = Math.min(Math.max(this.view.width / factor, this.whole.width / DEEPEST), this.whole.width);
    const height = (width * this.whole.height) / this.whole.width;
    this.show({ x: middle.x - width / 2, y: middle.y - height / 2, width, height });
  }

  pan(across, along) {
    const { x, y, width, height } = this.view;
    this.show({ ...this.view, x: x + across * width, y: y + along * height });
  }

  show({ x, y, width, height }) {
    const held = (value, most) => Math.min(Math.max(value, 0), most);
    this.view = { x: held(x, this.whole.width - width), y: held(y, this.whole.height - height), width, height };
    this.svg.setAttribute("viewBox", `${this.view.x} ${this.view.y} ${width} ${height}`);
    this.draw();
  }

  middle() {
    return { x: this.view.x + this.view.width / 2, y: this.view.y + this.view.height / 2 };
  }

  unit() {
    return this.view.width / (this.svg.clientWidth || this.whole.width);
  }

  place([longitude, latitude]) {
    const { west, top, scale } = this.svg.dataset;
    return { x: (longitude - west) * scale, y: (top - stretched(latitude)) * scale };
  }

  /* Where a ring is on the picture: perhaps a whole turn further, where its first corner is seen. */
  path(ring, end) {
    const turn = 360 * this.svg.dataset.scale;
    const points = unbroken(ring).map((position) => this.place(position));
    const shift = [0, turn, -turn].find((by) => points.some(({ x }) => x + by >= 0 && x + by <= this.whole.width)) ?? 0;
    return points.map(({ x, y }, index) => `${index ? "L" : "M"}${(x + shift).toFixed(1)} ${y.toFixed(1)}`).join("") + end;
  }

  draw() {
    this.area.setAttribute("d", this.polygons.flat().map((ring) => this.path(ring, "z")).join(""));
    this.line.setAttribute("d", this.corners.length ? this.path(this.corners, "") : "");
    const radius = 4 * this.unit();
    const dot = ({ x, y }) => `M${x - radius} ${y}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0z`;
    this.dots.setAttribute("d", this.corners.map((corner) => dot(this.place(corner))).join(""));
    const { x, y } = this.middle();
    const arm = 8 * this.unit();
    this.cross.setAttribute("d", `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}`);
  }
}

function enhance(within) {
  for (const box of within.querySelectorAll("[data-area-map]:not([data-ready])")) {
    if (!box.querySelector("svg.map[data-scale]") || !document.getElementById(box.dataset.target)) continue;
    box.dataset.ready = "yes";
    new Picker(box);
  }
}

document.addEventListener("htmx:load", (event) => enhance(event.target));
enhance(document);
