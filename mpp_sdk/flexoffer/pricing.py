"""What a deviation from the baseline costs, from the prices that a flex-offer states.

A price is for 1 kWh by which the energy of a slice deviates from the default, up or down; there is
no price for a move of the start. Money is exact, and rounded once, at the end, to a millionth of
the currency's unit, halves to the even digit. Source: GOFLEX D2.1, 1.2, figures 3 and 4.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.columns import FlexOffers, Schedules, default_profiles
from mpp_sdk.flexoffer.model import FlexOffer, Schedule

MICRO = Decimal("0.000001")
"""To what money and energy in kWh are rounded."""

_WH_PER_KWH = 1_000
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class PricePoint:
    """What it costs to take an energy, in Wh, in a slice."""

    energy: int
    cost: Decimal


def price(offer: FlexOffer, schedule: Schedule) -> Decimal:
    """Return what a schedule costs: for each slice, its price times the deviation from the default.

    Slices without a price cost nothing. A schedule of another profile than the default one is
    compared in each interval, both counted from the start of the offer; what only the default has
    is priced by the default's slices. Raises InvalidInput unless there is such a profile and a
    finite energy for each of its slices; it does not check that they are within bounds.
    """
    theirs = priced_intervals(offer, schedule.profile, schedule.energies)
    baseline = priced_intervals(offer, offer.default.profile, offer.default.energies)
    nothing = (Fraction(0), None)
    cost = Fraction(0)
    for position in theirs.keys() | baseline.keys():
        energy, own_price = theirs.get(position, nothing)
        default, default_price = baseline.get(position, nothing)
        per_kwh = own_price if position in theirs else default_price
        if per_kwh is not None:
            cost += Fraction(per_kwh) * abs(energy - default) / _WH_PER_KWH
    return rounded(cost)


def price_curve(offer: FlexOffer, number: int) -> tuple[PricePoint, ...]:
    """Return the corners of the price curve of a slice of the default profile, by rising energy.

    It falls in a straight line from the lower bound to the default, which costs nothing, and rises
    to the upper bound; a slice with options has a point for each and is nothing in between. A
    seller asks at least this, a buyer pays at most this. A slice without a price costs nothing.
    """
    part = offer.profile.slices[number]
    default = offer.default.energies[number]
    bounds = part.bounds(offer.interval)
    energies = part.options or (bounds.lower, default, bounds.upper)
    per_kwh = Fraction(part.price or 0)
    return tuple(
        PricePoint(energy, rounded(per_kwh * abs(energy - default) / _WH_PER_KWH))
        for energy in sorted(set(energies))
    )


def rounded(amount: Fraction) -> Decimal:
    """Return an amount rounded to a millionth, halves to the even digit."""
    return (Decimal(round(amount * 1_000_000)) * MICRO).quantize(MICRO, context=_WIDE)


def prices(offers: FlexOffers, schedules: Schedules) -> NDArray[np.int64]:
    """Return what each of many schedules costs, in millionths of the currency's unit.

    Money sums exactly: with C the running exact cost, each costs floor(C after it) - floor(C before
    it), so that all together cost the floor of the exact sum, and each is less than a millionth
    off. Those with energies that are not whole, or of another profile than the default one, are
    rounded one by one, as by `price`. Raises InvalidInput for schedules that are not of these
    offers, prices of more than six decimals, and a sum too large to be exact.
    """
    alone = schedules.profile != default_profiles(offers)
    lengths = np.diff(schedules.offsets)
    if len(schedules) != len(offers) or (lengths != offers.slices)[~alone].any():
        raise InvalidInput.field("schedules", "onePerSlice", "They are not of these flex-offers.")
    if schedules.energies.dtype.kind == "f":
        broken = np.concatenate(([0], np.cumsum(schedules.energies % 1 != 0)))
        alone |= np.diff(broken[schedules.offsets]) > 0
    found = np.zeros(len(offers), np.int64)
    for row in np.flatnonzero(alone).tolist():
        found[row] = int(price(offers[row], schedules[row]) / MICRO)
    together = np.flatnonzero(~alone)
    energies = schedules.energies[np.repeat(~alone, lengths)].astype(np.int64)
    chosen = offers.take(together) if alone.any() else offers
    found[together] = _costs(_price_column(chosen), energies - chosen.default, chosen.offsets)
    return found


def _costs(
    per_kwh: NDArray[np.int64], deviations: NDArray[np.int64], offsets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return what schedules cost in millionths, from prices in millionths and deviations in Wh."""
    size = np.abs(deviations)
    # As floats the sum is right to far better than the factor of two that is kept free.
    if float(per_kwh.astype(float) @ size.astype(float)) >= _INT64 / 2:
        raise InvalidInput.field("schedules", "exact", "The sum is too large to be exact.")
    running = np.concatenate(([0], np.cumsum(per_kwh * size)))[offsets] // _WH_PER_KWH
    return np.diff(running)


def _price_column(offers: FlexOffers) -> NDArray[np.int64]:
    """Return the price of each slice in millionths per kWh, and 0 where there is none."""
    first = [0]
    column: list[int] = []
    for one in offers.terms.values:
        column += [_micro(each) for each in one.prices or (None,)]
        first.append(len(column))
    if not column:
        return np.zeros(int(offers.offsets[-1]), np.int64)
    many = np.diff(first)[offers.terms.codes] > 1
    places = np.repeat(np.array(first)[offers.terms.codes], offers.slices)
    within = np.arange(len(places)) - np.repeat(offers.offsets[:-1], offers.slices)
    return np.array(column, dtype=np.int64)[places + within * np.repeat(many, offers.slices)]


def _micro(per_kwh: Decimal | None) -> int:
    micro = Fraction(per_kwh or 0) / Fraction(MICRO)
    if micro.denominator != 1:
        raise InvalidInput.field("price", "decimals", f"{per_kwh} has more than six decimals.")
    if micro >= _INT64:
        raise InvalidInput.field("price", "exact", "It is too large to be exact.")
    return int(micro)


def priced_intervals(
    offer: FlexOffer, profile: int, energies: Sequence[float]
) -> dict[int, tuple[Fraction, Decimal | None]]:
    """Return energy, in Wh, and price of each interval, counted from the start of the offer.

    The energy of a slice is spread evenly. Raises InvalidInput as `price` does.
    """
    if not 0 <= profile < len(offer.profiles):
        raise InvalidInput.field("profile", "range", "There is no such profile.")
    chosen = offer.profiles[profile]
    if len(energies) != len(chosen.slices):
        raise InvalidInput.field("energies", "onePerSlice", "There must be one per slice.")
    if not all(map(math.isfinite, energies)):
        raise InvalidInput.field("energies", "finite", "An energy must be a finite number.")
    shares = [
        (Fraction(energy) / part.duration, part.price)
        for energy, part in zip(energies, chosen.slices, strict=True)
        for _ in range(part.duration)
    ]
    return dict(enumerate(shares, -chosen.lead))
