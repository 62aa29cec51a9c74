"""What the tests of columns share."""

from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mpp_sdk.flexoffer.columns import BY_ROW, BY_SLICE, CODED, FlexOffers
from mpp_sdk.flexoffer.grouping import Alignment, Grouping
from mpp_sdk.flexoffer.model import INTERVAL
from tests.flexoffers.strategies import NOW, portfolios

MODEST = ("small", "consumption", "production", "both", "int32", "-int32")
PLAIN = ("plain", "power")

properties = settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Of tests over anything: kernels are compiled at first use, which no deadline is to measure."""


def groupings() -> st.SearchStrategy[Grouping]:
    quarters = st.integers(0, 6).map(lambda count: count * INTERVAL)
    return st.builds(
        Grouping,
        start_tolerance=quarters,
        flexibility_tolerance=quarters,
        by_location=st.booleans(),
        by_direction=st.booleans(),
        by_price=st.sampled_from((None, Decimal("0.07"), Decimal(1))),
        alignment=st.sampled_from(Alignment),
        max_size=st.sampled_from((1, 2, 3, 100_000)),
    )


def many(kinds: tuple[str, ...] = PLAIN) -> st.SearchStrategy[FlexOffers]:
    return portfolios(kinds, scales=MODEST).map(lambda offers: FlexOffers.of(offers, NOW))


def rows_of(offers: FlexOffers) -> dict[str, Any]:
    """Return all that is in the columns, for a comparison to the last bit."""
    rows: dict[str, Any] = {
        name: getattr(offers, name).tolist() for name in (*BY_ROW, *BY_SLICE, "offsets")
    }
    for name in CODED:
        column = getattr(offers, name)
        rows[name] = [column[row] for row in range(len(column))]
    return rows | {"objects": dict(offers.objects)}


def made(
    lower: list[list[int]], upper: list[list[int]], *, earliest: list[int], flexible: list[int],
    **columns: Any,
) -> FlexOffers:  # fmt: skip
    """Return offers from rows of slices, and in intervals when they start and can be moved."""
    lengths = [len(row) for row in lower]
    given: dict[str, Any] = {"offered_by": "household-1", "interval": INTERVAL} | columns
    return FlexOffers.from_columns(
        earliest=np.array(earliest),
        latest=np.array(earliest) + np.array(flexible),
        offsets=np.cumsum([0, *lengths]),
        lower=np.array([energy for row in lower for energy in row]),
        upper=np.array([energy for row in upper for energy in row]),
        **given,
    )
