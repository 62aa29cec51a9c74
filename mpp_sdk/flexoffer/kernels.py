"""The loops over columns, compiled. They hold no lock of the interpreter, and check nothing.

What is as large as the columns is allocated by the caller: NumPy asks for large pages.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]
Whole = int | np.int64

_ONE = np.uint64(1)  # what is not signed needs no look at whether it counts from the end
_BLOCK = 512


@njit(cache=True, nogil=True)
def survey(offsets: Array, default: Array, down: Array, up: Array) -> tuple[Array, np.int64]:
    """Return in which direction each offer goes, and the largest energy of a slice either way."""
    offers = len(offsets) - 1
    directions = np.empty(offers, np.int8)
    reach = np.int64(0)
    for offer in range(offers):
        lowest, highest = np.int64(0), np.int64(0)
        for at in range(offsets[offer], offsets[offer + 1]):
            lowest = min(lowest, np.int64(default[at]) - down[at])
            highest = max(highest, np.int64(default[at]) + up[at])
        reach = max(reach, highest, -lowest)
        directions[offer] = 1 if lowest == 0 else (-1 if highest == 0 else 0)
    return directions, reach


@njit(cache=True, nogil=True)
def repeated(ids: Array) -> int:
    """Return the first row whose id is that of a row before it, or -1."""
    size = 16
    while size < 2 * len(ids):
        size *= 2
    table = np.full(size, -1, np.int32)
    for row in range(len(ids)):
        at = hash_of(ids[row, 0], ids[row, 1]) & (size - 1)
        while table[at] >= 0:
            if ids[table[at], 0] == ids[row, 0] and ids[table[at], 1] == ids[row, 1]:
                return row
            at = (at + 1) & (size - 1)
        table[at] = row
    return -1


@njit(cache=True, nogil=True, inline="always")
def hash_of(high: Whole, low: Whole) -> np.int64:
    """Return a hash of a UUID by its halves, not negative."""
    mixed = (np.uint64(high) ^ np.uint64(low) >> np.uint64(31)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(29) ^ np.uint64(low)) * np.uint64(0xBF58476D1CE4E5B9)
    return np.int64(mixed >> np.uint64(20))


@njit(cache=True, nogil=True)
def assign(
    baseline: bool,
    start_width: int,
    flexibility_width: int,
    longest: int,
    classes: Array,
    rigid: Array,
    terms: Array,
    locations: Array,
    directions: Array,
    kinds: Array,
    alone: Array,
    ids: Array,
    earliest: Array,
    latest: Array,
    default_start: Array,
    offsets: Array,
    table: Array,
    keys: Array,
    known: int,
) -> tuple[Array, Array, Array, int]:
    """Return the group of each offer, with the table, the keys and the number of groups so far.

    classes and rigid are by terms; locations, directions and alone may be empty when they do not
    matter. table is an open-addressing table, a power of two long, of groups or -1 by their keys:
    (class of terms and location; form of the profile; start; time flexibility, or both sides of the
    baseline).
    """
    offers = len(earliest)
    groups = np.empty(offers, np.int32)
    mask = len(table) - 1
    for i in range(offers):
        length = offsets[i + 1] - offsets[i]
        kind, term = np.int64(kinds[i]), terms[i]
        place = np.int64(locations[i]) + 1 if len(locations) else np.int64(0)
        where = np.int64(classes[term]) << 32 | place
        direction = np.int64(directions[i]) + 1 if len(directions) else np.int64(3)
        form = (length if kind else np.int64(0)) << 16 | kind << 8 | direction
        if len(alone) and alone[i]:
            where, form = np.int64(0), np.int64(-1)
            start, before = np.int64(ids[i, 0]), np.int64(ids[i, 1])
            after = np.int64(0)
        else:
            start = default_start[i] if baseline else earliest[i]
            if kind or rigid[term] or length + start_width - 1 > longest:
                form |= 1 << 15
            else:
                start //= start_width
            if baseline:
                before = (default_start[i] - earliest[i]) // flexibility_width
                after = (latest[i] - default_start[i]) // flexibility_width
            else:
                before = (latest[i] - earliest[i]) // flexibility_width
                after = np.int64(0)
        at = _hash(where, form, start, before, after) & mask
        while True:
            group = table[at]
            if group < 0:
                break
            if (
                keys[group, 2] == start
                and keys[group, 3] == before
                and keys[group, 4] == after
                and keys[group, 0] == where
                and keys[group, 1] == form
            ):
                break
            at = (at + 1) & mask
        if group < 0:
            if known == len(keys):
                keys = np.concatenate((keys, np.empty_like(keys)))
            group = known
            keys[group, 0], keys[group, 1], keys[group, 2] = where, form, start
            keys[group, 3], keys[group, 4] = before, after
            known += 1
            table[at] = group
            if 2 * known > len(table):
                table = _rehashed(keys, known, 2 * len(table))
                mask = len(table) - 1
        groups[i] = group
    return groups, table, keys, known


@njit(cache=True, nogil=True)
def _rehashed(keys: Array, known: int, size: int) -> Array:
    table = np.full(size, -1, np.int64)
    for group in range(known):
        one = keys[group]
        at = _hash(one[0], one[1], one[2], one[3], one[4]) & (size - 1)
        while table[at] >= 0:
            at = (at + 1) & (size - 1)
        table[at] = group
    return table


@njit(cache=True, nogil=True, inline="always")
def _hash(a: Whole, b: Whole, c: Whole, d: Whole, e: Whole) -> np.int64:
    mixed = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ np.uint64(b)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ np.uint64(c)) * np.uint64(0x94D049BB133111EB)
    mixed = (mixed ^ mixed >> np.uint64(29) ^ np.uint64(d)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(32) ^ np.uint64(e)) * np.uint64(0xBF58476D1CE4E5B9)
    return np.int64(mixed >> np.uint64(20))


@njit(cache=True, nogil=True)
def summarise(
    baseline: bool,
    groups: Array,
    number: int,
    ids: Array,
    earliest: Array,
    latest: Array,
    default_start: Array,
    accept: Array,
    assigned: Array,
) -> tuple[Array, Array, Array, Array, Array]:
    """Return of each group: a member, how many there are, their ids XORed, minima, and a sum.

    The minima are those of `minima_of`; the sum is that of the members' time flexibility.
    """
    first = np.full(number, -1, np.int64)
    count = np.zeros(number, np.int64)
    joined = np.zeros((number, 2), np.uint64)
    minima = np.full((number, 5), np.iinfo(np.int64).max, np.int64)
    movable = np.zeros(number, np.int64)
    for i in range(len(groups)):
        group = groups[i]
        if first[group] < 0:
            first[group] = i
        count[group] += 1
        joined[group, 0] ^= ids[i, 0]
        joined[group, 1] ^= ids[i, 1]
        movable[group] += latest[i] - earliest[i]
        one = minima_of(baseline, earliest[i], latest[i], default_start[i], accept[i], assigned[i])
        for which in range(5):
            minima[group, which] = min(minima[group, which], one[which])
    return first, count, joined, minima, movable


@njit(cache=True, nogil=True, inline="always")
def minima_of(
    baseline: bool, earliest: int, latest: int, default_start: int, accept: int, assigned: int
) -> tuple[int, int, int, int, int]:
    """Return that of which an aggregate has the least: what is aligned, and how far it can move.

    Aligned by the baseline: the default start, how much earlier and how much later one can start.
    Else: the earliest start, how much later one starts by default and at the latest. Both end with
    the two deadlines.
    """
    if baseline:
        return default_start, default_start - earliest, latest - default_start, accept, assigned
    return earliest, default_start - earliest, latest - earliest, accept, assigned


@njit(cache=True, nogil=True)
def extents(groups: Array, positions: Array, offsets: Array, number: int) -> Array:
    """Return how many slices the profile of each group has."""
    slots = np.zeros(number, np.int64)
    for i in range(len(groups)):
        position = positions[i] if len(positions) else 0
        slots[groups[i]] = max(slots[groups[i]], position + offsets[i + 1] - offsets[i])
    return slots


@njit(cache=True, nogil=True)
def add_up(
    groups: Array,
    positions: Array,
    offsets: Array,
    slots: Array,
    default: Array,
    down: Array,
    up: Array,
) -> tuple[Array, Array, Array]:
    """Return the sums of the members' energies by slot; group g has those from slots[g] on.

    positions, in which slot of its group's profile an offer begins, may be empty: in the first.
    """
    defaults = np.zeros(slots[-1], np.int64)
    downs = np.zeros(slots[-1], np.int64)
    ups = np.zeros(slots[-1], np.int64)
    for i in range(len(groups)):
        slot = np.uint64(slots[groups[i]] + (positions[i] if len(positions) else 0))
        for at in range(np.uint64(offsets[i]), np.uint64(offsets[i + 1])):
            defaults[slot] += default[at]
            downs[slot] += down[at]
            ups[slot] += up[at]
            slot += _ONE
    return defaults, downs, ups


@njit(cache=True, nogil=True, inline="always")
def part_of(number: Whole, running: Whole, total: Whole, factor: float) -> np.int64:
    """Return floor(number * running / total), exactly, for 0 <= number, running <= total <= 2**50.

    factor is number / total. The estimate in floating point is off by less than a half, and so by
    at most one when cut off; what remains tells. The products may be beyond 64 bits, but what
    remains is not, and arithmetic modulo 2**64 keeps it.
    """
    quotient = np.int64(np.float64(running) * factor)
    remainder = np.int64(
        np.uint64(number) * np.uint64(running) - np.uint64(quotient) * np.uint64(total)
    )
    return np.int64(quotient + (remainder >= total) - (remainder < 0))


@njit(cache=True, nogil=True)
def share_out(
    groups: Array,
    positions: Array,
    offsets: Array,
    slots: Array,
    deviation: Array,
    room: Array,
    default: Array,
    down: Array,
    up: Array,
    energies: Array,
) -> None:
    """Set the members' energies to those with which their groups deviate so from their baselines.

    deviation is by slot, and room the sum of how far the members can deviate in that direction. All
    deviate in the same direction, each by about the same share of what it can: member i by the
    difference of `part_of` up to it and up to the one before it.
    """
    running = np.zeros(len(deviation), np.int64)
    shared = np.zeros(len(deviation), np.int64)
    amount = np.abs(deviation)
    total = np.maximum(room, 1)
    factor = amount / total
    for i in range(len(groups)):
        slot = np.uint64(slots[groups[i]] + (positions[i] if len(positions) else 0))
        for at in range(np.uint64(offsets[i]), np.uint64(offsets[i + 1])):
            more = deviation[slot] >= 0
            until_here = running[slot] + (up[at] if more else down[at])
            running[slot] = until_here
            until = part_of(amount[slot], until_here, total[slot], factor[slot])
            part = until - shared[slot]
            shared[slot] = until
            energies[at] = default[at] + (part if more else -part)
            slot += _ONE


@njit(cache=True, nogil=True)
def lay_out(groups: Array, positions: Array, offsets: Array, slots: Array) -> Array:
    """Return where the slices of each slot begin when those of one slot lie side by side."""
    begins = np.zeros(slots[-1] + 1, np.int64)
    for i in range(len(groups)):
        slot = np.uint64(slots[groups[i]] + (positions[i] if len(positions) else 0) + 1)
        for _ in range(offsets[i], offsets[i + 1]):
            begins[slot] += 1
            slot += _ONE
    return np.cumsum(begins)


@njit(cache=True, nogil=True)
def gather(
    groups: Array,
    positions: Array,
    offsets: Array,
    slots: Array,
    begins: Array,
    values: Array,
    gathered: Array,
) -> None:
    """Put values that are in the order of the offers side by side by slot."""
    place = begins.astype(np.uint64)
    for i in range(len(groups)):
        slot = np.uint64(slots[groups[i]] + (positions[i] if len(positions) else 0))
        for at in range(np.uint64(offsets[i]), np.uint64(offsets[i + 1])):
            gathered[place[slot]] = values[at]
            place[slot] += _ONE
            slot += _ONE


@njit(cache=True, nogil=True)
def scatter(
    groups: Array,
    positions: Array,
    offsets: Array,
    slots: Array,
    begins: Array,
    gathered: Array,
    values: Array,
) -> None:
    """Put values that are side by side by slot in the order of the offers again."""
    place = begins.astype(np.uint64)
    for i in range(len(groups)):
        slot = np.uint64(slots[groups[i]] + (positions[i] if len(positions) else 0))
        for at in range(np.uint64(offsets[i]), np.uint64(offsets[i + 1])):
            values[at] = gathered[place[slot]]
            place[slot] += _ONE
            slot += _ONE


@njit(cache=True, nogil=True)
def add_up_side_by_side(
    begins: Array, default: Array, down: Array, up: Array
) -> tuple[Array, Array, Array]:
    """Return what `add_up` does, of what lies side by side."""
    slots = len(begins) - 1
    defaults = np.zeros(slots, np.int64)
    downs = np.zeros(slots, np.int64)
    ups = np.zeros(slots, np.int64)
    for slot in range(slots):
        sums = np.int64(0), np.int64(0), np.int64(0)
        for at in range(np.uint64(begins[slot]), np.uint64(begins[slot + 1])):
            sums = sums[0] + default[at], sums[1] + down[at], sums[2] + up[at]
        defaults[slot], downs[slot], ups[slot] = sums
    return defaults, downs, ups


@njit(cache=True, nogil=True)
def share_out_side_by_side(
    begins: Array,
    deviation: Array,
    room: Array,
    default: Array,
    down: Array,
    up: Array,
    energies: Array,
) -> None:
    """Do what `share_out` does, of what lies side by side.

    By blocks: only the running sum takes one after the other, the rest is done for many at once.
    """
    running = np.empty(_BLOCK, np.int64)
    shared = np.empty(_BLOCK + 1, np.int64)
    for slot in range(len(begins) - 1):
        amount, total = abs(deviation[slot]), max(room[slot], 1)
        factor = amount / total
        sign = 1 if deviation[slot] >= 0 else -1
        side = up if deviation[slot] >= 0 else down
        until_here = np.int64(0)
        shared[0] = 0
        for begin in range(begins[slot], begins[slot + 1], _BLOCK):
            end = min(begin + _BLOCK, begins[slot + 1])
            usual, room_here, block = default[begin:end], side[begin:end], energies[begin:end]
            for at in range(len(usual)):
                until_here += room_here[at]
                running[at] = until_here
            for at in range(len(usual)):
                shared[at + 1] = part_of(amount, running[at], total, factor)
            for at in range(len(usual)):
                block[at] = usual[at] + sign * (shared[at + 1] - shared[at])
            shared[0] = shared[len(usual)]
