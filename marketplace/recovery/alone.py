"""Only one re-synchronisation at a time: two would tell of everything twice."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import text

from marketplace.core.environment import Environment
from mpp_sdk.errors import Conflict

_LOCK = 0x464C_455A  # a number of our own among PostgreSQL's advisory locks
_LOCK_FILE = "resynchronise.lock"


@contextmanager
def alone(environment: Environment) -> Iterator[None]:
    """Run a block while no other process runs one. Raises Conflict when one does.

    The database lets go of it when the process ends, however it ends.
    """
    if environment.engine.dialect.name == "postgresql":
        locked = _on_postgresql(environment)
    else:
        locked = _on_sqlite(environment)
    with locked:
        yield


@contextmanager
def _on_postgresql(environment: Environment) -> Iterator[None]:
    engine = environment.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        taken = text("SELECT pg_try_advisory_lock(:lock)")
        if not connection.scalar(taken, {"lock": _LOCK}):
            raise _conflict()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})


@contextmanager
def _on_sqlite(environment: Environment) -> Iterator[None]:
    file = environment.settings.data_dir / _LOCK_FILE
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise _conflict() from error
        yield


def _conflict() -> Conflict:
    return Conflict("Another re-synchronisation runs. Wait for its end, or end its process.")
