"""A plan that anybody can follow: every flex-offer is carried out where its energy costs least.

It takes prices as they are, so each aggregate can be planned alone, and tries all that it may do:
every profile, every start, and between the bounds what a linear program finds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from mpp_sdk.flexoffer.aggregation import Aggregation, aggregate
from mpp_sdk.flexoffer.columns import FlexOffers, Schedules
from mpp_sdk.flexoffer.feasibility import check_schedule
from mpp_sdk.flexoffer.grouping import Grouping
from mpp_sdk.flexoffer.linear import WH_PER_KWH, constraints
from mpp_sdk.flexoffer.model import FlexOffer, Profile, Schedule
from mpp_sdk.flexoffer.pricing import price

HOURLY_EUR_PER_MWH = (
    *(62, 55, 50, 48, 49, 58, 84, 118, 126, 104, 88, 76),  # from 0:00 UTC
    *(70, 66, 68, 82, 110, 152, 168, 160, 138, 112, 90, 74),  # from 12:00 UTC
)
"""The market's prices of every day: made up, in the shape of a winter's day."""

_ANY_OF_A_DAY = timedelta(hours=23, minutes=45)
GROUPING = Grouping(start_tolerance=_ANY_OF_A_DAY, flexibility_tolerance=_ANY_OF_A_DAY)
"""All flex-offers of one kind go together: there are few, and one plan is to do for them."""

Numbers = NDArray[np.float64]


def eur_per_wh(moment: datetime) -> float:
    """Return the market's price of the hour."""
    return HOURLY_EUR_PER_MWH[moment.hour] / 1e6


def cost(offer: FlexOffer, schedule: Schedule) -> float:
    """Return what a schedule costs at the market, in EUR; what it earns is negative."""
    market = _market(offer, offer.profiles[schedule.profile], schedule.start)
    return float(market @ np.array(schedule.energies))


def cheapest(offer: FlexOffer, now: datetime) -> Schedule:
    """Return the schedule that costs least: at the market, and for deviating from the default.

    Where profiles are alternatives, each is first shaped by the market alone. Raises InvalidInput
    when nothing keeps to all constraints.
    """
    found = [
        Schedule(start, energies, number)
        for number, profile in enumerate(offer.profiles)
        for start in _starts(offer, now)
        if (energies := _best_energies(offer, profile, start)) is not None
    ]
    best = min(
        found or [offer.default_schedule(now)],
        key=lambda schedule: round(cost(offer, schedule) + float(price(offer, schedule)), 9),
    )
    check_schedule(offer, best, now)
    return best


def _starts(offer: FlexOffer, now: datetime) -> Iterator[datetime]:
    starts = offer.starts(now)
    start = starts.earliest
    while start <= starts.latest:
        yield start
        start += offer.interval


def _market(offer: FlexOffer, profile: Profile, start: datetime) -> Numbers:
    """Return what 1 Wh in each slice costs: the mean of the prices of its intervals."""
    first = start - profile.lead * offer.interval
    prices = [eur_per_wh(first + k * offer.interval) for k in range(profile.intervals)]
    ends = [*profile.offsets(), profile.intervals]
    return np.array([np.mean(prices[begin:end]) for begin, end in pairwise(ends)])


def _best_energies(offer: FlexOffer, profile: Profile, start: datetime) -> tuple[float, ...] | None:
    """Return the energies that cost least from a start on; None when there are none.

    The variables are the energies above and below the default, so that each can have its price.
    """
    market = _market(offer, profile, start)
    default, asked = _priced(offer, profile)
    bounds = [part.bounds(offer.interval) for part in profile.slices]
    above = [max(0.0, one.upper - wh) for one, wh in zip(bounds, default, strict=True)]
    below = [max(0.0, wh - one.lower) for one, wh in zip(bounds, default, strict=True)]
    rows = constraints(profile)
    found = linprog(
        np.concatenate([market + asked, asked - market]),
        A_ub=np.hstack([rows.a, -rows.a]) if len(rows.b) else None,
        b_ub=rows.b * WH_PER_KWH - rows.a @ default if len(rows.b) else None,
        bounds=[(0.0, room) for room in (*above, *below)],
        method="highs",
    )
    if found.x is None:
        return None
    up, down = np.split(found.x, 2)
    energies = default + up - down
    if profile.polytope is None and not profile.dependencies:
        energies = np.rint(energies)  # what has slices and a total alone is best in whole Wh
    return tuple(energies.tolist())


def _priced(offer: FlexOffer, profile: Profile) -> tuple[Numbers, Numbers]:
    """Return the default energies, and what 1 Wh of deviation from them costs, slice by slice."""
    if profile is offer.profile:
        asked = [float(part.price or 0) / WH_PER_KWH for part in profile.slices]
        return np.array(offer.default.energies, dtype=np.float64), np.array(asked)
    lowest = [part.bounds(offer.interval).lower for part in profile.slices]
    return np.array(lowest, dtype=np.float64), np.zeros(len(lowest))


@dataclass(frozen=True)
class Plan:
    """The aggregates of flex-offers with their schedules, and the schedules of the flex-offers.

    schedules are in the order of the offers, aggregated in that of the aggregates.
    """

    aggregation: Aggregation
    aggregated: tuple[Schedule, ...]
    schedules: tuple[Schedule, ...]


def plan(offers: Sequence[FlexOffer], now: datetime) -> Plan:
    """Return the plan for offers: group and aggregate, schedule the aggregates, disaggregate."""
    aggregation = aggregate(FlexOffers.of(offers, now), GROUPING)
    aggregated = tuple(cheapest(one, now) for one in aggregation.aggregates)
    shares = aggregation.disaggregate(Schedules.of(aggregated))
    return Plan(aggregation, aggregated, tuple(shares))
