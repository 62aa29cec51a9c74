"""Two-mode operation: what an intervention makes a load do before and after it (D2.1, 7.1).

Of the energy by which the intervention deviates from the default, each vector says which portions
are given back before and after it, evenly. Each becomes a profile of its own, of which exactly one
is carried out. There is no profile without giving back: a load that has no such obligation offers
none, and to do as usual is to deviate by nothing, which all of the profiles admit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil, floor

import numpy as np

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.linear import WH_PER_KWH, Rows, constraints
from mpp_sdk.flexoffer.model import (
    Default,
    FlexOffer,
    Polytope,
    Profile,
    Schedule,
    Slice,
    TwoMode,
)
from mpp_sdk.flexoffer.rules import MAX_PROFILES


@dataclass(frozen=True, slots=True)
class Intervention:
    """A schedule of the offer as it was made, and the vector by which it is given back."""

    schedule: Schedule
    vector: TwoMode


def expanded(offer: FlexOffer) -> FlexOffer:
    """Return the offer with a profile for each of its own and each vector, and no vectors.

    Such a profile has a slice before and one after, each for the whole time: what is given back, on
    top of what the load does at that time anyway. lead says what lies before the start. What it
    gives back is an equality in A·x <= b, so a schedule is no longer in whole Wh: half a Wh of an
    intervention is given back as half a Wh. Totals and polygons are about the intervention alone,
    and become rows as well. Raises InvalidInput when there are too many profiles for an offer.
    """
    if not offer.two_mode:
        return offer
    count = len(offer.profiles) * len(offer.two_mode)
    if count > MAX_PROFILES:
        raise InvalidInput.field(
            "/twoMode",
            "maxItems",
            f"They make {count} profiles; an offer can have {MAX_PROFILES}.",
        )
    usual = sum(offer.default.energies)
    first = offer.two_mode[0]
    energies = (
        *(0,) * bool(first.prior_time),
        *offer.default.energies,
        *(0,) * bool(first.after_time),
    )
    return replace(
        offer,
        profiles=tuple(
            _with_vector(profile, vector, usual, offer.interval)
            for profile in offer.profiles
            for vector in offer.two_mode
        ),
        default=Default(energies, offer.default.start, offer.default.profile * len(offer.two_mode)),
        two_mode=(),
    )


def intervention(offer: FlexOffer, schedule: Schedule) -> Intervention:
    """Return what a schedule of the expanded offer means for the offer as it was made."""
    number, which = divmod(schedule.profile, len(offer.two_mode))
    vector = offer.two_mode[which]
    begin = int(bool(vector.prior_time))
    energies = schedule.energies[begin : len(schedule.energies) - bool(vector.after_time)]
    return Intervention(Schedule(schedule.start, energies, number), vector)


def _with_vector(profile: Profile, vector: TwoMode, usual: int, interval: timedelta) -> Profile:
    prior, after = vector.prior_time // interval, vector.after_time // interval
    ranges = [part.bounds(interval) for part in profile.slices]
    most = sum(one.upper for one in ranges) - usual
    least = sum(one.lower for one in ranges) - usual
    before = [_given_back(vector.prior_portion, least, most, prior)] * bool(prior)
    behind = [_given_back(vector.after_portion, least, most, after)] * bool(after)
    own = constraints(profile)
    rows = Rows(np.pad(own.a, ((0, 0), (len(before), len(behind)))), own.b)
    slices = (*before, *profile.slices, *behind)
    inner = np.zeros(len(slices))
    inner[len(before) : len(before) + len(profile.slices)] = 1.0
    for portion, at in (
        *((vector.prior_portion, 0) for _ in before),
        *((vector.after_portion, -1) for _ in behind),
    ):
        row = portion * inner
        row[at] = 1.0
        bound = portion * usual / WH_PER_KWH
        rows += Rows(np.vstack((row, -row)), np.array((bound, -bound)))
    return Profile(
        slices,
        polytope=_polytope(rows),
        lead=profile.lead + prior,
    )


def _given_back(portion: float, least: int, most: int, intervals: int) -> Slice:
    return Slice(floor(-portion * most), ceil(-portion * least), intervals)


def _polytope(rows: Rows) -> Polytope | None:
    if not len(rows.b):
        return None
    a: Sequence[Sequence[float]] = rows.a.tolist()
    return Polytope(tuple(map(tuple, a)), tuple(rows.b.tolist()))
