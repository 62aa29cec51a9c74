"""Values that are asked for often and cost something to find out, such as a database's answer."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Sample(Generic[T]):
    """What was found out last, and how long ago; failed says that nothing came since then.

    value is None when nothing was ever found out. error says what went wrong the last time.
    """

    value: T | None
    age_seconds: float
    failed: bool
    error: Exception | None = None


class Sampled(Generic[T]):
    """A value that is found out when somebody asks, and kept for a while.

    It is found out in a thread of its own, by one at a time. Whoever asks waits for it no longer
    than patience_seconds, and then gets what was known before: asking never hangs, and never
    raises. A value that took long is kept for longer, so that finding it out takes no more than a
    twentieth of the time.
    """

    _LEAST_REST = 20.0

    def __init__(
        self, name: str, find: Callable[[], T], *, keep_seconds: float, patience_seconds: float
    ) -> None:
        self._name = name
        self._find = find
        self._keep_seconds = keep_seconds
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._done: threading.Event | None = None
        self._value: T | None = None
        self._error: Exception | None = None
        self._found_at = -float("inf")
        self._tried_at = -float("inf")
        self._rest_until = -float("inf")

    def get(self) -> Sample[T]:
        """Return the value, found out now or a moment ago."""
        with self._lock:
            if time.monotonic() < self._rest_until:
                return self._known(overdue=False)
            if self._done is None:
                self._done = threading.Event()
                threading.Thread(
                    target=self._run, args=(self._done,), name=f"sample {self._name}", daemon=True
                ).start()
            done = self._done
        in_time = done.wait(self._patience_seconds)
        with self._lock:
            return self._known(overdue=not in_time)

    def _known(self, *, overdue: bool) -> Sample[T]:
        error = TimeoutError("No answer came in time.") if overdue else self._error
        age = time.monotonic() - self._found_at
        return Sample(self._value, age, overdue or self._error is not None, error)

    def _run(self, done: threading.Event) -> None:
        started = time.monotonic()
        value, error = None, None
        try:
            value = self._find()
        except Exception as raised:
            _LOG.debug("%s could not be found out: %s", self._name, raised)
            error = raised
        ended = time.monotonic()
        with self._lock:
            if error is None:
                self._value, self._found_at = value, ended
            self._error = error
            took = ended - started
            self._rest_until = ended + max(self._keep_seconds, self._LEAST_REST * took)
            if error is not None:  # what failed slowly may be well again soon
                self._rest_until = ended + self._keep_seconds
            self._done = None
        done.set()
