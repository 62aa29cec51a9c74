from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.columns import FlexOffers, Schedules
from mpp_sdk.flexoffer.model import INTERVAL, EnergyRange, FlexOffer, Profile, Schedule, Slice
from mpp_sdk.flexoffer.pricing import PricePoint, price, price_curve, prices, rounded
from tests.flexoffers import strategies
from tests.unit.mpp_sdk.flexoffer.examples import NOW, TEN, offer, priced

TWO = offer(Profile((priced(0, 3_000, "0.1"), priced(-2_000, 2_000))), default=[1_000, 0])


def exact(one: FlexOffer, schedule: Schedule) -> Fraction:
    """Return what a schedule of the default profile costs, as the definition says."""
    return sum(
        (
            Fraction(part.price or 0) * abs(Fraction(energy) - default) / 1_000
            for part, energy, default in zip(
                one.profile.slices, schedule.energies, one.default.energies, strict=True
            )
        ),
        Fraction(0),
    )


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_price_is_that_of_the_deviations(data: st.DataObject) -> None:
    one = data.draw(strategies.offers(strategies.COMBINABLE))
    schedule = data.draw(strategies.schedules(one, strategies.NOW))
    found = price(one, schedule)
    assert abs(Fraction(found) - exact(one, schedule)) <= Fraction(1, 2_000_000)
    assert found == found.quantize(Decimal("0.000001"))


def test_deviations_both_ways_cost_and_slices_without_a_price_do_not() -> None:
    assert price(TWO, Schedule(TEN, (3_000.0, -2_000.0))) == Decimal("0.2")
    assert price(TWO, Schedule(TEN, (0.0, 2_000.0))) == Decimal("0.1")
    assert price(TWO, TWO.default_schedule(NOW)) == 0


def test_another_profile_is_compared_in_each_interval() -> None:
    usual = Profile((priced(1_000, 1_000, "0.1", duration=2),))
    other = Profile((priced(300, 300, "0.2"), priced(800, 800, "0.4")), lead=1)
    one = offer(usual, other, default=[1_000])
    # Before the start 300 Wh more at 0.2, at the start 300 Wh more at 0.4, and then 500 Wh less,
    # which only the default prices.
    expected = Decimal("0.06") + Decimal("0.12") + Decimal("0.05")
    assert price(one, Schedule(TEN, (300.0, 800.0), 1)) == expected


def test_money_is_rounded_once_with_halves_to_the_even_digit() -> None:
    assert rounded(Fraction(5, 10_000_000)) == 0
    assert rounded(Fraction(15, 10_000_000)) == Decimal("0.000002")
    assert rounded(Fraction(-15, 10_000_000)) == Decimal("-0.000002")
    assert rounded(Fraction(10**30)) == 10**30
    # Three deviations of a third of a millionth each are one millionth, not none.
    thirds = Profile(tuple(priced(0, 1, "0.000333334") for _ in range(3)))
    one = offer(thirds, default=[0, 0, 0])
    assert price(one, Schedule(TEN, (1.0, 1.0, 1.0))) == Decimal("0.000001")


