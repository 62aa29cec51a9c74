from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.flexoffer.model import (
    Default,
    EnergyRange,
    FlexOffer,
    Polytope,
    Profile,
    Schedule,
    Slice,
    Starts,
    intervals_since_epoch,
    moment_of,
    spread,
)
from tests.flexoffers import checker
from tests.flexoffers.strategies import INTERVALS, NOW, offers, schedules

QUARTER = timedelta(minutes=15)
TEN = datetime(2026, 11, 22, 10, tzinfo=UTC)
moments = st.timedeltas(timedelta(days=-30_000), timedelta(days=30_000)).map(TEN.__add__)


def always_on(**changes: object) -> FlexOffer:
    """Return an offer without start times."""
    one = FlexOffer(
        profiles=(Profile((Slice(0, 1_000),)),),
        default=Default((0,)),
        accept_before=TEN - timedelta(days=1),
        assign_before=TEN - timedelta(days=1),
        offered_by="household-1",
    )
    return replace(one, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "bounds"),
    [
        (Slice(-5, 5), EnergyRange(-5, 5)),
        (Slice(0, 1_000, min_power=400, max_power=3_000), EnergyRange(100, 750)),
        (Slice(0, 1_000, min_power=401, max_power=399), EnergyRange(101, 99)),
        (Slice(0, 1_000, duration=2, max_power=1_001), EnergyRange(0, 500)),
        (Slice(-1_000, 1_000, min_power=-401, max_power=-399), EnergyRange(-100, -100)),
        (Slice(200, 300, min_power=0, max_power=9_999), EnergyRange(200, 300)),
    ],
)
def test_power_narrows_energy_to_whole_watt_hours(part: Slice, bounds: EnergyRange) -> None:
    assert part.bounds(QUARTER) == bounds


@pytest.mark.parametrize(
    ("now", "earliest"),
    [
        (TEN, TEN),
        (TEN + timedelta(microseconds=1), TEN + QUARTER),
        (TEN - timedelta(microseconds=1), TEN),
        (TEN.astimezone(ZoneInfo("Asia/Kathmandu")), TEN),
    ],
)
def test_missing_start_times_mean_now(now: datetime, earliest: datetime) -> None:
    assert always_on().starts(now) == Starts(earliest, earliest)


def test_a_duration_counts_from_the_moment_of_use() -> None:
    one = always_on(start_before_duration=timedelta(minutes=50))
    now = TEN + timedelta(minutes=5)
    assert one.starts(now) == Starts(TEN + QUARTER, TEN + 3 * QUARTER)
    assert one.starts(now).flexibility == 2 * QUARTER
    assert one.starts(now + timedelta(days=400)) == Starts(
        TEN + timedelta(days=400) + QUARTER, TEN + timedelta(days=400) + 3 * QUARTER
    )


def test_a_duration_that_ends_before_the_next_interval_leaves_one_start() -> None:
    one = always_on(start_before_duration=timedelta(minutes=2))
    assert one.starts(TEN + timedelta(minutes=5)) == Starts(TEN + QUARTER, TEN + QUARTER)


def test_one_start_time_alone_goes_with_now_as_the_other() -> None:
    later = TEN + timedelta(hours=1)
    assert always_on(start_after=later).starts(TEN) == Starts(later, later)
    assert always_on(start_after=TEN).starts(later) == Starts(TEN, later)
    assert always_on(start_before=later).starts(TEN) == Starts(TEN, later)


@settings(max_examples=100, deadline=None)
@given(offers(), moments)
def test_starts_are_those_that_the_checker_takes(offer: FlexOffer, now: datetime) -> None:
    starts = offer.starts(now)
    step = offer.interval
    assert checker.broken_start(offer, starts.earliest, now) == []
    assert checker.broken_start(offer, starts.latest, now) == []
    assert checker.broken_start(offer, starts.earliest - step, now) == ["start: too early"]
    assert checker.broken_start(offer, starts.latest + step, now) == ["start: too late"]


