"""Many flex-offers, or many schedules, as NumPy columns.

What can be said of each in a number is in a column; what is the same for many is said once, in
`Coded` columns; only what columns cannot say (constraints across slices, alternatives, power) is
kept as objects. A million flex-offers are one `FlexOffers`, and each of them a `FlexOffer` again.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum, IntFlag
from functools import cached_property
from typing import Any, Generic, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.flexoffer import kernels
from mpp_sdk.flexoffer.model import (
    EXACT_WH,
    INTERVAL,
    Default,
    EnergyRange,
    FlexOffer,
    Profile,
    Schedule,
    Slice,
    intervals_since_epoch,
    moment_of,
)
from mpp_sdk.flexoffer.rules import MAX_INTERVALS, refuse

T = TypeVar("T")
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Energies = NDArray[Any]
"""int32 where all energies fit, else int64; float64 of schedules that are fractional."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NARROW_WH = 2**30
"""Up to here the difference of two energies fits into 32 bits, too."""
_SHOWN = 10
"""How many offenders of one rule are named."""


class Kind(IntFlag):
    """What binds the slices of an offer together; plain when nothing does."""

    PLAIN = 0
    TOTAL = 1
    DEPENDENCIES = 2
    POLYTOPE = 4
    ALTERNATIVES = 8

    @classmethod
    def of(cls, offer: FlexOffer) -> "Kind":
        """Return the kind of an offer: several profiles, options and two modes are alternatives."""
        profile, kind = offer.profile, cls.PLAIN
        if len(offer.profiles) > 1 or offer.two_mode or any(one.options for one in profile.slices):
            kind |= cls.ALTERNATIVES
        if profile.total is not None:
            kind |= cls.TOTAL
        if profile.dependencies:
            kind |= cls.DEPENDENCIES
        if profile.polytope is not None:
            kind |= cls.POLYTOPE
        return kind


class Direction(IntEnum):
    """Whether an offer only consumes, only produces, or can do both."""

    PRODUCTION = -1
    BOTH = 0
    CONSUMPTION = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """What is said of slices beside their energy, and mostly the same for many offers.

    No durations: each slice takes one interval. One price: it is that of every slice.
    """

    durations: tuple[int, ...] = ()
    prices: tuple[Decimal | None, ...] = ()
    currency: str | None = None
    lead: int = 0

    @classmethod
    def of(cls, offer: FlexOffer) -> "Terms":
        """Return the terms of the profile that an offer carries out by default."""
        profile = offer.profile
        durations = tuple(part.duration for part in profile.slices)
        prices = tuple(part.price for part in profile.slices)
        if len(set(prices)) == 1:
            prices = prices[:1] if prices[0] is not None else ()
        return cls(() if set(durations) == {1} else durations, prices, offer.currency, profile.lead)

    def duration(self, number: int) -> int:
        """Return how many intervals a slice takes."""
        return self.durations[number] if self.durations else 1

    def price(self, number: int) -> Decimal | None:
        """Return what a deviation of 1 kWh in a slice costs."""
        if len(self.prices) > 1:
            return self.prices[number]
        return self.prices[0] if self.prices else None


@dataclass(frozen=True, slots=True, eq=False)
class Coded(Generic[T]):
    """A column of few different values: a code for each row, -1 for nothing."""

    codes: Codes
    values: tuple[T, ...]

    @classmethod
    def of(cls, rows: Iterable[T | None]) -> "Coded[T]":
        """Return the column of these rows."""
        known: dict[T, int] = {}
        codes = [-1 if row is None else known.setdefault(row, len(known)) for row in rows]
        return cls(np.array(codes, dtype=np.int32), tuple(known))

    @classmethod
    def same(cls, value: T | None, rows: int) -> "Coded[T]":
        """Return a column that says the same in every row."""
        code = -1 if value is None else 0
        return cls(np.full(rows, code, np.int32), () if value is None else (value,))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> T | None:
        code = int(self.codes[row])
        return None if code < 0 else self.values[code]

    def take(self, rows: NDArray[Any]) -> "Coded[T]":
        """Return the column of these rows, in this order, without values that none of them has."""
        codes = self.codes[rows]
        if len(codes) >= len(self.values):
            return Coded(codes, self.values)
        kept, codes = np.unique(codes, return_inverse=True)
        missing = int(kept[0] < 0) if len(kept) else 0
        values = tuple(self.values[code] for code in kept[missing:].tolist())
        return Coded((codes - missing).astype(np.int32), values)

    @classmethod
    def concatenated(cls, columns: Sequence["Coded[T]"]) -> "Coded[T]":
        """Return columns one below the other."""
        known: dict[T, int] = {}
        codes = []
        for column in columns:
            renamed = [known.setdefault(value, len(known)) for value in column.values]
            codes.append(np.array([*renamed, -1], dtype=np.int32)[column.codes])
        return cls(np.concatenate(codes) if codes else np.empty(0, np.int32), tuple(known))


