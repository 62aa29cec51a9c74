"""The states of a flex-offer at the party that received it, and the deadlines that move it on.

    offered -> accepted -> assigned (and updated) -> executing -> executed or failed -> settled

Rejected, expired, replaced and deleted end it. Source: GOFLEX D2.1, 1.3.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mpp_sdk.contracts.flexoffer.models import FlexOfferState
from mpp_sdk.flexoffer.model import FlexOffer, Schedule, spread
from mpp_sdk.state.domain import Lifecycle

__all__ = [
    "ACTIVE",
    "CARRIED_OUT",
    "DELIVERY_TOLERANCE",
    "LIFECYCLE",
    "MEASURED_WITHIN",
    "Deadlines",
    "FlexOfferState",
    "Standing",
    "Verdict",
    "begin_of",
    "end_of",
    "fallen_due",
    "verdict",
]

MEASURED_WITHIN = timedelta(days=1)
"""How long after its end the measurements of a flex-offer are waited for, unless told otherwise."""

DELIVERY_TOLERANCE = 0.1
"""Which portion of its energy may be missed by what is delivered, unless the contract says."""

_WITHDRAW = {"replace": FlexOfferState.REPLACED, "delete": FlexOfferState.DELETED}

LIFECYCLE: Lifecycle[FlexOfferState] = Lifecycle(
    "FlexOffer",
    {
        None: {"offer": FlexOfferState.OFFERED},
        FlexOfferState.OFFERED: {
            "accept": FlexOfferState.ACCEPTED,
            "reject": FlexOfferState.REJECTED,
            "expire": FlexOfferState.EXPIRED,
            **_WITHDRAW,
        },
        FlexOfferState.ACCEPTED: {
            "assign": FlexOfferState.ASSIGNED,
            "expire": FlexOfferState.EXPIRED,
            **_WITHDRAW,
        },
        FlexOfferState.ASSIGNED: {
            "assign": FlexOfferState.ASSIGNED,
            "start": FlexOfferState.EXECUTING,
            **_WITHDRAW,
        },
        FlexOfferState.EXECUTING: {
            "deliver": FlexOfferState.EXECUTED,
            "fail": FlexOfferState.FAILED,
        },
        FlexOfferState.EXECUTED: {
            "settle": FlexOfferState.SETTLED,
            "fail": FlexOfferState.FAILED,
        },
        FlexOfferState.FAILED: {
            "settle": FlexOfferState.SETTLED,
            "deliver": FlexOfferState.EXECUTED,
        },
    },
)
"""Until it is settled, a measurement that comes late or is corrected can turn the verdict."""

ACTIVE = (
    FlexOfferState.OFFERED,
    FlexOfferState.ACCEPTED,
    FlexOfferState.ASSIGNED,
    FlexOfferState.EXECUTING,
    FlexOfferState.EXECUTED,
    FlexOfferState.FAILED,
)
"""The states of what is not settled, and has not ended otherwise."""

CARRIED_OUT = (FlexOfferState.EXECUTED, FlexOfferState.FAILED, FlexOfferState.SETTLED)
"""The states of what is over, and had a schedule."""

_WHEN_DUE: Mapping[FlexOfferState, tuple[str, str | None]] = {
    FlexOfferState.OFFERED: ("expire", "It was not accepted in time."),
    FlexOfferState.ACCEPTED: (
        "expire",
        "It was given no schedule in time, so what is done is the baseline.",
    ),
    FlexOfferState.ASSIGNED: ("start", None),
    FlexOfferState.EXECUTING: ("fail", "Nothing, or not everything, was measured in time."),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a flex-offer has come, and when time alone moves it on; None when it never does."""

    state: FlexOfferState
    due_at: datetime | None = None

    def at(self, now: datetime) -> FlexOfferState:
        """Return the state at a moment, whether or not anybody has noted yet what time has done."""
        action = fallen_due(self, now)
        return self.state if action is None else LIFECYCLE.after(self.state, action[0])

    def after(self, action: str, now: datetime) -> FlexOfferState:
        """Return the state that an action leads to at a moment. Raises IllegalTransition."""
        return LIFECYCLE.after(self.at(now), action)


def fallen_due(standing: Standing, now: datetime) -> tuple[str, str | None] | None:
    """Return the action, with its reason, that time has come for; None when it has for none."""
    if standing.due_at is None or now < standing.due_at:
        return None
    return _WHEN_DUE[standing.state]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Until when something must have happened to a flex-offer, or time moves it on.

    begin and measured_before are those of its schedule, if it has one.
    """

    accept_before: datetime
    assign_before: datetime
    begin: datetime | None = None
    measured_before: datetime | None = None

    @classmethod
    def of(
        cls,
        offer: FlexOffer,
        schedule: Schedule | None = None,
        measured_within: timedelta = MEASURED_WITHIN,
    ) -> "Deadlines":
        """Return the deadlines of a flex-offer with a schedule, or without one."""
        if schedule is None:
            return cls(offer.accept_before, offer.assign_before)
        return cls(
            offer.accept_before,
            offer.assign_before,
            begin_of(offer, schedule),
            end_of(offer, schedule) + measured_within,
        )

    def due_in(self, state: FlexOfferState) -> datetime | None:
        """Return when time alone moves it on from a state; None when it never does."""
        return {
            FlexOfferState.OFFERED: self.accept_before,
            FlexOfferState.ACCEPTED: self.assign_before,
            FlexOfferState.ASSIGNED: self.begin,
            FlexOfferState.EXECUTING: self.measured_before,
        }.get(state)


def begin_of(offer: FlexOffer, schedule: Schedule) -> datetime:
    """Return when the first interval of a schedule begins, before the start where it leads."""
    return schedule.start - offer.profiles[schedule.profile].lead * offer.interval


def end_of(offer: FlexOffer, schedule: Schedule) -> datetime:
    """Return when the last interval of a schedule is over."""
    intervals = offer.profiles[schedule.profile].intervals
    return begin_of(offer, schedule) + intervals * offer.interval


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a schedule was carried out, and why not if it was not."""

    delivered: bool
    reason: str | None = None

    @property
    def action(self) -> str:
        """The step of the lifecycle that follows."""
        return "deliver" if self.delivered else "fail"


def verdict(
    offer: FlexOffer,
    schedule: Schedule,
    measured: Sequence[float],
    tolerance: float = DELIVERY_TOLERANCE,
) -> Verdict:
    """Return whether what was measured, in Wh of each interval, keeps to a schedule.

    All deviations, counted positive, may sum up to the portion `tolerance` of the energy of the
    schedule or of the default profile, whichever is more: that of a load that is switched off for a
    while is that of what it would have used.
    """
    asked = spread(schedule.energies, offer.profiles[schedule.profile])
    baseline = spread(offer.default.energies, offer.profile)
    missed = math.fsum(abs(m - a) for m, a in zip(measured, asked, strict=True))
    size = max(math.fsum(map(abs, asked)), math.fsum(map(abs, baseline)))
    if missed <= tolerance * size:
        return Verdict(True)
    return Verdict(
        False,
        f"It missed its schedule by {missed / 1000:.3f} kWh; {tolerance * size / 1000:.3f} kWh"
        " are tolerated.",
    )
