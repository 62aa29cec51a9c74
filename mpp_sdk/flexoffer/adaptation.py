"""What an intervention changed: the measurement beside the most probable consumption without it.

The most probable consumption comes from past measurements, and so does how wrong it may be: each
past day is predicted as if the intervention had been on it, from the days that would have been
known, and what it missed by makes the error and the confidence band. Source: GOFLEX D2.1, 1.5.4.

Days are matched by type: working days with working days, and Saturdays, Sundays and holidays with
each other; what goes past midnight is matched on both days. The expectation is the mean of the last
10 similar days, all 10 of them: to keep the highest of them only, as some programmes do, is right
where demand peaks are what is paid for, and too high for a household. Where a temperature is given,
it is a regression over similar days on how much the mean temperature of the 24 hours until the end
of the intervention is below 15.5 °C and above 22 °C.

It is then adjusted to the day: by how much the three hours before the intervention, without the
last one, in which a load may already prepare, differed from what was expected of them. Of this
difference the share counts that explained past days best: from 0, where it tells nothing, to 1.

Times are matched by the clock on the wall. An hour that the clocks show twice counts with the mean
of both, and a day without the hour is not matched for it. Days with a missing reading in what is
compared are left out, as are days of other interventions.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.timeseries import TimeSeries

SIMILAR_DAYS = 10
"""How many past days are averaged."""

TESTED_DAYS = 40
"""On how many past days at most a prediction is tested, or fitted to."""

LEAST_TESTED_DAYS = 5
"""On how many it must be."""

LOOK_BACK = timedelta(days=200)
"""How far back similar days are looked for."""

HEATING_BELOW = 15.5
COOLING_ABOVE = 22.0

_DAY = timedelta(days=1)
_NEEDED = SIMILAR_DAYS + TESTED_DAYS
_ADJUSTED_FROM = timedelta(hours=4)
_ADJUSTED_UNTIL = timedelta(hours=1)

_Floats = NDArray[np.float64]


class Method(StrEnum):
    """How the most probable consumption is found."""

    SIMILAR_DAYS = "SIMILAR_DAYS"
    TEMPERATURE = "TEMPERATURE"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is known of a load: its consumption in Wh, and what its days were like.

    consumption may hold the intervention itself. zone is that of the clock that the load lives by.
    interventions are the days, by that clock, to be left out. temperature is in °C.
    """

    consumption: TimeSeries
    zone: ZoneInfo
    holidays: frozenset[date] = frozenset()
    interventions: frozenset[date] = frozenset()
    temperature: TimeSeries | None = None


@dataclass(frozen=True, slots=True)
class PastError:
    """By how much, in Wh over all the intervals, past days were missed.

    bias is the mean of truth less expectation. relative is the root mean square as a share of the
    mean consumption; not a number when there was none.
    """

    days: int
    bias: float
    mean_absolute: float
    root_mean_square: float
    relative: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """The most probable consumption, in Wh per interval, and how it came about.

    days are those that it is the mean of, or fitted to. adjustment is what the hours before the
    intervention added to each interval.
    """

    method: Method
    consumption: TimeSeries
    days: tuple[date, ...]
    adjustment: float
    error: PastError