@dataclass(frozen=True, eq=False, kw_only=True)
class FlexOffers:
    """Many flex-offers of one interval, their start times resolved.

    Times are numbers of intervals since 1970-01-01T00:00Z, deadlines microseconds since then,
    energies Wh. The slices of offer i are those from offsets[i] to offsets[i + 1]; each has the
    default energy and how far below and above it the energy can go. ids has the two halves of a
    UUID. location is where an offer counts: its point of delivery, unless said otherwise. reach is
    the largest energy of a slice either way.

    Make it by `of`, or without any object for each offer by `from_columns`.
    """

    interval: timedelta
    ids: NDArray[np.uint64]
    earliest: Ints
    latest: Ints
    default_start: Ints
    accept_before: Ints
    assign_before: Ints
    offsets: Ints
    default: Energies
    down: Energies
    up: Energies
    kinds: NDArray[np.int8]
    directions: NDArray[np.int8]
    terms: Coded[Terms]
    pods: Coded[str]
    locations: Coded[str]
    offered_by: Coded[str]
    reach: int
    objects: Mapping[int, FlexOffer] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        offers: Iterable[FlexOffer],
        now: datetime,
        locations: Mapping[str, str] | None = None,
    ) -> "FlexOffers":
        """Return offers as columns, start times resolved for a use at this moment.

        locations names where points of delivery lie, for example the transformer that feeds them.
        Raises InvalidInput when intervals differ, or an id is there twice.
        """
        listed = [offer.resolved(now) for offer in offers]
        interval = listed[0].interval if listed else INTERVAL
        refuse(
            [
                FieldError(
                    f"/{number}/interval", "sameInterval", f"The first offer has {interval}."
                )
                for number, offer in enumerate(listed)
                if offer.interval != interval
            ][:_SHOWN]
        )
        bounds: list[EnergyRange] = []
        defaults: list[int] = []
        offsets = [0]
        starts = np.empty((3, len(listed)), np.int64)
        deadlines = np.empty((2, len(listed)), np.int64)
        for number, offer in enumerate(listed):
            bounds += [part.bounds(interval) for part in offer.profile.slices]
            defaults += offer.default.energies
            offsets.append(len(bounds))
            for row, moment in enumerate(_starts(offer)):
                starts[row, number] = intervals_since_epoch(moment, interval)
            for row, moment in enumerate((offer.accept_before, offer.assign_before)):
                deadlines[row, number] = (moment - EPOCH) // _MICROSECOND
        default = np.array(defaults, dtype=np.int64)
        kinds = [Kind.of(offer) for offer in listed]
        pods = Coded.of(offer.pod_id for offer in listed)
        where = locations or {}
        made = compiled(
            interval=interval,
            ids=halves_of(offer.id for offer in listed),
            earliest=starts[0],
            latest=starts[1],
            default_start=starts[2],
            accept_before=deadlines[0],
            assign_before=deadlines[1],
            offsets=np.array(offsets, dtype=np.int64),
            default=default,
            down=default - np.array([one.lower for one in bounds], dtype=np.int64),
            up=np.array([one.upper for one in bounds], dtype=np.int64) - default,
            kinds=np.array(kinds, dtype=np.int8),
            terms=Coded.of(Terms.of(offer) for offer in listed),
            pods=pods,
            locations=Coded.of(
                None if offer.pod_id is None else where.get(offer.pod_id, offer.pod_id)
                for offer in listed
            ),
            offered_by=Coded.of(offer.offered_by for offer in listed),
            objects={
                number: offer
                for number, (offer, kind) in enumerate(zip(listed, kinds, strict=True))
                if kind or _has_power(offer)
            },
        )
        refuse_repeated(made.ids)
        return made

    @classmethod
    def from_columns(
        cls,
        *,
        earliest: ArrayLike,
        latest: ArrayLike,
        offsets: ArrayLike,
        lower: ArrayLike,
        upper: ArrayLike,
        offered_by: str | Coded[str],
        default: ArrayLike | None = None,
        default_start: ArrayLike | None = None,
        accept_before: ArrayLike | None = None,
        assign_before: ArrayLike | None = None,
        ids: NDArray[np.uint64] | None = None,
        terms: Terms | Coded[Terms] | None = None,
        pods: Coded[str] | None = None,
        locations: Coded[str] | None = None,
        interval: timedelta = INTERVAL,
    ) -> "FlexOffers":
        """Return plain flex-offers from arrays, in the units of the columns.

        Without a default energy it is the one nearest to nothing; without a default start it is
        the earliest; without deadlines they are the latest start; without ids they are random.
        Raises InvalidInput with the fields, the rules and the first offers that break them.
        """
        starts = _whole("offsets", offsets)
        first, last = _whole("earliest", earliest), _whole("latest", latest)
        rows = len(first)
        lowest, highest = _whole("lower", lower), _whole("upper", upper)
        _check_shape("upper", highest, len(lowest))
        usual = (
            np.clip(0, lowest, highest) if default is None else _whole("default", default)
        ).astype(np.int64, copy=False)
        _check_shape("offsets", starts, rows + 1)
        _check_shape("latest", last, rows)
        slices = np.diff(starts)
        if starts[0] != 0 or starts[-1] != len(lowest) or slices.min(initial=1) < 1:
            raise InvalidInput.field(
                "/offsets", "offsets", "They must rise from 0 to how many slices there are."
            )
        _check_shape("default", usual, len(lowest))
        end = last * (interval // _MICROSECOND)
        begun = first if default_start is None else _whole("default_start", default_start)
        accept = end if accept_before is None else _whole("accept_before", accept_before)
        assign = end if assign_before is None else _whole("assign_before", assign_before)
        halves = _random_ids(rows) if ids is None else np.asarray(ids, np.uint64).reshape(-1, 2)
        spoken = terms if isinstance(terms, Coded) else Coded.same(terms or Terms(), rows)
        sellers = offered_by if isinstance(offered_by, Coded) else Coded.same(offered_by, rows)
        points = pods or Coded.same(None, rows)
        places = locations or points
        for name, columns in (
            ("default_start", begun),
            ("accept_before", accept),
            ("assign_before", assign),
            ("ids", halves),
            ("terms", spoken),
            ("offered_by", sellers),
            ("pods", points),
            ("locations", places),
        ):
            _check_shape(name, columns, rows)
        offenders: list[FieldError] = []
        for broken, pointer, rule, detail in (
            (slices > MAX_INTERVALS, "profiles/0/slices", "maxItems", "It has too many slices."),
            (first > last, "startAfter", "startOrder", "It is after startBefore."),
            ((begun < first) | (begun > last), "default/start", "withinStarts",
             "It is not within the start times."),
            (accept > assign, "acceptBefore", "deadlineOrder", "It is after assignBefore."),
            (assign > end, "assignBefore", "beforeLatestStart", "It is after startBefore."),
        ):  # fmt: skip
            offenders += [
                FieldError(f"/{row}/{pointer}", rule, detail)
                for row in np.flatnonzero(broken)[:_SHOWN]
            ]
        for broken, pointer, rule, detail in (
            (_beyond(lowest), "lower", "exact", "It is too large to be exact to 1 Wh."),
            (_beyond(highest), "upper", "exact", "It is too large to be exact to 1 Wh."),
            (lowest > highest, "lower", "boundOrder", "It is above the upper bound."),
            ((usual < lowest) | (usual > highest), "default", "withinBounds",
             "The default energy is not within the bounds."),
        ):  # fmt: skip
            offenders += [
                FieldError(_slice_pointer(starts, at, pointer), rule, detail)
                for at in np.flatnonzero(broken)[:_SHOWN]
            ]
        offenders += _wrong_terms(spoken, slices)
        refuse(offenders)
        refuse_repeated(halves)
        return compiled(
            interval=interval,
            ids=halves,
            earliest=first,
            latest=last,
            default_start=begun,
            accept_before=accept,
            assign_before=assign,
            offsets=starts,
            default=usual,
            down=usual - lowest,
            up=highest - usual,
            kinds=np.zeros(rows, np.int8),
            terms=spoken,
            pods=points,
            locations=places,
            offered_by=sellers,
            objects={},
        )

    def __len__(self) -> int:
        return len(self.earliest)

    def __iter__(self) -> Iterator[FlexOffer]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> FlexOffer:
        number = range(len(self))[number]
        if number in self.objects:
            return self.objects[number]
        terms = self.terms[number] or Terms()
        part = slice(int(self.offsets[number]), int(self.offsets[number + 1]))
        default = self.default[part].astype(np.int64)
        lower, upper = default - self.down[part], default + self.up[part]
        return FlexOffer(
            profiles=(
                Profile(
                    tuple(
                        Slice(low, high, terms.duration(at), terms.price(at))
                        for at, (low, high) in enumerate(
                            zip(lower.tolist(), upper.tolist(), strict=True)
                        )
                    ),
                    lead=terms.lead,
                ),
            ),
            default=Default(tuple(default.tolist()), self.moment(self.default_start[number])),
            accept_before=EPOCH + int(self.accept_before[number]) * _MICROSECOND,
            assign_before=EPOCH + int(self.assign_before[number]) * _MICROSECOND,
            offered_by=self.offered_by[number] or "",
            pod_id=self.pods[number],
            start_after=self.moment(self.earliest[number]),
            start_before=self.moment(self.latest[number]),
            interval=self.interval,
            currency=terms.currency,
            id=self.id(number),
        )

    def id(self, number: int) -> UUID:
        """Return the id of an offer."""
        return UUID(int=int(self.ids[number, 0]) << 64 | int(self.ids[number, 1]))

    @property
    def lower(self) -> Energies:
        """The lower bound of each slice in Wh, as a new array."""
        return self.default - self.down

    @property
    def upper(self) -> Energies:
        """The upper bound of each slice in Wh, as a new array."""
        return self.default + self.up

    @property
    def width(self) -> Energies:
        """By how much the energy of each slice can vary, in Wh, as a new array."""
        return self.down + self.up

    @cached_property
    def slices(self) -> Ints:
        """How many slices each has."""
        return np.diff(self.offsets)

    @property
    def nbytes(self) -> int:
        """How many bytes the columns take."""
        arrays = (getattr(self, one.name) for one in fields(self))
        return sum(
            one.codes.nbytes if isinstance(one, Coded) else getattr(one, "nbytes", 0)
            for one in arrays
        )

    def take(self, rows: NDArray[Any]) -> "FlexOffers":
        """Return the offers of these rows, in this order."""
        chosen = np.asarray(rows, dtype=np.int64)
        offsets = offsets_of(self.slices[chosen])
        places = np.repeat(self.offsets[chosen] - offsets[:-1], self.slices[chosen])
        places += np.arange(offsets[-1])
        taken: dict[str, Any] = {name: getattr(self, name)[chosen] for name in BY_ROW}
        taken |= {name: getattr(self, name).take(chosen) for name in CODED}
        taken |= {name: getattr(self, name)[places] for name in BY_SLICE}
        return replace(
            self,
            **taken,
            offsets=offsets,
            objects=(
                {
                    at: self.objects[row]
                    for at, row in enumerate(chosen.tolist())
                    if row in self.objects
                }
                if self.objects
                else {}
            ),
        )

    @classmethod
    def concatenated(cls, parts: Sequence["FlexOffers"]) -> "FlexOffers":
        """Return offers one after the other; raises InvalidInput when intervals differ."""
        given = [part for part in parts if len(part)] or list(parts[:1])
        if any(part.interval != given[0].interval for part in given):
            raise InvalidInput.field("/interval", "sameInterval", "The intervals differ.")
        first = np.cumsum([0, *(len(part) for part in given)])
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in given])
            for name in (*BY_ROW, *BY_SLICE)
        }
        joined |= {
            name: Coded.concatenated([getattr(one, name) for one in given]) for name in CODED
        }
        return replace(
            given[0],
            **joined,
            offsets=offsets_of(np.concatenate([part.slices for part in given])),
            reach=max(part.reach for part in given),
            objects={
                int(begin) + row: offer
                for begin, part in zip(first, given, strict=False)
                for row, offer in part.objects.items()
            },
        )

    def moment(self, number: np.int64) -> datetime:
        """Return when the interval of this number begins."""
        return moment_of(int(number), self.interval)


