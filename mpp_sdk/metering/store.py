"""A store of readings, in SQLite or PostgreSQL: those of an owner, or those received from one."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from mpp_sdk.clock import now
from mpp_sdk.database import UtcDateTime, reading
from mpp_sdk.metering.model import (
    Direction,
    PointOfDelivery,
    Quality,
    Reading,
    ReadingSeries,
    Unit,
    check_period,
    plain,
)
from mpp_sdk.metering.moments import format_moment
from mpp_sdk.schema import bring_up_to_date

METADATA = MetaData()

_SERIES = Table(
    "metering_series",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("pod", String(256), nullable=False),
    Column("coding_scheme", String(256)),
    Column("direction", String(16), nullable=False),
    Column("resolution_s", Integer, nullable=False),
    Column("unit", String(8), nullable=False),
    Column("product", String(256), nullable=False),
    UniqueConstraint("pod", "direction", "resolution_s", "unit", "product"),
)

_READINGS = Table(
    "metering_readings",
    METADATA,
    Column(
        "series_id",
        ForeignKey(_SERIES.c.id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("start", UtcDateTime, primary_key=True),
    # As text, because it keeps every digit on every database.
    Column("quantity", String(64)),
    Column("quality", String(3), nullable=False),
    Column("validated_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

_QUALITIES = {quality.value: quality for quality in Quality}


@dataclass(frozen=True, slots=True)
class Page:
    """The readings of a part of the period that was asked for, [start, end).

    next_start is where the next page begins; None when this is the last one.
    """

    series: tuple[ReadingSeries, ...]
    start: datetime
    end: datetime
    next_start: datetime | None


class MeteringStore:
    """The readings of points of delivery, by their mRID.

    A point can have several series: one for each direction, resolution, unit and product.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self) -> None:
        """Make what is missing of the tables. Raises SchemaError for what cannot be added."""
        bring_up_to_date(self._engine, METADATA)

    def upsert(
        self, series: Iterable[ReadingSeries], *, validated_at: datetime | None = None
    ) -> int:
        """Store the readings, and return how many there were.

        A reading replaces the one of the same instant unless that was validated later, so that
        documents may arrive in any order. validated_at is the moment at which the sender validated
        them (the creation of the document); now when not given.
        """
        validated_at = validated_at or now()
        count = 0
        # In one order for every writer, so that two of them cannot wait for each other.
        ordered = sorted(series, key=_sort_key)
        with self._engine.begin() as connection:
            for one in ordered:
                _upsert_readings(connection, _series_id(connection, one), one, validated_at)
                count += len(one.readings)
        return count

    def pods(self) -> tuple[PointOfDelivery, ...]:
        """Return the points of delivery of which there are series, by mRID."""
        query = select(_SERIES.c.pod, func.max(_SERIES.c.coding_scheme)).group_by(_SERIES.c.pod)
        with reading(self._engine).connect() as connection:
            rows = connection.execute(query).all()
        return tuple(PointOfDelivery(mrid, scheme) for mrid, scheme in sorted(rows))

    def count(self, pod: str | None = None) -> int:
        """Return the number of readings, of one point of delivery or of all."""
        query = select(func.count()).select_from(_READINGS)
        if pod is not None:
            query = query.join(_SERIES).where(_SERIES.c.pod == pod)
        with reading(self._engine).connect() as connection:
            return connection.execute(query).scalar_one()

    def read(self, pod: str, start: datetime, end: datetime) -> tuple[ReadingSeries, ...]:
        """Return the readings of the point that begin in [start, end), one item for each series.

        Series without a reading in the period are left out. Raises InvalidInput when the end is not
        after the start, or one of them has no offset.
        """
        check_period(start, end)
        with reading(self._engine).connect() as connection:
            return tuple(_read(connection, pod, start, end))

    def page(self, pod: str, start: datetime, end: datetime, max_points: int) -> Page:
        """Return the first part of the period that has at most max_points readings.

        The part ends where an interval of every series ends, so that no interval is split between
        pages; where even the first whole interval has more readings, it is given whole. The pages
        of a period, each from the `next_start` of the one before, hold each reading once. Raises
        InvalidInput as `read` does, and ValueError for a maximum below 1.
        """
        check_period(start, end)
        if max_points < 1:
            raise ValueError("A page holds at least one point.")
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        with reading(self._engine).connect() as connection:
            bound = _page_bound(connection, pod, start, end, max_points)
            series = tuple(_read(connection, pod, start, bound))
        return Page(series, start, bound, bound if bound < end else None)

    def digest(self, pod: str, start: datetime | None = None, end: datetime | None = None) -> str:
        """Return a SHA-256, in hexadecimal, of the readings of the point.

        Equal readings give equal digests in any two stores: it covers direction, resolution, unit,
        product, and start, value and quality of each reading; not when they were validated, nor
        zeros at the end of a value (1.50 is 1.5).
        """
        digest = hashlib.sha256()
        with reading(self._engine).connect() as connection:
            for one in _read(connection, pod, start, end):
                head = (one.direction, one.iso_resolution, one.unit, one.product)
                digest.update(("|".join(head) + "\n").encode())
                for item in one.readings:
                    value = "" if item.quantity is None else _canonical(item.quantity)
                    line = f"{format_moment(item.start)}|{value}|{item.quality}\n"
                    digest.update(line.encode())
        return digest.hexdigest()

    def delete(self, pod: str) -> int:
        """Remove everything about the point, and return how many readings that were."""
        ids = select(_SERIES.c.id).where(_SERIES.c.pod == pod)
        with self._engine.begin() as connection:
            gone = connection.execute(delete(_READINGS).where(_READINGS.c.series_id.in_(ids)))
            connection.execute(delete(_SERIES).where(_SERIES.c.pod == pod))
        return gone.rowcount


