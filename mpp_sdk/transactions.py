"""One transaction for everything that must happen together, however deep the calls that do it."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from mpp_sdk.database import reading
from mpp_sdk.errors import Unavailable

_LOG = logging.getLogger(__name__)
_UNREACHABLE = "The platform's database does not answer."


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
                Session(self.engine, expire_on_commit=False) as session,
                session.begin(),
            ):
                self._running.session = session
                yield session
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
