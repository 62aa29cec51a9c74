from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import nan
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.billing import (
    Bill,
    BillingUnit,
    LineKind,
    MeteredEnergy,
    Operation,
    bill,
)
from mpp_sdk.flexoffer.model import FlexOffer, Profile, Schedule, Slice
from mpp_sdk.flexoffer.pricing import price, rounded
from mpp_sdk.flexoffer.terms import DelegatedTerms, DirectTerms, FlexibilityContract, months
from tests.unit.mpp_sdk.flexoffer.examples import NOW, QUARTER, TEN, offer, priced

BERLIN = ZoneInfo("Europe/Berlin")
NOVEMBER = datetime(2026, 11, 1, tzinfo=BERLIN)
DECEMBER = datetime(2026, 12, 1, tzinfo=BERLIN)
KWH = Slice(0, 1_000)


def contract(
    terms: DelegatedTerms | DirectTerms, offered_by: str = "household-1"
) -> FlexibilityContract:
    return FlexibilityContract(
        receiver="aggregator",
        offered_by=offered_by,
        currency="EUR",
        zone=BERLIN,
        valid_from=datetime(2026, 1, 1, tzinfo=BERLIN),
        terms=terms,
    )


ACTIVATION = contract(DelegatedTerms(activation=Decimal("0.08")))
DIRECT = contract(DirectTerms())


def metered(start: datetime, *energies: float | None) -> dict[datetime, MeteredEnergy]:
    return {
        start + number * QUARTER: MeteredEnergy(energy, f"reading-{number}")
        for number, energy in enumerate(energies)
        if energy is not None
    }


def november(one: FlexibilityContract, *operations: Operation) -> Bill:
    return bill(one, operations, NOVEMBER, DECEMBER)


def done(
    one: FlexOffer, energies: Sequence[float], *measured: float | None, start: datetime = TEN
) -> Operation:
    return Operation(
        offer=one,
        accepted_at=NOW,
        schedule=Schedule(start, tuple(energies)),
        measured=metered(min(start, TEN), *measured),
    )


def test_flexibility_is_paid_as_it_was_offered() -> None:
    terms = DelegatedTerms(per_hour=Decimal("0.01"), per_kwh=Decimal("0.005"))
    one = offer(Profile((KWH, KWH)), default=[0, 0], later=timedelta(hours=5))
    found = november(contract(terms), Operation(offer=one, accepted_at=NOW))
    assert [(line.kind, line.unit, line.quantity, line.amount) for line in found.lines] == [
        (LineKind.TIME_FLEXIBILITY, BillingUnit.HOUR, Decimal(5), Decimal("0.05")),
        (LineKind.ENERGY_FLEXIBILITY, BillingUnit.KILOWATT_HOUR, Decimal(2), Decimal("0.01")),
    ]
    assert {line.flexoffer_id for line in found.lines} == {one.id}
    assert (found.total, found.factual, found.payable) == (
        Decimal("0.06"),
        Decimal("0.06"),
        Decimal("0.06"),
    )


def test_activation_is_paid_as_far_as_it_was_asked_for_and_delivered() -> None:
    one = offer(Profile((Slice(0, 2_000),) * 5), default=[1_000] * 5)
    # Asked: up, up, up, down, nothing. Done: half, too much, the other way, all, anything.
    asked, measured = (2_000, 2_000, 2_000, 0, 1_000), (1_500, 3_000, 500, 0, 0)
    (line,) = november(ACTIVATION, done(one, asked, *measured)).lines
    assert line.predicted == 4
    assert line.factual == Decimal("2.5")
    assert line.amount == Decimal("0.2")
    assert line.readings == ("reading-0", "reading-1", "reading-2", "reading-3")


def test_a_load_that_is_moved_deviates_where_it_was_and_where_it_is() -> None:
    one = offer(Profile((Slice(1_000, 1_000),)), default=[1_000], later=QUARTER)
    later = TEN + QUARTER
    (all_of_it,) = november(ACTIVATION, done(one, [1_000], 0, 1_000, start=later)).lines
    (not_moved,) = november(ACTIVATION, done(one, [1_000], 1_000, 0, start=later)).lines
    assert all_of_it.predicted == all_of_it.factual == 2
    assert not_moved.factual == 0


