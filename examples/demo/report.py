"""What a run of the demonstration has seen, ready to be drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from mpp_sdk.flexoffer.model import FlexOffer, Schedule


@dataclass(frozen=True)
class Participant:
    """A column of the sequence diagram. key is what messages refer to."""

    key: str
    name: str
    kind: str


@dataclass(frozen=True)
class Message:
    """One HTTP call that its receiver logged. step counts those of `drawing.STEPS`."""

    at: datetime
    sender: str
    receiver: str
    method: str
    path: str
    status: int
    step: int


@dataclass(frozen=True)
class Transition:
    """A change of state; why is empty when nobody said."""

    at: datetime
    state: str
    why: str = ""


@dataclass(frozen=True)
class Timeline:
    """The states of one thing, in the order of time."""

    name: str
    transitions: Sequence[Transition]


@dataclass(frozen=True)
class TimelineGroup:
    """The timelines that belong together: a subscription, or consent and activation of a PoD."""

    title: str
    note: str
    timelines: Sequence[Timeline]


@dataclass(frozen=True)
class LoadCurve:
    """The readings received for a PoD: (start, energy in kWh) in the order of time."""

    pod_id: str
    title: str
    resolution: str
    readings: Sequence[tuple[datetime, Decimal]]


@dataclass(frozen=True)
class Shape:
    """A flex-offer with its schedule, to be drawn on the 24 hours from begin.

    measured has the energy, in Wh, of each interval from the schedule's start on, as far as known.
    """

    title: str
    note: str
    begin: datetime
    offer: FlexOffer
    schedule: Schedule
    measured: Sequence[float] = ()


@dataclass(frozen=True)
class Figure:
    """A number with its unit, and what it says."""

    value: str
    meaning: str


@dataclass(frozen=True)
class AggregateRow:
    """What became of an aggregate: energies in kWh, times in hours.

    difference is by how many Wh the schedules of the members, as they were received, miss that of
    the aggregate, in the quarter-hour in which they miss it most. kept is the share of the members'
    energy flexibility, 0 to 1; lost_time that of their time flexibility, summed over them.
    """

    name: str
    members: int
    kept: float
    lost_time: float
    energy: float
    difference: float
    note: str


@dataclass(frozen=True)
class HourRow:
    """The energy of an hour of all devices together, in kWh."""

    start: datetime
    baseline: float
    scheduled: float
    measured: float | None


@dataclass(frozen=True)
class FlexibilityDay:
    """The day of the flex-offers, from begin on; prices are per Wh at a moment."""

    begin: datetime
    prices: Callable[[datetime], float]
    figures: Sequence[Figure]
    together: Sequence[HourRow]
    aggregates: Sequence[Shape]
    rows: Sequence[AggregateRow]
    devices: Sequence[Shape]
    projections: Sequence[Figure]
    assumption: str


@dataclass(frozen=True)
class Check:
    """Something that the demonstration has verified about its own outcome."""

    claim: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class Report:
    """Everything that the page shows."""

    started_at: datetime
    ended_at: datetime
    acceptance_to_active: timedelta
    acceptance_to_first_data: timedelta
    readings_received: int
    participants: Sequence[Participant]
    messages: Sequence[Message]
    groups: Sequence[TimelineGroup]
    curves: Sequence[LoadCurve]
    flexibility: FlexibilityDay
    checks: Sequence[Check]
