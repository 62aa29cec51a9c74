"""Many flex-offers become few, and the schedules of the few become theirs again.

An aggregate is a flex-offer, and can be aggregated again. Plain offers are added slice by slice,
which is exact but for time flexibility; others are combined by `combiners`. Source: GOFLEX D2.1,
1.2; which sums are sound, and which promise too much, was found out before (see `combiners`).
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.flexoffer import kernels
from mpp_sdk.flexoffer.columns import (
    EPOCH,
    Coded,
    Codes,
    Energies,
    FlexOffers,
    Ints,
    Kind,
    Schedules,
    compiled,
    default_profiles,
    offsets_of,
)
from mpp_sdk.flexoffer.combiners import Combination, combiner_for
from mpp_sdk.flexoffer.feasibility import violations
from mpp_sdk.flexoffer.grouping import Alignment, Grouping, LeftOut
from mpp_sdk.flexoffer.model import FlexOffer, Schedule
from mpp_sdk.flexoffer.rules import MAX_INTERVALS, refuse

T = TypeVar("T")

_MICROSECOND = timedelta(microseconds=1)
_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Lost:
    """What flexibility each aggregate gives up of what its members have alone.

    time is the sum of the members' time flexibility less that of the aggregate, in intervals, over
    its members. kept is the share of the energy flexibility that it still offers, 0 to 1: less than
    1 only where members are bound by totals, dependencies or polytopes.
    """

    time: Ints
    kept: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Groups:
    """What is known of groups before their energies: see `kernels.summarise` for what each is."""

    first: Ints
    count: Ints
    ids: NDArray[np.uint64]
    minima: Ints
    movable: Ints

    def in_order(self) -> tuple["Groups", Ints]:
        """Return the groups by ascending id of their aggregate, and which each of them was."""
        ids = aggregate_ids(self.ids, self.count)
        order = np.lexsort((ids[:, 1], ids[:, 0]))
        return Groups(
            self.first[order],
            self.count[order],
            ids[order],
            self.minima[order],
            self.movable[order],
        ), order


@dataclass(frozen=True, eq=False, kw_only=True)
class Aggregation:
    """Flex-offers, and the aggregates that they were made into.

    groups has the aggregate of each offer, and positions in which of its slots an offer's profile
    begins (empty: all in the first). combinations are those of the aggregates whose members are not
    plain. The aggregates are in the order of their ids, which follow from the members'.
    """

    offers: FlexOffers
    grouping: Grouping
    aggregates: FlexOffers
    groups: Codes
    positions: Ints
    left_out: tuple[LeftOut, ...]
    movable: Ints
    combinations: Mapping[int, tuple[Combination, NDArray[np.int64]]] = field(default_factory=dict)

    def members(self, aggregate: int) -> Ints:
        """Return which offers are in an aggregate, in their order."""
        order, bounds = self._by_aggregate
        return order[bounds[aggregate] : bounds[aggregate + 1]]

    @cached_property
    def counts(self) -> Ints:
        """How many members each aggregate has."""
        return np.bincount(self.groups, minlength=len(self.aggregates))

    @cached_property
    def lost(self) -> Lost:
        """What flexibility each aggregate gives up; that of energies takes a while to find out."""
        own = self.aggregates.latest - self.aggregates.earliest
        kept = np.ones(len(self.aggregates))
        for number, (combination, _) in self.combinations.items():
            kept[number] = combination.kept
        return Lost(self.movable - self.counts * own, kept)

    @cached_property
    def _by_aggregate(self) -> tuple[Ints, Ints]:
        return np.argsort(self.groups, kind="stable"), offsets_of(self.counts)

    def disaggregate(self, schedules: Schedules) -> Schedules:
        """Return the schedules of the offers, in their order, that make up those of the aggregates.

        Each is feasible for its offer, and in every slice they sum up to the aggregate's, whole Wh
        exactly. An aggregate's baseline gives each its own default energies, and aligned by the
        baseline its own default start. Raises InvalidInput when there is not one schedule for each
        aggregate, or one breaks what its aggregate allows.
        """
        energies = np.empty_like(self.offers.default)
        kernels.share_out(
            self.groups,
            self.positions,
            self.offers.offsets,
            self.aggregates.offsets,
            *deviations(self.aggregates, schedules),
            self.offers.default,
            self.offers.down,
            self.offers.up,
            energies,
        )
        return self.scheduled(schedules, energies)

    def scheduled(self, schedules: Schedules, energies: Energies) -> Schedules:
        """Return the offers' schedules by those of the aggregates, given the plain ones' energies.

        The schedules must be feasible, and the energies those that they are shared out to.
        """
        plain = Schedules(
            interval=self.offers.interval,
            start=self.starts(schedules),
            offsets=self.offers.offsets,
            energies=energies,
            profile=default_profiles(self.offers),
        )
        return _replaced(plain, dict(self._special(schedules)))

    def starts(self, schedules: Schedules) -> Ints:
        """Return when the offers start, when the aggregates start as these schedules say."""
        if self.grouping.alignment is Alignment.BASELINE:
            shifts = schedules.start - self.aggregates.default_start
            return self.offers.default_start + shifts[self.groups]
        return self.offers.earliest + (schedules.start - self.aggregates.earliest)[self.groups]

    def _special(self, schedules: Schedules) -> Iterator[tuple[int, Schedule]]:
        """Yield the schedules of the offers that are not plain."""
        for number in self.aggregates.objects:
            schedule = schedules[number]
            if number in self.combinations:
                combination, members = self.combinations[number]
                shares = combination.split(schedule.energies)
                for member, share in zip(members.tolist(), shares, strict=True):
                    yield member, Schedule(schedule.start, tuple(share))
            else:
                yield int(self.members(number)[0]), schedule


def aggregate(offers: FlexOffers, grouping: Grouping) -> Aggregation:
    """Return offers with the aggregates that a grouping makes of them.

    The order of the offers does not matter to the aggregates.
    """
    left_out = tuple(stay_alone(offers, grouping))
    groups, number = _grouped(offers, grouping, left_out)
    return _assembled(offers, grouping, groups, number, left_out)


def aggregate_ids(joined: NDArray[np.uint64], count: Ints) -> NDArray[np.uint64]:
    """Return the ids of aggregates by those of their members XORed, and how many there are.

    They are made a UUID version 8 (RFC 9562), but for that of one member, which is its own: the
    same members make the same aggregate, in one step or in several.
    """
    ids, many = joined.copy(), count > 1
    ids[many, 0] = ids[many, 0] & np.uint64(0xFFFF_FFFF_FFFF_0FFF) | np.uint64(0x8000)
    ids[many, 1] = ids[many, 1] & np.uint64(2**62 - 1) | np.uint64(2**63)
    return ids


def stay_alone(offers: FlexOffers, grouping: Grouping) -> Iterator[LeftOut]:
    """Yield the offers that cannot be grouped with any other."""
    for row in sorted(offers.objects):
        if offers.kinds[row] & Kind.ALTERNATIVES:
            yield LeftOut(row, "It has alternatives, of which only one is carried out.")
    if offers.reach < grouping.largest // MAX_INTERVALS:
        return
    highest = np.maximum(np.abs(offers.lower), np.abs(offers.upper)).astype(np.int64)
    first = offers.offsets[:-1]
    added = np.where(
        offers.kinds == Kind.PLAIN,
        np.maximum.reduceat(highest, first),
        np.add.reduceat(np.minimum(highest, grouping.largest), first),
    )
    for row in np.flatnonzero(added >= grouping.largest).tolist():
        if not offers.kinds[row] & Kind.ALTERNATIVES:
            yield LeftOut(
                row,
                f"Its energies could not be added up exactly with those of {grouping.max_size} "
                "such members.",
            )


@dataclass(slots=True)
class Keys:
    """The keys of groups, and which group has which: it grows as offers are grouped.

    classes and rigid are by the codes of terms: which terms go together, and whether profiles with
    them have to begin at the same time.
    """

    grouping: Grouping
    table: Ints = field(default_factory=lambda: np.full(1024, -1, np.int64))
    keys: Ints = field(default_factory=lambda: np.empty((512, 5), np.int64))
    number: int = 0
    classes: dict[Hashable, int] = field(default_factory=dict)

    def groups_of(self, offers: FlexOffers, alone: Iterable[LeftOut]) -> Codes:
        """Return the group of each offer, new groups for those whose key is not known yet."""
        grouping = self.grouping
        of_terms = [
            self.classes.setdefault(grouping.price_class(terms), len(self.classes))
            for terms in offers.terms.values
        ]
        rigid = [bool(terms.durations) or len(terms.prices) > 1 for terms in offers.terms.values]
        rows = [one.index for one in alone]
        single = np.zeros(len(offers) if rows else 0, np.bool_)
        single[rows] = True
        groups: Codes
        groups, self.table, self.keys, self.number = kernels.assign(
            grouping.alignment is Alignment.BASELINE,
            *grouping.widths(offers.interval),
            MAX_INTERVALS,
            np.array(of_terms, np.int64),
            np.array(rigid, np.bool_),
            offers.terms.codes,
            offers.locations.codes if grouping.by_location else offers.locations.codes[:0],
            offers.directions if grouping.by_direction else offers.directions[:0],
            offers.kinds,
            single,
            offers.ids,
            offers.earliest,
            offers.latest,
            offers.default_start,
            offers.offsets,
            self.table,
            self.keys,
            self.number,
        )
        return groups


def _grouped(
    offers: FlexOffers, grouping: Grouping, left_out: Iterable[LeftOut]
) -> tuple[Codes, int]:
    """Return the group of each offer, and how many there are, those that are too large cut."""
    keys = Keys(grouping)
    groups = keys.groups_of(offers, left_out)
    number = keys.number
    counts = np.bincount(groups, minlength=number)
    for group in np.flatnonzero(counts > grouping.max_size).tolist():
        members = np.flatnonzero(groups == group)
        part = parts(offers.ids[members], grouping.max_size)
        groups[members] = np.where(part == 0, group, number - 1 + part)
        number += int(part.max())
    return groups, number


def parts(ids: NDArray[np.uint64], size: int) -> Ints:
    """Return in which part of a group each member is: parts of this size, by ascending id."""
    part = np.empty(len(ids), np.int64)
    part[np.lexsort((ids[:, 1], ids[:, 0]))] = np.arange(len(ids)) // size
    return part


def _assembled(
    offers: FlexOffers,
    grouping: Grouping,
    groups: Codes,
    number: int,
    left_out: tuple[LeftOut, ...],
) -> Aggregation:
    baseline = grouping.alignment is Alignment.BASELINE
    found = Groups(
        *kernels.summarise(
            baseline,
            groups,
            number,
            offers.ids,
            offers.earliest,
            offers.latest,
            offers.default_start,
            offers.accept_before,
            offers.assign_before,
        )
    )
    found, order = found.in_order()
    rank = np.empty(number, np.int32)
    rank[order] = np.arange(number)
    groups = rank[groups]
    anchors = offers.default_start if baseline else offers.earliest
    together = grouping.widths(offers.interval)[0] == 1
    positions = np.empty(0, np.int64) if together else anchors - found.minima[groups, 0]
    slots = offsets_of(kernels.extents(groups, positions, offers.offsets, number))
    sums = kernels.add_up(
        groups, positions, offers.offsets, slots, offers.default, offers.down, offers.up
    )
    plain = summed(offers, grouping, found, slots, *sums)
    combinations = {}
    bound = np.flatnonzero((found.count > 1) & (offers.kinds[found.first] != Kind.PLAIN))
    for group in bound.tolist():
        members = np.flatnonzero(groups == group)
        members = members[np.lexsort((offers.ids[members, 1], offers.ids[members, 0]))]
        combinations[group] = combined(offers, members), members
    return Aggregation(
        offers=offers,
        grouping=grouping,
        aggregates=with_combined(
            plain, grouping, {group: one.offer for group, (one, _) in combinations.items()}
        ),
        groups=groups,
        positions=positions,
        left_out=left_out,
        movable=found.movable,
        combinations=combinations,
    )


def summed(
    offers: FlexOffers,
    grouping: Grouping,
    groups: Groups,
    slots: Ints,
    default: Ints,
    down: Ints,
    up: Ints,
) -> FlexOffers:
    """Return the aggregates of groups by the sums of their members' energies.

    An aggregate of one is that offer.
    """
    one = groups.count == 1
    first = groups.first
    anchor, before, after, accept, assigned = groups.minima.T
    if grouping.alignment is Alignment.BASELINE:
        earliest, default_start = anchor - before, anchor
    else:
        earliest, default_start = anchor, anchor + before
    latest = anchor + after
    end = latest * (offers.interval // _MICROSECOND)
    terms = [grouping.terms_of(terms) for terms in offers.terms.values]
    nowhere: Coded[str] = Coded.same(None, len(first))
    aggregates = compiled(
        interval=offers.interval,
        ids=groups.ids,
        earliest=earliest,
        latest=latest,
        default_start=default_start,
        accept_before=np.minimum(accept, end),
        assign_before=np.minimum(assigned, end),
        offsets=slots,
        default=default,
        down=down,
        up=up,
        kinds=offers.kinds[first],
        terms=_either(
            one, offers.terms.take(first), Coded(offers.terms.codes[first], tuple(terms))
        ),
        pods=_either(one, offers.pods.take(first), nowhere),
        locations=(
            offers.locations.take(first)
            if grouping.by_location
            else _either(one, offers.locations.take(first), nowhere)
        ),
        offered_by=_either(
            one, offers.offered_by.take(first), Coded.same(grouping.offered_by, len(first))
        ),
        objects={
            int(group): offers.objects[int(row)]
            for group, row in zip(np.flatnonzero(one), first[one], strict=True)
            if int(row) in offers.objects
        }
        if offers.objects
        else {},
    )
    if grouping.by_direction:
        return replace(aggregates, directions=offers.directions[first])
    return aggregates


def combined(offers: FlexOffers, members: Ints) -> Combination:
    """Return the combination of offers that are not plain, all of one kind."""
    listed = [offers[int(member)] for member in members]
    combiner = combiner_for(listed[0])
    assert combiner is not None  # noqa: S101 - or it would have stayed alone
    return combiner.combine(listed)


def with_combined(
    aggregates: FlexOffers, grouping: Grouping, combinations: Mapping[int, FlexOffer]
) -> FlexOffers:
    """Return aggregates that have the profiles of these combinations instead of the sums."""
    if not combinations:
        return aggregates
    made = []
    for group, combination in combinations.items():
        plain, profile = aggregates[group], combination.profile
        slices = tuple(
            replace(part, price=priced.price)
            for part, priced in zip(profile.slices, plain.profile.slices, strict=True)
        )
        default = replace(plain.default, energies=combination.default.energies)
        made.append(replace(plain, profiles=(replace(profile, slices=slices),), default=default))
    rows = np.arange(len(aggregates))
    rows[list(combinations)] = len(aggregates) + np.arange(len(made))
    both = FlexOffers.concatenated([aggregates, FlexOffers.of(made, EPOCH)]).take(rows)
    directions = aggregates.directions if grouping.by_direction else both.directions
    return replace(both, locations=aggregates.locations, directions=directions)


def deviations(aggregates: FlexOffers, schedules: Schedules) -> tuple[Ints, Ints]:
    """Return by how much schedules deviate from the baseline, and could in that direction, in Wh.

    Of aggregates that are not plain it is nothing. Raises InvalidInput when one is not feasible.
    """
    deviation = checked(aggregates, schedules) - aggregates.default
    room = np.where(deviation >= 0, aggregates.up, aggregates.down)
    return deviation, room.astype(np.int64)


def checked(offers: FlexOffers, schedules: Schedules) -> Ints:
    """Return the energies of schedules as whole Wh, or raise InvalidInput for what is not feasible.

    They are laid out as the offers are. Those of offers that are not plain are checked, too, but
    their default energies stand in the place of theirs.
    """
    if len(schedules) != len(offers):
        raise InvalidInput.field(
            "/schedules", "onePerOffer", f"There are {len(schedules)}, not {len(offers)}."
        )
    if schedules.interval != offers.interval:
        raise InvalidInput.field(
            "/interval", "sameInterval", f"The flex-offers have {offers.interval}."
        )
    plain = np.ones(len(offers), np.bool_)
    found: list[FieldError] = []
    for number, offer in offers.objects.items():
        plain[number] = False
        broken = violations(offer, schedules[number], EPOCH)
        found += [replace(one, pointer=f"/{number}/{one.pointer}") for one in broken]
    lengths = np.diff(schedules.offsets)
    late = (schedules.start < offers.earliest) | (schedules.start > offers.latest)
    for broken_rows, pointer, rule, detail in (
        (late, "start", "withinStarts", "It must be within the start times."),
        (schedules.profile != 0, "profile", "range", "There is no such profile."),
        (lengths != offers.slices, "energies", "onePerSlice", "There must be one per slice."),
    ):
        rows = np.flatnonzero(broken_rows & plain)[:_SHOWN]
        found += [FieldError(f"/{number}/{pointer}", rule, detail) for number in rows]
    refuse(found)
    energies = offers.default.astype(np.int64)
    mine = np.repeat(plain, offers.slices)
    given = schedules.energies[np.repeat(plain, lengths)]
    if given.dtype.kind == "f":
        whole = given == np.rint(given)  # not a number is not
        found += _at(offers, np.flatnonzero(mine)[~whole], "whole", "It must be whole Wh.")
        refuse(found)
    within = (given >= offers.lower[mine]) & (given <= offers.upper[mine])
    found += _at(
        offers, np.flatnonzero(mine)[~within], "withinBounds", "It must be within the bounds."
    )
    refuse(found)
    energies[mine] = given
    return energies


def _at(offers: FlexOffers, places: Ints, rule: str, detail: str) -> Iterator[FieldError]:
    for place in places[:_SHOWN].tolist():
        row = int(np.searchsorted(offers.offsets, place, side="right")) - 1
        yield FieldError(f"/{row}/energies/{place - int(offers.offsets[row])}", rule, detail)


def _replaced(schedules: Schedules, special: Mapping[int, Schedule]) -> Schedules:
    """Return schedules with the profiles and energies of these in place of some of them."""
    if not special:
        return schedules
    lengths, profile = np.diff(schedules.offsets), schedules.profile.copy()
    for row, one in special.items():
        lengths[row], profile[row] = len(one.energies), one.profile
    offsets = offsets_of(lengths)
    rows = np.ones(len(schedules), np.bool_)
    rows[list(special)] = False
    energies = np.empty(offsets[-1], np.float64)
    energies[np.repeat(rows, lengths)] = schedules.energies[
        np.repeat(rows, np.diff(schedules.offsets))
    ]
    for row, one in special.items():
        energies[offsets[row] : offsets[row + 1]] = one.energies
    if all(energy == int(energy) for one in special.values() for energy in one.energies):
        energies = energies.astype(np.int64)
    return replace(schedules, offsets=offsets, energies=energies, profile=profile)


def _either(rows: NDArray[np.bool_], these: Coded[T], others: Coded[T]) -> Coded[T]:
    """Return a column that has these in such rows, and the others elsewhere."""
    both = Coded.concatenated([these, others])
    return Coded(np.where(rows, both.codes[: len(rows)], both.codes[len(rows) :]), both.values)
