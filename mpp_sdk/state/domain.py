"""The states of subscriptions, consents and activations, and the steps between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from mpp_sdk.contracts.notifications.models import ActivationState, ConsentState
from mpp_sdk.errors import Conflict, IllegalTransition


class SubscriptionState(StrEnum):
    """The state of a subscription, as the marketplace last told it."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


ENDED_SUBSCRIPTION = frozenset({SubscriptionState.CANCELED, SubscriptionState.EXPIRED})

State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True)
class Lifecycle(Generic[State]):
    """The steps of one kind of thing: by an action from a state, None before the first, to one."""

    kind: str
    steps: Mapping[State | None, Mapping[str, State]]

    def after(self, state: State | None, action: str) -> State:
        """Return the state that an action leads to. Raises IllegalTransition."""
        allowed = self.steps.get(state, {})
        if action not in allowed:
            raise IllegalTransition(self.kind, state or "not requested", action, sorted(allowed))
        return allowed[action]

    def allows(self, state: State | None, action: str) -> bool:
        """Return whether an action is allowed in a state."""
        return action in self.steps.get(state, {})


_ASK_AGAIN: Mapping[str, ConsentState] = {"request": ConsentState.REQUESTED}

CONSENT: Lifecycle[ConsentState] = Lifecycle(
    "Consent",
    {
        None: _ASK_AGAIN,
        ConsentState.REQUESTED: {
            "grant": ConsentState.GRANTED,
            "deny": ConsentState.DENIED,
            "time_out": ConsentState.TIMED_OUT,
        },
        ConsentState.GRANTED: {
            "withdraw": ConsentState.WITHDRAWN,
            "expire": ConsentState.EXPIRED,
        },
        ConsentState.DENIED: _ASK_AGAIN,
        ConsentState.TIMED_OUT: _ASK_AGAIN,
        ConsentState.WITHDRAWN: _ASK_AGAIN,
        ConsentState.EXPIRED: _ASK_AGAIN,
    },
)
"""After an end the provider may ask the customer again, which begins a new round."""

ACTIVATION: Lifecycle[ActivationState] = Lifecycle(
    "Activation",
    {
        None: {"request": ActivationState.REQUESTED},
        ActivationState.REQUESTED: {
            "activate": ActivationState.ACTIVE,
            "end": ActivationState.ENDED,
        },
        ActivationState.ACTIVE: {
            "suspend": ActivationState.SUSPENDED,
            "end": ActivationState.ENDED,
        },
        ActivationState.SUSPENDED: {
            "activate": ActivationState.ACTIVE,
            "end": ActivationState.ENDED,
        },
        ActivationState.ENDED: {"request": ActivationState.REQUESTED},
    },
)
"""After its end an activation begins a new round with a new consent."""


@dataclass(frozen=True)
class Validity:
    """A period of time: its start belongs to it, its end does not; without an end it is open."""

    start: datetime
    end: datetime | None = None

    def contains(self, moment: datetime) -> bool:
        """Return whether a moment lies in it."""
        return self.start <= moment and (self.end is None or moment < self.end)

    def covers(self, start: datetime, end: datetime) -> bool:
        """Return whether the whole period from start to end lies in it."""
        return self.start <= start and (self.end is None or end <= self.end)

    def __str__(self) -> str:
        end = self.end.isoformat() if self.end else "an open end"
        return f"{self.start.isoformat()} to {end}"


@dataclass(frozen=True)
class Circumstances:
    """What decides whether a service may be active for a point of delivery."""

    subscription: SubscriptionState
    subscription_validity: Validity
    consent_required: bool
    consent: ConsentState | None
    consent_validity: Validity | None

    def obstacle(self, moment: datetime) -> str | None:
        """Return in words what stands against an active service at a moment, if anything does."""
        if self.subscription is not SubscriptionState.ACTIVE:
            return f"The subscription is {self.subscription}."
        if not self.subscription_validity.contains(moment):
            return f"The subscription is valid from {self.subscription_validity}."
        if not self.consent_required:
            return None
        if self.consent is not ConsentState.GRANTED:
            state = self.consent or "not requested"
            return f"The customer's consent is {state}."
        if self.consent_validity is not None and not self.consent_validity.contains(moment):
            return f"The customer's consent is valid from {self.consent_validity}."
        return None

    def check(self, moment: datetime) -> None:
        """Raise Conflict, with the reason, unless the service may be active at a moment."""
        obstacle = self.obstacle(moment)
        if obstacle is not None:
            raise Conflict(f"The service cannot be active. {obstacle}")