def test_without_all_readings_the_prediction_is_billed_for_the_time_being() -> None:
    one = offer(Profile((KWH, KWH)), default=[0, 0])
    found = november(ACTIVATION, done(one, (1_000, 500), 1_000, None))
    (line,) = found.lines
    assert line.is_provisional
    assert (line.predicted, line.factual, line.amount) == (Decimal("1.5"), None, Decimal("0.12"))
    assert line.readings == ("reading-0",)
    assert (found.factual, found.predicted) == (Decimal(0), Decimal("0.12"))
    assert (found.activated_predicted, found.activated_factual) == (Decimal("1.5"), Decimal(0))


def test_what_was_not_asked_is_not_paid() -> None:
    one = offer(Profile((KWH,)), default=[0])
    assert november(ACTIVATION, done(one, [0], 700)).lines == ()
    assert november(ACTIVATION, Operation(offer=one, accepted_at=NOW)).lines == ()
    assert november(DIRECT, Operation(offer=one, accepted_at=NOW)).lines == ()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_direct_trading_pays_the_price_of_the_schedule_that_was_delivered(
    data: st.DataObject,
) -> None:
    some = st.sampled_from((None, "0.1", "0.25"))
    drawn = data.draw(st.lists(some, min_size=1, max_size=4))
    one = offer(
        Profile(tuple(priced(-3_000, 3_000, each) for each in drawn)),
        default=[data.draw(st.integers(-3_000, 3_000)) for _ in drawn],
        later=timedelta(hours=1),
    )
    start = TEN + data.draw(st.integers(0, 4)) * QUARTER
    energies = tuple(float(data.draw(st.integers(-3_000, 3_000))) for _ in drawn)
    schedule = Schedule(start, energies)
    operation = Operation(
        offer=one, accepted_at=NOW, schedule=schedule, measured=metered(start, *energies)
    )
    found = november(DIRECT, operation)
    assert found.total == found.factual == price(one, schedule)
    assert len({line.price for line in found.lines}) == len(found.lines)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60 * 96), st.integers(0, 999), st.booleans()), max_size=8),
    st.integers(1, 60 * 96 - 1),
)
def test_bills_of_two_periods_are_the_bill_of_both(
    some: list[tuple[int, int, bool]], cut: int
) -> None:
    terms = DelegatedTerms(
        per_hour=Decimal("0.013"), per_kwh=Decimal("0.0077"), activation=Decimal("0.0811")
    )
    first = datetime(2026, 10, 1, tzinfo=UTC)
    operations = []
    for quarter, energy, is_measured in some:
        start = first + quarter * QUARTER
        one = replace(
            offer(Profile((KWH,)), default=[0], later=QUARTER),
            start_after=start,
            start_before=start + QUARTER,
            accept_before=first,
            assign_before=first,
        )
        measured = metered(start, energy / 2) if is_measured else {}
        operations.append(
            Operation(
                offer=one,
                accepted_at=first,
                schedule=Schedule(start, (float(energy),)),
                measured=measured,
            )
        )
    middle, last = first + cut * QUARTER, first + timedelta(days=61)
    before, after = (
        bill(contract(terms), operations, *period) for period in ((first, middle), (middle, last))
    )
    whole = bill(contract(terms), operations, first, last)
    assert before.lines + after.lines == whole.lines
    assert before.total + after.total == whole.total
    for found in (before, after, whole):
        assert found.total == sum(line.amount for line in found.lines)
        assert found.factual + found.predicted == found.total == found.payable + found.carried
        assert abs(found.carried) <= Decimal("0.005")
        for line in found.lines:
            assert line.amount == rounded(Fraction(line.quantity) * Fraction(line.price))


def test_a_guarantee_is_topped_up_in_whole_months_of_the_contracts_clock() -> None:
    terms = DelegatedTerms(activation=Decimal("1"), monthly_guarantee=Decimal("2.00"))
    one = offer(Profile((KWH,)), default=[0])
    guaranteed = contract(terms)
    found = november(guaranteed, done(one, [500], 250))
    (_, line) = found.lines
    assert (line.kind, line.unit, line.flexoffer_id) == (
        LineKind.GUARANTEE,
        BillingUnit.MONTH,
        None,
    )
    assert (line.start, line.amount) == (NOVEMBER, Decimal("1.75"))
    assert found.total == 2
    # A month that is not whole is not topped up.
    assert bill(guaranteed, [], NOVEMBER + QUARTER, DECEMBER).total == 0
    assert bill(guaranteed, [], datetime(2026, 1, 1, tzinfo=BERLIN), DECEMBER).total == 22
    # And who earned more keeps it.
    assert november(guaranteed, *[done(one, [1_000], 1_000)] * 3).total == 3


