"""A bill: what a flexibility contract earns in a period, every line traceable and recomputable.

A flex-offer is billed in the period in which its operation begins, so that the bills of periods
that follow each other bill it once. Each line shows the quantity that its schedule predicts, the
one that the meter found where all readings are there, and a price; its amount is the product,
rounded to a millionth of the currency's unit, halves to the even digit. Amounts then sum exactly.
What is payable is the sum rounded to cents, and the difference is carried. Positive amounts go from
the receiver to who offers. Source: GOFLEX D2.1, 3.3.1, 3.3.2 and Table 6.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from fractions import Fraction
from uuid import UUID

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.model import FlexOffer, Schedule
from mpp_sdk.flexoffer.pricing import priced_intervals, rounded
from mpp_sdk.flexoffer.terms import DelegatedTerms, FlexibilityContract, months
from mpp_sdk.flexoffer.valuation import flexibility

CENT = Decimal("0.01")

_WH_PER_KWH = 1_000
_ZERO = Fraction(0)
_Priced = tuple[Fraction, Decimal | None]
_NOTHING: _Priced = (_ZERO, None)


class LineKind(StrEnum):
    """What a line of a bill pays for."""

    TIME_FLEXIBILITY = "TIME_FLEXIBILITY"
    ENERGY_FLEXIBILITY = "ENERGY_FLEXIBILITY"
    ACTIVATION = "ACTIVATION"
    GUARANTEE = "GUARANTEE"


class BillingUnit(StrEnum):
    """What the quantity of a line counts."""

    HOUR = "HOUR"
    KILOWATT_HOUR = "KILOWATT_HOUR"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class MeteredEnergy:
    """The energy, in Wh, that the load of a flex-offer took in one interval, and which reading."""

    energy: float
    reading: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.energy):
            raise InvalidInput.field("energy", "finite", "An energy must be a finite number.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An accepted flex-offer, and what was asked of it and done.

    Without a schedule the default was done, and nothing asked. measured holds what the meter found,
    by the start of each interval.
    """

    offer: FlexOffer
    accepted_at: datetime
    schedule: Schedule | None = None
    measured: Mapping[datetime, MeteredEnergy] = field(default_factory=dict)

    @property
    def start(self) -> datetime:
        """When it begins, in UTC: by its schedule, or else by its default."""
        done = self.schedule or self.offer.default_schedule(self.accepted_at)
        return done.start.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One line: what it pays for, how much of it, and at which price.

    factual is what the meter found, and None when readings are missing: then the line goes by what
    was predicted, and is provisional. A guarantee is of no flex-offer.
    """

    kind: LineKind
    flexoffer_id: UUID | None
    start: datetime
    unit: BillingUnit
    predicted: Decimal
    factual: Decimal | None
    price: Decimal
    amount: Decimal
    readings: tuple[str, ...] = ()

    @property
    def is_provisional(self) -> bool:
        """Whether the amount may change when readings come."""
        return self.factual is None

    @property
    def quantity(self) -> Decimal:
        """The quantity that is billed."""
        return self.predicted if self.factual is None else self.factual


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a contract earns in a period, line by line."""

    contract: FlexibilityContract
    start: datetime
    end: datetime
    lines: tuple[BillLine, ...]

    @property
    def total(self) -> Decimal:
        """The exact sum of the amounts of the lines."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def factual(self) -> Decimal:
        """The part of the total that is certain."""
        return sum((line.amount for line in self.lines if not line.is_provisional), Decimal(0))

    @property
    def predicted(self) -> Decimal:
        """The part of the total that may still change."""
        return self.total - self.factual

    @property
    def payable(self) -> Decimal:
        """The total in whole cents, halves to the even one."""
        return self.total.quantize(CENT, ROUND_HALF_EVEN)

    @property
    def carried(self) -> Decimal:
        """What the total is more than what is payable: it belongs to the next bill."""
        return self.total - self.payable

    @property
    def activated_predicted(self) -> Decimal:
        """The deviation from the baseline that schedules ask for, in kWh."""
        return sum((line.predicted for line in self._activations()), Decimal(0))

    @property
    def activated_factual(self) -> Decimal:
        """The deviation that was asked for and delivered, in kWh, of the lines with readings."""
        return sum((line.factual or Decimal(0) for line in self._activations()), Decimal(0))

    def _activations(self) -> Iterator[BillLine]:
        return (line for line in self.lines if line.kind is LineKind.ACTIVATION)


def bill(
    contract: FlexibilityContract, operations: Sequence[Operation], start: datetime, end: datetime
) -> Bill:
    """Return the bill of the operations that begin from start until before end.

    Of the deviation that was asked for, in each interval, what was delivered counts: nothing for
    the wrong direction, and no more than was asked. In delegated trading the baseline stands where
    the default has it in time, so that a load which is moved deviates in both places; in direct
    trading slices are priced, and the baseline moves with the start, as in `pricing.price`. The
    guarantee is topped up for the calendar months that lie wholly within the period.

    Raises InvalidInput for a period that the contract does not cover, for a flex-offer of somebody
    else or, in direct trading, in another currency, and for readings off the grid.
    """
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None:
            raise InvalidInput.field(name, "offset", "A time needs its offset.")
    if end <= start:
        raise InvalidInput.field("end", "endAfterStart", "It must be after the start.")
    if not contract.covers(start, end):
        raise InvalidInput.field("start", "withinContract", "The contract does not cover this.")
    lines: list[BillLine] = []
    for number, operation in enumerate(operations):
        _check(contract, operation, f"operations/{number}")
        if start <= operation.start < end:
            lines += _lines(contract, operation)
    lines.sort(key=lambda line: (line.start, str(line.flexoffer_id)))
    if isinstance(contract.terms, DelegatedTerms):
        lines += _guarantees(contract, contract.terms, lines, start, end)
    return Bill(contract=contract, start=start, end=end, lines=tuple(lines))


def _check(contract: FlexibilityContract, operation: Operation, pointer: str) -> None:
    offer = operation.offer
    if offer.offered_by != contract.offered_by:
        raise InvalidInput.field(
            f"{pointer}/offer/offeredBy", "ofTheContract", "Somebody else offered it."
        )
    delegated = isinstance(contract.terms, DelegatedTerms)
    if not delegated and offer.currency not in (None, contract.currency):
        raise InvalidInput.field(
            f"{pointer}/offer/currency", "ofTheContract", f"It must be {contract.currency}."
        )
    for moment in operation.measured:
        if moment.tzinfo is None or offer.round_down(moment) != moment:
            raise InvalidInput.field(
                f"{pointer}/measured", "onTheGrid", f"{moment.isoformat()} is not on its grid."
            )


def _lines(contract: FlexibilityContract, operation: Operation) -> Iterator[BillLine]:
    if isinstance(contract.terms, DelegatedTerms):
        yield from _delegated(contract.terms, operation)
    elif operation.schedule is not None:
        yield from _direct(operation, operation.schedule)


def _delegated(terms: DelegatedTerms, operation: Operation) -> Iterator[BillLine]:
    offer = operation.offer
    flexible = flexibility(offer, operation.accepted_at)
    for kind, unit, quantity, price in (
        (LineKind.TIME_FLEXIBILITY, BillingUnit.HOUR, flexible.hours, terms.per_hour),
        (LineKind.ENERGY_FLEXIBILITY, BillingUnit.KILOWATT_HOUR, flexible.kwh, terms.per_kwh),
    ):
        if price and quantity:
            offered = rounded(Fraction(quantity))
            yield _line(kind, operation, unit, offered, offered, price)
    if operation.schedule is not None and terms.activation:
        asked = _by_time(offer, operation.schedule)
        expected = _by_time(offer, offer.default_schedule(operation.accepted_at))
        yield from _activation(operation, _deviations(asked, expected), expected, terms.activation)


def _direct(operation: Operation, schedule: Schedule) -> Iterator[BillLine]:
    """Yield a line for each price, of all the intervals that have it."""
    offer = operation.offer
    asked = _by_time(offer, schedule)
    expected = _by_time(
        offer, replace(offer.default_schedule(schedule.start), start=schedule.start)
    )
    prices = {moment: price for moment, (_, price) in (expected | asked).items()}
    deviations = _deviations(asked, expected)
    for price in sorted({one for one in prices.values() if one}):
        at_this = {moment: one for moment, one in deviations.items() if prices[moment] == price}
        yield from _activation(operation, at_this, expected, price)


def _deviations(
    asked: Mapping[datetime, _Priced], expected: Mapping[datetime, _Priced]
) -> dict[datetime, Fraction]:
    """Return by how much, in Wh, what was asked differs from the baseline, where it does."""
    deviations = {
        moment: asked.get(moment, _NOTHING)[0] - expected.get(moment, _NOTHING)[0]
        for moment in sorted(asked.keys() | expected.keys())
    }
    return {moment: one for moment, one in deviations.items() if one}


def _activation(
    operation: Operation,
    deviations: Mapping[datetime, Fraction],
    expected: Mapping[datetime, _Priced],
    price: Decimal,
) -> Iterator[BillLine]:
    if not deviations:
        return
    predicted = rounded(sum(map(abs, deviations.values()), _ZERO) / _WH_PER_KWH)
    found = {moment.astimezone(UTC): one for moment, one in operation.measured.items()}
    factual, readings = None, tuple(found[one].reading for one in deviations if one in found)
    if len(readings) == len(deviations):
        delivered = sum(
            (
                _delivered(deviation, Fraction(found[one].energy) - expected.get(one, _NOTHING)[0])
                for one, deviation in deviations.items()
            ),
            _ZERO,
        )
        factual = rounded(delivered / _WH_PER_KWH)
    yield _line(
        LineKind.ACTIVATION,
        operation,
        BillingUnit.KILOWATT_HOUR,
        predicted,
        factual,
        price,
        readings,
    )


def _delivered(asked: Fraction, done: Fraction) -> Fraction:
    """Return how much of a deviation was done: at most what was asked, nothing the other way."""
    way = 1 if asked > 0 else -1
    return min(abs(asked), max(_ZERO, way * done))


def _line(
    kind: LineKind,
    operation: Operation,
    unit: BillingUnit,
    predicted: Decimal,
    factual: Decimal | None,
    price: Decimal,
    readings: tuple[str, ...] = (),
) -> BillLine:
    quantity = predicted if factual is None else factual
    return BillLine(
        kind=kind,
        flexoffer_id=operation.offer.id,
        start=operation.start,
        unit=unit,
        predicted=predicted,
        factual=factual,
        price=price,
        amount=rounded(Fraction(quantity) * Fraction(price)),
        readings=readings,
    )


def _guarantees(
    contract: FlexibilityContract,
    terms: DelegatedTerms,
    lines: Sequence[BillLine],
    start: datetime,
    end: datetime,
) -> Iterator[BillLine]:
    """Yield what is missing to the guarantee in each month; provisional while a line of it is."""
    for first, after in months(start, end, contract.zone):
        within = [line for line in lines if first <= line.start < after]
        earned = sum((line.amount for line in within), Decimal(0))
        missing = rounded(Fraction(terms.monthly_guarantee) - Fraction(earned))
        if missing > 0:
            provisional = any(line.is_provisional for line in within)
            yield BillLine(
                kind=LineKind.GUARANTEE,
                flexoffer_id=None,
                start=first,
                unit=BillingUnit.MONTH,
                predicted=Decimal(1),
                factual=None if provisional else Decimal(1),
                price=missing,
                amount=missing,
            )


def _by_time(offer: FlexOffer, schedule: Schedule) -> dict[datetime, _Priced]:
    """Return energy, in Wh, and price of each interval by its start in UTC."""
    start = schedule.start.astimezone(UTC)
    return {
        start + position * offer.interval: one
        for position, one in priced_intervals(offer, schedule.profile, schedule.energies).items()
    }
