"""One way to reach a database, SQLite or PostgreSQL, for the marketplace and for every platform."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.types import TypeDecorator

READ_ONLY = "read_only"
"""The execution option of a transaction that only reads."""

_BUSY_TIMEOUT_MS = 30_000


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
        return create_engine(url, pool_size=pool_size, pool_pre_ping=True)
    engine = create_engine(url, pool_size=pool_size)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


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
