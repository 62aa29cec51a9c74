"""Which flex-offers go together."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.aggregation import aggregate
from mpp_sdk.flexoffer.columns import Coded, FlexOffers, Terms
from mpp_sdk.flexoffer.grouping import SUMMABLE_WH, Alignment, Grouping
from mpp_sdk.flexoffer.model import INTERVAL
from mpp_sdk.flexoffer.rules import MAX_INTERVALS
from tests.flexoffers.strategies import KINDS
from tests.unit.mpp_sdk.flexoffer.columns import groupings, made, many, properties


def grouped(offers: FlexOffers, **grouping: Any) -> list[set[int]]:
    """Return the groups, by their least member."""
    found = aggregate(offers, Grouping(**grouping))
    groups = [set(found.members(number).tolist()) for number in range(len(found.aggregates))]
    return sorted(groups, key=min)


def three(**changes: Any) -> FlexOffers:
    """Return three offers that are alike but for the changes."""
    rows: dict[str, Any] = {
        "lower": [[0], [0], [0]], "upper": [[5], [5], [5]],
        "earliest": [96, 96, 96], "flexible": [4, 4, 4],
    }  # fmt: skip
    return made(**rows | changes)


def prices(*each: str | None) -> Coded[Terms]:
    return Coded.of(
        Terms(prices=() if price is None else (Decimal(price),), currency="EUR") for price in each
    )


@pytest.mark.parametrize(
    ("changes", "grouping", "groups"),
    [
        ({}, {}, [{0, 1, 2}]),
        ({"earliest": [96, 97, 96]}, {}, [{0, 2}, {1}]),
        ({"earliest": [96, 97, 100]}, {"start_tolerance": 3 * INTERVAL}, [{0, 1}, {2}]),
        ({"flexible": [4, 4, 5]}, {}, [{0, 1}, {2}]),
        ({"flexible": [4, 5, 6]}, {"flexibility_tolerance": INTERVAL}, [{0, 1}, {2}]),
        ({"lower": [[0], [0], [-5]]}, {}, [{0, 1}, {2}]),
        ({"lower": [[0], [0], [-5]]}, {"by_direction": False}, [{0, 1, 2}]),
        ({"locations": Coded.of(["a", "b", "a"])}, {}, [{0, 1, 2}]),
        ({"locations": Coded.of(["a", "b", None])}, {"by_location": True}, [{0}, {1}, {2}]),
        ({"terms": prices("0.1", "0.2", "0.1")}, {}, [{0, 2}, {1}]),
        ({"terms": prices("0.1", "0.2", None)}, {"by_price": Decimal(1)}, [{0, 1}, {2}]),
        ({"terms": prices("1", "1.1", "2")}, {"by_price": Decimal(1)}, [{0}, {1, 2}]),
        ({"lower": [[0], [0, 0], [0]], "upper": [[5], [5, 5], [5]]}, {}, [{0, 1, 2}]),
        ({"default_start": [96, 96, 98]}, {}, [{0, 1, 2}]),
        ({"default_start": [96, 96, 98]}, {"alignment": Alignment.BASELINE}, [{0, 1}, {2}]),
        ({"default_start": [96, 96, 98], "earliest": [96, 96, 98]},
         {"alignment": Alignment.BASELINE, "start_tolerance": 2 * INTERVAL}, [{0, 1, 2}]),
    ],
)  # fmt: skip
def test_what_differs_more_than_is_tolerated_goes_apart(
    changes: dict[str, Any], grouping: dict[str, Any], groups: list[set[int]]
) -> None:
    assert grouped(three(**changes), **grouping) == groups


@pytest.mark.parametrize(
    "terms",
    [Terms(durations=(2,)), Terms(prices=(Decimal(1), Decimal(2)), currency="EUR")],
)
@pytest.mark.parametrize("alignment", Alignment)
def test_slices_that_are_not_alike_start_at_the_same_time(
    terms: Terms, alignment: Alignment
) -> None:
    length = len(terms.durations or terms.prices)
    rows = {"lower": [[0] * length] * 3, "upper": [[5] * length] * 3, "earliest": [97, 98, 98]}
    tolerant = {"start_tolerance": timedelta(days=1), "alignment": alignment}
    assert grouped(three(**rows), **tolerant) == [{0, 1, 2}]
    assert grouped(three(**rows, terms=terms), **tolerant) == [{0}, {1, 2}]


def test_no_profile_becomes_longer_than_a_profile_can_be() -> None:
    long = [[0] * MAX_INTERVALS] * 3
    offers = three(lower=long, upper=long, earliest=[97, 98, 98])
    found = aggregate(offers, Grouping(start_tolerance=timedelta(days=1)))
    assert sorted(found.counts.tolist()) == [1, 2]
    assert len(list(found.aggregates)) == 2


def test_a_group_that_is_too_large_is_cut_by_ascending_id() -> None:
    ids = np.array([[0, number] for number in (5, 3, 4, 1, 2)], np.uint64)
    offers = made([[0]] * 5, [[1]] * 5, earliest=[96] * 5, flexible=[4] * 5, ids=ids)
    assert grouped(offers, max_size=2) == [{0}, {1, 2}, {3, 4}]
    assert grouped(offers, max_size=5) == [{0, 1, 2, 3, 4}]


def test_what_cannot_be_summed_exactly_stays_alone_and_is_said() -> None:
    largest = SUMMABLE_WH // 100
    offers = three(lower=[[0], [0], [0]], upper=[[5], [largest], [largest - 1]])
    found = aggregate(offers, Grouping(max_size=100))
    assert sorted(found.counts.tolist()) == [1, 2]
    assert [one.index for one in found.left_out] == [1]
    assert "exactly" in found.left_out[0].reason


@properties
@given(many(KINDS), groupings())
def test_members_differ_by_no_more_than_the_tolerances(
    offers: FlexOffers, grouping: Grouping
) -> None:
    found = aggregate(offers, grouping)
    assert sorted(np.concatenate([found.members(k) for k in range(len(found.aggregates))])) == [
        *range(len(offers))
    ]
    starts = offers.earliest if grouping.alignment is Alignment.START else offers.default_start
    for number in range(len(found.aggregates)):
        members = found.members(number)
        assert len(members) <= grouping.max_size
        assert int(np.ptp(starts[members])) * INTERVAL <= grouping.start_tolerance
        flexible = offers.latest - offers.earliest
        if grouping.alignment is Alignment.START:
            assert int(np.ptp(flexible[members])) * INTERVAL <= grouping.flexibility_tolerance
        assert len(set(offers.kinds[members].tolist())) == 1
        assert not grouping.by_direction or len(set(offers.directions[members].tolist())) == 1
        assert not grouping.by_location or len({offers.locations[row] for row in members}) == 1


@properties
@given(many(KINDS))
def test_alternatives_stay_alone_and_it_is_said(offers: FlexOffers) -> None:
    found = aggregate(offers, Grouping(by_direction=False, max_size=100))
    alternatives = [row for row, kind in enumerate(offers.kinds) if kind & 8]
    assert [one.index for one in found.left_out] == alternatives
    assert (found.counts[found.groups[alternatives]] == 1).all()


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"start_tolerance": -INTERVAL}, "/start_tolerance"),
        ({"flexibility_tolerance": -INTERVAL}, "/flexibility_tolerance"),
        ({"by_price": Decimal(0)}, "/by_price"),
        ({"by_price": Decimal("nan")}, "/by_price"),
        ({"max_size": 0}, "/max_size"),
        ({"offered_by": ""}, "/offered_by"),
    ],
)
def test_a_grouping_that_makes_no_sense_is_refused(wrong: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Grouping(**wrong)
    assert [error.pointer for error in refused.value.errors] == [pointer]
