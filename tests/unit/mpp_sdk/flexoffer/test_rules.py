from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import cos, inf, nan, pi, sin
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.model import (
    EXACT_WH,
    Default,
    EnergyRange,
    FlexOffer,
    Polygon,
    Polytope,
    Profile,
    Slice,
    TwoMode,
)
from mpp_sdk.flexoffer.rules import (
    MAX_INTERVALS,
    MAX_OPTIONS,
    MAX_PROFILES,
    MAX_ROWS,
    MAX_VERTICES,
    check_deadlines,
    is_convex,
)
from tests.flexoffers.strategies import hull

TEN = datetime(2026, 11, 22, 10, tzinfo=UTC)
NOW = TEN - timedelta(hours=1)
QUARTER = timedelta(minutes=15)
HUGE = 2.0**44


def offer(**changes: Any) -> FlexOffer:
    """Return an offer of two slices, of 0 to 1 kWh each, that can start from ten to eleven."""
    given: dict[str, Any] = {
        "profiles": (Profile((Slice(0, 1_000), Slice(0, 1_000))),),
        "default": Default((500, 0)),
        "start_after": TEN,
        "start_before": TEN + timedelta(hours=1),
        "accept_before": TEN - timedelta(minutes=30),
        "assign_before": TEN - timedelta(minutes=15),
        "offered_by": "household-1",
    }
    return FlexOffer(**given | changes)


def broken(make: Callable[[], Any]) -> set[tuple[str, str]]:
    with pytest.raises(InvalidInput) as error:
        make()
    assert all(one.detail for one in error.value.errors)
    return {(one.pointer, one.rule) for one in error.value.errors}


def with_slice(part: Slice) -> dict[str, Any]:
    return {"profiles": (Profile((part, Slice(0, 1_000))),)}


def with_profile(**changes: Any) -> dict[str, Any]:
    return {"profiles": (replace(offer().profile, **changes),)}


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


LATE = TEN + timedelta(hours=2)
OFF_GRID = TEN + timedelta(minutes=1)
SLICE = "/profiles/0/slices/0"
POLYTOPE = "/profiles/0/polytope"
CROSSED = ((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0))

