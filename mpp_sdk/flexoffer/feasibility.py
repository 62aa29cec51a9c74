"""Whether a schedule keeps to all that its flex-offer says."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.flexoffer.model import TOLERANCE_WH, FlexOffer, Polygon, Profile, Schedule

_WH_PER_KWH = 1_000.0


def violations(offer: FlexOffer, schedule: Schedule, now: datetime) -> list[FieldError]:
    """Return what a schedule breaks, with pointers into the schedule; nothing when it is feasible.

    now resolves start times that are implicit.
    """
    if not 0 <= schedule.profile < len(offer.profiles):
        return [FieldError("profile", "range", "There is no such profile.")]
    profile = offer.profiles[schedule.profile]
    found = list(_start_violations(offer, schedule.start, now))
    if len(schedule.energies) != len(profile.slices):
        found.append(FieldError("energies", "onePerSlice", "There must be one per slice."))
        return found
    return [*found, *energy_violations(profile, schedule.energies, offer.interval)]


def check_schedule(offer: FlexOffer, schedule: Schedule, now: datetime) -> None:
    """Raise InvalidInput with all that a schedule breaks."""
    found = violations(offer, schedule, now)
    if found:
        raise InvalidInput(f"{found[0].pointer}: {found[0].detail}", found)


def energy_violations(
    profile: Profile, energies: Sequence[float], interval: timedelta
) -> Iterator[FieldError]:
    """Yield what energies, in Wh and one per slice, break of a profile."""
    whole = profile.polytope is None and not profile.dependencies
    slack = 0.0 if whole else TOLERANCE_WH
    for number, (energy, part) in enumerate(zip(energies, profile.slices, strict=True)):
        pointer = f"energies/{number}"
        if not math.isfinite(energy):
            yield FieldError(pointer, "finite", "It must be a finite number.")
            return
        if whole and energy != int(energy):
            yield FieldError(pointer, "whole", "It must be whole Wh.")
        bounds = part.bounds(interval)
        if not bounds.lower - slack <= energy <= bounds.upper + slack:
            yield FieldError(
                pointer, "withinBounds", f"It must be from {bounds.lower} to {bounds.upper} Wh."
            )
        if part.options and all(abs(energy - option) > slack for option in part.options):
            yield FieldError(pointer, "option", "It is none of the energies that can be had.")
    if profile.total is not None:
        total = math.fsum(energies)
        if not profile.total.lower - slack <= total <= profile.total.upper + slack:
            yield FieldError(
                "energies",
                "withinTotal",
                f"They must sum up to {profile.total.lower} to {profile.total.upper} Wh.",
            )
    if profile.polytope is not None:
        for number, (row, bound) in enumerate(
            zip(profile.polytope.a, profile.polytope.b, strict=True)
        ):
            reached = math.fsum(a * energy for a, energy in zip(row, energies, strict=True))
            scale = max(1.0, max(abs(a) for a in row))
            if reached > bound * _WH_PER_KWH + TOLERANCE_WH * scale:
                yield FieldError("energies", "polytope", f"Row {number} of A·x <= b is broken.")
    before = 0.0
    for number, (energy, polygon) in enumerate(
        zip(energies, profile.dependencies, strict=bool(profile.dependencies))
    ):
        if not contains(polygon, before / _WH_PER_KWH, energy / _WH_PER_KWH):
            yield FieldError(
                f"energies/{number}", "dependency", "It does not go with the energy before it."
            )
        before += energy


def contains(polygon: Polygon, before: float, energy: float, slack: float = 1e-9) -> bool:
    """Return whether a point, in kWh, is at most slack outside of a convex polygon."""
    if len(polygon) == 1:
        return math.hypot(before - polygon[0][0], energy - polygon[0][1]) <= slack
    area = sum(
        ax * by - bx * ay
        for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True)
    )
    turn = 1.0 if area >= 0 else -1.0
    for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        length = math.hypot(bx - ax, by - ay)
        if not length:
            continue
        inside = turn * ((bx - ax) * (energy - ay) - (by - ay) * (before - ax)) / length
        if inside < -slack:
            return False
    (low_x, low_y), (high_x, high_y) = (
        (min(x for x, _ in polygon), min(y for _, y in polygon)),
        (max(x for x, _ in polygon), max(y for _, y in polygon)),
    )
    return low_x - slack <= before <= high_x + slack and low_y - slack <= energy <= high_y + slack


def _start_violations(offer: FlexOffer, start: datetime, now: datetime) -> Iterator[FieldError]:
    if start.tzinfo is None:
        yield FieldError("start", "offset", "A time needs its offset.")
        return
    starts = offer.starts(now)
    if offer.round_down(start) != start:
        yield FieldError("start", "onTheGrid", "It must lie on the grid of the interval.")
    if not starts.earliest <= start <= starts.latest:
        yield FieldError(
            "start", "withinStarts", f"It must be from {starts.earliest} to {starts.latest}."
        )
