"""A few numbers that the harness and one process share, and that outlive the process.

They lie in a memory-mapped file: a process that is killed leaves what it last wrote, so that the
harness can say how much was in flight at that moment.
"""

import mmap
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from pathlib import Path

_SLOT = struct.Struct("<q")


class Slot(IntEnum):
    """What is where."""

    CLOCK_SHIFT_S = 0
    ARMED = 1  # the number of the step at which the process ends, or is stopped; 0 for none
    COUNTDOWN = 2  # at which passage of it
    SIGNAL = 3  # by which signal
    REACHED = 4  # the number of the step at which it was
    SENT = 5  # calls that it began to make for events
    RECORDED = 6  # of these, those whose outcome is recorded
    ARRIVED = 7  # events that came in
    ANSWERED = 8  # of these, those that were answered
    TOLD_TARGET = 9  # how many changes a provider's platform makes by itself


class Step(StrEnum):
    """Where a process can be made to end."""

    CLAIM_BEFORE = "before it claims"
    CLAIM_COMMIT = "while it commits a claim"
    CLAIM_AFTER = "after it has claimed"
    SEND_BEFORE = "before it sends"
    SEND_AFTER = "after the answer, before it records"
    RECORD_BEFORE = "before it records"
    RECORD_COMMIT = "while it commits a record"
    RECORD_AFTER = "after it has recorded"
    RECEIVED = "when a call has come in"
    HANDLED = "in the handler, before it commits"
    COMMITTED = "after it has committed, before it answers"
    ANSWERED = "right after its answer"
    WAKE = "before it wakes who delivers"


_NUMBERS = {step: number for number, step in enumerate(Step, start=1)}


class Control:
    """The shared numbers of one process."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(_SLOT.size * len(Slot)))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 0)
        self._lock = threading.Lock()

    def get(self, slot: Slot) -> int:
        """Return a number."""
        return int(_SLOT.unpack_from(self._memory, slot * _SLOT.size)[0])

    def set(self, slot: Slot, value: int) -> None:
        """Set a number."""
        _SLOT.pack_into(self._memory, slot * _SLOT.size, value)

    def add(self, slot: Slot, value: int = 1) -> None:
        """Add to a number. Only the process itself counts."""
        with self._lock:
            self.set(slot, self.get(slot) + value)

    def arm(self, step: Step, passage: int, signal_number: int) -> None:
        """Have the process send itself a signal at the so-manieth passage of a step from now."""
        self.set(Slot.COUNTDOWN, passage)
        self.set(Slot.SIGNAL, signal_number)
        self.set(Slot.ARMED, _NUMBERS[step])

    def disarm(self) -> None:
        """Have nothing happen any more."""
        self.set(Slot.ARMED, 0)

    def is_due(self, step: Step) -> bool:
        """Return whether it is to happen now, at this step; no more than once."""
        if self.get(Slot.ARMED) != _NUMBERS[step]:
            return False
        with self._lock:
            left = self.get(Slot.COUNTDOWN) - 1
            self.set(Slot.COUNTDOWN, left)
            if left > 0 or self.get(Slot.ARMED) == 0:
                return False
            self.set(Slot.ARMED, 0)
            self.set(Slot.REACHED, _NUMBERS[step])
            return True

    @property
    def reached(self) -> Step | None:
        """At which step it happened."""
        number = self.get(Slot.REACHED)
        return next((step for step, its in _NUMBERS.items() if its == number), None)

    @property
    def in_flight(self) -> int:
        """How many events were sent and not recorded, or came in and were not answered."""
        return self.unrecorded + self.unanswered

    @property
    def unrecorded(self) -> int:
        """How many events were sent, their outcome not recorded yet."""
        return max(0, self.get(Slot.SENT) - self.get(Slot.RECORDED))

    @property
    def unanswered(self) -> int:
        """How many events came in and were not answered yet."""
        return max(0, self.get(Slot.ARRIVED) - self.get(Slot.ANSWERED))

    def begin_anew(self) -> None:
        """Forget what a dead process had under way, before another one takes its place."""
        for slot in (Slot.ARMED, Slot.REACHED, Slot.SENT, Slot.RECORDED):
            self.set(slot, 0)
        for slot in (Slot.ARRIVED, Slot.ANSWERED):
            self.set(slot, 0)

    @contextmanager
    def arrival(self) -> Iterator[None]:
        """Count what comes in, and that it was answered unless the process ends before."""
        self.add(Slot.ARRIVED)
        try:
            yield
        finally:
            self.add(Slot.ANSWERED)
