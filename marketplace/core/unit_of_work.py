"""The one place that commits."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from marketplace.core import read_ahead
from marketplace.core.journal import write_gathered, written_down
from mpp_sdk import tracing
from mpp_sdk.database import reading
from mpp_sdk.errors import Conflict, PreconditionFailed, Unavailable

_log = logging.getLogger(__name__)
_session: ContextVar[Session] = ContextVar("session")
_AFTER_COMMIT = "after_commit"
_POSTGRESQL_UNIQUE_VIOLATION = "23505"
_POSTGRESQL_CONTENTION = ("40001", "40P01")  # serialization failure, deadlock
_SQLITE_UNIQUE_VIOLATIONS = (
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
)


class Contended(Unavailable):
    """The database has undone this because of what others did at the same time."""


def current_session() -> Session:
    """Return the session of the unit of work that is under way. Raises LookupError outside one."""
    return _session.get()


def after_commit(callback: Callable[[], None]) -> None:
    """Have a callback called once this unit of work is committed; never when it is rolled back.

    It is for wake-ups, which nothing may depend on: what it raises is logged and goes no further.
    """
    current_session().info.setdefault(_AFTER_COMMIT, []).append(callback)


def release() -> None:
    """End the transaction, in which nothing may have been written yet, before something slow.

    Calls to other systems take seconds; a lock or a connection held as long would stop everybody
    else. What was read stays readable and is no longer tracked; the next query begins anew.
    """
    session = current_session()
    if session.new or session.dirty or session.deleted or written_down(session):
        raise RuntimeError("Something is written already: do the slow part first.")
    read_ahead.forget(session)
    session.expunge_all()
    session.rollback()


@contextmanager
def unit_of_work(engine: Engine, *, read_only: bool = False) -> Iterator[Session]:
    """Run a block in one transaction: commit at its end, roll back when it raises.

    A read-only one takes no write lock and is rolled back at its end. Raises PreconditionFailed
    when somebody else changed a row since it was read, Conflict when somebody else has just
    inserted the same, Unavailable when the database cannot be reached.
    """
    if _session.get(None) is not None:
        raise RuntimeError("A unit of work is under way already: only the edge opens one.")
    with Session(_bind(engine, read_only=read_only), expire_on_commit=False) as session:
        token = _session.set(session)
        try:
            with _translated():
                yield session
                if not read_only:  # closing the session rolls back, and keeps what was read
                    write_gathered(session)
                    with tracing.span("commit"):
                        _commit(session)
        finally:
            _session.reset(token)
        callbacks = session.info.pop(_AFTER_COMMIT, [])
    for callback in callbacks:
        try:
            callback()
        except Exception:
            _log.exception("What was to follow a commit failed; the poller will do it")


@contextmanager
def taking_part(session: Session) -> Iterator[None]:
    """Run a block in the unit of work of a session, which is under way in another context."""
    token = _session.set(session)
    try:
        yield
    finally:
        _session.reset(token)


@contextmanager
def joined(connection: Connection) -> Iterator[Session]:
    """Run a block as a unit of work inside a transaction that somebody else began and ends.

    What is to follow the commit is not called: whoever ends the transaction wakes others.
    """
    if _session.get(None) is not None:
        raise RuntimeError("A unit of work is under way already: only the edge opens one.")
    with Session(
        connection, expire_on_commit=False, join_transaction_mode="rollback_only"
    ) as session:
        token = _session.set(session)
        try:
            yield session
            session.flush()
            write_gathered(session)
        finally:
            _session.reset(token)


def _commit(session: Session) -> None:
    try:
        session.commit()
    except DBAPIError:
        # The transaction may still be open, and would come back from the pool with its locks.
        session.invalidate()
        raise


def _bind(engine: Engine, *, read_only: bool) -> Engine:
    if not read_only:
        return engine
    if engine.dialect.name == "postgresql":
        return reading(engine).execution_options(postgresql_readonly=True)
    return reading(engine)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StaleDataError as error:
        raise PreconditionFailed(
            "Somebody else changed it at the same time. Read it again and repeat the edit."
        ) from error
    except IntegrityError as error:
        if not _is_duplicate(error):
            raise
        raise Conflict(
            "The same was done at the same time by another call. Read it again before you repeat."
        ) from error
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) in _POSTGRESQL_CONTENTION:
            raise Contended("Others were changing the same. Try again.") from error
        raise Unavailable("The database does not answer.") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Unavailable("The connection to the database was lost.") from error


def _is_duplicate(error: IntegrityError) -> bool:
    if getattr(error.orig, "sqlstate", None) == _POSTGRESQL_UNIQUE_VIOLATION:
        return True
    return getattr(error.orig, "sqlite_errorcode", None) in _SQLITE_UNIQUE_VIOLATIONS
