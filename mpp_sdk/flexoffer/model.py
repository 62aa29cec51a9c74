"""A flex-offer: a profile of energy that can be shaped and moved in time.

The concept and its extensions are those of MIRABEL, TOTALFLEX and GOFLEX (D2.1, 1.2 and 7.1).
Consumption is positive, production negative. Energies are in Wh, and whole numbers but for the
schedules of what has a polytope or dependencies; those constraints are in kWh, as they are written.
Times lie on the grid of the interval, counted from 1970-01-01T00:00Z.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Self
from uuid import UUID

from mpp_sdk.ids import new_id

INTERVAL = timedelta(minutes=15)
"""How long an interval is unless an offer says otherwise."""

EXACT_WH = 1_000 * 2**43
"""Energies from here on are not held exactly by a double in kWh, at a resolution of 1 Wh."""

TOLERANCE_WH = 1e-6
"""By how much a schedule may miss a polytope or a polygon: 1e-9 kWh."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[float, ...]
Polygon = tuple[tuple[float, float], ...]
"""The vertices (energy in all slices before, energy in this slice) of a convex polygon, in kWh."""


@dataclass(frozen=True, slots=True)
class EnergyRange:
    """From how much to how much energy, in Wh, both included."""

    lower: int
    upper: int


@dataclass(frozen=True, slots=True)
class Slice:
    """What can be done in some intervals in a row.

    The energy, in Wh of the whole slice, is spread evenly over its intervals. Power bounds are in W
    and narrow the energy. With options, only these energies can be had. price is what a deviation
    of 1 kWh from the default energy costs.
    """

    lower: int
    upper: int
    duration: int = 1
    price: Decimal | None = None
    min_power: int | None = None
    max_power: int | None = None
    options: tuple[int, ...] = ()

    def bounds(self, interval: timedelta) -> EnergyRange:
        """Return the energy that can be had, its power bounds applied; empty when lower > upper."""
        if self.min_power is None and self.max_power is None:
            return EnergyRange(self.lower, self.upper)
        seconds = self.duration * int(interval.total_seconds())
        lower, upper = self.lower, self.upper
        if self.min_power is not None:
            lower = max(lower, -(-self.min_power * seconds // 3600))
        if self.max_power is not None:
            upper = min(upper, self.max_power * seconds // 3600)
        return EnergyRange(lower, upper)


@dataclass(frozen=True, slots=True)
class Polytope:
    """The constraint A·x <= b on the energies x of the slices, in kWh."""

    a: tuple[Row, ...]
    b: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to operate: its slices, and what binds them together.

    dependencies, if any, has one polygon for each slice. lead is how many intervals of the profile
    lie before the start of the offer, for what is done before an intervention.
    """

    slices: tuple[Slice, ...]
    total: EnergyRange | None = None
    polytope: Polytope | None = None
    dependencies: tuple[Polygon, ...] = ()
    lead: int = 0

    @property
    def intervals(self) -> int:
        """How many intervals it takes."""
        return sum(part.duration for part in self.slices)

    @property
    def is_plain(self) -> bool:
        """Whether each slice can be chosen alone, anything between its bounds."""
        return not (
            self.total
            or self.polytope
            or self.dependencies
            or any(part.options for part in self.slices)
        )

    def offsets(self) -> list[int]:
        """Return with which interval of the profile each slice begins."""
        return [0, *accumulate(part.duration for part in self.slices)][:-1]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to start, and how much energy, in Wh, to use in each slice of which profile."""

    start: datetime
    energies: tuple[float, ...]
    profile: int = 0

    @property
    def total(self) -> float:
        """The energy in all, in Wh."""
        return sum(self.energies)


@dataclass(frozen=True, slots=True)
class Default:
    """The baseline: what is done unless a schedule says otherwise.

    Without a start it begins as early as it can.
    """

    energies: tuple[int, ...]
    start: datetime | None = None
    profile: int = 0


@dataclass(frozen=True, slots=True)
class TwoMode:
    """What an intervention makes a load do before and after it (D2.1, 7.1).

    The portions, 0 to 1, of the energy by which the schedule deviates from the default are given
    back evenly over the times.
    """

    prior_time: timedelta = timedelta(0)
    prior_portion: float = 0.0
    after_time: timedelta = timedelta(0)
    after_portion: float = 0.0


@dataclass(frozen=True, slots=True)
class Starts:
    """The earliest and the latest start, both included, on the grid of the interval."""

    earliest: datetime
    latest: datetime

    @property
    def flexibility(self) -> timedelta:
        """By how much the start can be moved."""
        return self.latest - self.earliest


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOffer:
    """What somebody offers to do with energy, and how it can be shaped.

    Exactly one of several profiles is carried out. A missing start time means now, at the moment of
    use; start_before_duration counts from then. pod_id is the point of delivery that it is about.
    accept_before and assign_before are until when it can be accepted, and given a schedule.

    Raises InvalidInput, with every field and rule that is broken, when it could not be carried out
    whatever the time; `rules.check_deadlines` adds what depends on the moment, and
    `solvable.check_solvable` what takes a solver to find out.
    """

    profiles: tuple[Profile, ...]
    default: Default
    accept_before: datetime
    assign_before: datetime
    offered_by: str
    pod_id: str | None = None
    start_after: datetime | None = None
    start_before: datetime | None = None
    start_before_duration: timedelta | None = None
    interval: timedelta = INTERVAL
    two_mode: tuple[TwoMode, ...] = ()
    currency: str | None = None
    id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        from mpp_sdk.flexoffer.rules import check  # the rules know the model

        check(self)

    @property
    def profile(self) -> Profile:
        """The profile that is done by default, the only one of most offers."""
        return self.profiles[self.default.profile]

    def starts(self, now: datetime) -> Starts:
        """Return when it can start, for a use at this moment."""
        moment = self.round_up(now)
        earliest = moment if self.start_after is None else self.start_after
        if self.start_before_duration is not None:
            latest = self.round_down(now + self.start_before_duration)
        else:
            latest = moment if self.start_before is None else self.start_before
        return Starts(earliest, max(earliest, latest))

    def default_schedule(self, now: datetime) -> Schedule:
        """Return the baseline as a schedule, for a use at this moment."""
        start = self.default.start or self.starts(now).earliest
        return Schedule(start, self.default.energies, self.default.profile)

    def round_up(self, moment: datetime) -> datetime:
        """Return the first moment of the grid from this one on."""
        return _EPOCH + -((_EPOCH - moment) // self.interval) * self.interval

    def round_down(self, moment: datetime) -> datetime:
        """Return the last moment of the grid until this one."""
        return _EPOCH + (moment - _EPOCH) // self.interval * self.interval

    def resolved(self, now: datetime) -> Self:
        """Return it with its start times written out, for a use at this moment.

        Deadlines and a default start that are beyond these times become the nearest within them.
        """
        starts = self.starts(now)
        start = min(max(self.default_schedule(now).start, starts.earliest), starts.latest)
        return replace(
            self,
            start_after=starts.earliest,
            start_before=starts.latest,
            start_before_duration=None,
            accept_before=min(self.accept_before, starts.latest),
            assign_before=min(self.assign_before, starts.latest),
            default=replace(self.default, start=start),
        )


def intervals_since_epoch(moment: datetime, interval: timedelta) -> int:
    """Return the number of the interval that begins at a moment of the grid."""
    return (moment - _EPOCH) // interval


def moment_of(number: int, interval: timedelta) -> datetime:
    """Return when an interval begins."""
    return _EPOCH + number * interval


def spread(energies: Sequence[float], profile: Profile) -> list[float]:
    """Return the energy, in Wh, of each interval: that of a slice goes evenly over its intervals.

    Whole numbers stay whole: interval k of n has floor(E(k+1)/n) - floor(E k/n).
    """
    spread_out: list[float] = []
    for energy, part in zip(energies, profile.slices, strict=True):
        n = part.duration
        if n == 1:
            spread_out.append(energy)
        elif energy == int(energy):
            whole = int(energy)
            spread_out += [float(whole * (k + 1) // n - whole * k // n) for k in range(n)]
        else:
            spread_out += [energy / n] * n
    return spread_out
