"""Many flex-offers and schedules as columns say what they say one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.columns import Coded, Direction, FlexOffers, Kind, Schedules, Terms
from mpp_sdk.flexoffer.model import EXACT_WH, FlexOffer, Schedule
from tests.flexoffers.strategies import KINDS, NOW, mixed_intervals, offers, portfolios, schedules
from tests.unit.mpp_sdk.flexoffer.columns import made, many, properties, rows_of


@properties
@given(portfolios())
def test_columns_are_the_offers_with_their_starts_resolved(listed: list[FlexOffer]) -> None:
    columns = FlexOffers.of(listed, NOW)
    assert list(columns) == [offer.resolved(NOW) for offer in listed]
    assert columns[-1] == columns[len(listed) - 1]


@properties
@given(many(KINDS), st.data())
def test_rows_can_be_taken_and_put_together_again(columns: FlexOffers, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(columns)))
    rows = np.arange(len(columns))
    parts = [columns.take(rows[:cut]), columns.take(rows[cut:])]
    assert rows_of(FlexOffers.concatenated(parts)) == rows_of(columns)
    assert list(columns.take(rows[::-1])) == list(columns)[::-1]


@properties
@given(many())
def test_plain_offers_can_be_made_from_arrays(columns: FlexOffers) -> None:
    from_arrays = FlexOffers.from_columns(
        earliest=columns.earliest,
        latest=columns.latest,
        offsets=columns.offsets,
        lower=columns.lower,
        upper=columns.upper,
        default=columns.default.astype(float),  # whole numbers, whatever their type
        default_start=columns.default_start,
        accept_before=columns.accept_before,
        assign_before=columns.assign_before,
        ids=columns.ids,
        terms=columns.terms,
        pods=columns.pods,
        offered_by=columns.offered_by,
        interval=columns.interval,
    )
    assert rows_of(from_arrays) == rows_of(columns) | {"objects": {}}
    assert (columns.width == columns.upper - columns.lower).all()


def test_implicit_starts_are_those_of_the_moment_of_use() -> None:
    offer = made([[0]], [[9]], earliest=[0], flexible=[0])[0]
    always = replace(
        offer,
        start_after=None,
        start_before=None,
        start_before_duration=timedelta(hours=1),
        default=replace(offer.default, start=None),
    )
    for hour in (8, 9):
        now = datetime(2026, 11, 22, hour, 7, tzinfo=UTC)
        assert FlexOffers.of([always], now)[0].start_after == now.replace(minute=15)
        assert FlexOffers.of([always], now)[0].start_before == now.replace(hour=hour + 1, minute=0)


def test_kind_and_direction_tell_what_goes_together() -> None:
    columns = made([[1, 0], [-2, 0], [-1, 0]], [[2, 1], [0, 0], [2, 0]],
                   earliest=[0] * 3, flexible=[0] * 3)  # fmt: skip
    assert [Direction(one) for one in columns.directions] == [
        Direction.CONSUMPTION, Direction.PRODUCTION, Direction.BOTH,
    ]  # fmt: skip
    assert [Kind.of(offer) for offer in columns] == [Kind.PLAIN] * 3


@pytest.mark.parametrize(("one", "other"), mixed_intervals())
def test_intervals_are_not_mixed(one: timedelta, other: timedelta) -> None:
    listed = [made([[0]], [[1]], earliest=[0], flexible=[0], interval=each)[0]
              for each in (one, other)]  # fmt: skip
    with pytest.raises(InvalidInput) as refused:
        FlexOffers.of(listed, NOW)
    assert [(error.pointer, error.rule) for error in refused.value.errors] == [
        ("/1/interval", "sameInterval")
    ]
    with pytest.raises(InvalidInput):
        FlexOffers.concatenated([FlexOffers.of([each], NOW) for each in listed])


def test_an_id_is_there_once() -> None:
    offer = made([[0]], [[1]], earliest=[0], flexible=[0])[0]
    with pytest.raises(InvalidInput) as refused:
        FlexOffers.of([offer, offer], NOW)
    assert refused.value.errors[0].pointer == "/1/id"


GOOD: dict[str, Any] = {
    "earliest": [4, 5],
    "latest": [4, 9],
    "offsets": [0, 1, 3],
    "lower": [0, -5, 0],
    "upper": [10, 5, 0],
    "offered_by": "household-1",
}
PRICED = Terms(prices=(Decimal(1),), currency="EUR")


@pytest.mark.parametrize(
    ("changes", "pointer", "rule"),
    [
        ({"earliest": [4, 10]}, "/1/startAfter", "startOrder"),
        ({"lower": [0, -5, 1]}, "/1/profiles/0/slices/1/lower", "boundOrder"),
        ({"lower": [0, -EXACT_WH, 0]}, "/1/profiles/0/slices/0/lower", "exact"),
        ({"upper": [EXACT_WH, 5, 0]}, "/0/profiles/0/slices/0/upper", "exact"),
        ({"upper": [10, float("nan"), 0]}, "/upper/1", "finite"),
        ({"upper": [10, float("inf"), 0]}, "/upper/1", "finite"),
        ({"upper": [10, 4.5, 0]}, "/upper/1", "whole"),
        ({"upper": [10, 1e300, 0]}, "/upper/1", "exact"),
        ({"upper": ["a", "b", "c"]}, "/upper", "type"),
        ({"upper": [10, 5]}, "/upper", "shape"),
        ({"latest": [4]}, "/latest", "shape"),
        ({"offsets": [0, 3, 3]}, "/offsets", "offsets"),
        ({"offsets": [0, 1, 2]}, "/offsets", "offsets"),
        ({"offsets": [0, 3]}, "/offsets", "shape"),
        ({"default": [11, 0, 0]}, "/0/default/energies/0", "withinBounds"),
        ({"default_start": [5, 5]}, "/0/default/start", "withinStarts"),
        ({"accept_before": [2, 2], "assign_before": [2, 1]}, "/1/acceptBefore", "deadlineOrder"),
        ({"accept_before": [0, 0], "assign_before": [0, 10**15]}, "/1/assignBefore",
         "beforeLatestStart"),
        ({"ids": np.zeros((2, 2), np.uint64)}, "/1/id", "uniqueItems"),
        ({"terms": Terms(durations=(1, 2))}, "/0/profiles/0/slices", "onePerSlice"),
        ({"terms": Terms(prices=(Decimal(1),))}, "/0/profiles/0", "required"),
        ({"terms": replace(PRICED, prices=(Decimal(-1),))}, "/0/profiles/0", "notNegative"),
        ({"terms": Terms(lead=-1)}, "/0/profiles/0", "range"),
        ({"terms": Coded(np.array([0, 1], np.int32), (PRICED,))}, "/terms", "range"),
    ],
)  # fmt: skip
def test_bad_columns_are_refused_with_the_offer_the_field_and_the_rule(
    changes: dict[str, Any], pointer: str, rule: str
) -> None:
    assert len(FlexOffers.from_columns(**GOOD)) == 2
    with pytest.raises(InvalidInput) as refused:
        FlexOffers.from_columns(**GOOD | changes)
    assert (pointer, rule) in [(error.pointer, error.rule) for error in refused.value.errors]


@properties
@given(st.data())
def test_schedules_are_the_same_one_by_one(data: st.DataObject) -> None:
    one = offers(KINDS, (timedelta(minutes=15),))
    listed = [data.draw(schedules(offer)) for offer in data.draw(st.lists(one, max_size=4))]
    assert list(Schedules.of(listed)) == listed


@pytest.mark.parametrize(
    ("start", "energy", "rule"),
    [
        (datetime(2026, 11, 22, 10, 7, tzinfo=UTC), 1.0, "onTheGrid"),
        (datetime(2026, 11, 22, 10), 1.0, "onTheGrid"),  # noqa: DTZ001 - that is what is refused
        (datetime(2026, 11, 22, 10, tzinfo=UTC), float("nan"), "finite"),
    ],
)
def test_schedules_that_columns_cannot_hold_are_refused(
    start: datetime, energy: float, rule: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Schedules.of([Schedule(start, (energy,))])
    assert refused.value.errors[0].rule == rule