TIMES: list[tuple[dict[str, Any], str, str]] = [
    ({"interval": timedelta(0)}, "/interval", "dividesTheDay"),
    ({"interval": -QUARTER}, "/interval", "dividesTheDay"),
    ({"interval": timedelta(minutes=7)}, "/interval", "dividesTheDay"),
    ({"interval": timedelta(days=2)}, "/interval", "dividesTheDay"),
    ({"interval": timedelta(microseconds=500)}, "/interval", "dividesTheDay"),
    ({"start_after": naive(TEN)}, "/startAfter", "offset"),
    ({"start_before": naive(LATE)}, "/startBefore", "offset"),
    ({"default": Default((500, 0), naive(TEN))}, "/default/start", "offset"),
    ({"accept_before": naive(NOW)}, "/acceptBefore", "offset"),
    ({"assign_before": naive(NOW)}, "/assignBefore", "offset"),
    ({"start_after": OFF_GRID}, "/startAfter", "onTheGrid"),
    ({"start_before": OFF_GRID}, "/startBefore", "onTheGrid"),
    ({"default": Default((500, 0), OFF_GRID)}, "/default/start", "onTheGrid"),
    ({"start_before_duration": QUARTER}, "/startBeforeDuration", "oneOf"),
    (
        {"start_before": None, "start_before_duration": -QUARTER},
        "/startBeforeDuration",
        "notNegative",
    ),
    ({"start_after": LATE}, "/startAfter", "startOrder"),
    ({"accept_before": TEN}, "/acceptBefore", "deadlineOrder"),
    ({"assign_before": LATE}, "/assignBefore", "beforeLatestStart"),
    ({"default": Default((500, 0), TEN - QUARTER)}, "/default/start", "withinStarts"),
    ({"default": Default((500, 0), LATE)}, "/default/start", "withinStarts"),
]
IDENTITY: list[tuple[dict[str, Any], str, str]] = [
    ({"offered_by": ""}, "/offeredBy", "length"),
    ({"offered_by": "x" * 257}, "/offeredBy", "length"),
    ({"pod_id": ""}, "/podId", "length"),
    ({"pod_id": "x" * 257}, "/podId", "length"),
    (with_slice(Slice(0, 1_000, price=Decimal(1))), "/currency", "required"),
]
PROFILES: list[tuple[dict[str, Any], str, str]] = [
    ({"profiles": ()}, "/profiles", "required"),
    ({"profiles": offer().profiles * (MAX_PROFILES + 1)}, "/profiles", "maxItems"),
    (with_profile(slices=()), "/profiles/0/slices", "required"),
    (with_profile(slices=(Slice(0, 1),) * (MAX_INTERVALS + 1)), "/profiles/0/slices", "maxItems"),
    (with_profile(slices=(Slice(0, 1, MAX_INTERVALS + 1),)), "/profiles/0/slices", "maxItems"),
    (with_profile(lead=-1), "/profiles/0/lead", "range"),
    (with_profile(lead=2), "/profiles/0/lead", "range"),
    ({"profiles": (offer().profile, Profile(()))}, "/profiles/1/slices", "required"),
]
SLICES: list[tuple[dict[str, Any], str, str]] = [
    (with_slice(Slice(0, 1_000, 0)), f"{SLICE}/duration", "positive"),
    (with_slice(Slice(-EXACT_WH, 1_000)), f"{SLICE}/lower", "exact"),
    (with_slice(Slice(0, EXACT_WH)), f"{SLICE}/upper", "exact"),
    (with_slice(Slice(0, 1_000, options=(0, EXACT_WH))), f"{SLICE}/options/1", "exact"),
    (with_slice(Slice(0, 1_000, min_power=-EXACT_WH)), f"{SLICE}/minPower", "exact"),
    (with_slice(Slice(0, 1_000, max_power=EXACT_WH)), f"{SLICE}/maxPower", "exact"),
    (with_slice(Slice(0.5, 1_000)), f"{SLICE}/lower", "whole"),  # type: ignore[arg-type]
    (with_slice(Slice(0, nan)), f"{SLICE}/upper", "whole"),  # type: ignore[arg-type]
    (with_slice(Slice(0, 9, options=(0.5,))), f"{SLICE}/options/0", "whole"),  # type: ignore[arg-type]
    (with_slice(Slice(0, 9, max_power=inf)), f"{SLICE}/maxPower", "whole"),  # type: ignore[arg-type]
    (with_slice(Slice(501, 500)), f"{SLICE}/lower", "boundOrder"),
    (with_slice(Slice(0, 1_000, min_power=4_001)), f"{SLICE}/minPower", "power"),
    (with_slice(Slice(0, 1_000, min_power=2, max_power=3)), f"{SLICE}/minPower", "power"),
    (
        with_slice(Slice(0, 1_000, options=tuple(range(MAX_OPTIONS + 1)))),
        f"{SLICE}/options",
        "maxItems",
    ),
    (with_slice(Slice(0, 1_000, options=(500, 1, 500))), f"{SLICE}/options", "uniqueItems"),
    (with_slice(Slice(0, 1_000, options=(500, 1_001))), f"{SLICE}/options/1", "withinBounds"),
    (
        with_slice(Slice(0, 1_000, max_power=2_000, options=(500, 501))),
        f"{SLICE}/options/1",
        "withinBounds",
    ),
]
CONSTRAINTS: list[tuple[dict[str, Any], str, str]] = [
    (with_profile(total=EnergyRange(501, 500)), "/profiles/0/total/lower", "boundOrder"),
    (with_profile(total=EnergyRange(-1, 500)), "/profiles/0/total/lower", "withinSlices"),
    (with_profile(total=EnergyRange(500, 2_001)), "/profiles/0/total/upper", "withinSlices"),
    (with_profile(polytope=Polytope((), ())), "/profiles/0/polytope/b", "shape"),
    (with_profile(polytope=Polytope(((1.0, 1.0),), (1.0, 1.0))), "/profiles/0/polytope/b", "shape"),
    (with_profile(polytope=Polytope(((1.0,),), (1.0,))), "/profiles/0/polytope/a/0", "shape"),
    (
        with_profile(polytope=Polytope(((0.0, 0.0),) * (MAX_ROWS + 1), (0.0,) * (MAX_ROWS + 1))),
        "/profiles/0/polytope/a",
        "maxItems",
    ),
    *(
        (with_profile(polytope=Polytope(((1.0, bad),), (1.0,))), f"{POLYTOPE}/a/0", "finite")
        for bad in (nan, inf, -inf, HUGE)
    ),
    *(
        (with_profile(polytope=Polytope(((1.0, 1.0),), (bad,))), f"{POLYTOPE}/b/0", "finite")
        for bad in (nan, inf, -inf, HUGE)
    ),
    (
        with_profile(dependencies=(((0.0, 0.5),),)),
        "/profiles/0/dependencies",
        "onePerSlice",
    ),
    (
        with_profile(dependencies=(((0.0, 0.5),), ())),
        "/profiles/0/dependencies/1",
        "length",
    ),
    (
        with_profile(dependencies=(((0.0, 0.5),), ((0.0, 0.0),) * (MAX_VERTICES + 1))),
        "/profiles/0/dependencies/1",
        "length",
    ),
    *(
        (
            with_profile(dependencies=(((0.0, 0.5),), ((0.0, 0.0), (1.0, bad)))),
            "/profiles/0/dependencies/1",
            "finite",
        )
        for bad in (nan, inf, -inf, HUGE)
    ),
    (
        with_profile(dependencies=(((0.0, 0.5),), CROSSED)),
        "/profiles/0/dependencies/1",
        "convex",
    ),
]
TWO_MODES: list[tuple[dict[str, Any], str, str]] = [
    *(
        ({"two_mode": (TwoMode(QUARTER, bad),)}, "/twoMode/0/priorPortion", "range")
        for bad in (-0.01, 1.01, nan, inf)
    ),
    *(
        (
            {"two_mode": (TwoMode(), TwoMode(after_time=QUARTER, after_portion=bad))},
            "/twoMode/1/afterPortion",
            "range",
        )
        for bad in (-0.01, 1.01, nan, inf)
    ),
    ({"two_mode": (TwoMode(-QUARTER, 0.5),)}, "/twoMode/0/priorTime", "onTheGrid"),
    ({"two_mode": (TwoMode(timedelta(minutes=7), 0.5),)}, "/twoMode/0/priorTime", "onTheGrid"),
    ({"two_mode": (TwoMode(prior_portion=0.5),)}, "/twoMode/0/priorTime", "required"),
    ({"two_mode": (TwoMode(after_time=-QUARTER),)}, "/twoMode/0/afterTime", "onTheGrid"),
    ({"two_mode": (TwoMode(after_portion=1),)}, "/twoMode/0/afterTime", "required"),
]
DEFAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"default": Default((500, 0), profile=1)}, "/default/profile", "range"),
    ({"default": Default((500, 0), profile=-1)}, "/default/profile", "range"),
    ({"default": Default((500,))}, "/default/energies", "onePerSlice"),
    ({"default": Default((500, -1))}, "/default/energies/1", "withinBounds"),
    ({"default": Default((500, 1_001))}, "/default/energies/1", "withinBounds"),
    ({"default": Default((500, 0.5))}, "/default/energies/1", "whole"),  # type: ignore[arg-type]
    ({"default": Default((nan, 0))}, "/default/energies/0", "whole"),  # type: ignore[arg-type]
    (with_slice(Slice(0, 1_000, options=(0, 1_000))), "/default/energies/0", "option"),
    (with_profile(total=EnergyRange(0, 499)), "/default/energies", "withinTotal"),
    (with_profile(polytope=Polytope(((1.0, 0.0),), (0.499,))), "/default/energies", "polytope"),
    (
        with_profile(dependencies=(((0.0, 0.0), (0.0, 0.4)), ((0.5, 0.0),))),
        "/default/energies/0",
        "dependency",
    ),
]


