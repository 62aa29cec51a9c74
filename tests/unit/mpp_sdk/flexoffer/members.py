"""What the tests of combiners share: flex-offers laid out alike, and what is to hold of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from mpp_sdk.flexoffer.combiners import Combination
from mpp_sdk.flexoffer.linear import best
from mpp_sdk.flexoffer.model import Default, EnergyRange, FlexOffer, Profile, Slice
from tests.flexoffers.checker import TOLERANCE_KWH, broken_energies
from tests.flexoffers.strategies import towards

properties = settings(deadline=None, max_examples=50)
"""Of tests over anything: kernels are compiled at first use, which no deadline is to measure."""

START = datetime(2026, 12, 1, 18, tzinfo=UTC)


def offer_of(*profiles: Profile, default: Sequence[int], of: int = 0) -> FlexOffer:
    """Return a flex-offer with these profiles."""
    return FlexOffer(
        profiles=profiles,
        default=Default(tuple(default), profile=of),
        accept_before=START - timedelta(hours=2),
        assign_before=START - timedelta(hours=1),
        offered_by="household-1",
        start_after=START,
        start_before=START + timedelta(hours=2),
    )


def with_total(
    bounds: Sequence[tuple[int, int]], total: tuple[int, int], default: Sequence[int]
) -> FlexOffer:
    """Return a flex-offer with bounds per slice, and a total."""
    slices = tuple(Slice(lower, upper) for lower, upper in bounds)
    return offer_of(Profile(slices, EnergyRange(*total)), default=default)


def assert_split(
    members: Sequence[FlexOffer],
    combination: Combination,
    energies: Sequence[float],
    tolerance: Fraction = TOLERANCE_KWH,
) -> None:
    """Fail unless each member can do its part, and the parts sum up to the whole."""
    profile = combination.offer.profile
    assert broken_energies(profile, energies, combination.offer.interval, tolerance) == []
    parts = combination.split(energies)
    assert len(parts) == len(members)
    for member, part in zip(members, parts, strict=True):
        assert broken_energies(member.profile, part, member.interval, tolerance) == []
    exact = profile.polytope is None and not profile.dependencies
    slack = Fraction(0) if exact else tolerance * 1000
    for energy, column in zip(energies, zip(*parts, strict=True), strict=True):
        assert abs(sum(map(Fraction, column)) - Fraction(energy)) <= slack


def extreme(offer: FlexOffer, prices: Sequence[float]) -> tuple[float, ...]:
    """Return the energies, in Wh, that make the most of prices."""
    found = best(offer.profile, offer.interval, np.array(prices, dtype=float))
    assert found is not None
    energies = tuple((1000 * found).tolist())
    if offer.profile.polytope is None and not offer.profile.dependencies:
        return tuple(float(round(energy)) for energy in energies)
    return towards(offer.profile, offer.interval, offer.default.energies, energies)


def prices_for(slices: int) -> st.SearchStrategy[list[float]]:
    """Return a strategy of prices, one per slice; ties are frequent."""
    price = st.integers(-3, 3).map(float) | st.floats(-1, 1)
    return st.lists(price, min_size=slices, max_size=slices)
