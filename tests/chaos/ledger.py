"""What the harness has asked for, written down before it asks, and what was acknowledged."""

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stream:
    """Where events come in an order: a subscription at one receiver."""

    receiver: str
    subscription_id: str


class Ledger:
    """A write-ahead log: a line before an action is asked for, another when it is acknowledged."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()
        self._number = 0
        self._expected: dict[Stream, list[str]] = {}
        self._open: set[int] = set()
        self.events = 0
        self.acknowledged = 0
        self.excused: set[tuple[Stream, str]] = set()

    def ask(self, what: str, streams: Sequence[Stream]) -> "Asked":
        """Take up an action, which makes one event in each stream; its reason is its number."""
        with self._lock:
            self._number += 1
            asked = Asked(self._number, f"chaos {self._number}", what)
            self._write("ask", asked.number, what)
            for stream in streams:
                self._expected.setdefault(stream, []).append(f"{what} {asked.reason}")
            self._open.add(asked.number)
        return asked

    def acknowledge(self, asked: "Asked", events: int) -> None:
        """Note that an action was acknowledged."""
        with self._lock:
            self._write("acknowledged", asked.number, asked.what)
            self._open.discard(asked.number)
            self.events += events
            self.acknowledged += 1

    @property
    def unacknowledged(self) -> set[int]:
        """The actions that were asked for and never acknowledged."""
        with self._lock:
            return set(self._open)

    def expected(self) -> dict[Stream, list[str]]:
        """Return what must have come to each stream, in its order."""
        with self._lock:
            return {stream: list(what) for stream, what in self._expected.items()}

    def _write(self, word: str, number: int, what: str) -> None:
        line = json.dumps({"at": time.time(), word: number, "what": what}) + "\n"
        os.write(self._descriptor, line.encode())


@dataclass(frozen=True)
class Asked:
    """An action that was asked for. Its reason goes through the product into every event."""

    number: int
    reason: str
    what: str
