/* GeoJSON of areas (RFC 7946), read with care and written as it wants to be. */

const DIGITS = 4; // decimals of a degree, about ten metres

/* What is wrong, by a word that the page has a sentence for, and where, as a JSON pointer. */
export class Wrong extends Error {
  constructor(what, place = "") {
    super(what);
    this.place = place;
  }
}

/* The polygons of a text as GeoJSON; throws what is wrong with it, and where. */
export function polygonsOf(text) {
  if (!text.trim()) return [];
  let area;
  try {
    area = JSON.parse(text);
  } catch {
    throw new Wrong("json");
  }
  const many = area?.type === "MultiPolygon";
  if ((!many && area?.type !== "Polygon") || !Array.isArray(area.coordinates)) throw new Wrong("type", "/type");
  const polygons = many ? area.coordinates : [area.coordinates];
  polygons.forEach((polygon, index) => check(polygon, many ? `/coordinates/${index}` : "/coordinates"));
  return polygons;
}

function check(polygon, at) {
  if (!Array.isArray(polygon) || polygon.length === 0) throw new Wrong("ring", at);
  polygon.forEach((ring, number) => {
    const place = `${at}/${number}`;
    if (!Array.isArray(ring) || ring.length < 4) throw new Wrong("ring", place);
    ring.forEach((position, index) => {
      const [longitude, latitude] = Array.isArray(position) ? position : [];
      const known = Number.isFinite(longitude) && Number.isFinite(latitude);
      if (!known || Math.abs(longitude) > 180 || Math.abs(latitude) > 90) throw new Wrong("position", `${place}/${index}`);
    });
    const [first, last] = [ring[0], ring.at(-1)];
    if (first[0] !== last[0] || first[1] !== last[1]) throw new Wrong("closed", place);
  });
}

/* A ring that goes on beyond 180 degrees where it began again at the other side. */
export function unbroken(ring) {
  let shift = 0;
  return ring.map(([x, y], index) => {
    const step = index ? x - ring[index - 1][0] : 0;
    if (Math.abs(step) > 180 && Math.abs(step) < 360) shift -= Math.sign(step) * 360;
    return [x + shift, y];
  });
}

/* Corners as GeoJSON wants a ring: closed, anticlockwise, within the world, rounded. */
export function ringOf(corners) {
  let doubled = 0;
  corners.forEach(([x, y], index) => {
    const [nextX, nextY] = corners[(index + 1) % corners.length];
    doubled += x * nextY - nextX * y;
  });
  const turned = doubled < 0 ? [...corners].reverse() : corners;
  const within = (x) => ((((x + 180) % 360) + 360) % 360) - 180;
  const rounded = turned.map(([x, y]) => [Number(within(x).toFixed(DIGITS)), Number(y.toFixed(DIGITS))]);
  return [...rounded, rounded[0]];
}
