"""Flex-offers that come and go, and their aggregates at every moment."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from mpp_sdk.errors import FieldError, InvalidInput, NotFound
from mpp_sdk.flexoffer import ledger
from mpp_sdk.flexoffer.aggregation import (
    Aggregation,
    Groups,
    Keys,
    aggregate,
    aggregate_ids,
    parts,
    stay_alone,
    summed,
)
from mpp_sdk.flexoffer.columns import (
    BY_ROW,
    BY_SLICE,
    CODED,
    EPOCH,
    Coded,
    FlexOffers,
    Ints,
    Kind,
    halves_of,
    offsets_of,
    refuse_repeated,
)
from mpp_sdk.flexoffer.grouping import Alignment, Grouping
from mpp_sdk.flexoffer.model import INTERVAL
from mpp_sdk.flexoffer.rules import refuse

_SHOWN = 10
_SPARE = 1_000
"""How many rows of offers that have left are kept whatever the size."""


class _Growing:
    """An array that rows can be appended to, in constant time each on the whole."""

    def __init__(self, like: NDArray[Any]) -> None:
        self._array = np.empty((max(16, 2 * len(like)), *like.shape[1:]), like.dtype)
        self._rows = 0
        self.append(like)

    @property
    def rows(self) -> NDArray[Any]:
        """The rows that there are, to read and to change."""
        return self._array[: self._rows]

    def append(self, more: NDArray[Any]) -> None:
        """Append rows; the type widens when theirs is wider."""
        end = self._rows + len(more)
        kind = np.promote_types(self._array.dtype, more.dtype)
        if end > len(self._array) or kind != self._array.dtype:
            longer = np.empty((max(2 * end, 16), *self._array.shape[1:]), kind)
            longer[: self._rows] = self.rows
            self._array = longer
        self._array[self._rows : end] = more
        self._rows = end


class _Store:
    """Flex-offers one below the other, as columns that grow."""

    def __init__(self, offers: FlexOffers) -> None:
        self._interval = offers.interval
        self._columns = {
            name: _Growing(getattr(offers, name)) for name in (*BY_ROW, *BY_SLICE, "offsets")
        }
        self._codes = {name: _Growing(getattr(offers, name).codes) for name in CODED}
        self._values: dict[str, dict[Any, int]] = {
            name: {value: code for code, value in enumerate(getattr(offers, name).values)}
            for name in CODED
        }
        self._objects = dict(offers.objects)
        self._reach = offers.reach

    def append(self, offers: FlexOffers) -> None:
        """Append offers of the same interval."""
        begun = len(self._columns["earliest"].rows)
        for name in (*BY_ROW, *BY_SLICE):
            self._columns[name].append(getattr(offers, name))
        offsets = self._columns["offsets"]
        offsets.append(offers.offsets[1:] + offsets.rows[-1])
        for name in CODED:
            column, known = getattr(offers, name), self._values[name]
            codes = [known.setdefault(value, len(known)) for value in column.values]
            self._codes[name].append(np.array([*codes, -1], np.int32)[column.codes])
        self._objects |= {begun + row: offer for row, offer in offers.objects.items()}
        self._reach = max(self._reach, offers.reach)

    @property
    def offers(self) -> FlexOffers:
        """All that have been appended, without a copy of their columns."""
        columns: dict[str, Any] = {name: one.rows for name, one in self._columns.items()}
        columns |= {
            name: Coded(codes.rows, tuple(self._values[name]))
            for name, codes in self._codes.items()
        }
        return FlexOffers(
            interval=self._interval, objects=self._objects, reach=self._reach, **columns
        )


class Portfolio:
    """Flex-offers of one interval that come and go, and the aggregates of their groups.

    An offer that comes or goes touches its group only, and the aggregates are at every moment those
    that `aggregate` makes of all offers, to the last bit. What is not plain, and groups that are
    cut for their size, are aggregated anew when asked for after they changed.
    """

    def __init__(self, grouping: Grouping, interval: timedelta = INTERVAL) -> None:
        self.grouping = grouping
        self.interval = interval
        self._begin()

    def _begin(self) -> None:
        self._store = _Store(replace(FlexOffers.of([], EPOCH), interval=self.interval))
        self._keys = Keys(self.grouping)
        self._groups = _Growing(np.empty(0, np.int32))
        self._links = _Growing(np.empty((0, 2), np.int64))
        self._numbers = _Growing(np.empty((0, ledger.WIDTH), np.int64))
        self._joined = _Growing(np.empty((0, 2), np.uint64))
        self._sums = _Growing(np.empty((0, 4), np.int64))
        self._alive = _Growing(np.empty(0, np.bool_))
        self._rows = np.full(1024, -1, np.int64)
        self._noted = 0
        self._present = 0
        self._again: dict[int, FlexOffers] = {}

    def __len__(self) -> int:
        return self._present

    @property
    def offers(self) -> FlexOffers:
        """The offers that are in it, in the order in which they came, as new columns."""
        return self._store.offers.take(np.flatnonzero(self._alive.rows))

    def add(self, offers: FlexOffers) -> None:
        """Let offers in.

        Raises InvalidInput, and lets none of them in, when their interval is another one or an id
        is there already.
        """
        if offers.interval != self.interval:
            raise InvalidInput.field("/interval", "sameInterval", f"It must be {self.interval}.")
        refuse_repeated(offers.ids)
        known = ledger.find(self._rows, self._store.offers.ids, offers.ids)
        refuse(
            [
                FieldError(f"/{row}/id", "uniqueItems", "An offer in the portfolio has this id.")
                for row in np.flatnonzero(known >= 0)[:_SHOWN]
            ]
        )
        first = len(self._groups.rows)
        self._store.append(offers)
        stored = self._store.offers
        last = len(stored)
        groups = self._keys.groups_of(
            replace(
                offers,
                terms=Coded(stored.terms.codes[first:], stored.terms.values),
                locations=Coded(stored.locations.codes[first:], stored.locations.values),
            ),
            stay_alone(offers, self.grouping),
        )
        self._groups.append(groups)
        self._links.append(np.full((last - first, 2), -1, np.int64))
        self._alive.append(np.ones(last - first, np.bool_))
        self._know(self._keys.number - len(self._numbers.rows))
        self._make_room(stored, first)
        self._move(1, stored, np.arange(first, last))
        self._note(stored.ids, np.arange(first, last))
        self._present += last - first

    def remove(self, ids: Iterable[UUID] | NDArray[np.uint64]) -> None:
        """Let offers out, by their ids, or by columns of the ids' halves.

        Raises InvalidInput, and lets none of them out, when one is not there or is named twice.
        """
        wanted = ids if isinstance(ids, np.ndarray) else halves_of(ids)
        refuse_repeated(wanted)
        stored = self._store.offers
        rows = ledger.find(self._rows, stored.ids, wanted)
        refuse(
            [
                FieldError(f"/{number}", "known", "There is no such offer in the portfolio.")
                for number in np.flatnonzero(rows < 0)[:_SHOWN]
            ]
        )
        rows = np.sort(rows)  # what lies closer together in memory comes faster
        self._move(-1, stored, rows)
        ledger.forget(self._rows, stored.ids, rows)
        self._alive.rows[rows] = False
        self._present -= len(rows)
        if len(stored) > 2 * self._present + _SPARE:
            left = self.offers
            self._begin()
            self.add(left)

    @property
    def aggregates(self) -> FlexOffers:
        """The aggregates, in the order of their ids."""
        numbers = self._numbers.rows
        groups = np.flatnonzero(numbers[:, ledger.COUNT])
        stored = self._store.offers
        count = numbers[groups, ledger.COUNT]
        bound = (stored.kinds[numbers[groups, ledger.HEAD]] != Kind.PLAIN) & (count > 1)
        again = bound | (count > self.grouping.max_size)
        made = [self._summed(stored, groups[~again])]
        for group in groups[again].tolist():
            if group not in self._again:
                members = ledger.members(group, numbers, self._links.rows)
                self._again[group] = aggregate(stored.take(members), self.grouping).aggregates
            made.append(self._again[group])
        if len(made) == 1:
            return made[0]
        aggregates = FlexOffers.concatenated(made)
        return aggregates.take(np.lexsort((aggregates.ids[:, 1], aggregates.ids[:, 0])))

    def aggregation_of(self, aggregate_id: UUID) -> Aggregation:
        """Return one of the aggregates with its members alone, to disaggregate a schedule of it.

        Raises NotFound when there is no such aggregate.
        """
        numbers = self._numbers.rows
        groups = np.flatnonzero(numbers[:, ledger.COUNT])
        wanted = halves_of([aggregate_id])[0]
        ids = aggregate_ids(self._joined.rows[groups], numbers[groups, ledger.COUNT])
        found = groups[(ids == wanted).all(axis=1)].tolist()
        cut = groups[numbers[groups, ledger.COUNT] > self.grouping.max_size].tolist()
        for group in [*found, *cut]:
            members = ledger.members(group, numbers, self._links.rows)
            offers = self._store.offers.take(members)
            part = parts(offers.ids, self.grouping.max_size)
            for number in range(int(part.max()) + 1):
                alone = aggregate(offers.take(np.flatnonzero(part == number)), self.grouping)
                if (alone.aggregates.ids[0] == wanted).all():
                    return alone
        raise NotFound.entity("aggregate", aggregate_id)

    def _summed(self, stored: FlexOffers, groups: Ints) -> FlexOffers:
        """Return the aggregates of groups that are the sums of their members."""
        numbers = self._numbers.rows[groups]
        minima = numbers[:, ledger.MINIMA : ledger.MINIMA + 5]
        found, order = Groups(
            np.arange(len(groups)),
            numbers[:, ledger.COUNT],
            self._joined.rows[groups],
            minima,
            numbers[:, ledger.MOVABLE],
        ).in_order()
        begins, lengths = ledger.spans(groups[order], self._numbers.rows, self._sums.rows)
        slots = offsets_of(lengths)
        places = np.repeat(begins - slots[:-1], lengths) + np.arange(slots[-1])
        default, down, up, _ = self._sums.rows[places].T
        some = stored.take(numbers[:, ledger.HEAD])
        return summed(some, self.grouping, found, slots, default, down, up)

    def _know(self, more: int) -> None:
        """Begin to know so many more groups, without members yet."""
        numbers = np.zeros((more, ledger.WIDTH), np.int64)
        numbers[:, ledger.MINIMA : ledger.MINIMA + 5] = np.iinfo(np.int64).max
        self._numbers.append(numbers)
        self._joined.append(np.zeros((more, 2), np.uint64))

    def _make_room(self, stored: FlexOffers, first: int) -> None:
        """Give the groups of the offers from a row on as many slots as they need."""
        numbers = self._numbers.rows
        short = ledger.measure(
            self.grouping.alignment is Alignment.BASELINE,
            self.grouping.widths(self.interval)[0],
            first,
            self._keys.keys,
            self._groups.rows,
            stored.earliest,
            stored.default_start,
            stored.offsets,
            numbers,
        )
        had = numbers[short, ledger.CAPACITY]
        room = np.maximum(2 * had, numbers[short, ledger.NEEDED])
        begins = len(self._sums.rows) + offsets_of(room)[:-1]
        self._sums.append(np.zeros((int(room.sum()), 4), np.int64))
        sums = self._sums.rows
        moved = np.flatnonzero(had)
        for begin, old, length in zip(
            begins[moved], numbers[short[moved], ledger.BEGIN], had[moved], strict=True
        ):
            sums[begin : begin + length] = sums[old : old + length]
        numbers[short, ledger.BEGIN] = begins
        numbers[short, ledger.CAPACITY] = room

    def _move(self, sign: int, stored: FlexOffers, rows: Ints) -> None:
        groups = self._groups.rows
        ledger.move(
            sign,
            self.grouping.alignment is Alignment.BASELINE,
            rows,
            groups,
            self._links.rows,
            stored.ids,
            stored.earliest,
            stored.latest,
            stored.default_start,
            stored.accept_before,
            stored.assign_before,
            stored.offsets,
            stored.default,
            stored.down,
            stored.up,
            self._numbers.rows,
            self._joined.rows,
            self._sums.rows,
        )
        if self._again:
            for group in np.unique(groups[rows]).tolist():
                self._again.pop(group, None)

    def _note(self, ids: NDArray[np.uint64], rows: Ints) -> None:
        """Note the rows of ids, in a table that is never more than half full."""
        self._noted += len(rows)
        if 2 * self._noted > len(self._rows):
            size = len(self._rows)
            while size < 4 * self._present + 4 * len(rows):
                size *= 2
            self._rows = np.full(size, -1, np.int64)
            rows = np.flatnonzero(self._alive.rows)
            self._noted = len(rows)
        ledger.note(self._rows, ids, rows)
