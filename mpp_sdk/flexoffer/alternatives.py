"""Alternatives written in two ways: as several profiles, or as options of slices (D2.1, 7.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from math import prod

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.feasibility import energy_violations
from mpp_sdk.flexoffer.model import (
    Default,
    EnergyRange,
    FlexOffer,
    Profile,
    Schedule,
    Slice,
)
from mpp_sdk.flexoffer.rules import MAX_PROFILES
from mpp_sdk.flexoffer.solvable import unsolvable

_MOST_TRIED = 4_096
"""How many combinations of options are tried: those that miss the total, say, count as well."""


def options_to_profiles(offer: FlexOffer) -> FlexOffer:
    """Return the same offer without options: one profile for each combination that can be had.

    Lower and upper are equal where a slice had options. Raises InvalidInput (rule `maxItems`) when
    there are more combinations than an offer can have profiles.
    """
    found: list[Profile] = []
    default = None
    for number, profile in enumerate(offer.profiles):
        for one in _combinations(profile, number, offer.interval):
            if number == offer.default.profile and _holds(one, offer.default.energies):
                default = len(found)
            found.append(one)
    if len(found) > MAX_PROFILES:
        raise _too_many("/profiles", len(found))
    if default is None:
        raise InvalidInput.field("/default/energies", "option", "It is no combination of options.")
    return replace(offer, profiles=tuple(found), default=replace(offer.default, profile=default))


def profiles_to_options(offer: FlexOffer) -> FlexOffer:
    """Return the same offer with one profile, whose slices have options.

    Raises InvalidInput (rule `product`) unless the profiles are all the combinations of some
    energies per slice that keep to a total, and to the polytope and polygons that all share.
    """
    found = [
        one
        for number, profile in enumerate(offer.profiles)
        for one in _combinations(profile, number, offer.interval)
    ]
    first = found[0]
    for number, profile in enumerate(found):
        if _frame(profile) != _frame(first):
            raise _no_product(f"Profile {number} differs from the first in more than energies.")
    slices = []
    for number, parts in enumerate(zip(*(profile.slices for profile in found), strict=True)):
        ranges = sorted({(part.lower, part.upper) for part in parts})
        if len(ranges) > 1 and any(lower < upper for lower, upper in ranges):
            raise _no_product(f"Slice {number} is a range of energies, and not always the same.")
        options = tuple(lower for lower, _ in ranges) if len(ranges) > 1 else ()
        slices.append(replace(parts[0], lower=ranges[0][0], upper=ranges[-1][1], options=options))
    if prod(max(1, len(part.options)) for part in slices) > _MOST_TRIED:
        raise _no_product("They are too few to be all combinations.")
    total = _common_total(found, offer.interval)
    joined = replace(first, slices=tuple(slices), total=total)
    if total.lower > total.upper or set(_combinations(joined, 0, offer.interval)) != set(found):
        raise _no_product("Other combinations of their energies would be admitted as well.")
    (joined,) = _narrowed(joined, offer.interval)
    default = Default(offer.default.energies, offer.default.start)
    return replace(offer, profiles=(joined,), default=default)


def restated(offer: FlexOffer, schedule: Schedule) -> Schedule:
    """Return a schedule as one of the same offer written in the other way.

    The energies are the same; what differs is the number of the profile. Raises InvalidInput when
    no profile of the offer admits them.
    """
    for number, profile in enumerate(offer.profiles):
        if len(profile.slices) == len(schedule.energies) and not any(
            energy_violations(profile, schedule.energies, offer.interval)
        ):
            return replace(schedule, profile=number)
    raise InvalidInput.field("/energies", "option", "No profile of the offer has these energies.")


def _combinations(profile: Profile, number: int, interval: timedelta) -> Iterator[Profile]:
    """Yield a profile for each choice of options that something can meet."""
    count = prod(max(1, len(part.options)) for part in profile.slices)
    if count > _MOST_TRIED:
        raise _too_many(f"/profiles/{number}/slices", count)
    for parts in product(*(_choices(part) for part in profile.slices)):
        for one in _narrowed(replace(profile, slices=parts), interval):
            if count == 1 or unsolvable(one, interval) is None:
                yield one


def _choices(part: Slice) -> Sequence[Slice]:
    fixed = [replace(part, lower=one, upper=one, options=()) for one in sorted(part.options)]
    return fixed or [part]


def _narrowed(profile: Profile, interval: timedelta) -> Iterator[Profile]:
    """Yield the profile with a total that its slices can reach, without one that binds nothing."""
    sums = _sums(profile, interval)
    total = profile.total or sums
    total = EnergyRange(max(total.lower, sums.lower), min(total.upper, sums.upper))
    if total.lower <= total.upper:
        yield replace(profile, total=None if total == sums else total)


def _sums(profile: Profile, interval: timedelta) -> EnergyRange:
    ranges = [part.bounds(interval) for part in profile.slices]
    return EnergyRange(sum(one.lower for one in ranges), sum(one.upper for one in ranges))


def _common_total(profiles: Sequence[Profile], interval: timedelta) -> EnergyRange:
    """Return the total that, narrowed to the sums of each profile's slices, is the profile's own.

    What binds in one is said there; else the sums themselves say that nothing beyond is admitted.
    """
    sums = [_sums(profile, interval) for profile in profiles]
    lower = min(one.lower for one in sums)
    upper = max(one.upper for one in sums)
    for profile, one in zip(profiles, sums, strict=True):
        if profile.total is not None and profile.total.lower > one.lower:
            lower = profile.total.lower
        if profile.total is not None and profile.total.upper < one.upper:
            upper = profile.total.upper
    return EnergyRange(lower, upper)


def _holds(profile: Profile, energies: Sequence[int]) -> bool:
    return all(
        part.lower <= energy <= part.upper
        for part, energy in zip(profile.slices, energies, strict=True)
    )


def _frame(profile: Profile) -> Profile:
    """Return all of a profile but its energies."""
    slices = tuple(replace(part, lower=0, upper=0) for part in profile.slices)
    return replace(profile, slices=slices, total=None)


def _too_many(pointer: str, count: int) -> InvalidInput:
    return InvalidInput.field(
        pointer,
        "maxItems",
        f"There are {count} combinations; an offer can have {MAX_PROFILES} profiles.",
    )


def _no_product(detail: str) -> InvalidInput:
    return InvalidInput.field(
        "/profiles", "product", f"The profiles cannot be said by options of slices. {detail}"
    )
