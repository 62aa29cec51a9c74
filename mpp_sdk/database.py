"""One way to reach a database, SQLite or PostgreSQL, for the marketplace and for every platform."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeDecorator

READ_ONLY = "read_only"
"""The execution option of a transaction that only reads."""

_BUSY_TIMEOUT_MS = 30_000
_MAX_OVERFLOW = 10


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, stored in UTC and given back with its offset, on SQLite as on PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC. Raises ValueError for a time without offset."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"A time without offset cannot be stored: {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored moment, with its offset."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def open_database(url: str, *, pool_size: int = 20) -> Engine:
    """Return an engine for `sqlite:///path` or `postgresql+psycopg://...`.

    On SQLite a commit is durable when it returns (synchronous=FULL in WAL mode), and a transaction
    takes the write lock when it begins, so that it never fails halfway; one with the execution
    option `read_only` takes none.
    """
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(
            url, pool_size=pool_size, max_overflow=_MAX_OVERFLOW, pool_pre_ping=True
        )
    engine = create_engine(url, pool_size=pool_size, max_overflow=_MAX_OVERFLOW)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@dataclass(frozen=True)
class PoolUse:
    """How many connections of an engine are in use, and how many there may be."""

    in_use: int
    limit: int


def pool_use(engine: Engine) -> PoolUse:
    """Return how far the connections of an engine that `open_database` made are in use."""
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        raise TypeError(f"An engine with a {type(pool).__name__} is none of ours.")
    return PoolUse(pool.checkedout(), pool.size() + _MAX_OVERFLOW)


def reading(engine: Engine) -> Engine:
    """Return the same engine, for transactions that only read."""
    return engine.execution_options(**{READ_ONLY: True})


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
