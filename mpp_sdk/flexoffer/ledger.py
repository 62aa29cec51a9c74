"""The compiled part of a portfolio: offers enter and leave the sums of their groups.

What is known of group g is in numbers[g], by the names of the columns below. Its members are a list
through their rows: HEAD, then links[row, NEXT] and back by links[row, PREVIOUS], until -1. What is
known of its slots is in sums from numbers[g, BEGIN] on, one row per interval from BASE on: default,
down and up of all members, and how many there are.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mpp_sdk.flexoffer.kernels import hash_of, minima_of

Array = NDArray[Any]

HEAD, COUNT, MOVABLE, BASE, BEGIN, CAPACITY, NEEDED, MINIMA, TIES = 0, 1, 2, 3, 4, 5, 6, 7, 12
WIDTH = 17
"""MINIMA and TIES take five columns each: the least, and how many members have it."""
NEXT, PREVIOUS = 0, 1

_SAME_START = 1 << 15
_NONE = np.iinfo(np.int64).max
_ONE = np.uint64(1)
_FREE, _LEFT = -1, -2


@njit(cache=True, nogil=True)
def measure(
    baseline: bool,
    width: int,
    first: int,
    keys: Array,
    groups: Array,
    earliest: Array,
    default_start: Array,
    offsets: Array,
    numbers: Array,
) -> Array:
    """Return the groups that need more slots than they have, for the offers from row first on.

    Of groups that have no members yet, set from when on slots are counted.
    """
    short = np.empty(len(groups) - first, np.int64)
    found = 0
    for row in range(first, len(groups)):
        one = numbers[groups[row]]
        anchor = default_start[row] if baseline else earliest[row]
        if one[COUNT] == 0 and one[NEEDED] <= one[CAPACITY]:
            alike = keys[groups[row], 1] & _SAME_START
            one[BASE] = anchor if alike else keys[groups[row], 2] * width
        end = anchor - one[BASE] + offsets[row + 1] - offsets[row]
        if end > one[NEEDED]:
            if one[NEEDED] <= one[CAPACITY] < end:
                short[found] = groups[row]
                found += 1
            one[NEEDED] = end
    return short[:found]


@njit(cache=True, nogil=True)
def move(
    sign: int,
    baseline: bool,
    rows: Array,
    groups: Array,
    links: Array,
    ids: Array,
    earliest: Array,
    latest: Array,
    default_start: Array,
    accept: Array,
    assigned: Array,
    offsets: Array,
    default: Array,
    down: Array,
    up: Array,
    numbers: Array,
    joined: Array,
    sums: Array,
) -> None:
    """Let the offers of these rows enter their groups (sign 1), or leave them (-1)."""
    for row in rows:
        group = groups[row]
        one = numbers[group]
        if sign > 0:
            head = one[HEAD] if one[COUNT] else np.int64(-1)
            links[row, NEXT], links[row, PREVIOUS] = head, -1
            if head >= 0:
                links[head, PREVIOUS] = row
            one[HEAD] = row
        else:
            after, before = links[row, NEXT], links[row, PREVIOUS]
            if before >= 0:
                links[before, NEXT] = after
            else:
                one[HEAD] = after
            if after >= 0:
                links[after, PREVIOUS] = before
        one[COUNT] += sign
        one[MOVABLE] += sign * (latest[row] - earliest[row])
        joined[group, 0] ^= ids[row, 0]
        joined[group, 1] ^= ids[row, 1]
        values = minima_of(
            baseline, earliest[row], latest[row], default_start[row], accept[row], assigned[row]
        )
        for which in range(5):
            _count(one, which, values[which], sign)
        anchor = default_start[row] if baseline else earliest[row]
        slot = np.uint64(one[BEGIN] + anchor - one[BASE])
        for at in range(np.uint64(offsets[row]), np.uint64(offsets[row + 1])):
            sums[slot, 0] += sign * default[at]
            sums[slot, 1] += sign * down[at]
            sums[slot, 2] += sign * up[at]
            sums[slot, 3] += sign
            slot += _ONE
    if sign > 0:
        return
    for row in rows:
        one = numbers[groups[row]]
        for which in range(5):
            if one[TIES + which] == 0:
                one[MINIMA + which] = _NONE
                member = one[HEAD] if one[COUNT] else np.int64(-1)
                while member >= 0:
                    values = minima_of(
                        baseline,
                        earliest[member],
                        latest[member],
                        default_start[member],
                        accept[member],
                        assigned[member],
                    )
                    _count(one, which, values[which], 1)
                    member = links[member, NEXT]


@njit(cache=True, nogil=True, inline="always")
def _count(one: Array, which: int, value: int, sign: int) -> None:
    """Count a value among the minima of a group, or out of them."""
    least = one[MINIMA + which]
    if value == least:
        one[TIES + which] += sign
    elif sign > 0 and value < least:
        one[MINIMA + which] = value
        one[TIES + which] = 1


@njit(cache=True, nogil=True)
def spans(chosen: Array, numbers: Array, sums: Array) -> tuple[Array, Array]:
    """Return in which slots the profiles of groups begin, and how many slots they take."""
    begins = np.empty(len(chosen), np.int64)
    lengths = np.empty(len(chosen), np.int64)
    for k in range(len(chosen)):
        first = numbers[chosen[k], BEGIN]
        last = first + numbers[chosen[k], CAPACITY]
        while sums[first, 3] == 0:
            first += 1
        while sums[last - 1, 3] == 0:
            last -= 1
        begins[k], lengths[k] = first, last - first
    return begins, lengths


@njit(cache=True, nogil=True)
def members(group: int, numbers: Array, links: Array) -> Array:
    """Return the rows of the members of a group, ascending."""
    rows = np.empty(numbers[group, COUNT], np.int64)
    row = numbers[group, HEAD]
    for at in range(len(rows)):
        rows[at] = row
        row = links[row, NEXT]
    return np.sort(rows)


@njit(cache=True, nogil=True)
def find(table: Array, ids: Array, wanted: Array) -> Array:
    """Return the rows of ids by an open-addressing table of rows, or -1."""
    mask = len(table) - 1
    rows = np.full(len(wanted), -1, np.int64)
    for k in range(len(wanted)):
        at = hash_of(wanted[k, 0], wanted[k, 1]) & mask
        while table[at] != _FREE:
            row = table[at]
            if row >= 0 and ids[row, 0] == wanted[k, 0] and ids[row, 1] == wanted[k, 1]:
                rows[k] = row
                break
            at = (at + 1) & mask
    return rows


@njit(cache=True, nogil=True)
def note(table: Array, ids: Array, rows: Array) -> None:
    """Note the ids of rows in the table, which must have room."""
    mask = len(table) - 1
    for row in rows:
        at = hash_of(ids[row, 0], ids[row, 1]) & mask
        while table[at] != _FREE:
            at = (at + 1) & mask
        table[at] = row


@njit(cache=True, nogil=True)
def forget(table: Array, ids: Array, rows: Array) -> None:
    """Take rows out of the table."""
    mask = len(table) - 1
    for row in rows:
        at = hash_of(ids[row, 0], ids[row, 1]) & mask
        while table[at] != row:
            at = (at + 1) & mask
        table[at] = _LEFT
