"""Flex-offers as SVG: what they may do, would have done, and were asked to do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from xml.etree.ElementTree import SubElement

from examples.demo.drawing import Picture
from examples.demo.report import HourRow, Shape
from mpp_sdk.flexoffer.model import Profile, spread

_WIDTH, _HEIGHT = 400, 196
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 392, 26, 158
_HOURS = 24
_LETTER = 12  # how high a line of text is
_TICK = timedelta(hours=6)

Prices = Callable[[datetime], float]


@dataclass(frozen=True)
class _Axes:
    """Where a moment and a value lie in the picture."""

    begin: datetime
    low: float
    high: float

    def x(self, moment: datetime) -> float:
        hours = (moment - self.begin) / timedelta(hours=1)
        return _LEFT + (_RIGHT - _LEFT) * min(max(hours / _HOURS, 0.0), 1.0)

    def y(self, value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - self.low) / (self.high - self.low)


def profile_picture(shape: Shape, prices: Prices) -> str:
    """Return the energy of each interval of a day: band, baseline, schedule and measurement.

    The band stands where the schedule has put it; a bar above it says when it may start. The strip
    below is the darker the dearer energy is.
    """
    offer, schedule = shape.offer, shape.schedule
    profile = offer.profiles[schedule.profile]
    bounds = [part.bounds(offer.interval) for part in profile.slices]
    lower = spread([one.lower for one in bounds], profile)
    upper = spread([one.upper for one in bounds], profile)
    scheduled = spread(schedule.energies, profile)
    default = offer.default_schedule(schedule.start)
    baseline = spread(default.energies, offer.profile)
    values = [*lower, *upper, *baseline, *scheduled, *shape.measured]
    axes = _Axes(shape.begin, min(0.0, *values), max(1.0, *values))
    picture = _frame(axes, shape.title, "Wh in 15 min")
    begin = schedule.start - profile.lead * offer.interval

    steps = [*_steps(axes, begin, offer.interval, upper)]
    steps += reversed([*_steps(axes, begin, offer.interval, lower)])
    picture.add("polygon", class_="band", points=_points(steps))
    _line(picture, "default", axes, default.start, offer.interval, baseline)
    _line(picture, "scheduled", axes, begin, offer.interval, scheduled)
    for number, value in enumerate(shape.measured):
        at = begin + (number + 0.5) * offer.interval
        picture.add("circle", class_="measured", cx=axes.x(at), cy=axes.y(value), r=1.4)
    starts = offer.starts(schedule.start)
    if starts.flexibility:
        left, right = axes.x(starts.earliest), axes.x(starts.latest)
        bar = picture.add("rect", class_="starts", x=left, y=8, width=right - left, height=4, rx=2)
        SubElement(
            bar, "title"
        ).text = f"It may start {starts.earliest:%H:%M} to {starts.latest:%H:%M}"
        picture.add("circle", class_="start", cx=axes.x(schedule.start), cy=10, r=4)
    _price_strip(picture, axes, prices)
    return str(picture)


def corridor_picture(shape: Shape) -> str:
    """Return the energy used so far, and the corridor in which the polygons keep it."""
    offer, schedule = shape.offer, shape.schedule
    profile = offer.profiles[schedule.profile]
    lower, upper = _corridor(profile)
    scheduled, baseline = (
        [0.0, *accumulate(energies)] for energies in (schedule.energies, offer.default.energies)
    )
    values = [*lower, *upper, *scheduled, *baseline]
    axes = _Axes(shape.begin, min(0.0, *values), max(1.0, *values))
    picture = _frame(axes, f"{shape.title}: energy so far", "Wh so far")
    ends = [schedule.start + n * offer.interval for n in (*profile.offsets(), profile.intervals)]
    path = [(axes.x(at), axes.y(value)) for at, value in zip(ends, upper, strict=True)]
    path += reversed([(axes.x(at), axes.y(v)) for at, v in zip(ends, lower, strict=True)])
    picture.add("polygon", class_="band", points=_points(path))
    for name, line in (("default", baseline), ("scheduled", scheduled)):
        points = [(axes.x(at), axes.y(value)) for at, value in zip(ends, line, strict=True)]
        picture.add("polyline", class_=name, points=_points(points))
    return str(picture)


def _corridor(profile: Profile) -> tuple[list[float], list[float]]:
    """Return the least and the most energy, in Wh, before each slice and at the end."""
    befores = [[1_000 * x for x, _ in polygon] for polygon in profile.dependencies]
    last = [1_000 * (x + y) for x, y in profile.dependencies[-1]]
    return [min(one) for one in (*befores, last)], [max(one) for one in (*befores, last)]


def _frame(axes: _Axes, label: str, unit: str) -> Picture:
    picture = Picture(_HEIGHT, label, _WIDTH)
    told: list[float] = []
    for value in (0.0, axes.high, axes.low):
        y = axes.y(value)
        if all(abs(y - other) >= _LETTER for other in told):
            told.append(y)
            picture.add("line", class_="grid", x1=_LEFT, x2=_RIGHT, y1=y, y2=y)
            number = f"{round(value):,}"
            picture.add("text", number, class_="tick", text_anchor="end", x=_LEFT - 5, y=y + 4)
    for part in range(_HOURS // 6 + 1):
        at = axes.begin + part * _TICK
        anchor = "end" if part == _HOURS // 6 else "middle"
        picture.add("text", f"{at:%H:%M}", class_="tick", text_anchor=anchor, x=axes.x(at), y=188)
    picture.add("text", unit, class_="tick", x=0, y=12)
    return picture


def _steps(
    axes: _Axes, begin: datetime, interval: timedelta, values: Sequence[float]
) -> Iterator[tuple[float, float]]:
    for number, value in enumerate(values):
        yield axes.x(begin + number * interval), axes.y(value)
        yield axes.x(begin + (number + 1) * interval), axes.y(value)


def _line(
    picture: Picture,
    name: str,
    axes: _Axes,
    begin: datetime,
    interval: timedelta,
    values: Sequence[float],
) -> None:
    """Draw steps that rise from nothing, and fall to it."""
    steps = [*_steps(axes, begin, interval, values)]
    ends = (steps[0][0], axes.y(0)), (steps[-1][0], axes.y(0))
    picture.add("polyline", class_=name, points=_points([ends[0], *steps, ends[1]]))


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _price_strip(picture: Picture, axes: _Axes, prices: Prices) -> None:
    hours = [axes.begin + hour * timedelta(hours=1) for hour in range(_HOURS)]
    dearest = max(map(prices, hours))
    for hour in hours:
        x, after = axes.x(hour), axes.x(hour + timedelta(hours=1))
        share = prices(hour) / dearest
        strip = picture.add("rect", class_="price", x=x, y=166, width=after - x, height=8)
        strip.set("opacity", f"{share**2:.2f}")
        SubElement(strip, "title").text = f"{hour:%H:%M}: {prices(hour) * 1e6:.0f} EUR/MWh"


def together_picture(begin: datetime, rows: Sequence[HourRow], prices: Prices) -> str:
    """Return the energy of each hour of all devices together, as bands and lines."""
    columns = {
        "default": [row.baseline for row in rows],
        "scheduled": [row.scheduled for row in rows],
    }
    measured = [row.measured for row in rows]
    known = [value for value in measured if value is not None]
    values = [*columns["default"], *columns["scheduled"], *known]
    axes = _Axes(begin, min(0.0, *values), max(1.0, *values))
    picture = _frame(axes, "All devices together", "kWh in an hour")
    hour = timedelta(hours=1)
    for name, line in columns.items():
        _line(picture, name, axes, begin, hour, line)
    for row in rows:
        if row.measured is not None:
            x = axes.x(row.start + hour / 2)
            picture.add("circle", class_="measured", cx=x, cy=axes.y(row.measured), r=2.5)
    _price_strip(picture, axes, prices)
    return str(picture)