@settings(max_examples=100, deadline=None)
@given(offers(), moments)
def test_a_resolved_offer_says_the_same_whenever_it_is_used(
    offer: FlexOffer, now: datetime
) -> None:
    resolved = offer.resolved(now)
    later = now + timedelta(days=3)
    assert resolved.starts(later) == offer.starts(now)
    assert resolved.resolved(later) == resolved
    assert resolved.default_schedule(later).energies == offer.default_schedule(now).energies
    assert (
        replace(
            resolved,
            start_after=offer.start_after,
            start_before=offer.start_before,
            start_before_duration=offer.start_before_duration,
            accept_before=offer.accept_before,
            assign_before=offer.assign_before,
            default=offer.default,
        )
        == offer
    )


@settings(max_examples=100, deadline=None)
@given(offers())
def test_the_default_schedule_is_feasible(offer: FlexOffer) -> None:
    assert checker.broken(offer, offer.default_schedule(NOW), NOW) == []


@given(moments, st.sampled_from(INTERVALS))
def test_rounding_finds_the_grid_on_both_sides(moment: datetime, interval: timedelta) -> None:
    one = always_on(interval=interval)
    down, up = one.round_down(moment), one.round_up(moment)
    assert down <= moment <= up
    assert up - down in (timedelta(0), interval)
    assert one.round_down(up) == one.round_up(up) == up
    assert moment_of(intervals_since_epoch(down, interval), interval) == down


def test_the_grid_is_that_of_utc() -> None:
    half_past = datetime(2026, 11, 22, 10, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    hourly = always_on(interval=timedelta(hours=1))
    assert hourly.round_down(half_past) == half_past
    assert hourly.round_down(TEN + timedelta(minutes=30)) == TEN


def test_a_profile_knows_its_length_and_where_its_slices_begin() -> None:
    profile = Profile((Slice(0, 1), Slice(0, 1, 3), Slice(0, 1, 2)))
    assert profile.intervals == 6
    assert profile.offsets() == [0, 1, 4]


@pytest.mark.parametrize(
    ("profile", "plain"),
    [
        (Profile((Slice(0, 1, 2, max_power=3),), lead=1), True),
        (Profile((Slice(0, 1),), total=EnergyRange(0, 0)), False),
        (Profile((Slice(0, 1),), polytope=Polytope(((0.0,),), (0.0,))), False),
        (Profile((Slice(0, 1),), dependencies=(((0.0, 0.0),),)), False),
        (Profile((Slice(0, 1), Slice(0, 1, options=(0, 1)))), False),
    ],
)
def test_plain_is_what_has_slices_only(profile: Profile, plain: bool) -> None:
    assert profile.is_plain is plain


def test_the_default_profile_is_the_one_that_is_named() -> None:
    first, second = Profile((Slice(0, 1),)), Profile((Slice(2, 3),))
    one = always_on(profiles=(first, second), default=Default((2,), profile=1))
    assert one.profile == second
    assert one.default_schedule(TEN) == Schedule(TEN, (2,), 1)
    assert one.default_schedule(TEN).total == 2


def test_energy_is_spread_evenly_in_whole_watt_hours() -> None:
    profile = Profile((Slice(0, 9, 4), Slice(0, 9), Slice(-9, 0, 2)))
    assert spread((7, 3, -3), profile) == [1, 2, 2, 2, 3, -2, -1]
    assert spread((0.5, 3, -3), profile)[:4] == [0.125] * 4


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_spreading_keeps_the_energy_of_each_slice(data: st.DataObject) -> None:
    offer = data.draw(offers())
    schedule = data.draw(schedules(offer))
    profile = offer.profiles[schedule.profile]
    energies = spread(schedule.energies, profile)
    assert len(energies) == profile.intervals
    for energy, part, begin in zip(
        schedule.energies, profile.slices, profile.offsets(), strict=True
    ):
        inside = [Fraction(one) for one in energies[begin : begin + part.duration]]
        if energy == int(energy):
            assert sum(inside) == Fraction(energy)
            assert max(inside) - min(inside) <= 1
        else:
            assert float(sum(inside)) == pytest.approx(energy)