@pytest.mark.parametrize(
    ("schedule", "rule"),
    [
        (Schedule(TEN, (0.0, 0.0), 1), "range"),
        (Schedule(TEN, (0.0,)), "onePerSlice"),
        (Schedule(TEN, (0.0, nan)), "finite"),
        (Schedule(TEN, (inf, 0.0)), "finite"),
    ],
)
def test_what_is_no_schedule_of_the_offer_has_no_price(schedule: Schedule, rule: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        price(TWO, schedule)
    assert refused.value.errors[0].rule == rule


def test_the_price_curve_falls_to_the_default_and_rises_from_it() -> None:
    assert price_curve(TWO, 0) == (
        PricePoint(0, Decimal("0.1")),
        PricePoint(1_000, Decimal(0)),
        PricePoint(3_000, Decimal("0.2")),
    )
    assert [point.cost for point in price_curve(TWO, 1)] == [0, 0, 0]


def test_the_price_curve_of_options_is_of_nothing_else() -> None:
    part = replace(priced(0, 1_000, "0.5"), options=(1_000, 0, 400))
    assert price_curve(offer(Profile((part,)), default=[400]), 0) == (
        PricePoint(0, Decimal("0.2")),
        PricePoint(400, Decimal(0)),
        PricePoint(1_000, Decimal("0.3")),
    )


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_many_prices_sum_exactly_and_each_is_less_than_a_millionth_off(
    data: st.DataObject,
) -> None:
    one = strategies.offers(strategies.COMBINABLE, (INTERVAL,), scales=("both", "small"))
    some = data.draw(st.lists(one, max_size=6))
    chosen = [data.draw(strategies.schedules(each, strategies.NOW)) for each in some]
    found = prices(FlexOffers.of(some, strategies.NOW), Schedules.of(chosen))
    truth = [exact(*pair) for pair in zip(some, chosen, strict=True)]
    whole = [all(energy % 1 == 0 for energy in each.energies) for each in chosen]
    for micro, each in zip(found.tolist(), truth, strict=True):
        assert abs(micro - each * 1_000_000) < 1
    together = [
        (m, t) for m, t, is_whole in zip(found.tolist(), truth, whole, strict=True) if is_whole
    ]
    assert sum(m for m, _ in together) == int(sum(t for _, t in together) * 1_000_000)


def test_remainders_are_not_lost_in_bulk() -> None:
    slice_ = Profile((priced(0, 1, "0.000400"),))
    some = [offer(slice_, default=[0]) for _ in range(5)]
    found = prices(FlexOffers.of(some, NOW), Schedules.of([Schedule(TEN, (1.0,))] * 5))
    assert found.tolist() == [0, 0, 1, 0, 1]


def test_prices_of_each_slice_and_of_none_go_together_in_bulk() -> None:
    varied = Profile((priced(0, 1_000, "0.1"), priced(0, 1_000), priced(0, 1_000, "0.3")))
    some = [
        offer(Profile((Slice(0, 1_000),)), default=[0]),
        offer(varied, default=[0, 0, 0]),
        offer(Profile((priced(0, 1_000, "0.7"),) * 2), default=[0, 500]),
    ]
    chosen = [Schedule(TEN, (9.0,)), Schedule(TEN, (1_000.0,) * 3), Schedule(TEN, (1_000.0, 0.0))]
    found = prices(FlexOffers.of(some, NOW), Schedules.of(chosen))
    assert found.tolist() == [0, 400_000, 1_050_000]


def test_another_profile_or_a_fraction_is_priced_alone_in_bulk() -> None:
    total = EnergyRange(0, 1_000)
    usual, other = Profile((priced(0, 1_000, "0.1"),), total), Profile((priced(0, 500, "0.2"),))
    some = [offer(usual, other, default=[0]), offer(usual, default=[0])]
    chosen = [Schedule(TEN, (500.0,), 1), Schedule(TEN, (0.018,))]
    found = prices(FlexOffers.of(some, NOW), Schedules.of(chosen))
    assert found.tolist() == [100_000, 2]


def test_schedules_of_other_offers_are_refused_in_bulk() -> None:
    offers = FlexOffers.of([TWO], NOW)
    for chosen in ([], [Schedule(TEN, (0.0,))], [Schedule(TEN, (0.0, 0.0))] * 2):
        with pytest.raises(InvalidInput):
            prices(offers, Schedules.of(chosen))


@pytest.mark.parametrize(
    ("per_kwh", "energy", "rule"),
    [
        ("0.0000001", 1, "decimals"),
        ("10000000000000", 1, "exact"),
        ("9000000", 2**40, "exact"),
    ],
)
def test_what_is_not_exact_in_bulk_is_refused(per_kwh: str, energy: int, rule: str) -> None:
    one = offer(Profile((priced(0, energy, per_kwh),)), default=[0])
    schedules = Schedules.of([Schedule(TEN, (float(energy),))])
    with pytest.raises(InvalidInput) as refused:
        prices(FlexOffers.of([one], NOW), schedules)
    assert refused.value.errors[0].rule == rule


def test_a_hundred_thousand_cost_what_they_cost_together() -> None:
    rng = np.random.default_rng(7)
    n = 100_000
    upper = rng.integers(1, 4_000, n)
    offers = FlexOffers.from_columns(
        earliest=np.zeros(n, np.int64),
        latest=np.zeros(n, np.int64),
        offsets=np.arange(n + 1),
        lower=np.zeros(n, np.int64),
        upper=upper,
        offered_by="household-1",
        terms=FlexOffers.of([offer(Profile((priced(0, 1, "0.123457"),)), default=[0])], NOW).terms[
            0
        ],
    )
    energies = rng.integers(0, upper + 1)
    default = Schedules.default(offers)
    found = prices(offers, replace(default, energies=energies))
    assert int(found.sum()) == 123_457 * int(energies.sum()) // 1_000