BY_ROW = (
    "ids", "earliest", "latest", "default_start", "accept_before", "assign_before", "kinds",
    "directions",
)  # fmt: skip
BY_SLICE = ("default", "down", "up")
CODED = ("terms", "pods", "locations", "offered_by")


@dataclass(frozen=True, eq=False, kw_only=True)
class Schedules:
    """The schedules of many flex-offers, in their order.

    start is a number of intervals since 1970-01-01T00:00Z. The energies of schedule i, in Wh and
    one for each slice of its profile, are those from offsets[i] to offsets[i + 1].
    """

    interval: timedelta
    start: Ints
    offsets: Ints
    energies: Energies
    profile: Codes

    @classmethod
    def of(cls, schedules: Iterable[Schedule], interval: timedelta = INTERVAL) -> "Schedules":
        """Return schedules as columns; raises InvalidInput for what columns cannot hold.

        Energies that are all whole are held as whole numbers.
        """
        listed = list(schedules)
        for number, one in enumerate(listed):
            if one.start.tzinfo is None or (one.start - EPOCH) % interval:
                raise InvalidInput.field(
                    f"/{number}/start", "onTheGrid", "It must lie on the grid of the interval."
                )
        energies = np.array([energy for one in listed for energy in one.energies], dtype=np.float64)
        if not np.isfinite(energies).all():
            raise InvalidInput.field("/energies", "finite", "It must be a finite number.")
        whole = bool((energies == np.rint(energies)).all() and not _beyond(energies).any())
        return cls(
            interval=interval,
            start=np.array(
                [intervals_since_epoch(one.start, interval) for one in listed], dtype=np.int64
            ),
            offsets=offsets_of(np.array([len(one.energies) for one in listed], dtype=np.int64)),
            energies=energies.astype(np.int64) if whole else energies,
            profile=np.array([one.profile for one in listed], dtype=np.int32),
        )

    @classmethod
    def default(cls, offers: FlexOffers) -> "Schedules":
        """Return the baseline of each offer."""
        return cls(
            interval=offers.interval,
            start=offers.default_start,
            offsets=offers.offsets,
            energies=offers.default,
            profile=default_profiles(offers),
        )

    def __len__(self) -> int:
        return len(self.start)

    def __iter__(self) -> Iterator[Schedule]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Schedule:
        number = range(len(self))[number]
        part = slice(int(self.offsets[number]), int(self.offsets[number + 1]))
        return Schedule(
            moment_of(int(self.start[number]), self.interval),
            tuple(self.energies[part].tolist()),
            int(self.profile[number]),
        )


