"""What a document of the pilots says, in the words of the model, and its names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import Any

from mpp_sdk.flexoffer.lifecycle import FlexOfferState
from mpp_sdk.flexoffer.model import FlexOffer, Schedule

OBLIGATORY = "obligatory"
"""The assignment of each flex-offer of the pilots."""


class Sign(Enum):
    """Which energies of a document are positive."""

    CONSUMPTION_POSITIVE = auto()
    PRODUCTION_POSITIVE = auto()


class Spelling(StrEnum):
    """Whose names a document is written with."""

    PILOTS = auto()
    SPECIFICATION = auto()


@dataclass(frozen=True, slots=True)
class Tariff:
    """From which to which price per kWh a slice is offered."""

    least: Decimal
    most: Decimal

    @property
    def price(self) -> Decimal:
        """What a deviation of 1 kWh costs: the more expensive side, so that none is underpaid."""
        return max(abs(self.least), abs(self.most))


@dataclass(frozen=True, slots=True)
class Assignment:
    """The schedule of a flex-offer, with its numbers and the tariff of each of its slices."""

    schedule: Schedule
    schedule_id: int = 0
    update_id: int = 0
    tariffs: tuple[Decimal, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A flex-offer with what else a document says of it.

    tariffs, one per slice, are kept where both sides do not cost the same, which the model cannot
    say. other is what has no place in the model. rounding is the width of the energy ranges, in
    kWh, that reading gave up because bounds were no whole Wh.
    """

    offer: FlexOffer
    state: FlexOfferState = FlexOfferState.OFFERED
    reason: str | None = None
    created: datetime | None = None
    assignment: Assignment | None = None
    tariffs: tuple[Tariff | None, ...] = ()
    other: Mapping[str, Any] = field(default_factory=dict)
    rounding: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Names:
    """The names that the two spellings do not share."""

    accept: str
    lower: str
    upper: str
    tariff_constraint: str
    least: str
    most: str
    tariff: str
    states: Mapping[FlexOfferState, str]


NAMES = {
    Spelling.PILOTS: Names(
        accept="acceptanceBefore",
        lower="lower",
        upper="upper",
        tariff_constraint="tariffConstraint",
        least="minTariff",
        most="maxTariff",
        tariff="tariff",
        states={
            FlexOfferState.OFFERED: "Initial",
            FlexOfferState.ACCEPTED: "Accepted",
            FlexOfferState.REJECTED: "Rejected",
            FlexOfferState.ASSIGNED: "Assigned",
            FlexOfferState.EXECUTING: "InAdaptation",
            FlexOfferState.EXECUTED: "Executed",
        },
    ),
    Spelling.SPECIFICATION: Names(
        accept="acceptBefore",
        lower="lowerBound",
        upper="upperBound",
        tariff_constraint="priceConstraint",
        least="minPrice",
        most="maxPrice",
        tariff="price",
        states={
            FlexOfferState.OFFERED: "offered",
            FlexOfferState.ACCEPTED: "accepted",
            FlexOfferState.REJECTED: "rejected",
            FlexOfferState.ASSIGNED: "assigned",
            FlexOfferState.EXECUTED: "executed",
            FlexOfferState.DELETED: "canceled",
        },
    ),
}

STATES = {
    **{text.lower(): state for names in NAMES.values() for state, text in names.states.items()},
    "adaptation": FlexOfferState.EXECUTING,
    "invalid": FlexOfferState.REJECTED,
}
"""The state of the model for each state of either spelling, in lower case."""