@pytest.mark.parametrize(
    ("changes", "pointer", "rule"),
    [*TIMES, *IDENTITY, *PROFILES, *SLICES, *CONSTRAINTS, *TWO_MODES, *DEFAULTS],
)
def test_what_cannot_be_carried_out_is_refused_with_field_and_rule(
    changes: dict[str, Any], pointer: str, rule: str
) -> None:
    assert broken(lambda: offer(**changes)) == {(pointer, rule)}


@pytest.mark.parametrize("price", [Decimal(-1), Decimal("NaN"), Decimal("Infinity")])
def test_prices_are_numbers_from_zero_on(price: Decimal) -> None:
    changes = with_slice(Slice(0, 1_000, price=price))
    found = broken(lambda: offer(**changes, currency="EUR"))
    assert found == {("/profiles/0/slices/0/price", "notNegative")}


@pytest.mark.parametrize("energy", [EXACT_WH, -EXACT_WH])
def test_totals_are_exact(energy: int) -> None:
    half = Slice(-EXACT_WH // 2, EXACT_WH // 2)
    profile = Profile((half, half, half), EnergyRange(min(energy, 0), max(energy, 0)))
    found = broken(lambda: offer(profiles=(profile,), default=Default((0, 0, 0))))
    assert found == {(f"/profiles/0/total/{'upper' if energy > 0 else 'lower'}", "exact")}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = broken(
        lambda: offer(
            offered_by="",
            start_after=LATE,
            profiles=(Profile((Slice(1, 0), Slice(0, 1, 0))), Profile(())),
        )
    )
    assert found == {
        ("/offeredBy", "length"),
        ("/startAfter", "startOrder"),
        ("/profiles/0/slices/0/lower", "boundOrder"),
        ("/profiles/0/slices/1/duration", "positive"),
        ("/profiles/1/slices", "required"),
    }


def test_what_is_at_the_limit_is_taken() -> None:
    largest = EXACT_WH - 1
    offer(
        profiles=(Profile((Slice(-largest, largest), Slice(0, 0, MAX_INTERVALS - 1))),),
        default=Default((largest, 0), TEN + timedelta(hours=1)),
        accept_before=TEN + timedelta(hours=1),
        assign_before=TEN + timedelta(hours=1),
        offered_by="x" * 256,
        two_mode=(TwoMode(QUARTER, 1.0, 2 * QUARTER, 0.0), TwoMode()),
        interval=QUARTER,
    )
    offer(start_before=TEN)
    offer(interval=timedelta(days=1), start_after=None, start_before=None)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (TEN - timedelta(hours=1), set()),
        (TEN - timedelta(minutes=30), {("/acceptBefore", "inTheFuture")}),
        (
            TEN - timedelta(minutes=15),
            {("/acceptBefore", "inTheFuture"), ("/assignBefore", "inTheFuture")},
        ),
        (
            TEN + timedelta(minutes=75),
            {
                ("/acceptBefore", "inTheFuture"),
                ("/assignBefore", "inTheFuture"),
                ("/startBefore", "inTheFuture"),
            },
        ),
    ],
)
def test_deadlines_and_starts_in_the_past_are_refused(
    now: datetime, expected: set[tuple[str, str]]
) -> None:
    if expected:
        assert broken(lambda: check_deadlines(offer(), now)) == expected
    else:
        check_deadlines(offer(), now)