def _sort_key(series: ReadingSeries) -> tuple[str, str, timedelta, str, str]:
    return (series.pod.mrid, series.direction, series.resolution, series.unit, series.product)


def _canonical(quantity: Decimal) -> str:
    digits = plain(quantity)
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that can say what to do on a conflict; each database has its own class."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def _series_id(connection: Connection, series: ReadingSeries) -> int:
    key = {
        "pod": series.pod.mrid,
        "direction": series.direction.value,
        "resolution_s": series.resolution // timedelta(seconds=1),
        "unit": series.unit.value,
        "product": series.product,
    }
    scheme = series.pod.coding_scheme
    insert = _insert(connection, _SERIES).values(**key, coding_scheme=scheme)
    known = _SERIES.c.coding_scheme
    upsert = insert.on_conflict_do_update(
        index_elements=list(key),
        set_={"coding_scheme": func.coalesce(insert.excluded.coding_scheme, known)},
    ).returning(_SERIES.c.id)
    identifier: int = connection.execute(upsert).scalar_one()
    return identifier


def _upsert_readings(
    connection: Connection, series_id: int, series: ReadingSeries, validated_at: datetime
) -> None:
    if not series.readings:
        return
    insert = _insert(connection, _READINGS)
    new = insert.excluded
    upsert = insert.on_conflict_do_update(
        index_elements=["series_id", "start"],
        set_={
            "quantity": new.quantity,
            "quality": new.quality,
            "validated_at": new.validated_at,
        },
        where=_READINGS.c.validated_at <= new.validated_at,
    )
    connection.execute(
        upsert,
        [
            {
                "series_id": series_id,
                "start": item.start,
                "quantity": None if item.quantity is None else plain(item.quantity),
                "quality": item.quality.value,
                "validated_at": validated_at,
            }
            for item in series.readings
        ],
    )


def _in_period(query: Select[Any], start: datetime | None, end: datetime | None) -> Select[Any]:
    if start is not None:
        query = query.where(_READINGS.c.start >= start)
    if end is not None:
        query = query.where(_READINGS.c.start < end)
    return query


def _read(
    connection: Connection, pod: str, start: datetime | None, end: datetime | None
) -> Iterator[ReadingSeries]:
    """Yield the series of the point that have readings in the period, in a fixed order."""
    found = connection.execute(select(_SERIES).where(_SERIES.c.pod == pod)).all()
    columns = (_READINGS.c.start, _READINGS.c.quantity, _READINGS.c.quality)
    # Sorted here, because databases differ in how they sort text.
    for row in sorted(
        found, key=lambda row: (row.direction, row.resolution_s, row.unit, row.product)
    ):
        query = select(*columns).where(_READINGS.c.series_id == row.id)
        rows = connection.execute(_in_period(query, start, end).order_by(_READINGS.c.start)).all()
        if not rows:
            continue
        yield ReadingSeries(
            pod=PointOfDelivery(row.pod, row.coding_scheme),
            direction=Direction(row.direction),
            resolution=timedelta(seconds=row.resolution_s),
            readings=tuple(
                Reading(at, None if value is None else Decimal(value), _QUALITIES[quality])
                for at, value, quality in rows
            ),
            unit=Unit(row.unit),
            product=row.product,
        )


def _page_bound(
    connection: Connection, pod: str, start: datetime, end: datetime, max_points: int
) -> datetime:
    """Return where the page ends: at most `end`, and in no interval of any series."""
    query = (
        select(_READINGS.c.start, _SERIES.c.resolution_s)
        .join(_SERIES)
        .where(_SERIES.c.pod == pod)
        .order_by(_READINGS.c.start)
    )
    rows = connection.execute(_in_period(query, start, end).limit(max_points + 1)).all()
    if len(rows) <= max_points:
        return end
    intervals = [(at, at + timedelta(seconds=length)) for at, length in rows]
    first = intervals[0][0]
    bound = _shrink(intervals, intervals[-1][0])
    if bound > first:
        return bound
    return _grow(connection, query, first, end)


def _shrink(intervals: Sequence[tuple[datetime, datetime]], bound: datetime) -> datetime:
    """Return the last moment up to bound that lies in no interval that begins before it."""
    for begin, until in reversed(intervals):
        # Taken back past an interval, the bound can only have come to lie in an earlier one.
        if begin < bound < until:
            bound = begin
    return bound


def _grow(connection: Connection, query: Select[Any], first: datetime, end: datetime) -> datetime:
    """Return the first moment after `first` that lies in no interval; `end` if nothing follows."""
    bound = first + timedelta(microseconds=1)
    while bound < end:
        rows = connection.execute(_in_period(query, first, bound)).all()
        grown = max(at + timedelta(seconds=length) for at, length in rows)
        if grown <= bound:
            more = connection.execute(_in_period(query, bound, end).limit(1)).first()
            return end if more is None else bound
        bound = grown
    return end
