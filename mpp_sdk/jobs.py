"""Work that a platform does again and again beside answering calls."""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

from mpp_sdk import correlation, tracing
from mpp_sdk.correlation import correlated
from mpp_sdk.errors import Unavailable
from mpp_sdk.ids import new_id

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Cause:
    """What waked a job."""

    correlation_id: str | None
    trace_parent: str | None


class Job:
    """Runs a function at an interval, in a thread of its own, and at once when it is waked.

    What the function raises is logged, and it runs again at the next interval: so it must find its
    work in the database rather than remember it. A run that somebody waked for belongs to what
    waked it last: its calls and notifications carry that correlation id and trace on.
    """

    def __init__(self, name: str, interval: timedelta, function: Callable[[], object]) -> None:
        self.name = name
        self._interval = interval.total_seconds()
        self._function = function
        self._awake = threading.Event()
        self._cause: _Cause | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Make it run as soon as it can. May be called from any thread."""
        self._cause = _Cause(correlation.current().correlation_id, tracing.parent())
        self._awake.set()

    def start(self) -> None:
        """Start running, the first time at once."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Stop running; a run that is under way is waited for, up to the time given."""
        self._stopping.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def _span(self, cause: "_Cause") -> AbstractContextManager[None]:
        """Return the span of a run that somebody waked for; the others, one a second, have none."""
        if cause.trace_parent is None:
            return nullcontext()
        return tracing.continued(f"job {self.name}", cause.trace_parent)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            cause, self._cause = self._cause or _Cause(None, None), None
            try:
                with correlated(cause.correlation_id or str(new_id())), self._span(cause):
                    self._function()
            except Unavailable as error:
                _LOG.warning("%s: %s; trying again", self.name, error.detail)
            except Exception:
                _LOG.exception("%s failed; trying again", self.name)
            if not self._stopping.is_set():
                self._awake.wait(self._interval)
