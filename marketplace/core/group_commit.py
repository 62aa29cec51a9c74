"""One thread that carries out the calls that wait, as many as there are, and answers them."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from mpp_sdk.errors import Unavailable

W = TypeVar("W")
R = TypeVar("R")
_log = logging.getLogger(__name__)
_RETRY_AFTER_S = 1


class GroupCommit(Generic[W, R]):
    """A bounded queue and the thread that works through it.

    carry_out gets at most `most` items at a time and returns an outcome for each, in their order.
    While it runs the next ones gather, so that a group is the larger the slower a commit is.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[W]], Sequence[R | Exception]],
        *,
        most: int,
        waiting: int,
    ) -> None:
        self._carry_out = carry_out
        self._most = most
        self._waiting = waiting
        self._queue: deque[tuple[W, asyncio.Future[R]]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def submit(self, item: W) -> asyncio.Future[R]:
        """Return the outcome to be awaited, on the loop of the caller.

        Raises Unavailable when too many wait already, or the process is about to end.
        """
        outcome: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._stopping:
                raise Unavailable("The marketplace is about to stop.", retry_after=_RETRY_AFTER_S)
            if len(self._queue) >= self._waiting:
                raise Unavailable("Too many calls wait already.", retry_after=_RETRY_AFTER_S)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
                self._thread.start()
            self._queue.append((item, outcome))
            self._changed.notify()
        return outcome

    def stop(self) -> None:
        """Carry out what waits, take nothing more, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while group := self._next():
            try:
                outcomes = self._carry_out([item for item, _ in group])
            except Exception as error:
                _log.exception("A group of %d calls failed", len(group))
                outcomes = [error] * len(group)
            _answer([future for _, future in group], outcomes)

    def _next(self) -> list[tuple[W, asyncio.Future[R]]]:
        """Return what waits, as soon as something does; nothing once it is time to stop."""
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            count = min(len(self._queue), self._most)
            return [self._queue.popleft() for _ in range(count)]


def _answer(futures: Sequence[asyncio.Future[R]], outcomes: Sequence[R | Exception]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[R], R | Exception]]] = {}
    for future, outcome in zip(futures, outcomes, strict=True):
        by_loop.setdefault(future.get_loop(), []).append((future, outcome))
    for loop, answers in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, answers)
        except RuntimeError:
            _log.warning("The server ended before %d calls were answered", len(answers))


def _resolve(answers: Sequence[tuple[asyncio.Future[R], R | Exception]]) -> None:
    for future, outcome in answers:
        if future.done():
            continue  # whoever waited for it has gone
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