def default_profiles(offers: FlexOffers) -> Codes:
    """Return which profile each offer carries out by default."""
    profiles = np.zeros(len(offers), np.int32)
    for row, offer in offers.objects.items():
        profiles[row] = offer.default.profile
    return profiles


def compiled(*, default: Ints, down: Ints, up: Ints, offsets: Ints, **columns: Any) -> FlexOffers:
    """Return the columns with what follows from them, as narrow as the energies allow."""
    directions, reach = kernels.survey(offsets, default, down, up)
    kind = np.int32 if reach < _NARROW_WH else np.int64
    return FlexOffers(
        offsets=offsets,
        default=default.astype(kind, copy=False),
        down=down.astype(kind, copy=False),
        up=up.astype(kind, copy=False),
        directions=directions,
        reach=int(reach),
        **columns,
    )


def _starts(offer: FlexOffer) -> Iterator[datetime]:
    for moment in (offer.start_after, offer.start_before, offer.default.start):
        assert moment is not None  # noqa: S101 - it is resolved
        yield moment


def _has_power(offer: FlexOffer) -> bool:
    return any(
        part.min_power is not None or part.max_power is not None for part in offer.profile.slices
    )


def offsets_of(lengths: Ints) -> Ints:
    """Return where rows of these lengths begin, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def halves_of(ids: Iterable[UUID]) -> NDArray[np.uint64]:
    """Return UUIDs as columns of their halves, the high ones first."""
    joined = b"".join(one.bytes for one in ids)
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def _random_ids(rows: int) -> NDArray[np.uint64]:
    """Return random UUIDs (version 4)."""
    ids = np.frombuffer(os.urandom(16 * rows), dtype=np.uint64).reshape(-1, 2).copy()
    ids[:, 0] = ids[:, 0] & np.uint64(0xFFFF_FFFF_FFFF_0FFF) | np.uint64(0x4000)
    ids[:, 1] = ids[:, 1] & np.uint64(2**62 - 1) | np.uint64(2**63)
    return ids


def refuse_repeated(ids: NDArray[np.uint64]) -> None:
    """Raise InvalidInput when an id is there twice."""
    row = kernels.repeated(ids)
    if row >= 0:
        raise InvalidInput.field(f"/{row}/id", "uniqueItems", "An offer before it has this id.")


def _whole(name: str, values: ArrayLike) -> Ints:
    """Return values as whole numbers, or raise InvalidInput with the first that is none."""
    given = np.asarray(values)
    if given.ndim == 1 and given.dtype.kind in "iu" and given.dtype != np.uint64:
        return given.astype(np.int64, copy=False)
    if given.ndim != 1 or given.dtype.kind not in "iuf":
        raise InvalidInput.field(f"/{name}", "type", "It must be one column of whole numbers.")
    for broken, rule, detail in (
        (~np.isfinite(given), "finite", "It must be a finite number."),
        (given != np.rint(given), "whole", "It must be a whole number."),
        (_beyond(given), "exact", "It is too large to be exact."),
    ):
        if broken.any():
            raise InvalidInput.field(f"/{name}/{int(np.argmax(broken))}", rule, detail)
    return given.astype(np.int64)


def _beyond(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((values >= EXACT_WH) | (values <= -EXACT_WH))


def _check_shape(name: str, column: NDArray[Any] | Coded[Any], rows: int) -> None:
    if len(column) != rows:
        raise InvalidInput.field(f"/{name}", "shape", f"It has {len(column)} rows, not {rows}.")


def _slice_pointer(offsets: Ints, at: int, name: str) -> str:
    row = int(np.searchsorted(offsets, at, side="right")) - 1
    number = int(at) - int(offsets[row])
    if name == "default":
        return f"/{row}/default/energies/{number}"
    return f"/{row}/profiles/0/slices/{number}/{name}"


def _wrong_terms(terms: Coded[Terms], slices: Ints) -> Iterator[FieldError]:
    """Yield what is wrong with terms, or does not go with how many slices the offers have."""
    if ((terms.codes < 0) | (terms.codes >= len(terms.values))).any():
        yield FieldError("/terms", "range", "There are no such terms.")
        return
    for code, one in enumerate(terms.values):
        rows = np.flatnonzero(terms.codes == code)
        if not len(rows):
            continue
        lengths = {len(one.durations), len(one.prices)} - {0}
        lengths -= {1} if len(one.prices) == 1 else set()
        for length in lengths:
            for row in rows[slices[rows] != length][:_SHOWN]:
                yield FieldError(
                    f"/{row}/profiles/0/slices", "onePerSlice", f"The terms are of {length} slices."
                )
        pointer = f"/{rows[0]}/profiles/0"
        if any(duration < 1 for duration in one.durations):
            yield FieldError(pointer, "positive", "A slice takes at least one interval.")
        if sum(one.durations) > MAX_INTERVALS:
            yield FieldError(pointer, "maxItems", "It takes too many intervals.")
        if any(
            price is not None and not (price.is_finite() and price >= 0) for price in one.prices
        ):
            yield FieldError(pointer, "notNegative", "A price must be a number from 0 on.")
        if any(price is not None for price in one.prices) and one.currency is None:
            yield FieldError(pointer, "required", "Prices need a currency.")
        if one.lead < 0:
            yield FieldError(pointer, "range", "The lead must not be negative.")
