"""What a schedule breaks, found slowly, exactly and without the code that it is to prove.

Written from the definition of a flex-offer, in fractions: no rounding hides what is broken.
Energies are in Wh; constraints that are written in kWh are compared in kWh.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from mpp_sdk.flexoffer.model import FlexOffer, Polygon, Profile, Schedule, Slice, TwoMode

TOLERANCE_KWH = Fraction(1, 10**9)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

Point = tuple[Fraction, Fraction]


def broken(
    offer: FlexOffer, schedule: Schedule, now: datetime, tolerance: Fraction = TOLERANCE_KWH
) -> list[str]:
    """Return each constraint that a schedule breaks, in words; nothing when it is feasible.

    tolerance, in kWh, is for what has a polytope or polygons: all else must hold exactly.
    """
    if not 0 <= schedule.profile < len(offer.profiles):
        return [f"profile: there is none with number {schedule.profile}"]
    profile = offer.profiles[schedule.profile]
    found = broken_start(offer, schedule.start, now)
    if len(schedule.energies) != len(profile.slices):
        return [*found, f"energies: {len(schedule.energies)} for {len(profile.slices)} slices"]
    return found + broken_energies(profile, schedule.energies, offer.interval, tolerance)


def broken_start(offer: FlexOffer, start: datetime, now: datetime) -> list[str]:
    """Return what is wrong with a start, for a use at a moment."""
    seconds = int(offer.interval / _SECOND)
    moment, at = _seconds(start), _seconds(now)
    first_possible = -(-at // seconds) * seconds
    earliest: Fraction | int = first_possible
    latest: Fraction | int = first_possible
    if offer.start_after is not None:
        earliest = _seconds(offer.start_after)
    if offer.start_before is not None:
        latest = _seconds(offer.start_before)
    if offer.start_before_duration is not None:
        until = at + Fraction(offer.start_before_duration / _SECOND)
        latest = until // seconds * seconds
    found = []
    if moment % seconds:
        found.append("start: not on the grid")
    if moment < earliest:
        found.append("start: too early")
    if moment > max(earliest, latest):
        found.append("start: too late")
    return found


def broken_energies(
    profile: Profile,
    energies: Sequence[float],
    interval: timedelta,
    tolerance: Fraction = TOLERANCE_KWH,
) -> list[str]:
    """Return what the energies of the slices, in Wh, break of a profile."""
    try:
        exact = [Fraction(energy) for energy in energies]
    except (ValueError, OverflowError):
        return ["energies: not finite"]
    found = []
    fractional = profile.polytope is not None or bool(profile.dependencies)
    slack = tolerance * 1000 if fractional else Fraction(0)
    for number, (energy, part) in enumerate(zip(exact, profile.slices, strict=True)):
        found += [
            f"slice {number}: {what}" for what in _broken_slice(energy, part, interval, slack)
        ]
        if not fractional and energy.denominator != 1:
            found.append(f"slice {number}: not whole")
    if profile.total is not None:
        if sum(exact) < profile.total.lower - slack:
            found.append("total: too little")
        if sum(exact) > profile.total.upper + slack:
            found.append("total: too much")
    if profile.polytope is not None:
        for number, (row, bound) in enumerate(
            zip(profile.polytope.a, profile.polytope.b, strict=True)
        ):
            weights = [Fraction(weight) for weight in row]
            reached = sum((a * x / 1000 for a, x in zip(weights, exact, strict=True)), Fraction(0))
            if reached > Fraction(bound) + tolerance * max([Fraction(1), *map(abs, weights)]):
                found.append(f"polytope: row {number}")
    if profile.dependencies:
        before = Fraction(0)
        for number, (energy, polygon) in enumerate(zip(exact, profile.dependencies, strict=True)):
            if distance_squared(polygon, (before / 1000, energy / 1000)) > tolerance**2:
                found.append(f"dependency: slice {number}")
            before += energy
    return found


def broken_sums(
    aggregate: FlexOffer,
    schedule: Schedule,
    members: Iterable[tuple[FlexOffer, Schedule]],
    tolerance: Fraction = Fraction(0),
) -> list[str]:
    """Return the intervals, in absolute time, where the members do not sum to their aggregate.

    The energy of a slice goes evenly over its intervals, as exact fractions. tolerance is in kWh.
    """
    wanted = _per_interval([(aggregate, schedule)])
    given = _per_interval(members)
    return [
        f"{_EPOCH + number * aggregate.interval}: "
        f"{float(given[number])} Wh instead of {float(wanted[number])}"
        for number in sorted({*wanted, *given})
        if abs(given[number] - wanted[number]) > tolerance * 1000
    ]


def broken_two_mode(
    offer: FlexOffer,
    vector: TwoMode,
    before: Sequence[float],
    during: Sequence[float],
    after: Sequence[float],
    tolerance: Fraction = TOLERANCE_KWH,
) -> list[str]:
    """Return what is wrong with what is given back around an intervention.

    before and after are the energies, in Wh, of the intervals around it; during are those of its
    slices. A portion of what these deviate from the default is given back, evenly, on each side.
    """
    deviation = sum(map(Fraction, during), Fraction(0)) - sum(offer.default.energies)
    found = []
    for name, energies, time, portion in (
        ("before", before, vector.prior_time, vector.prior_portion),
        ("after", after, vector.after_time, vector.after_portion),
    ):
        intervals = time // offer.interval
        if len(energies) != intervals:
            found.append(f"{name}: {len(energies)} intervals, not {intervals}")
            continue
        for number, energy in enumerate(energies):
            wanted = -Fraction(portion) * deviation / intervals
            if abs(Fraction(energy) - wanted) > tolerance * 1000:
                found.append(f"{name} {number}: {energy} Wh, not {float(wanted)}")
    return found


def distance_squared(polygon: Polygon, point: Point) -> Fraction:
    """Return the squared distance of a point to a convex polygon; 0 for a point of it."""
    corners = [(Fraction(x), Fraction(y)) for x, y in polygon]
    edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
    sides = [_cross(first, second, point) for first, second in edges if first != second]
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in edges)
    if area and (min(sides) >= 0 or max(sides) <= 0):
        return Fraction(0)
    return min(_to_segment(first, second, point) for first, second in edges)


def _broken_slice(
    energy: Fraction, part: Slice, interval: timedelta, slack: Fraction
) -> Iterable[str]:
    if energy < part.lower - slack:
        yield "below its lower bound"
    if energy > part.upper + slack:
        yield "above its upper bound"
    hours = Fraction(int(interval / _SECOND) * part.duration, 3600)
    # Bounds of power are narrowed to whole Wh, so that what is whole can meet them.
    if part.min_power is not None and energy < -(-part.min_power * hours // 1) - slack:
        yield "below its least power"
    if part.max_power is not None and energy > part.max_power * hours // 1 + slack:
        yield "above its most power"
    if part.options and min(abs(energy - option) for option in part.options) > slack:
        yield "none of its options"


def _per_interval(of: Iterable[tuple[FlexOffer, Schedule]]) -> dict[int, Fraction]:
    energies: dict[int, Fraction] = defaultdict(Fraction)
    for offer, schedule in of:
        profile = offer.profiles[schedule.profile]
        number = (schedule.start - _EPOCH) // offer.interval - profile.lead
        for energy, part in zip(schedule.energies, profile.slices, strict=True):
            for _ in range(part.duration):
                energies[number] += Fraction(energy) / part.duration
                number += 1
    return energies


def _cross(first: Point, second: Point, point: Point) -> Fraction:
    """Return on which side of a line, and how far times its length, a point lies."""
    (ax, ay), (bx, by), (x, y) = first, second, point
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax)


def _to_segment(first: Point, second: Point, point: Point) -> Fraction:
    (ax, ay), (bx, by), (x, y) = first, second, point
    length_squared = (bx - ax) ** 2 + (by - ay) ** 2
    along = Fraction(0)
    if length_squared:
        along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length_squared
        along = min(max(along, Fraction(0)), Fraction(1))
    return (x - ax - along * (bx - ax)) ** 2 + (y - ay - along * (by - ay)) ** 2


def _seconds(moment: datetime) -> Fraction:
    since = moment - _EPOCH
    return Fraction(since // timedelta(microseconds=1), 10**6)
