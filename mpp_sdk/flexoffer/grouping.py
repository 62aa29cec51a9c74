"""Which flex-offers go together into one aggregate."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from math import ceil

from mpp_sdk.errors import FieldError
from mpp_sdk.flexoffer.columns import Terms
from mpp_sdk.flexoffer.rules import refuse

SUMMABLE_WH = 2**49
"""Up to here the energies of a slice can be summed, and shared out again, exactly."""


class Alignment(Enum):
    """By what the members of an aggregate are placed, before they all move by the same time.

    START: by their earliest starts. The aggregate can move by as much as the one that can move
    least. BASELINE: by their default starts, and the aggregate can move as far either way as all
    of them can. Its baseline is then theirs in every interval.
    """

    START = "start"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """What members of one aggregate have in common.

    Their earliest starts (their default starts when aligned by the baseline) are at most
    start_tolerance apart, and so is their time flexibility with flexibility_tolerance (by the
    baseline: both how much earlier and how much later than it they can start). Where slices take
    several intervals or differ in price, and where an offer is not plain, members start at the same
    time, tolerance or not. They have the same location and direction when asked for.

    Without by_price only the same prices go together. With it, a step per kWh, the dearest slices
    of members lie within one step, and its upper end is the price of the aggregate: a deviation
    never costs less than those that it is made of.

    More than max_size members are cut into parts of max_size, by ascending id, the last part having
    what is left. The aggregates are offered_by whoever aggregates.

    Raises InvalidInput with what is out of range.
    """

    start_tolerance: timedelta = timedelta(0)
    flexibility_tolerance: timedelta = timedelta(0)
    by_location: bool = False
    by_direction: bool = True
    by_price: Decimal | None = None
    alignment: Alignment = Alignment.START
    max_size: int = 100_000
    offered_by: str = "aggregator"

    def __post_init__(self) -> None:
        errors = []
        for name in ("start_tolerance", "flexibility_tolerance"):
            if getattr(self, name) < timedelta(0):
                errors.append(FieldError(f"/{name}", "notNegative", "It must not be negative."))
        if self.by_price is not None and not (self.by_price.is_finite() and self.by_price > 0):
            errors.append(FieldError("/by_price", "positive", "It must be a number above 0."))
        if not 1 <= self.max_size <= 2**31 - 1:
            errors.append(FieldError("/max_size", "range", "It must be from 1 to 2147483647."))
        if not self.offered_by:
            errors.append(FieldError("/offered_by", "required", "Somebody must offer it."))
        refuse(errors)

    @property
    def largest(self) -> int:
        """The energy of a slice, in Wh either way, from which on an offer stays alone."""
        return SUMMABLE_WH // self.max_size

    def widths(self, interval: timedelta) -> tuple[int, int]:
        """Return how many starts, and how many time flexibilities, go together."""
        return self.start_tolerance // interval + 1, self.flexibility_tolerance // interval + 1

    def price_class(self, terms: Terms) -> Hashable:
        """Return what the terms of members have in common."""
        if self.by_price is None:
            return terms
        return self.terms_of(terms)

    def terms_of(self, terms: Terms) -> Terms:
        """Return the terms of an aggregate, of which one member has these."""
        if self.by_price is None:
            return terms
        dearest = max((price for price in terms.prices if price is not None), default=None)
        prices = () if dearest is None else (ceil(dearest / self.by_price) * self.by_price,)
        return Terms(terms.durations, prices, terms.currency, terms.lead)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An offer that is an aggregate of its own, and why."""

    index: int
    reason: str
