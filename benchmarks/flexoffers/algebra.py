"""What the algebra of a million flex-offers takes, beside passes over the same bytes.

Times are the processor's, medians of five, one thread. A read only adds up the three columns of
energies; a triad reads two columns of that size and writes a third.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit

from benchmarks.measure import RUNS, verdict
from mpp_sdk.flexoffer.aggregation import Aggregation, aggregate
from mpp_sdk.flexoffer.columns import (
    BY_ROW,
    BY_SLICE,
    Energies,
    FlexOffers,
    Schedules,
    default_profiles,
)
from mpp_sdk.flexoffer.contiguous import Contiguous
from mpp_sdk.flexoffer.grouping import Grouping
from mpp_sdk.flexoffer.model import FlexOffer
from mpp_sdk.flexoffer.portfolio import Portfolio

_MILLION = 1_000_000
_QUICK = 100_000
_OBJECTS = 100_000
_CHANGES = 10_000
_GROUPING = Grouping()
_WHAT = "{:<58} {:9.2f} ms   {}"


def run(quick: bool = False) -> None:
    """Print times and ratios for growing numbers of flex-offers, and what each is to keep to."""
    _passes(crowd(1_000))  # compiles the kernels
    largest = _QUICK if quick else _MILLION
    size = 1_000
    while size <= largest:
        _passes(crowd(size), show=True, judge=size == largest)
        size *= 10
    _memory(largest)
    _beside_objects(1_000 if quick else _OBJECTS)
    _incremental(largest, largest // (_MILLION // _CHANGES))


def crowd(offers: int, seed: int = 1) -> FlexOffers:
    """Return flex-offers of 8 to 32 slices, 20 on average, in 192 groups, in no order."""
    random = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(random.integers(8, 33, offers))])
    lower = random.integers(-200, 500, offsets[-1], dtype=np.int64)
    upper = lower + random.integers(0, 1_000, offsets[-1])
    earliest = 1_900_000 + random.integers(0, 96, offers)
    return FlexOffers.from_columns(
        earliest=earliest,
        latest=earliest + random.integers(1, 3, offers) * 4,
        offsets=offsets,
        lower=lower,
        upper=upper,
        default=(lower + upper) // 2,
        offered_by="household",
    )


def _schedules(aggregates: FlexOffers) -> Schedules:
    """Return schedules that deviate in both directions, and start late."""
    share = np.random.default_rng(2).random(len(aggregates.default))
    energies = aggregates.lower + (share * aggregates.width).astype(np.int64)
    return Schedules(
        interval=aggregates.interval,
        start=aggregates.latest,
        offsets=aggregates.offsets,
        energies=energies,
        profile=default_profiles(aggregates),
    )


def _passes(offers: FlexOffers, show: bool = False, judge: bool = False) -> None:
    found = aggregate(offers, _GROUPING)
    schedules = _schedules(found.aggregates)
    contiguous = Contiguous.of(found)
    energies = np.empty_like(offers.default)
    read, triad, adding, sharing, arriving, disaggregating, laying = _medians(
        lambda: _read(offers.default, offers.down, offers.up),
        lambda: _triad(offers.default, offers.up, energies),
        contiguous.sums,
        lambda: contiguous.share_out(schedules, energies),
        lambda: aggregate(offers, _GROUPING),
        lambda: found.disaggregate(schedules),
        lambda: Contiguous.of(found),
    )
    _check_sums(found, schedules, contiguous)
    if not show:
        return
    print(
        f"{len(offers)} flex-offers, {offers.offsets[-1]} slices, {len(found.aggregates)} groups, "
        f"{offers.nbytes / 1e6:.1f} MB"
    )
    for what, seconds, beside, name, limit in (
        ("read", read, read, "read", None),
        ("triad", triad, triad, "triad", None),
        ("aggregate, side by side", adding, read, "read", 2),
        ("aggregate, in order of arrival, grouping included", arriving, read, "read", 8),
        ("disaggregate to the last Wh, side by side", sharing, triad, "triad", 4),
        ("disaggregate to the last Wh, in order of arrival", disaggregating, triad, "triad", None),
        ("lay out side by side, once", laying, read, "read", None),
    ):
        ratio = seconds / beside
        judged = verdict(ratio, limit=limit) if limit and judge else f"{ratio:.2f}"
        print(_WHAT.format(what, seconds * 1000, f"{judged} x {name}"))


def _check_sums(found: Aggregation, schedules: Schedules, contiguous: Contiguous) -> None:
    members = found.disaggregate(schedules)
    assert (contiguous.disaggregate(schedules).energies == members.energies).all()
    assert (members.energies >= found.offers.lower).all()
    assert (members.energies <= found.offers.upper).all()
    slots = np.repeat(found.aggregates.offsets[found.groups], found.offers.slices)
    slots += np.arange(len(slots)) - np.repeat(found.offers.offsets[:-1], found.offers.slices)
    sums = np.zeros(len(schedules.energies), np.int64)
    np.add.at(sums, slots, members.energies)
    assert (sums == schedules.energies).all()


def _memory(size: int) -> None:
    """Print how much memory the algebra takes at most, beside the columns."""
    before = _resident("VmRSS")
    offers = crowd(size)
    columns = offers.nbytes
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    found = aggregate(offers, _GROUPING)
    schedules = _schedules(found.aggregates)
    found.disaggregate(schedules)
    arrived = _resident("VmHWM") - before
    Contiguous.of(found).disaggregate(schedules)
    peak = _resident("VmHWM") - before
    for what, taken in (("in order of arrival", arrived), ("side by side", peak)):
        judged = verdict(taken / columns, limit=2.5)
        print(f"peak memory, {what:<45} {taken / 1e6:9.1f} MB   {judged} x the columns")


def _resident(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def _beside_objects(size: int) -> None:
    """Print how much longer the same takes with one Python object for each flex-offer."""
    offers = crowd(size)
    objects = list(offers)
    found = aggregate(offers, _GROUPING)
    schedules = _schedules(found.aggregates)
    contiguous = Contiguous.of(found)
    targets = {found.groups[row]: schedules[int(found.groups[row])].energies for row in range(size)}
    named = {_key(objects[row]): targets[found.groups[row]] for row in range(size)}
    energies = np.empty_like(offers.default)
    ours, ours_out, arriving, leaving = _medians(
        contiguous.sums,
        lambda: contiguous.share_out(schedules, energies),
        lambda: aggregate(offers, _GROUPING),
        lambda: found.disaggregate(schedules),
    )
    begun = time.process_time()
    groups, sums = _aggregate_objects(objects)
    added = time.process_time()
    shared = _disaggregate_objects(groups, sums, named)
    ended = time.process_time()
    members = found.disaggregate(schedules)
    for row, offer in enumerate(objects):
        assert shared[offer.id.int] == list(members[row].energies)
    print(f"{size} flex-offers as plain Python objects, {len(groups)} groups")
    for what, plain, own, beside in (
        ("aggregate", added - begun, ours, "side by side"),
        ("disaggregate", ended - added, ours_out, "side by side"),
        ("both", ended - begun, ours + ours_out, "side by side"),
        ("both", ended - begun, arriving + leaving, "in order of arrival, grouping included"),
    ):
        judged = verdict(plain / own, at_least=500)
        print(_WHAT.format(f"{what}, objects", plain * 1000, f"{judged} x {beside}"))


_Key = tuple[object, ...]


def _key(offer: FlexOffer) -> _Key:
    lower = min(part.lower for part in offer.profile.slices)
    upper = max(part.upper for part in offer.profile.slices)
    return offer.start_after, offer.start_before, lower >= 0, upper <= 0


def _aggregate_objects(
    offers: list[FlexOffer],
) -> tuple[dict[_Key, list[FlexOffer]], dict[_Key, list[list[int]]]]:
    groups: dict[_Key, list[FlexOffer]] = defaultdict(list)
    for offer in offers:
        groups[_key(offer)].append(offer)
    sums = {}
    for key, members in groups.items():
        slots: list[list[int]] = []
        for offer in members:
            usual = offer.default.energies
            for number, part in enumerate(offer.profile.slices):
                if number == len(slots):
                    slots.append([0, 0, 0])
                slots[number][0] += usual[number]
                slots[number][1] += usual[number] - part.lower
                slots[number][2] += part.upper - usual[number]
        sums[key] = slots
    return groups, sums


def _disaggregate_objects(
    groups: dict[_Key, list[FlexOffer]],
    sums: dict[_Key, list[list[int]]],
    targets: dict[_Key, tuple[float, ...]],
) -> dict[int, list[float]]:
    shared: dict[int, list[float]] = {}
    for key, members in groups.items():
        running = [0] * len(sums[key])
        for offer in members:
            energies: list[float] = []
            for number, (part, usual) in enumerate(
                zip(offer.profile.slices, offer.default.energies, strict=True)
            ):
                default, down, up = sums[key][number]
                amount = int(targets[key][number]) - default
                total, room = (
                    (up, part.upper - usual) if amount >= 0 else (down, usual - part.lower)
                )
                before = running[number]
                running[number] += room
                total = total or 1
                share = abs(amount) * running[number] // total - abs(amount) * before // total
                energies.append(usual + share if amount >= 0 else usual - share)
            shared[offer.id.int] = energies
    return shared


def _incremental(size: int, changes: int) -> None:
    """Print what it takes that some go and as many come, beside doing all from scratch."""
    offers = crowd(size)
    coming = [crowd(changes, seed) for seed in range(10, 11 + RUNS)]
    portfolio = Portfolio(_GROUPING)
    portfolio.add(offers)
    random = np.random.default_rng(3)
    going = random.permutation(size)[: changes * len(coming)].reshape(len(coming), -1)
    times, sums = [], []
    for rows, more in zip(going, coming, strict=True):
        gone = offers.ids[rows]
        begun = time.process_time()
        portfolio.remove(gone)
        portfolio.add(more)
        changed = time.process_time()
        aggregates = portfolio.aggregates
        times.append(changed - begun)
        sums.append(time.process_time() - changed)
    everybody = portfolio.offers
    assert _same(aggregates, aggregate(everybody, _GROUPING).aggregates)
    anew, rebuilt = _medians(
        lambda: aggregate(everybody, _GROUPING), lambda: Portfolio(_GROUPING).add(everybody)
    )
    change = statistics.median(times[1:])
    print(f"{changes} go and {changes} come, of {size}; bit by bit as from scratch")
    print(_WHAT.format("go and come", change * 1000, ""))
    print(_WHAT.format("the aggregates, when asked for", statistics.median(sums[1:]) * 1000, ""))
    for what, seconds in (("the portfolio from scratch", rebuilt), ("aggregate alone", anew)):
        judged = verdict(change / seconds, limit=0.01)
        print(_WHAT.format(what, seconds * 1000, f"going and coming takes {judged} of it"))


def _same(one: FlexOffers, other: FlexOffers) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in (*BY_ROW, *BY_SLICE)
    )


def _medians(*calls: Callable[[], object]) -> list[float]:
    """Return the median time of each, in turn, so that what disturbs one disturbs all."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(RUNS + 1):
        for call, taken in zip(calls, times, strict=True):
            begun = time.process_time()
            call()
            taken.append(time.process_time() - begun)
    return [statistics.median(taken[1:]) for taken in times]


@njit(cache=True, nogil=True)
def _read(first: Energies, second: Energies, third: Energies) -> int:
    total = 0
    for at in range(len(first)):
        total += first[at] + second[at] + third[at]
    return total


@njit(cache=True, nogil=True)
def _triad(first: Energies, second: Energies, third: Energies) -> None:
    for at in range(len(first)):
        third[at] = first[at] + np.int32(3) * second[at]
