"""One transaction for everything that must happen together, however deep the calls that do it."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, SessionTransaction

from mpp_sdk.database import reading
from mpp_sdk.errors import Unavailable

_LOG = logging.getLogger(__name__)
_GATHERED, _MARKS, _HELD = "mpp.gathered", "mpp.marks", "mpp.held"
_UNREACHABLE = "The platform's database does not answer."

Item = TypeVar("Item")
Row = TypeVar("Row")


class Transactions:
    """Opens transactions on a platform's database.

    A call inside a running transaction of the same thread joins it, so that an integrator's own
    writes, the change of a state and its notification commit together or not at all.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reader = reading(engine)
        self._running = threading.local()

    @contextmanager
    def __call__(self) -> Iterator[Session]:
        """Give the session of the running transaction, or of a new one that commits at the end.

        What a block inside a running transaction did is undone when it raises, also when somebody
        further out catches the error and goes on. Raises Unavailable when the database cannot be
        reached or stays locked.
        """
        running = self._session()
        if running is not None:
            with running.begin_nested():
                yield running
            return
        callbacks: list[Callable[[], None]] = []
        self._running.callbacks = callbacks
        try:
            with (
                _unavailable(),
                _Session(self.engine, expire_on_commit=False) as session,
                session.begin(),
            ):
                self._running.session = session
                yield session
                _write_gathered(session)
        finally:
            self._running.session = None
            self._running.callbacks = None
        for callback in callbacks:
            try:
                callback()
            except Exception:
                _LOG.exception("What was to follow a commit failed")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session to read with: the running transaction's, or one that takes no lock.

        Raises Unavailable when the database cannot be reached.
        """
        running = self._session()
        if running is not None:
            yield running
            return
        with _unavailable(), Session(self._reader, expire_on_commit=False) as session:
            yield session

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back once the running transaction has committed; now when there is none.

        It is for wake-ups, which nothing may depend on: what it raises is logged.
        """
        callbacks: list[Callable[[], None]] | None = getattr(self._running, "callbacks", None)
        if callbacks is None:
            callback()
        else:
            callbacks.append(callback)

    def _session(self) -> Session | None:
        session: Session | None = getattr(self._running, "session", None)
        return session


def gather(session: Session, write: Callable[[Session, Sequence[Item]], None], item: Item) -> None:
    """Have `write` called once with all of its items, right before the transaction commits.

    What was gathered since a savepoint is dropped when that is rolled back.
    """
    session.info.setdefault(_GATHERED, []).append((write, item))


def get_locked(session: Session, kind: type[Row], key: object) -> Row | None:
    """Return a row, locked until the transaction ends, or None.

    One that this transaction has locked before is not read again: nobody else can change it.
    """
    row: Row | None = session.info.get(_HELD, {}).get((kind, key))
    if row is None:
        row = session.get(kind, key, with_for_update=True)
        if row is not None:
            hold(session, key, row)
    return row


def hold(session: Session, key: object, row: object) -> None:
    """Note that this transaction has a row for itself, as one that it has just made."""
    session.info.setdefault(_HELD, {})[(type(row), key)] = row


class _Session(Session):
    """A transaction's session; what is gathered and held in it follows its savepoints."""


@event.listens_for(_Session, "after_transaction_create")
def _mark(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        session.info.setdefault(_MARKS, {})[transaction] = len(session.info.get(_GATHERED, ()))


@event.listens_for(_Session, "after_soft_rollback")
def _undo(session: Session, transaction: SessionTransaction) -> None:
    session.info.pop(_HELD, None)  # PostgreSQL gives back the locks taken since the savepoint
    mark = session.info.get(_MARKS, {}).pop(transaction, None)
    if mark is not None:
        del session.info.get(_GATHERED, [])[mark:]


def _write_gathered(session: Session) -> None:
    by_writer: dict[Callable[[Session, Sequence[Any]], None], list[Any]] = {}
    for write, item in session.info.get(_GATHERED, ()):
        by_writer.setdefault(write, []).append(item)
    for write, items in by_writer.items():
        write(session, items)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable(_UNREACHABLE) from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Unavailable(_UNREACHABLE) from error
