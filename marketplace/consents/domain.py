"""The rules of a customer's consent for one point of delivery under one subscription."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from marketplace.core.lifecycle import Lifecycle
from mpp_sdk.errors import InvalidInput


class ConsentState(StrEnum):
    """The state of a consent."""

    REQUESTED = "REQUESTED"
    GRANTED = "GRANTED"
    DENIED = "DENIED"
    TIMED_OUT = "TIMED_OUT"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


def _to(*states: ConsentState) -> dict[str, ConsentState]:
    return {state.value: state for state in states}


CONSENT = Lifecycle(
    "Consent",
    {
        # WITHDRAWN and EXPIRED come after a GRANTED whose notification is still under way.
        ConsentState.REQUESTED: _to(
            ConsentState.GRANTED,
            ConsentState.DENIED,
            ConsentState.TIMED_OUT,
            ConsentState.WITHDRAWN,
            ConsentState.EXPIRED,
        ),
        ConsentState.GRANTED: _to(ConsentState.WITHDRAWN, ConsentState.EXPIRED),
        ConsentState.DENIED: _to(ConsentState.REQUESTED),
        ConsentState.TIMED_OUT: _to(ConsentState.REQUESTED),
        ConsentState.WITHDRAWN: _to(ConsentState.REQUESTED),
        ConsentState.EXPIRED: _to(ConsentState.REQUESTED),
    },
)
"""What a notification may say next. After an end, a new REQUESTED begins a new round."""


@dataclass(frozen=True)
class Validity:
    """The period in which a granted consent holds. Open where it has no start or end."""

    start: datetime | None = None
    end: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        """Return whether a moment lies in the period; its end does not belong to it."""
        return (self.start is None or self.start <= moment) and (
            self.end is None or moment < self.end
        )


def check_validity(validity: Validity) -> None:
    """Raise InvalidInput unless a consent's period ends after it starts."""
    if validity.start is not None and validity.end is not None and validity.end <= validity.start:
        raise InvalidInput.field(
            "/validity/end", "endAfterStart", "The end of the period is not after its start."
        )


def allows_activation(state: ConsentState | None, validity: Validity, moment: datetime) -> bool:
    """Return whether a service that needs consent may be active at a moment; None: no consent."""
    return state is ConsentState.GRANTED and validity.covers(moment)
