"""Random flex-offers of every kind, with schedules that they allow and schedules that they do not.

Everything is for a use at NOW, which is off every grid on purpose. Energies of what has a polytope
or polygons are multiples of 125 Wh, an eighth of a kWh, so that constraints in kWh are met exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from math import fsum, inf, nan
from uuid import UUID

from hypothesis import strategies as st

from mpp_sdk.flexoffer.model import (
    EXACT_WH,
    INTERVAL,
    Default,
    EnergyRange,
    FlexOffer,
    Polygon,
    Polytope,
    Profile,
    Schedule,
    Slice,
    TwoMode,
)
from tests.flexoffers import checker

NOW = datetime(2026, 11, 22, 10, 7, 30, tzinfo=UTC)
INTERVALS = (timedelta(minutes=5), INTERVAL, timedelta(hours=1))
KINDS = (
    "plain",
    "lead",
    "power",
    "total",
    "options",
    "polytope",
    "dependencies",
    "combined",
    "alternatives",
    "two-mode",
)
COMBINABLE = ("plain", "lead", "power", "total", "polytope", "dependencies", "combined")
_LATTICE = 125
_STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd: no two multiples are equal modulo 2**128
_SCALES = {
    "small": (-3, 3),
    "consumption": (0, 5_000),
    "production": (-5_000, 0),
    "both": (-4_000, 4_000),
    "int32": (2**31 - 5, 2**31 + 5),
    "-int32": (-(2**31) - 5, -(2**31) + 5),
    "large": (EXACT_WH - 9, EXACT_WH - 1),
    "wide": (-EXACT_WH + 1, EXACT_WH - 1),
}

# Made once: to make strategies takes longer than to draw from them.
_YES_OR_NO = st.booleans()
_ONE_IN_FOUR, _ONE_IN_SIX = (st.integers(0, most).map(lambda one: one == 0) for most in (3, 5))
_UP_TO_FOUR = st.integers(0, 4)
_ENERGIES = {name: st.tuples(*[st.integers(*ends)] * 3) for name, ends in _SCALES.items()}
_POWERS = st.tuples(*[st.integers(0, 2_000)] * 2)
_DURATIONS, _SHORT = st.sampled_from((1, 1, 1, 2, 3)), st.sampled_from((1, 1, 1, 2))
_PRICES = st.integers(0, 500).map(lambda thousandths: Decimal(thousandths) / 1000)
_EIGHTHS = st.tuples(*[st.integers(-24, 24)] * 3)
_SPARE, _MORE = (st.tuples(*[st.integers(0, most)] * 2) for most in (16, 8))
_WEIGHTS = st.sampled_from((0.0, 1.0, -1.0, 2.0, -0.5, 0.3, 1 / 3))
_SLACK = st.sampled_from((0.0, 0.125, 1.0, 5.0))
_SHARES = st.sampled_from((1.0, 0.5, 0.125))
_TIMES = st.sampled_from(("explicit", "explicit", "explicit", "now", "duration", "from", "until"))
_OFFERED_BY = st.sampled_from(("household-1", "household-2", "Ø 7"))
_PODS = st.sampled_from((None, "571313000000000001", "571313000000000002"))
_IDS = st.uuids()


@dataclass(frozen=True)
class Way:
    """A profile, and energies of it that are feasible."""

    profile: Profile
    energies: tuple[int, ...]


@st.composite
def offers(
    draw: st.DrawFn,
    kinds: Sequence[str] = KINDS,
    intervals: Sequence[timedelta] = INTERVALS,
    longest: int = 5,
    scales: Sequence[str] = tuple(_SCALES),
) -> FlexOffer:
    """Draw a flex-offer of one of some kinds, of at most longest slices."""
    kind = draw(st.sampled_from(kinds))
    interval = draw(st.sampled_from(intervals))
    ways = [draw(_ways(kind, interval, longest, scales))]
    usual = 0
    if kind == "alternatives":
        others = st.sampled_from(("plain", "power", "total", "options"))
        for other in draw(st.lists(others, min_size=1, max_size=2)):
            way = draw(_ways(other, interval, longest, scales))
            if other == "options":  # which of them sum up to a total would take a search
                way = replace(way, profile=replace(way.profile, total=None))
            ways.append(way)
        usual = draw(st.integers(0, len(ways) - 1))
    times = draw(_times(interval))
    priced = any(part.price is not None for way in ways for part in way.profile.slices)
    return FlexOffer(
        profiles=tuple(way.profile for way in ways),
        default=Default(ways[usual].energies, times.default, usual),
        start_after=times.start_after,
        start_before=times.start_before,
        start_before_duration=times.start_before_duration,
        accept_before=times.accept_before,
        assign_before=times.assign_before,
        offered_by=draw(_OFFERED_BY),
        pod_id=draw(_PODS),
        interval=interval,
        two_mode=draw(_vectors(interval)) if kind == "two-mode" else (),
        currency="EUR" if priced or draw(_YES_OR_NO) else None,
        id=draw(_IDS),
    )


@st.composite
def groups(
    draw: st.DrawFn,
    kind: str = "plain",
    interval: timedelta = INTERVAL,
    largest: int = 6,
    longest: int = 4,
    scales: Sequence[str] = tuple(_SCALES),
) -> list[FlexOffer]:
    """Draw flex-offers of one kind and interval, some of which have the same profile."""
    one = offers((kind,), (interval,), longest, scales)
    members = draw(st.lists(one, min_size=1, max_size=largest))
    for twin in draw(st.lists(st.sampled_from(members), max_size=2)):
        template = draw(one)
        members.append(
            replace(
                template,
                profiles=twin.profiles,
                default=replace(twin.default, start=template.default.start),
                currency=twin.currency,
            )
        )
    return _with_different_ids(members)


@st.composite
def portfolios(
    draw: st.DrawFn,
    kinds: Sequence[str] = KINDS,
    interval: timedelta = INTERVAL,
    scales: Sequence[str] = tuple(_SCALES),
) -> list[FlexOffer]:
    """Draw flex-offers of several kinds, in any order."""
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3, unique=True))
    members = [
        offer
        for kind in chosen
        for offer in draw(groups(kind, interval, largest=5, longest=3, scales=scales))
    ]
    return _with_different_ids(draw(st.permutations(members)))


@st.composite
def schedules(draw: st.DrawFn, offer: FlexOffer, now: datetime = NOW) -> Schedule:
    """Draw a schedule that is feasible."""
    starts = offer.starts(now)
    steps = starts.flexibility // offer.interval
    start = starts.earliest + draw(st.integers(0, steps)) * offer.interval
    number = draw(st.integers(0, len(offer.profiles) - 1))
    profile = offer.profiles[number]
    inner = offer.default.energies if number == offer.default.profile else None
    return Schedule(start, draw(energies_of(profile, offer.interval, inner)), number)


@st.composite
def other_schedules(draw: st.DrawFn, offer: FlexOffer, now: datetime = NOW) -> Schedule:
    """Draw a feasible schedule and change it in one place: most are then not feasible."""
    schedule = draw(schedules(offer, now))
    change = draw(st.sampled_from(("start", "profile", "length", "energy", "energy", "energy")))
    if change == "start":
        step = draw(st.sampled_from((timedelta(seconds=1), offer.interval, timedelta(days=1))))
        return replace(schedule, start=schedule.start + draw(st.sampled_from((1, -1))) * step)
    if change == "profile":
        return replace(schedule, profile=draw(st.integers(-1, len(offer.profiles))))
    if change == "length":
        return replace(schedule, energies=schedule.energies[1:])
    place = draw(st.integers(0, len(schedule.energies) - 1))
    part = offer.profiles[schedule.profile].slices[place]
    bounds = part.bounds(offer.interval)
    beyond = draw(
        st.sampled_from(
            (
                bounds.lower - 1,
                bounds.upper + 1,
                bounds.lower,
                bounds.upper,
                schedule.energies[place] + 0.5,
                schedule.energies[place] - 0.001,
                schedule.energies[place] + 1,
                nan,
                inf,
            )
        )
    )
    energies = (*schedule.energies[:place], beyond, *schedule.energies[place + 1 :])
    return replace(schedule, energies=energies)


def broken_schedules(offer: FlexOffer, now: datetime = NOW) -> st.SearchStrategy[Schedule]:
    """Return a strategy of schedules that are not feasible."""
    return other_schedules(offer, now).filter(lambda one: bool(checker.broken(offer, one, now)))


@st.composite
def energies_of(
    draw: st.DrawFn, profile: Profile, interval: timedelta, inner: tuple[float, ...] | None = None
) -> tuple[float, ...]:
    """Draw energies that a profile allows; inner are some, needed with a polytope or polygons."""
    bounds = [part.bounds(interval) for part in profile.slices]
    target = [
        draw(st.sampled_from(part.options) if part.options else _between(each))
        for part, each in zip(profile.slices, bounds, strict=True)
    ]
    if profile.polytope is not None or profile.dependencies:
        assert inner is not None
        return towards(profile, interval, inner, target, draw(_SHARES))
    if any(part.options for part in profile.slices):
        found = tuple(target)
        return inner if inner and checker.broken_energies(profile, found, interval) else found
    if profile.total is not None:
        missing = _distance(profile.total, sum(target))
        for place in draw(st.permutations(range(len(target)))):
            each = bounds[place]
            moved = min(max(target[place] + missing, each.lower), each.upper)
            missing -= moved - target[place]
            target[place] = moved
    return tuple(target)


def towards(
    profile: Profile,
    interval: timedelta,
    inner: Sequence[float],
    target: Sequence[float],
    share: float = 1.0,
) -> tuple[float, ...]:
    """Return a share of the longest way, that a convex profile allows, from inner to a target."""

    def at(step: float) -> tuple[float, ...]:
        return tuple(x + step * (y - x) for x, y in zip(inner, target, strict=True))

    def allowed(step: float) -> bool:
        return not checker.broken_energies(profile, at(step), interval, checker.TOLERANCE_KWH / 10)

    if allowed(1.0):
        return at(share)
    low, high = 0.0, 1.0
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (middle, high) if allowed(middle) else (low, middle)
    return at(low * share)


@dataclass(frozen=True)
class _Times:
    accept_before: datetime
    assign_before: datetime
    start_after: datetime | None = None
    start_before: datetime | None = None
    start_before_duration: timedelta | None = None
    default: datetime | None = None


@st.composite
def _times(draw: st.DrawFn, interval: timedelta) -> _Times:
    """Draw start times, half of them implicit, and deadlines that go with them."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    first = midnight + ((NOW - midnight) // interval + (1 + draw(_UP_TO_FOUR))) * interval
    last = first + draw(_UP_TO_FOUR) * interval
    accept = NOW + draw(st.integers(1, (first - NOW) // timedelta(seconds=1))) * timedelta(
        seconds=1
    )
    assign = draw(st.sampled_from((accept, first, last)))
    assign = max(accept, assign)
    shape = draw(_TIMES)
    match shape:
        case "now":
            return _Times(accept, assign)
        case "duration":
            long = draw(st.sampled_from((timedelta(0), timedelta(minutes=50), 4 * interval)))
            return _Times(
                accept, assign, draw(st.sampled_from((None, first))), start_before_duration=long
            )
        case "from":
            return _Times(accept, assign, first)
        case "until":
            return _Times(accept, assign, start_before=last)
    usual = first + draw(st.integers(0, (last - first) // interval)) * interval
    return _Times(accept, assign, first, last, default=usual if draw(_YES_OR_NO) else None)


@st.composite
def _vectors(draw: st.DrawFn, interval: timedelta) -> tuple[TwoMode, ...]:
    portions = st.sampled_from((0.0, 0.25, 0.5, 1.0))
    times = st.integers(1, 3).map(lambda count: count * interval)
    one = st.builds(TwoMode, times, portions, times, portions)
    return tuple(draw(st.lists(one, min_size=1, max_size=2)))


@st.composite
def _ways(
    draw: st.DrawFn, kind: str, interval: timedelta, longest: int, scales: Sequence[str]
) -> Way:
    if kind in ("polytope", "dependencies", "combined"):
        return draw(_bound_together(kind, longest))
    energy_triples = _ENERGIES[draw(st.sampled_from(scales))]
    slices, energies = [], []
    for _ in range(draw(st.integers(1, longest))):
        lower, energy, upper = sorted(draw(energy_triples))
        if draw(_ONE_IN_SIX):
            lower = upper = energy
        part = Slice(lower, upper, duration=draw(_DURATIONS))
        if kind == "power":
            part = _powered(part, energy, interval, *draw(_POWERS))
        if kind == "options" and draw(_YES_OR_NO):
            more = draw(st.lists(st.integers(lower, upper), max_size=3))
            part = replace(part, options=tuple(dict.fromkeys([*more, energy])))
        if draw(_ONE_IN_FOUR):
            part = replace(part, price=draw(_PRICES))
        slices.append(part)
        energies.append(energy)
    total = None
    wanted = kind == "total" or (kind == "options" and draw(_YES_OR_NO))
    if wanted and abs(sum(energies)) < EXACT_WH:
        bounds = [part.bounds(interval) for part in slices]
        least = max(sum(one.lower for one in bounds), 1 - EXACT_WH)
        most = min(sum(one.upper for one in bounds), EXACT_WH - 1)
        total = EnergyRange(
            draw(st.integers(least, sum(energies))), draw(st.integers(sum(energies), most))
        )
    profile = Profile(tuple(slices), total)
    if kind == "lead":
        profile = replace(profile, lead=draw(st.integers(0, profile.intervals - 1)))
    return Way(profile, tuple(energies))


@st.composite
def _bound_together(draw: st.DrawFn, kind: str, longest: int) -> Way:
    """Draw a profile with a polytope, with polygons, or with both and a total."""
    count = draw(st.integers(1, longest))
    eighths = draw(st.lists(_EIGHTHS, min_size=count, max_size=count))
    ordered = [sorted(each) for each in eighths]
    energies = [middle * _LATTICE for _, middle, _ in ordered]
    slices = tuple(
        Slice(lower * _LATTICE, upper * _LATTICE, duration=draw(_SHORT))
        for lower, _, upper in ordered
    )
    profile = Profile(slices)
    if kind != "dependencies":
        profile = replace(profile, polytope=draw(_polytopes([one / 1000 for one in energies])))
    if kind != "polytope":
        profile = replace(profile, dependencies=draw(_polygons(ordered)))
    if kind == "combined":
        spare = draw(_MORE)
        profile = replace(
            profile,
            total=EnergyRange(
                max(sum(energies) - spare[0] * _LATTICE, sum(one.lower for one in slices)),
                min(sum(energies) + spare[1] * _LATTICE, sum(one.upper for one in slices)),
            ),
        )
    return Way(profile, tuple(energies))


@st.composite
def _polytopes(draw: st.DrawFn, inner: Sequence[float]) -> Polytope:
    row = st.tuples(*[_WEIGHTS] * len(inner))
    rows = draw(st.lists(row, min_size=1, max_size=4))
    bounds = [fsum(a * x for a, x in zip(each, inner, strict=True)) + draw(_SLACK) for each in rows]
    if draw(_ONE_IN_FOUR):  # an equality
        opposite = tuple(-a for a in rows[0])
        rows.append(opposite)
        bounds[0] = fsum(a * x for a, x in zip(rows[0], inner, strict=True))
        bounds.append(-bounds[0])
    return Polytope(tuple(rows), tuple(bounds))


@st.composite
def _polygons(draw: st.DrawFn, ordered: Sequence[Sequence[int]]) -> tuple[Polygon, ...]:
    """Draw polygons around the way through the middle energies: a storage's, or any."""
    polygons: list[Polygon] = []
    before = 0
    storage = draw(_YES_OR_NO)
    spare = [draw(_SPARE) for _ in ordered] if storage else []
    for number, (lower, middle, upper) in enumerate(ordered):
        if storage:
            less, more = spare[number - 1] if number else (0, 0)
            then = before + middle
            corners = _storage(
                (before - less, before + more),
                (lower, upper),
                (then - spare[number][0], then + spare[number][1]),
            )
        else:
            near = st.tuples(
                st.integers(before - 20, before + 20), st.integers(lower - 4, upper + 4)
            )
            corners = [(before, middle), *draw(st.lists(near, max_size=5))]
        polygons.append(tuple((x / 8, y / 8) for x, y in hull(corners)))
        before += middle
    return tuple(polygons)


def _storage(
    before: tuple[int, int], energy: tuple[int, int], then: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the corners of the points with x in before, y in energy and x + y in then."""
    crossings = [(x, y) for x in before for y in energy]
    crossings += [(x, s - x) for x in before for s in then]
    crossings += [(s - y, y) for y in energy for s in then]
    return [
        (x, y)
        for x, y in crossings
        if before[0] <= x <= before[1]
        and energy[0] <= y <= energy[1]
        and then[0] <= x + y <= then[1]
    ]


def hull(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the corners of the convex hull, counterclockwise: those on no way between others."""
    found = sorted(set(points))
    if len(found) <= 2:
        return found

    def half(ordered: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        chain: list[tuple[int, int]] = []
        for x, y in ordered:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return half(found) + half(found[::-1])


def mixed_intervals() -> list[tuple[timedelta, timedelta]]:
    """Return each pair of different intervals."""
    return list(combinations(INTERVALS, 2))


def _powered(part: Slice, energy: int, interval: timedelta, less: int, more: int) -> Slice:
    """Return a slice with power bounds, in W, that allow an energy; without any too large to be."""
    seconds = part.duration * int(interval.total_seconds())
    least, most = energy * 3600 // seconds - less, -(-energy * 3600 // seconds) + more
    return replace(
        part,
        min_power=least if abs(least) < EXACT_WH else None,
        max_power=most if abs(most) < EXACT_WH else None,
    )


def _with_different_ids(offers: Sequence[FlexOffer]) -> list[FlexOffer]:
    """Return offers with ids that follow from the first one's, in no order."""
    first = offers[0].id.int
    return [
        replace(offer, id=UUID(int=(first + count * _STEP) % 2**128))
        for count, offer in enumerate(offers)
    ]


def _between(bounds: EnergyRange) -> st.SearchStrategy[int]:
    ends = st.sampled_from((bounds.lower, bounds.upper))
    return ends | st.integers(bounds.lower, bounds.upper)


def _distance(total: EnergyRange, energy: int) -> int:
    return min(max(energy, total.lower), total.upper) - energy
