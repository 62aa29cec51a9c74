"""Time series and key figures of the flex-offers of a subscription, as the contract has them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np

from mpp_sdk.contracts.flexoffer import models
from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer import kpi, lifecycle, timeseries
from mpp_sdk.flexoffer.billing import Bill
from mpp_sdk.flexoffer.documents import format_duration, kwh
from mpp_sdk.flexoffer.exchange.agreements import amount_text
from mpp_sdk.flexoffer.exchange.store import ReceivedFlexOffer
from mpp_sdk.flexoffer.model import (
    INTERVAL,
    FlexOffer,
    Schedule,
    intervals_since_epoch,
    moment_of,
)
from mpp_sdk.flexoffer.timeseries import TimeSeries

MOST_DAYS = 366
_HOUR = timedelta(hours=1)
_YEARS = range(1970, 3000)
_KWH_PER_MWH = 1_000.0
_WH_PER_MWH = 1_000_000.0


def check_period(start: datetime, end: datetime, names: tuple[str, str]) -> None:
    """Raise InvalidInput, with the names of the parameters, for a period that cannot be answered.

    Its end must be after its start, at most 366 days, and both of the years 1970 to 2999.
    """
    for name, moment in zip(names, (start, end), strict=True):
        if moment.astimezone(UTC).year not in _YEARS:
            raise InvalidInput.field(name, "range", "It must be of the years 1970 to 2999.")
    if end <= start:
        raise InvalidInput.field(names[1], "endAfterStart", "It must be after the start.")
    if end - start > timedelta(days=MOST_DAYS):
        raise InvalidInput.field(names[1], "longest", f"It must be at most {MOST_DAYS} days later.")


def baseline(received: Iterable[ReceivedFlexOffer], start: datetime, end: datetime) -> TimeSeries:
    """Return the energy of the defaults in the intervals of 15 min that a period touches."""
    return _sum(
        [(one.offer, one.offer.default_schedule(one.used_at)) for one in received], start, end
    )


def scheduled(received: Iterable[ReceivedFlexOffer], start: datetime, end: datetime) -> TimeSeries:
    """Return the energy of the schedules, of those that have one, as `baseline` does."""
    return _sum([(one.offer, one.schedule) for one in received if one.schedule], start, end)


def planned(received: Iterable[ReceivedFlexOffer], start: datetime, end: datetime) -> TimeSeries:
    """Return the energy of the schedules, and of the baselines of those without one."""
    return _sum(
        [(one.offer, one.schedule or one.offer.default_schedule(one.used_at)) for one in received],
        start,
        end,
    )


def measured(
    received: Iterable[ReceivedFlexOffer],
    readings: Mapping[UUID, Mapping[datetime, int]],
    start: datetime,
    end: datetime,
) -> TimeSeries:
    """Return what was measured of the schedules; missing where any of it is, as `baseline` does."""
    known, missing = [], []
    for one in received:
        if one.schedule is not None:
            values = _readings(one.offer, one.schedule, readings.get(one.id, {}))
            known.append(replace(values, values=np.nan_to_num(values.values)))
            missing.append(replace(values, values=np.isnan(values.values).astype(float)))
    found, gaps = on_one_grid(known, start, end), on_one_grid(missing, start, end)
    return replace(found, values=np.where(gaps.values > 0, np.nan, found.values))


def on_one_grid(series: Iterable[TimeSeries], start: datetime, end: datetime) -> TimeSeries:
    """Return the sum of series of any intervals in the intervals of 15 min that a period touches.

    The energy of an interval is spread evenly over it, and what is missing counts nothing.
    """
    first, after = _whole(start, end, INTERVAL)
    edges = np.arange((after - first) // INTERVAL + 1) * INTERVAL.total_seconds()
    total = np.zeros(len(edges) - 1)
    for one in series:
        own = np.arange(len(one) + 1) * one.interval.total_seconds()
        own += (one.start - first).total_seconds()
        reached = np.concatenate((np.zeros(1), np.cumsum(np.nan_to_num(one.values))))
        total += np.diff(np.interp(edges, own, reached))
    return TimeSeries(first, INTERVAL, total)


def series_document(series: TimeSeries, flex_offers: int) -> models.EnergySeries:
    """Return a series as it is told."""
    return models.EnergySeries(
        start=series.start,
        interval=format_duration(series.interval),
        energies=[kwh(energy) for energy in series.values.tolist()],
        flex_offers=flex_offers,
    )


def key_figures(
    received: Sequence[ReceivedFlexOffer],
    readings: Mapping[UUID, Mapping[datetime, int]],
    start: datetime,
    end: datetime,
    bill: Bill | None,
) -> models.KeyFigures:
    """Return the key figures of the whole hours of a period. Without a bill there are no earnings.

    The peak demand is the highest baseline of an hour. What was realised is about the flex-offers
    with a schedule, the others are at their baseline.
    """
    start, end = _whole(start, end, _HOUR)
    assigned = [one for one in received if one.schedule is not None]
    expected = baseline(received, start, end).hourly()
    asked = planned(received, start, end).hourly()
    before = baseline(assigned, start, end).hourly().values
    done = measured(assigned, readings, start, end).hourly().values - before
    peak = kpi.peak(expected)
    levels = kpi.adaptability(
        [one.offer.resolved(one.used_at) for one in received], start, end, peak, start
    )
    hours = [
        models.HourFigures(
            start=level.hour,
            baseline=kwh(base),
            scheduled=kwh(plan),
            measured=None if np.isnan(real) else kwh(base + real),
            variation=level.variation * _KWH_PER_MWH,
            adaptability=level.level,
            planned=kwh(plan - base),
            realised=None if np.isnan(real) else kwh(real),
        )
        for level, base, plan, real in zip(
            levels, expected.values.tolist(), asked.values.tolist(), done.tolist(), strict=True
        )
    ]
    variation = kpi.mean_variation(levels)
    shifted = float(np.abs(asked.values - expected.values).mean()) / _WH_PER_MWH
    earned = Decimal(0) if bill is None else bill.total
    return models.KeyFigures(
        period=models.Period(start=start, end=end),
        flex_offers=len(received),
        hours=hours,
        peak_demand=peak * _KWH_PER_MWH if peak > 0 else None,
        earnings=None if bill is None else _earnings(bill, start, end, variation),
        projections=[
            models.Projection(
                times=one.times,
                variation=one.variation * _KWH_PER_MWH,
                traded=one.traded * _KWH_PER_MWH,
                deals=None if bill is None else amount_text(one.deals),
                assumption=one.assumption,
            )
            for one in kpi.projections(
                variation, min(shifted, variation), earned / ((end - start) // _HOUR)
            )
        ],
    )


def _earnings(bill: Bill, start: datetime, end: datetime, variation: float) -> models.Earnings:
    found = kpi.earnings(bill.total, Decimal(0), start, end, variation)
    return models.Earnings(
        currency=bill.contract.currency,
        revenues=amount_text(found.revenues),
        per_megawatt_year=None if found.per_mw_year is None else amount_text(found.per_mw_year),
        assumption=found.assumption,
    )


def _sum(
    schedules: Iterable[tuple[FlexOffer, Schedule]], start: datetime, end: datetime
) -> TimeSeries:
    by_interval: dict[timedelta, list[tuple[FlexOffer, Schedule]]] = {}
    for offer, schedule in schedules:
        by_interval.setdefault(offer.interval, []).append((offer, schedule))
    return on_one_grid(
        (
            timeseries.total(some, *_whole(start, end, interval), interval)
            for interval, some in by_interval.items()
        ),
        start,
        end,
    )


def _readings(offer: FlexOffer, schedule: Schedule, values: Mapping[datetime, int]) -> TimeSeries:
    """Return what was measured in each interval of a schedule."""
    begin = lifecycle.begin_of(offer, schedule)
    count = offer.profiles[schedule.profile].intervals
    energies = [values.get(begin + n * offer.interval, np.nan) for n in range(count)]
    return TimeSeries(begin, offer.interval, np.array(energies, dtype=float))


def _whole(start: datetime, end: datetime, interval: timedelta) -> tuple[datetime, datetime]:
    """Return the first and the end of the intervals that a period touches."""
    first = moment_of(intervals_since_epoch(start, interval), interval)
    return first, first - (first - end) // interval * interval
