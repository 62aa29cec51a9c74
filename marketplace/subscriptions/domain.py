"""The rules of a negotiation and of the subscription that comes of it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from marketplace.core.lifecycle import Lifecycle
from mpp_sdk.errors import IllegalTransition, InvalidInput


class RequestState(StrEnum):
    """The state of a request for a service."""

    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class OfferState(StrEnum):
    """The state of one revision of the provider's offer."""

    OPEN = "OPEN"
    SUPERSEDED = "SUPERSEDED"
    WITHDRAWN = "WITHDRAWN"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class SubscriptionState(StrEnum):
    """The state of a subscription."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class RequestSort(StrEnum):
    """The order of a list of requests."""

    NEWEST = "newest"
    EXPIRING = "expiring"


class SubscriptionSort(StrEnum):
    """The order of a list of subscriptions: by when they began, or came into their state."""

    NEWEST = "newest"
    CHANGED = "changed"


class Hold(StrEnum):
    """Who or what keeps a subscription suspended. Each lifts only its own."""

    PROVIDER = "PROVIDER"
    OPERATOR = "OPERATOR"
    PROVIDER_SUSPENDED = "PROVIDER_SUSPENDED"
    REQUESTER_SUSPENDED = "REQUESTER_SUSPENDED"


REQUEST = Lifecycle(
    "ServiceRequest",
    {
        RequestState.REQUESTED: {
            "offer": RequestState.OFFERED,
            "reject": RequestState.REJECTED,
            "withdraw": RequestState.WITHDRAWN,
            "expire": RequestState.EXPIRED,
        },
        RequestState.OFFERED: {
            "offer": RequestState.OFFERED,
            "counter": RequestState.REQUESTED,
            "withdraw_offer": RequestState.REQUESTED,
            "accept": RequestState.CONFIRMED,
            "reject": RequestState.REJECTED,
            "withdraw": RequestState.WITHDRAWN,
            "expire": RequestState.EXPIRED,
        },
        RequestState.CONFIRMED: {},
        RequestState.REJECTED: {},
        RequestState.WITHDRAWN: {},
        RequestState.EXPIRED: {},
    },
    automatic=frozenset({"expire"}),
)

OFFER = Lifecycle(
    "Offer",
    {
        OfferState.OPEN: {
            "supersede": OfferState.SUPERSEDED,
            "withdraw": OfferState.WITHDRAWN,
            "accept": OfferState.ACCEPTED,
            "reject": OfferState.REJECTED,
            "expire": OfferState.EXPIRED,
        },
        OfferState.SUPERSEDED: {},
        OfferState.WITHDRAWN: {},
        OfferState.ACCEPTED: {},
        OfferState.REJECTED: {},
        OfferState.EXPIRED: {},
    },
    automatic=frozenset({"supersede", "expire"}),
)

SUBSCRIPTION = Lifecycle(
    "Subscription",
    {
        SubscriptionState.PENDING: {
            "activate": SubscriptionState.ACTIVE,
            "cancel": SubscriptionState.CANCELED,
            "expire": SubscriptionState.EXPIRED,
        },
        SubscriptionState.ACTIVE: {
            "suspend": SubscriptionState.SUSPENDED,
            "cancel": SubscriptionState.CANCELED,
            "expire": SubscriptionState.EXPIRED,
        },
        SubscriptionState.SUSPENDED: {
            "resume": SubscriptionState.ACTIVE,
            "cancel": SubscriptionState.CANCELED,
            "expire": SubscriptionState.EXPIRED,
        },
        SubscriptionState.CANCELED: {},
        SubscriptionState.EXPIRED: {},
    },
    automatic=frozenset({"activate", "expire"}),
)

ENDED = frozenset({SubscriptionState.CANCELED, SubscriptionState.EXPIRED})


TAKES_POINTS_OF_DELIVERY = frozenset({SubscriptionState.PENDING, SubscriptionState.ACTIVE})
"""The states in which the requester may add points of delivery."""


@dataclass(frozen=True)
class Standing:
    """The state of a subscription together with what keeps it suspended."""

    state: SubscriptionState
    holds: frozenset[Hold] = frozenset()


def suspend(standing: Standing, hold: Hold) -> Standing:
    """Return the standing with one more hold. Raises IllegalTransition, also for a second time."""
    if standing.state is SubscriptionState.SUSPENDED and hold not in standing.holds:
        return Standing(standing.state, standing.holds | {hold})
    return Standing(SUBSCRIPTION.after(standing.state, "suspend"), frozenset({hold}))


def resume(standing: Standing, hold: Hold) -> Standing:
    """Return the standing without a hold: ACTIVE when it was the last one, else still SUSPENDED.

    Raises IllegalTransition when it is not suspended, or not by this hold.
    """
    active = SUBSCRIPTION.after(standing.state, "resume")
    if hold not in standing.holds:
        others = ", ".join(sorted(standing.holds))
        raise IllegalTransition(
            f"Subscription (suspended by {others})", standing.state, "resume", ("cancel",)
        )
    rest = standing.holds - {hold}
    return Standing(SubscriptionState.SUSPENDED, rest) if rest else Standing(active)


def check_period(start: datetime, end: datetime | None, pointer: str) -> None:
    """Raise InvalidInput unless a period ends after it starts."""
    if end is not None and end <= start:
        raise InvalidInput.field(
            f"{pointer}/end", "endAfterStart", "The end of the period is not after its start."
        )


def check_deadline(deadline: datetime | None, moment: datetime, pointer: str) -> None:
    """Raise InvalidInput unless a deadline is still to come."""
    if deadline is not None and deadline <= moment:
        raise InvalidInput.field(pointer, "inTheFuture", "This moment is already over.")


def is_acknowledged(by: AbstractSet[str], roles: AbstractSet[str]) -> bool:
    """Return whether every platform role that was told has acknowledged."""
    return roles <= by
