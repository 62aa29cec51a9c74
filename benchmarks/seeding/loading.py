"""Many rows of many tables, written in large pieces: COPY on PostgreSQL, executemany on SQLite."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import reduce
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    cast,
    func,
    text,
    type_coerce,
)
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from benchmarks.seeding.structure import put_aside

Value = str | int | float | bool | UUID | datetime | None
"""What a row holds. A value that a column keeps as JSON is given as its text."""

Row = dict[str, Value]
"""The values of some columns, by their names."""

_PIECE = 50_000
_SPECIAL = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})

FULL_TEXT = Table(
    "fts_service",
    MetaData(),
    Column("rowid", Integer),
    *(Column(name, Text) for name in ("name", "summary", "details", "terms")),
)
"""SQLite's full-text index of services, which is no table of the mappings."""


class Writer(Protocol):
    """Writes a piece of a table."""

    def encode(self, values: list[Value]) -> Any:
        """Return a row as `write` takes it."""

    def write(self, table: Table, columns: list[str], rows: list[Any]) -> None:
        """Write rows that were encoded."""


@dataclass
class _Waiting:
    """The rows of a table that are not written yet, and what a column has that is not given."""

    table: Table
    columns: list[str]
    otherwise: dict[str, Value]
    rows: list[Any] = field(default_factory=list)


class Loader:
    """Takes rows in any order and writes them so that whatever refers to another finds it."""

    def __init__(self, connection: Connection, writer: Writer, tables: list[Table]) -> None:
        self._connection = connection
        self._writer = writer
        self._waiting = {table.name: _waiting(table) for table in tables}
        self._unwritten = 0

    @property
    def has_full_text_apart(self) -> bool:
        """Whether the full text of services is in a table of its own, as on SQLite."""
        return FULL_TEXT.name in self._waiting

    def add(self, table: str, **values: Value) -> None:
        """Have a row written. What is not given is the column's default."""
        waiting = self._waiting[table]
        otherwise = waiting.otherwise
        row = [values.pop(name) if name in values else otherwise[name] for name in waiting.columns]
        if values:
            raise LookupError(f"The table {table} has no columns {', '.join(values)}.")
        waiting.rows.append(self._writer.encode(row))
        self._unwritten += 1
        if self._unwritten >= _PIECE:
            self.flush()

    def table(self, name: str) -> Table:
        """Return a table by its name."""
        return self._waiting[name].table

    def id_as_text(self, column: ColumnElement[UUID]) -> ColumnElement[str]:
        """Return what gives an id as a text, with its hyphens, which SQLite does not store."""
        if not self.has_full_text_apart:
            return cast(column, Text)
        parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        plain = type_coerce(column, String)
        first, *others = (func.substr(plain, start, length) for start, length in parts)
        return reduce(lambda text, part: text + "-" + part, others, first)

    def text_as_id(self, column: ColumnElement[str]) -> ColumnElement[UUID]:
        """Return what gives the id that a text is."""
        if not self.has_full_text_apart:
            return cast(column, Uuid)
        return type_coerce(func.replace(column, "-", ""), Uuid)

    def derive(self, statement: Insert) -> None:
        """Have the database itself write rows, from those that were added so far."""
        self.flush()
        self._connection.execute(statement)

    def flush(self) -> None:
        """Write what waits."""
        for waiting in self._waiting.values():
            if waiting.rows:
                self._writer.write(waiting.table, waiting.columns, waiting.rows)
                waiting.rows = []
        self._unwritten = 0


@contextmanager
def loading(engine: Engine, metadata: MetaData) -> Iterator[Loader]:
    """Give a loader of the tables; what it took is committed at the end of the block."""
    on_postgresql = engine.dialect.name == "postgresql"
    tables = list(metadata.sorted_tables)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        writer: Writer
        if on_postgresql:
            connection.execute(text("SET LOCAL synchronous_commit = off"))
            writer = _Copying(driver)
        else:
            tables.append(FULL_TEXT)
            writer = _Inserting(driver)
        loader = Loader(connection, writer, tables)
        with put_aside(connection):
            yield loader
            loader.flush()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if on_postgresql else "ANALYZE"))


class _Copying:
    """PostgreSQL's COPY, in its text format."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def encode(self, values: list[Value]) -> str:
        return "\t".join([_as_text(value) for value in values])

    def write(self, table: Table, columns: list[str], rows: list[Any]) -> None:
        names = ", ".join(f'"{name}"' for name in columns)
        with (
            self._driver.cursor() as cursor,
            cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy,
        ):
            copy.write("\n".join(rows) + "\n")


class _Inserting:
    """SQLite's executemany."""

    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver

    def encode(self, values: list[Value]) -> list[Value]:
        return [_for_sqlite(value) for value in values]

    def write(self, table: Table, columns: list[str], rows: list[Any]) -> None:
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" for _ in columns)
        self._driver.executemany(
            f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})',  # noqa: S608 - our own names
            rows,
        )


def _as_text(value: Value) -> str:
    if value is None:
        return r"\N"
    if type(value) is str:
        return value.translate(_SPECIAL) if not value.isprintable() or "\\" in value else value
    return str(value)


def _for_sqlite(value: Value) -> Value:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value.value if isinstance(value, StrEnum) else value


def _waiting(table: Table) -> _Waiting:
    """Return a table without rows, but for the columns that the database itself fills."""
    counted = table.autoincrement_column if table is not FULL_TEXT else None
    columns = [
        column
        for column in table.columns
        if not (column is counted and isinstance(column.type, Integer))
        and column.server_default is None
    ]
    return _Waiting(
        table,
        [column.name for column in columns],
        {column.name: _default(column) for column in columns},
    )


def _default(column: Column[Any]) -> Value:
    default = column.default
    if not isinstance(default, ScalarElementColumnDefault):
        return None
    found: Value = default.arg
    return found