@dataclass(frozen=True, slots=True)
class Band:
    """From how much to how much, in Wh, and how probable it is that the truth lies within.

    coverage holds where the day of the intervention is like the past days, whatever their errors
    look like. It is at least what was asked for, unless past days are too few for that.
    """

    lower: float
    upper: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What an intervention changed, in Wh: positive is more consumption than without it.

    Intervals without a measurement are missing in `realised` and its bounds, named in `missing`,
    and not part of the total.
    """

    expectation: Expectation
    measured: TimeSeries
    realised: TimeSeries
    lower: TimeSeries
    upper: TimeSeries
    total: float
    band: Band
    missing: tuple[datetime, ...]


def most_probable(history: History, start: datetime, end: datetime) -> Expectation:
    """Return the most probable consumption from start until end, without an intervention.

    Raises InvalidInput when the times are off the grid of the consumption or more than a day apart,
    and when there are too few similar days with readings.
    """
    wanted = _checked(history, start, end)
    return _fit(history, wanted, np.ones(len(wanted), dtype=bool)).expectation


def evaluate(history: History, start: datetime, end: datetime, coverage: float = 0.9) -> Adaptation:
    """Return what an intervention from start until end changed, with bands of this coverage.

    The band of the total is that of the total: the bands of the intervals do not add up to it.
    Raises InvalidInput as `most_probable` does, when no interval has a measurement, and for a
    coverage that is not between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise InvalidInput.field("coverage", "range", "It must be between 0 and 1.")
    wanted = _checked(history, start, end)
    measured = history.consumption.between(start, end)
    known = ~np.isnan(measured.values)
    if not known.any():
        raise InvalidInput.field("consumption", "required", "There is no measurement.")
    fitted = _fit(history, wanted, known)
    realised = measured.values - fitted.expectation.consumption.values
    lower, upper = np.full((2, len(wanted)), np.nan)
    least, most, _ = _quantiles(fitted.errors, coverage)
    lower[known], upper[known] = realised[known] - most, realised[known] - least
    total = float(realised[known].sum())
    least, most, reached = _quantiles(fitted.errors.sum(1), coverage)
    return Adaptation(
        fitted.expectation,
        measured,
        replace(measured, values=realised),
        replace(measured, values=lower),
        replace(measured, values=upper),
        total,
        Band(total - float(most), total - float(least), reached),
        tuple(moment for moment, is_known in zip(wanted, known, strict=True) if not is_known),
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    """An expectation, and by how much it missed each past day (row) in each counted interval."""

    expectation: Expectation
    errors: _Floats


def _fit(history: History, wanted: list[datetime], counted: NDArray[np.bool_]) -> _Fitted:
    """Return the expectation of the wanted intervals, and its errors in the counted ones."""
    start = wanted[0]
    ahead = history.consumption.between(start - _ADJUSTED_FROM, start - _ADJUSTED_UNTIL)
    is_there = ~np.isnan(ahead.values)
    before = [moment for moment, there in zip(ahead.starts, is_there, strict=True) if there]
    past = list(islice(_similar_days(history, [*before, *wanted], start), _NEEDED))[::-1]
    if history.temperature is None:
        method, of_the_mean = Method.SIMILAR_DAYS, past[-SIMILAR_DAYS:]
        rows = _rows(past, SIMILAR_DAYS + LEAST_TESTED_DAYS)
        windows = np.lib.stride_tricks.sliding_window_view(rows, SIMILAR_DAYS, axis=0)
        means: _Floats = windows.mean(-1)
        expected, misses = means[-1], rows[SIMILAR_DAYS:] - means[:-1]
    else:
        method, of_the_mean = Method.TEMPERATURE, past[-TESTED_DAYS:]
        rows = _rows(of_the_mean, LEAST_TESTED_DAYS)
        design = np.array([day.degrees for day in of_the_mean])
        today = _degrees(history.temperature, wanted[-1] + history.consumption.interval)
        if np.isnan(today).any():
            raise InvalidInput.field("temperature", "required", "It is missing before the end.")
        expected = today @ np.linalg.lstsq(design, rows)[0]
        misses = rows - _left_one_out(design, rows)
    b = len(before)
    signal = misses[:, :b].mean(1) if b else np.zeros(len(misses))
    weight, weights = _weights(signal, misses[:, b:][:, counted].mean(1))
    adjustment = weight * float((ahead.values[is_there] - expected[:b]).mean()) if b else 0.0
    errors = misses[:, b:][:, counted] - (weights * signal)[:, None]
    truth = rows[-len(misses) :, b:][:, counted].sum(1)
    return _Fitted(
        Expectation(
            method,
            TimeSeries(start, history.consumption.interval, expected[b:] + adjustment),
            tuple(day.day for day in of_the_mean),
            adjustment,
            _past_error(errors.sum(1), float(truth.mean())),
        ),
        errors,
    )


@dataclass(frozen=True, slots=True)
class _Day:
    """A past day: the consumption at the times that are compared, and the degrees it had."""

    day: date
    consumption: _Floats
    degrees: _Floats


def _similar_days(history: History, moments: list[datetime], start: datetime) -> Iterator[_Day]:
    """Yield past days of the same type that have all readings, the last one first."""
    step = history.consumption.interval
    known = history.consumption.between(start - LOOK_BACK, start)
    days, slots = _on_the_clock(known.starts, history.zone, step)
    first = int(days[0])
    sums = np.zeros((int(days[-1]) - first + 1, int(_DAY / step)))
    counts = np.zeros_like(sums)
    np.add.at(sums, (days - first, slots), known.values)
    np.add.at(counts, (days - first, slots), 1)
    with np.errstate(invalid="ignore"):
        table = sums / counts  # what the clocks never show, 0 / 0, is missing
    today = start.astimezone(history.zone).date()
    own_days, own_slots = _on_the_clock(moments, history.zone, step)
    offsets = own_days - today.toordinal()
    touched = [int(offset) * _DAY for offset in np.unique(offsets)]
    kind = [_is_rest(today + offset, history) for offset in touched]
    until = moments[-1] + step
    for row in range(len(table) - 1 - int(offsets.max()), -1 - int(offsets.min()), -1):
        day = date.fromordinal(first + row)
        values = table[row + offsets, own_slots]
        if (
            day >= today
            or [_is_rest(day + offset, history) for offset in touched] != kind
            or any(day + offset in history.interventions for offset in touched)
            or np.isnan(values).any()
        ):
            continue
        degrees = np.empty(0)
        if history.temperature is not None:
            degrees = _degrees(history.temperature, until - (today - day))
        if not np.isnan(degrees).any():
            yield _Day(day, values, degrees)


def _on_the_clock(
    moments: list[datetime], zone: ZoneInfo, step: timedelta
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the day, as an ordinal, and its interval that the clocks show at each moment."""
    local = [moment.astimezone(zone) for moment in moments]
    seconds = int(step.total_seconds())
    return (
        np.array([one.toordinal() for one in local]),
        np.array([(one.hour * 3_600 + one.minute * 60 + one.second) // seconds for one in local]),
    )


def _is_rest(day: date, history: History) -> bool:
    return day.weekday() >= 5 or day in history.holidays


def _degrees(temperature: TimeSeries, until: datetime) -> _Floats:
    """Return 1, and by how much the 24 hours until then were too cold and too warm, in °C."""
    mean = float(temperature.between(until - _DAY, until).values.mean())
    # The comparisons with what is not a number come out so that it stays that.
    cold, warm = np.maximum([HEATING_BELOW - mean, mean - COOLING_ABOVE], 0.0)
    return np.array([1.0, cold, warm])


def _rows(days: list[_Day], least: int) -> _Floats:
    if len(days) < least:
        raise InvalidInput.field(
            "consumption",
            "pastDays",
            f"There are {len(days)} similar days with all readings in the last {LOOK_BACK.days};"
            f" it takes {least}.",
        )
    return np.array([day.consumption for day in days])


def _left_one_out(design: _Floats, rows: _Floats) -> _Floats:
    """Return each row as the regression over all the others has it."""
    others = ~np.eye(len(rows), dtype=bool)
    return np.array(
        [design[i] @ np.linalg.lstsq(design[one], rows[one])[0] for i, one in enumerate(others)]
    )


def _weights(signal: _Floats, effect: _Floats) -> tuple[float, _Floats]:
    """Return the share of a signal that explains an effect best, 0 to 1; also without each day."""
    products, squares = signal * effect, signal**2

    def share(product: _Floats, square: _Floats) -> _Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.clip(np.where(square > 0, product / square, 0.0), 0.0, 1.0)

    return (
        float(share(products.sum(), squares.sum())),
        share(products.sum() - products, squares.sum() - squares),
    )


def _past_error(errors: _Floats, truth: float) -> PastError:
    root_mean_square = float(np.sqrt((errors**2).mean()))
    return PastError(
        len(errors),
        float(errors.mean()),
        float(np.abs(errors).mean()),
        root_mean_square,
        root_mean_square / abs(truth) if truth else math.nan,
    )


def _quantiles(errors: _Floats, coverage: float) -> tuple[_Floats, _Floats, float]:
    """Return between which of the errors a further one lies, and how probable that is.

    Of n + 1 errors in any order each is as likely to be the smallest as any other. So the next one
    lies between the k-th smallest and the k-th largest of n with probability 1 - 2k / (n + 1).
    """
    n = len(errors)
    k = max(1, int((n + 1) * (1 - coverage) / 2))
    ordered = np.sort(errors, axis=0)
    return ordered[k - 1], ordered[n - k], 1 - 2 * k / (n + 1)


def _checked(history: History, start: datetime, end: datetime) -> list[datetime]:
    """Return the starts of the intervals, in UTC, of a time that can be evaluated."""
    step = history.consumption.interval
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None:
            raise InvalidInput.field(name, "offset", "A time needs its offset.")
        if (moment - history.consumption.start) % step:
            raise InvalidInput.field(
                name, "onTheGrid", "It must lie on the grid of the consumption."
            )
    if not timedelta(0) < end - start <= _DAY:
        raise InvalidInput.field("end", "range", "It must be after the start, by at most a day.")
    first = start.astimezone(UTC)
    return [first + number * step for number in range((end - start) // step)]
