"""How a process without a server is told to stop."""

import os
import signal
import threading
from types import FrameType


class Told:
    """Waits for SIGTERM or SIGINT; a second one ends the process without waiting for anything.

    What was under way then is sent again by another process, once its lease has run out.
    """

    def __init__(self) -> None:
        self._told = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def wait(self) -> None:
        """Return once the process is told to stop."""
        self._told.wait()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._told.is_set():
            os._exit(1)
        self._told.set()