def test_a_guarantee_may_change_while_what_it_tops_up_may() -> None:
    terms = DelegatedTerms(activation=Decimal("1"), monthly_guarantee=Decimal("2.00"))
    one = offer(Profile((KWH,)), default=[0])
    found = november(contract(terms), done(one, [500]))
    assert [line.is_provisional for line in found.lines] == [True, True]


def test_months_are_those_of_the_zone() -> None:
    start, end = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    assert list(months(start, end, BERLIN)) == [
        (start, datetime(2026, 3, 31, 22, tzinfo=UTC)),
        (datetime(2026, 3, 31, 22, tzinfo=UTC), datetime(2026, 4, 30, 22, tzinfo=UTC)),
    ]
    assert list(months(start + QUARTER, start + 9 * QUARTER, BERLIN)) == []


def test_cents_are_paid_and_the_rest_is_carried() -> None:
    terms = DelegatedTerms(per_kwh=Decimal("0.0125"))
    one = offer(Profile((KWH,)), default=[0])
    found = november(contract(terms), Operation(offer=one, accepted_at=NOW))
    assert (found.total, found.payable, found.carried) == (
        Decimal("0.0125"),
        Decimal("0.01"),
        Decimal("0.0025"),
    )


def test_what_the_contract_is_not_about_is_refused() -> None:
    one = offer(Profile((KWH,)), default=[0])
    early = datetime(2025, 12, 31, tzinfo=UTC)
    operation = Operation(offer=one, accepted_at=NOW)
    off_grid = replace(operation, measured=metered(TEN + timedelta(minutes=1), 1.0))
    wrong_schedule = replace(operation, schedule=Schedule(TEN, (1.0, 2.0)))
    other_currency = replace(operation, offer=replace(one, currency="DKK"))
    cases: list[tuple[FlexibilityContract, Operation, datetime, datetime, str]] = [
        (ACTIVATION, operation, early, DECEMBER, "withinContract"),
        (ACTIVATION, operation, DECEMBER, NOVEMBER, "endAfterStart"),
        (ACTIVATION, operation, NOVEMBER.replace(tzinfo=None), DECEMBER, "offset"),
        (contract(DirectTerms(), "household-2"), operation, NOVEMBER, DECEMBER, "ofTheContract"),
        (DIRECT, other_currency, NOVEMBER, DECEMBER, "ofTheContract"),
        (ACTIVATION, off_grid, NOVEMBER, DECEMBER, "onTheGrid"),
        (ACTIVATION, wrong_schedule, NOVEMBER, DECEMBER, "onePerSlice"),
        (replace(ACTIVATION, valid_until=DECEMBER), operation, NOVEMBER, TEN, ""),
        (replace(ACTIVATION, valid_until=TEN), operation, NOVEMBER, DECEMBER, "withinContract"),
    ]
    for one_contract, each, start, end, rule in cases:
        if not rule:
            assert bill(one_contract, [each], start, end).lines == ()
            continue
        with pytest.raises(InvalidInput) as refused:
            bill(one_contract, [each], start, end)
        assert refused.value.errors[0].rule == rule
    with pytest.raises(InvalidInput):
        MeteredEnergy(nan, "reading")


def test_contracts_are_checked_field_by_field() -> None:
    with pytest.raises(InvalidInput) as refused:
        FlexibilityContract(
            receiver="",
            offered_by="",
            currency="eur",
            zone=BERLIN,
            valid_from=DECEMBER,
            valid_until=NOVEMBER,
            terms=DelegatedTerms(
                per_hour=Decimal("-1"),
                per_kwh=Decimal("NaN"),
                activation=Decimal("Infinity"),
                monthly_guarantee=Decimal("-0.01"),
            ),
        )
    assert [(error.pointer, error.rule) for error in refused.value.errors] == [
        ("/receiver", "required"),
        ("/offeredBy", "required"),
        ("/currency", "format"),
        ("/validUntil", "endAfterStart"),
        ("/terms/perHour", "notNegative"),
        ("/terms/perKwh", "notNegative"),
        ("/terms/activation", "notNegative"),
        ("/terms/monthlyGuarantee", "notNegative"),
    ]
    with pytest.raises(InvalidInput) as refused:
        replace(ACTIVATION, valid_from=NOVEMBER.replace(tzinfo=None))
    assert refused.value.errors[0].rule == "offset"
