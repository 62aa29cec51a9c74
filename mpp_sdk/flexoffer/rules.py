"""What a flex-offer must keep to, each rule with the field that breaks it.

Fields are JSON pointers into the flex-offer as the contract has it (openapi/flexoffer.yaml).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from numbers import Integral
from typing import TYPE_CHECKING

from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.flexoffer.model import EXACT_WH, EnergyRange, Polygon, Polytope, Profile, Slice

if TYPE_CHECKING:
    from mpp_sdk.flexoffer.model import FlexOffer, TwoMode

MAX_PROFILES = 64
MAX_INTERVALS = 1_344  # two weeks of 15 min
MAX_ROWS = 4_096
MAX_OPTIONS = 64
MAX_VERTICES = 64
_DAY = timedelta(days=1)
_CONVEX = 1e-9
_LARGEST = 2.0**43  # in kWh, as an energy; what is larger could not be summed up
_NAME = 256


def check(offer: "FlexOffer") -> None:
    """Raise InvalidInput with everything that is wrong with an offer, whatever the time."""
    errors = [*_identity(offer), *_times(offer)]
    if not offer.profiles:
        errors.append(FieldError("/profiles", "required", "There must be a profile."))
    if len(offer.profiles) > MAX_PROFILES:
        errors.append(_too_many("/profiles", MAX_PROFILES, "profiles"))
    for number, profile in enumerate(offer.profiles):
        errors += _profile(f"/profiles/{number}", profile, offer.interval)
    for number, vector in enumerate(offer.two_mode):
        errors += _two_mode(f"/twoMode/{number}", vector, offer.interval)
    if not errors:
        errors += _default(offer)
    refuse(errors)


def refuse(errors: Sequence[FieldError]) -> None:
    """Raise InvalidInput with the errors, if there are any."""
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise InvalidInput(f"{errors[0].pointer}: {errors[0].detail}{more}", errors)


def check_deadlines(offer: "FlexOffer", now: datetime) -> None:
    """Raise InvalidInput when an offer comes too late to be accepted, assigned or started."""
    errors = []
    starts = offer.starts(now)
    for name, deadline in (
        ("acceptBefore", offer.accept_before),
        ("assignBefore", offer.assign_before),
    ):
        if deadline <= now:
            errors.append(FieldError(f"/{name}", "inTheFuture", "This deadline has passed."))
    if starts.latest < offer.round_down(now):
        errors.append(FieldError("/startBefore", "inTheFuture", "The latest start has passed."))
    refuse(errors)


def _identity(offer: "FlexOffer") -> Iterator[FieldError]:
    for pointer, text in (("/offeredBy", offer.offered_by), ("/podId", offer.pod_id)):
        if text is not None and not 0 < len(text) <= _NAME:
            yield FieldError(pointer, "length", f"It must have 1 to {_NAME} characters.")
    priced = any(part.price is not None for each in offer.profiles for part in each.slices)
    if priced and offer.currency is None:
        yield FieldError("/currency", "required", "Prices need a currency.")


def _times(offer: "FlexOffer") -> Iterator[FieldError]:
    interval = offer.interval
    if interval <= timedelta(0) or interval.microseconds or _DAY % interval:
        yield FieldError(
            "/interval", "dividesTheDay", "It must be whole seconds, and a day a multiple of it."
        )
        return
    moments = {
        "/startAfter": offer.start_after,
        "/startBefore": offer.start_before,
        "/default/start": offer.default.start,
        "/acceptBefore": offer.accept_before,
        "/assignBefore": offer.assign_before,
    }
    naive = [pointer for pointer, moment in moments.items() if moment and moment.tzinfo is None]
    if naive:
        for pointer in naive:
            yield FieldError(pointer, "offset", "A time needs its offset.")
        return
    for pointer in ("/startAfter", "/startBefore", "/default/start"):
        moment = moments[pointer]
        if moment is not None and offer.round_down(moment) != moment:
            yield FieldError(pointer, "onTheGrid", "It must lie on the grid of the interval.")
    if offer.start_before is not None and offer.start_before_duration is not None:
        yield FieldError(
            "/startBeforeDuration", "oneOf", "Give startBefore or startBeforeDuration, not both."
        )
    if offer.start_before_duration is not None and offer.start_before_duration < timedelta(0):
        yield FieldError("/startBeforeDuration", "notNegative", "It must not be negative.")
    if offer.start_after and offer.start_before and offer.start_after > offer.start_before:
        yield FieldError("/startAfter", "startOrder", "It is after startBefore.")
    if offer.accept_before > offer.assign_before:
        yield FieldError("/acceptBefore", "deadlineOrder", "It is after assignBefore.")
    if offer.start_before is not None and offer.assign_before > offer.start_before:
        yield FieldError("/assignBefore", "beforeLatestStart", "It is after startBefore.")
    start = offer.default.start
    if start is not None and (
        (offer.start_after is not None and start < offer.start_after)
        or (offer.start_before is not None and start > offer.start_before)
    ):
        yield FieldError("/default/start", "withinStarts", "It is not within the start times.")


def _profile(pointer: str, profile: Profile, interval: timedelta) -> Iterator[FieldError]:
    slices = profile.slices
    if not slices:
        yield FieldError(f"{pointer}/slices", "required", "A profile must have a slice.")
        return
    if profile.intervals > MAX_INTERVALS:
        yield _too_many(f"{pointer}/slices", MAX_INTERVALS, "intervals")
        return
    if not 0 <= profile.lead < profile.intervals:
        yield FieldError(f"{pointer}/lead", "range", "It must be less than the profile is long.")
    broken = False
    for number, part in enumerate(slices):
        if _is_plain(part):
            continue
        for error in _slice(f"{pointer}/slices/{number}", part, interval):
            broken = True
            yield error
    if broken:
        return
    if profile.total is not None:
        bounds = [one.bounds(interval) for one in slices]
        yield from _total(f"{pointer}/total", profile.total, bounds)
    if profile.polytope is not None:
        yield from _polytope(f"{pointer}/polytope", profile.polytope, len(slices))
    if profile.dependencies:
        if len(profile.dependencies) != len(slices):
            yield FieldError(
                f"{pointer}/dependencies", "onePerSlice", "There must be one polygon per slice."
            )
        for number, polygon in enumerate(profile.dependencies):
            yield from _polygon(f"{pointer}/dependencies/{number}", polygon)


def _is_plain(part: Slice) -> bool:
    """Return whether a slice is right and has two bounds only, as nearly all have: it is quick."""
    return (
        type(part.lower) is int
        and type(part.upper) is int
        and -EXACT_WH < part.lower <= part.upper < EXACT_WH
        and part.duration >= 1
        and part.price is None
        and part.min_power is None
        and part.max_power is None
        and not part.options
    )


def _slice(pointer: str, part: Slice, interval: timedelta) -> Iterator[FieldError]:
    if part.duration < 1:
        yield FieldError(f"{pointer}/duration", "positive", "A slice takes at least one interval.")
        return
    energies = {"lower": part.lower, "upper": part.upper}
    energies |= {f"options/{number}": one for number, one in enumerate(part.options)}
    powers = {"minPower": part.min_power, "maxPower": part.max_power}
    for name, number in (energies | powers).items():
        if not (number is None or isinstance(number, Integral)):
            yield FieldError(f"{pointer}/{name}", "whole", "It must be a whole number.")
            return
    for name, energy in energies.items():
        if abs(energy) >= EXACT_WH:
            yield FieldError(f"{pointer}/{name}", "exact", "It is too large to be exact to 1 Wh.")
            return
    for name, power in powers.items():
        if power is not None and abs(power) >= EXACT_WH:
            yield FieldError(f"{pointer}/{name}", "exact", "It is too large to be exact to 1 W.")
            return
    if part.lower > part.upper:
        yield FieldError(f"{pointer}/lower", "boundOrder", "It is above the upper bound.")
        return
    bounds = part.bounds(interval)
    if bounds.lower > bounds.upper:
        yield FieldError(
            f"{pointer}/minPower", "power", "No energy within the bounds has such a power."
        )
    if len(part.options) > MAX_OPTIONS:
        yield _too_many(f"{pointer}/options", MAX_OPTIONS, "options")
    if len(set(part.options)) < len(part.options):
        yield FieldError(f"{pointer}/options", "uniqueItems", "An energy is given twice.")
    for number, energy in enumerate(part.options):
        if not bounds.lower <= energy <= bounds.upper:
            yield FieldError(f"{pointer}/options/{number}", "withinBounds", "It is out of bounds.")
    if part.price is not None and (not part.price.is_finite() or part.price < 0):
        yield FieldError(f"{pointer}/price", "notNegative", "It must be a number from 0 on.")


def _total(pointer: str, total: EnergyRange, bounds: Sequence[EnergyRange]) -> Iterator[FieldError]:
    if total.lower > total.upper:
        yield FieldError(f"{pointer}/lower", "boundOrder", "It is above the upper bound.")
        return
    for name, energy in (("lower", total.lower), ("upper", total.upper)):
        if abs(energy) >= EXACT_WH:
            yield FieldError(f"{pointer}/{name}", "exact", "It is too large to be exact to 1 Wh.")
    lowest, highest = sum(one.lower for one in bounds), sum(one.upper for one in bounds)
    if not lowest <= total.lower <= highest:
        yield FieldError(f"{pointer}/lower", "withinSlices", "The slices cannot sum up to it.")
    if not lowest <= total.upper <= highest:
        yield FieldError(f"{pointer}/upper", "withinSlices", "The slices cannot sum up to it.")


def _polytope(pointer: str, polytope: Polytope, slices: int) -> Iterator[FieldError]:
    if not polytope.a or len(polytope.a) != len(polytope.b):
        yield FieldError(f"{pointer}/b", "shape", "A must have a row for each element of b.")
    if len(polytope.a) > MAX_ROWS:
        yield _too_many(f"{pointer}/a", MAX_ROWS, "rows")
    for number, row in enumerate(polytope.a):
        if len(row) != slices:
            yield FieldError(
                f"{pointer}/a/{number}", "shape", "A row must have one element per slice."
            )
        elif not all(map(_countable, row)):
            yield FieldError(
                f"{pointer}/a/{number}", "finite", "It must have finite numbers, at most 2**43."
            )
    for number, bound in enumerate(polytope.b):
        if not _countable(bound):
            yield FieldError(
                f"{pointer}/b/{number}", "finite", "It must be a finite number, at most 2**43."
            )


def _polygon(pointer: str, polygon: Polygon) -> Iterator[FieldError]:
    if not 1 <= len(polygon) <= MAX_VERTICES:
        yield FieldError(pointer, "length", f"It must have 1 to {MAX_VERTICES} vertices.")
        return
    if not all(_countable(number) for vertex in polygon for number in vertex):
        yield FieldError(pointer, "finite", "It must have finite numbers, at most 2**43.")
    elif not is_convex(polygon):
        yield FieldError(pointer, "convex", "Its vertices, in their order, are not convex.")


def _countable(number: float) -> bool:
    """Return whether a number is finite, and not too large to be calculated with."""
    return abs(number) <= _LARGEST  # not a number is not


def is_convex(polygon: Polygon) -> bool:
    """Return whether vertices, counterclockwise or clockwise, make a convex polygon.

    A point and a segment are convex; a polygon that winds around twice is not.
    """
    if len(polygon) <= 2:
        return True
    size = max(max(axis) - min(axis) for axis in zip(*polygon, strict=True)) or 1.0
    turns, turned = [], 0.0
    edges = [
        (after[0] - before[0], after[1] - before[1])
        for before, after in pairwise([*polygon, polygon[0]])
        if before != after
    ]
    for (ax, ay), (bx, by) in pairwise([*edges, *edges[:1]]):
        cross = ax * by - ay * bx
        turns.append(0.0 if abs(cross) <= _CONVEX * size * size else cross)
        turned += math.atan2(cross, ax * bx + ay * by)
    if not any(turns):
        return len(edges) <= 2 or _is_flat(polygon)
    one_way = all(turn >= 0 for turn in turns) or all(turn <= 0 for turn in turns)
    return one_way and abs(abs(turned) - 2 * math.pi) < 1e-6


def _is_flat(polygon: Polygon) -> bool:
    """Return whether the vertices lie on a line, which is then gone along and back once."""
    ends = min(polygon), max(polygon)
    return all(vertex in ends for vertex in polygon)


def _two_mode(pointer: str, vector: "TwoMode", interval: timedelta) -> Iterator[FieldError]:
    for name, portion, time in (
        ("prior", vector.prior_portion, vector.prior_time),
        ("after", vector.after_portion, vector.after_time),
    ):
        if not 0 <= portion <= 1:  # not a number is not either
            yield FieldError(f"{pointer}/{name}Portion", "range", "It must be from 0 to 1.")
        if time < timedelta(0) or (interval > timedelta(0) and time % interval):
            yield FieldError(
                f"{pointer}/{name}Time", "onTheGrid", "It must be a multiple of the interval."
            )
        elif portion and not time:
            yield FieldError(
                f"{pointer}/{name}Time", "required", "What is given back needs its time."
            )


def _default(offer: "FlexOffer") -> Iterator[FieldError]:
    default = offer.default
    if not 0 <= default.profile < len(offer.profiles):
        yield FieldError("/default/profile", "range", "There is no such profile.")
        return
    profile = offer.profiles[default.profile]
    if len(default.energies) != len(profile.slices):
        yield FieldError("/default/energies", "onePerSlice", "There must be one per slice.")
        return
    fractions = [at for at, one in enumerate(default.energies) if not isinstance(one, Integral)]
    for number in fractions:
        yield FieldError(f"/default/energies/{number}", "whole", "It must be whole Wh.")
    if fractions:
        return
    from mpp_sdk.flexoffer.feasibility import energy_violations

    for broken in energy_violations(profile, default.energies, offer.interval):
        yield FieldError(f"/default/{broken.pointer}", broken.rule, broken.detail)


def _too_many(pointer: str, limit: int, what: str) -> FieldError:
    return FieldError(pointer, "maxItems", f"There must be at most {limit} {what}.")


def joined(errors: Iterable[FieldError]) -> str:
    """Return errors in one sentence each, for a reason that is kept."""
    return " ".join(f"{one.pointer}: {one.detail}" for one in errors)
