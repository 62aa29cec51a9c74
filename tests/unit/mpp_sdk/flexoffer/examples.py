"""Flex-offers to calculate with by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from mpp_sdk.flexoffer.model import Default, FlexOffer, Profile, Slice

TEN = datetime(2026, 11, 22, 10, tzinfo=UTC)
NOW = TEN - timedelta(hours=3)
QUARTER = timedelta(minutes=15)


def offer(
    *profiles: Profile,
    default: Sequence[int],
    later: timedelta = timedelta(0),
    start: datetime | None = None,
    usual: int = 0,
    currency: str | None = "EUR",
    offered_by: str = "household-1",
) -> FlexOffer:
    """Return an offer of profiles that can start at ten, or by so much later."""
    return FlexOffer(
        profiles=profiles,
        default=Default(tuple(default), start, usual),
        accept_before=NOW,
        assign_before=NOW,
        offered_by=offered_by,
        start_after=TEN,
        start_before=TEN + later,
        currency=currency,
    )


def priced(lower: int, upper: int, price: str | None = None, duration: int = 1) -> Slice:
    """Return a slice with a price."""
    return Slice(lower, upper, duration, None if price is None else Decimal(price))