def test_missing_start_times_are_never_in_the_past() -> None:
    check_deadlines(offer(start_after=None, start_before=None), NOW)


@pytest.mark.parametrize(
    "polygon",
    [
        [(0, 0)],
        [(0, 0), (1, 2)],
        [(0, 0), (1, 0), (0, 1)],
        [(0, 1), (1, 0), (0, 0)],
        [(0, 0), (1, 0), (2, 0), (2, 2), (0, 2)],
        [(0, 0), (0, 0), (1, 0), (0, 1)],
        [(cos(k * pi / 12), sin(k * pi / 12)) for k in range(24)],
        [(1e6, 1e6), (1e6 + 1, 1e6), (1e6, 1e6 + 1)],
    ],
)
def test_convex_polygons(polygon: list[tuple[float, float]]) -> None:
    assert is_convex(tuple(polygon))


@pytest.mark.parametrize(
    "polygon",
    [
        [(0, 0), (2, 0), (1, 1), (2, 2), (0, 2)],
        [(0, 0), (1, 1), (1, 0), (0, 1)],
        [(cos(k * 4 * pi / 5), sin(k * 4 * pi / 5)) for k in range(5)],
        [(0, 0), (1, 0), (1, 1), (0, 1)] * 2,
    ],
)
def test_polygons_that_are_not_convex(polygon: list[tuple[float, float]]) -> None:
    assert not is_convex(tuple(polygon))


points = st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=1, max_size=12)


@given(points, st.booleans(), st.integers(0, 12))
def test_hulls_are_convex_from_any_vertex_in_either_direction(
    given_points: list[tuple[int, int]], clockwise: bool, first: int
) -> None:
    corners = hull(given_points)
    turned = corners[first % len(corners) :] + corners[: first % len(corners)]
    polygon: Polygon = tuple(turned[::-1] if clockwise else turned)
    assert is_convex(polygon)


@given(points)
def test_a_corner_pushed_in_is_seen(given_points: list[tuple[int, int]]) -> None:
    corners = hull(given_points)
    if len(corners) < 4:
        return
    (ax, ay), (bx, by), (cx, cy) = corners[-1], corners[0], corners[1]
    pushed = ((ax + cx) * 0.75 - bx * 0.5, (ay + cy) * 0.75 - by * 0.5)
    inner: list[tuple[float, float]] = [pushed, *corners[1:]]
    assert not is_convex(tuple(inner))
