"""Key performance indicators of flexibility and its use, hour by hour. Source: GOFLEX D2.1, 7.6.

Hours are those of UTC and energies are in MWh, so that a figure per hour is also one in MW.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.model import FlexOffer, Profile, intervals_since_epoch, moment_of
from mpp_sdk.flexoffer.pricing import rounded
from mpp_sdk.flexoffer.reach import reaches
from mpp_sdk.flexoffer.timeseries import TimeSeries

TIMES = (10, 100, 1_000)
"""How many times the participants projections are made for."""

_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)
_WH_PER_MWH = 1_000_000.0
_HOURS_PER_YEAR = 8_760


@dataclass(frozen=True, slots=True)
class Adaptability:
    """By how much demand can be varied in one hour, beside the peak demand, both in MWh/h."""

    hour: datetime
    variation: float
    peak_demand: float

    @property
    def level(self) -> float | None:
        """The electricity load adaptability level: the variation as a share of the peak.

        None where there is no demand.
        """
        return self.variation / self.peak_demand if self.peak_demand > 0 else None


@dataclass(frozen=True, slots=True)
class Projection:
    """What some times the participants would offer and trade in an hour, and what that assumes."""

    times: int
    variation: float
    traded: float
    deals: Decimal
    is_saturated: bool
    assumption: str


@dataclass(frozen=True, slots=True)
class Earnings:
    """What flexibility brought: in the currency's unit, and projected per MW and year.

    per_mw_year is None where no flexibility was offered, which nothing can be projected from.
    """

    revenues: Decimal
    savings: Decimal
    per_mw_year: Decimal | None
    assumption: str

    @property
    def total(self) -> Decimal:
        """Revenues and savings together."""
        return self.revenues + self.savings


@dataclass(frozen=True, slots=True)
class AdaptationLevel:
    """The energy of one hour in MWh: what was expected, scheduled and measured.

    Each is None where it is not known for the whole hour.
    """

    hour: datetime
    baseline: float | None
    schedule: float | None
    measurement: float | None

    @property
    def planned(self) -> float | None:
        """The adaptation that was scheduled: positive is more consumption."""
        return _difference(self.schedule, self.baseline)

    @property
    def realised(self) -> float | None:
        """The adaptation that was measured: positive is more consumption."""
        return _difference(self.measurement, self.baseline)


def adaptability(
    offers: Iterable[FlexOffer], start: datetime, end: datetime, peak_demand: float, now: datetime
) -> list[Adaptability]:
    """Return the adaptability level of each hour of UTC that the period touches.

    The variation of an hour is the most energy that the flex-offers can take in it less the least,
    summed over them. Amount flexibility counts by the bounds of the slices that lie in the hour and
    all that constrains them; time flexibility counts by choosing, for each hour, the start that
    puts the most or the least into it. Each hour stands alone: what is used in one hour may be
    missing in another. peak_demand is in MWh/h. Aggregated flex-offers are what it is meant for; it
    works on any. Raises InvalidInput for a peak that is not a number, or an end not after the
    start.
    """
    if not np.isfinite(peak_demand):
        raise InvalidInput.field("peakDemand", "finite", "It must be a finite number.")
    if start.tzinfo is None or end.tzinfo is None or end <= start:
        raise InvalidInput.field("end", "endAfterStart", "It must be after the start.")
    first = moment_of(intervals_since_epoch(start, _HOUR), _HOUR)
    hours = TimeSeries(first, _HOUR, np.zeros(-((first - end) // _HOUR)))
    variation = np.zeros(len(hours))
    for offer in offers:
        variation += _variation(offer, hours, now)
    return [
        Adaptability(hour, float(one) / _WH_PER_MWH, peak_demand)
        for hour, one in zip(hours.starts, variation, strict=True)
    ]


def projections(
    variation: float, traded: float, deals: Decimal, wanted: float | None = None
) -> list[Projection]:
    """Return what 10, 100 and 1,000 times the participants would offer and trade in an hour.

    variation and traded are today's, in MWh/h; deals is what the traded part brings per hour. All
    three grow in proportion to the participants. wanted, in MWh/h, is the most that buyers would
    take in an hour: then trade ends there, and the deals with it, at today's price per MWh; without
    it buyers grow as everyone does. Raises InvalidInput for what is negative or not a number, and
    when more is traded than there is or is wanted.
    """
    for name, value in (("variation", variation), ("traded", traded), ("wanted", wanted or 0.0)):
        if not 0 <= value < np.inf:
            raise InvalidInput.field(name, "notNegative", "It must be a number from 0 on.")
    if not deals.is_finite():
        raise InvalidInput.field("deals", "finite", "It must be a finite number.")
    if traded > variation or (wanted is not None and traded > wanted):
        raise InvalidInput.field("traded", "atMost", "There is, or is wanted, less than that.")
    if wanted is None:
        assumption = (
            "Flexibility, trade and buyers' demand grow in proportion to the participants, at"
            " today's prices; nothing saturates."
        )
    else:
        assumption = (
            "Flexibility and trade grow in proportion to the participants, at today's prices,"
            f" until buyers have the {wanted:g} MWh/h that they want at most; from there trade"
            " stays as it is."
        )
    found = []
    for times in TIMES:
        grown = traded * times
        is_saturated = wanted is not None and grown > wanted
        share = Fraction(wanted) / Fraction(traded) if is_saturated and wanted else Fraction(times)
        found.append(
            Projection(
                times,
                variation * times,
                float(Fraction(traded) * share),
                rounded(Fraction(deals) * share),
                is_saturated,
                assumption,
            )
        )
    return found


def earnings(
    revenues: Decimal, savings: Decimal, start: datetime, end: datetime, flexible: float
) -> Earnings:
    """Return what was earned in a period, and what that is per MW of flexibility and year.

    flexible is the mean variation over the period, in MW. Raises InvalidInput for what is not a
    number, a negative flexibility, or an end not after the start.
    """
    if not (revenues.is_finite() and savings.is_finite()):
        raise InvalidInput.field("revenues", "finite", "It must be a finite number.")
    if not 0 <= flexible < np.inf:
        raise InvalidInput.field("flexible", "notNegative", "It must be a number from 0 on.")
    if start.tzinfo is None or end.tzinfo is None or end <= start:
        raise InvalidInput.field("end", "endAfterStart", "It must be after the start.")
    years = Fraction((end - start) // _MICROSECOND, _HOUR // _MICROSECOND * _HOURS_PER_YEAR)
    earned = Fraction(revenues) + Fraction(savings)
    return Earnings(
        revenues,
        savings,
        rounded(earned / Fraction(flexible) / years) if flexible else None,
        "Every hour of a year of 8,760 h brings what an hour of the period brought on average.",
    )


def adaptation_levels(
    baseline: TimeSeries, schedule: TimeSeries, measurement: TimeSeries
) -> list[AdaptationLevel]:
    """Return the level of adaptation of each hour of UTC that the baseline covers.

    Raises InvalidInput unless an hour is a multiple of each interval.
    """
    expected = baseline.hourly()
    others = [one.hourly().between(expected.start, expected.end) for one in (schedule, measurement)]
    columns = [_mwh(one.values) for one in (expected, *others)]
    return [AdaptationLevel(*row) for row in zip(expected.starts, *columns, strict=True)]


def peak(demand: TimeSeries) -> float:
    """Return the highest energy of an hour of demand, in MWh/h, of the hours that are complete.

    Raises InvalidInput when none is.
    """
    hourly = demand.hourly().values
    if np.isnan(hourly).all():
        raise InvalidInput.field("demand", "required", "No hour is complete.")
    return float(np.nanmax(hourly)) / _WH_PER_MWH


def mean_variation(levels: Sequence[Adaptability]) -> float:
    """Return the mean variation of some hours, in MW; 0 of none."""
    return sum(one.variation for one in levels) / len(levels) if levels else 0.0


def _variation(offer: FlexOffer, hours: TimeSeries, now: datetime) -> NDArray[np.float64]:
    """Return by how much an offer can vary the energy of each hour, in Wh."""
    starts = offer.starts(now)
    shifts = np.arange(starts.flexibility // offer.interval + 1)
    length = _HOUR / offer.interval
    most = np.full(len(hours), -np.inf)
    least = np.full(len(hours), np.inf)
    for profile in offer.profiles:
        begins = starts.earliest - profile.lead * offer.interval
        # How far into the profile, in its intervals, each hour begins for each start.
        first = (hours.start - begins) / offer.interval + length * np.arange(len(hours))
        positions, which = np.unique(first[None, :] - shifts[:, None], return_inverse=True)
        low, high = _in_hours(profile, offer.interval, positions, length)
        which = which.reshape(len(shifts), len(hours))
        least = np.minimum(least, low[which].min(0))
        most = np.maximum(most, high[which].max(0))
    variation: NDArray[np.float64] = most - least
    return variation


def _in_hours(
    profile: Profile, interval: timedelta, positions: NDArray[np.float64], length: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the most energy, in Wh, within an hour at each position in a profile."""
    edges = np.array([*profile.offsets(), profile.intervals], dtype=float)
    inside = np.diff(np.clip(edges, positions[:, None], positions[:, None] + length))
    touched = inside.any(axis=1)
    least, most = np.zeros((2, len(positions)))
    least[touched], most[touched] = reaches(profile, interval, inside[touched] / np.diff(edges))
    return least, most


def _mwh(energies: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(one) else float(one) / _WH_PER_MWH for one in energies]


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
