"""Sequence diagram, timelines and load curves as SVG, without a script or an outside file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, tostring

from examples.demo.report import LoadCurve, Message, Participant, Timeline

WIDTH = 1120

STEPS = (
    "Before: the companies register, and their platforms are tested",
    "Discovery and request",
    "Offer",
    "Acceptance; both platforms are told",
    "The requester's client sets itself up",
    "Consent of the customers",
    "Activation",
    "Data, directly between the platforms",
    "Monitoring",
    "A home energy service joins, and the aggregator publishes a service of its own",
    "Discovery, request and offer",
    "Acceptance; both platforms are told",
    "Flex-offers and their schedules, directly between the platforms",
    "The day after: what was measured, and what it is worth",
)
"""The eight steps of the B2B integration process, what comes before, and what comes of it."""

# States that mean the same to a reader share a colour: under way, good, held, over.
_TONES = {
    "REQUESTED": "wait",
    "PENDING": "wait",
    "GRANTED": "good",
    "ACTIVE": "good",
    "SUSPENDED": "held",
    "TIMED_OUT": "held",
    "DENIED": "over",
    "WITHDRAWN": "over",
    "EXPIRED": "over",
    "ENDED": "over",
    "CANCELED": "over",
}


class Picture:
    """An SVG picture under construction. Coordinates are rounded, text is escaped on writing."""

    def __init__(self, height: float, label: str, width: float = WIDTH) -> None:
        self.root = Element("svg", viewBox=f"0 0 {width:.0f} {height:.0f}", role="img")
        self.root.set("aria-label", label)

    def add(self, tag: str, text: str = "", **attributes: str | float) -> Element:
        """Return a new element; `class_` and `stroke_width` become `class` and `stroke-width`."""
        element = SubElement(self.root, tag)
        for name, value in attributes.items():
            written = f"{value:.1f}" if isinstance(value, float) else str(value)
            element.set("class" if name == "class_" else name.replace("_", "-"), written)
        element.text = text or None
        return element

    def __str__(self) -> str:
        return tostring(self.root, encoding="unicode")


@dataclass(frozen=True)
class _Arrow:
    """One message, or the like of it many times in a row."""

    first: Message
    count: int


def _arrows(messages: Sequence[Message]) -> Iterator[_Arrow]:
    def likeness(message: Message) -> tuple[object, ...]:
        path = message.path.split("?", 1)[0]
        ends = (message.sender, message.receiver)
        return (message.step, ends, message.method, path, message.status)

    for _, same in groupby(messages, likeness):
        run = list(same)
        yield _Arrow(run[0], len(run))


def sequence_diagram(participants: Sequence[Participant], messages: Sequence[Message]) -> str:
    """Return the messages as arrows between the participants, step by step in order of time."""
    arrows = list(_arrows(sorted(messages, key=lambda message: (message.step, message.at))))
    start = min(message.at for message in messages)
    left, top, arrow_height, step_height, step_bar = 96, 60, 27, 40, 26
    steps = len({arrow.first.step for arrow in arrows})
    height = top + steps * step_height + len(arrows) * arrow_height + 24
    picture = Picture(height, "Sequence of messages")
    marker = SubElement(
        SubElement(picture.root, "defs"),
        "marker",
        id="head",
        viewBox="0 0 8 8",
        refX="7",
        refY="4",
        markerWidth="7",
        markerHeight="7",
        orient="auto",
    )
    SubElement(marker, "path", d="M0 0 8 4 0 8z")

    gap = (WIDTH - left - 130) / (len(participants) - 1)
    x = {who.key: left + 50 + index * gap for index, who in enumerate(participants)}
    for who in participants:
        at = x[who.key]
        picture.add("line", class_="life", x1=at, y1=top - 12, x2=at, y2=height)
        picture.add("text", who.name, class_="who", text_anchor="middle", x=at, y=22)
        picture.add("text", who.kind, class_="kind", text_anchor="middle", x=at, y=40)

    y = float(top)
    step = -1
    for arrow in arrows:
        if arrow.first.step != step:
            step = arrow.first.step
            y += step_height
            bar = y - step_bar
            picture.add("rect", class_="step", x=0, y=bar, width=WIDTH, height=step_bar, rx=5)
            name = f"{step}. {STEPS[step]}" if step else STEPS[0]
            picture.add("text", name, class_="step-name", x=12, y=bar + 17)
        y += arrow_height
        _draw_arrow(picture, arrow, x, y, (arrow.first.at - start).total_seconds())
    return str(picture)


def _draw_arrow(
    picture: Picture, arrow: _Arrow, x: dict[str, float], y: float, elapsed: float
) -> None:
    message = arrow.first
    x1, x2 = x[message.sender], x[message.receiver]
    tip = x2 - 3 if x2 > x1 else x2 + 3
    tone = "ok" if message.status < 300 else "refused"
    picture.add("text", f"{elapsed:.2f} s", class_="time", x=12, y=y + 4)
    picture.add("line", class_=f"arrow {tone}", x1=x1, y1=y, x2=tip, y2=y, marker_end="url(#head)")
    text = picture.add(
        "text",
        f"{message.method} {short(message.path)} ",
        class_="label",
        text_anchor="middle",
        x=(x1 + x2) / 2,
        y=y - 5,
    )
    SubElement(text, "title").text = f"{message.method} {message.path}"
    status = SubElement(text, "tspan", {"class": tone})
    status.text = str(message.status)
    status.tail = f" ×{arrow.count}" if arrow.count > 1 else ""  # noqa: RUF001 - a multiplication


def short(path: str) -> str:
    """Return the path as a reader needs it: without query, base path and long ids."""
    parts = [part for part in path.split("?", 1)[0].split("/") if part]
    if "v1" in parts[:2]:
        parts = parts[parts.index("v1") + 1 :]
    return "/" + "/".join("…" if len(p) == 36 and p.count("-") == 4 else p for p in parts)


def timeline(line: Timeline, start: datetime, end: datetime) -> str:
    """Return the states of one thing as bars along the time from start to end."""
    left = 120
    picture = Picture(30, line.name)
    picture.add("text", line.name, class_="lane", x=0, y=20)
    if not line.transitions:
        picture.add("text", "none", class_="none", x=left, y=20)
        return str(picture)
    scale = (WIDTH - left - 8) / max((end - start).total_seconds(), 0.001)
    ends = [change.at for change in line.transitions[1:]] + [end]
    for change, until in zip(line.transitions, ends, strict=True):
        x = left + (change.at - start).total_seconds() * scale
        width = max((until - change.at).total_seconds() * scale, 3.0)
        tone = _TONES.get(change.state, "wait")
        bar = picture.add("rect", class_=f"bar {tone}", x=x, y=5, width=width, height=20, rx=4)
        why = f": {change.why}" if change.why else ""
        SubElement(bar, "title").text = f"{change.state} at {change.at:%H:%M:%S.%f} UTC{why}"
        if width > len(change.state) * 8.4 + 12:
            picture.add("text", change.state, class_="state", x=x + 6, y=19)
    return str(picture)


def load_curve(curve: LoadCurve) -> str:
    """Return the readings as a line: each reading, or the sum of each day when there are many."""
    daily = len(curve.readings) > 500
    points = _daily(curve.readings) if daily else list(curve.readings)
    left, top, width, height = 56, 12, WIDTH - 72, 150
    bottom = top + height
    first, last = points[0][0], points[-1][0]
    span = max((last - first).total_seconds(), 1)
    most = max(value for _, value in points) or Decimal(1)
    picture = Picture(bottom + 28, f"Load curve of {curve.pod_id}")
    for part in (0.0, 0.5, 1.0):
        y = bottom - height * part
        picture.add("line", class_="grid", x1=left, x2=left + width, y1=y, y2=y)
        scale = f"{float(most) * part:.3g}"
        picture.add("text", scale, class_="tick", text_anchor="end", x=left - 6, y=y + 4)
    form = "%Y-%m-%d" if daily else "%m-%d %H:%M"
    for part, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        when = f"{first + (last - first) * part:{form}}"
        x = left + width * part
        picture.add("text", when, class_="tick", text_anchor=anchor, x=x, y=bottom + 18)
    line = " ".join(
        f"{left + (at - first).total_seconds() / span * width:.1f},"
        f"{bottom - float(value / most) * height:.1f}"
        for at, value in points
    )
    picture.add("polygon", class_="area", points=f"{left},{bottom} {line} {left + width},{bottom}")
    picture.add("polyline", class_="curve", points=line)
    unit = "kWh a day" if daily else f"kWh in {curve.resolution}"
    picture.add("text", unit, class_="tick", x=left + 6, y=top + 10)
    return str(picture)


def _daily(readings: Sequence[tuple[datetime, Decimal]]) -> list[tuple[datetime, Decimal]]:
    def day(reading: tuple[datetime, Decimal]) -> date:
        return reading[0].astimezone(UTC).date()

    return [
        (datetime.combine(when, time.min, UTC), sum((value for _, value in same), Decimal(0)))
        for when, same in groupby(readings, day)
    ]
