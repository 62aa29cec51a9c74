"""Writes down each event that comes in and how it is answered, before anybody looks at it."""

import functools
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.chaos.control import Control, Slot, Step
from tests.chaos.stepping import at

_HEADERS = {
    "/eu-mp/v1/service-offer/": b"webhook-id",
    "/eu-mp/v1/points-of-delivery/": b"webhook-id",
    "/notifications/v1/": b"idempotency-key",
}


@dataclass(frozen=True)
class Line:
    """What came over the wire: an arrival (status None) or an answer. at: seconds since 1970."""

    at: float
    event_id: str
    status: int | None


class Log:
    """A log that survives the process: each line is written at once, whole.

    While the process's disk is full, lines wait in memory: what the harness writes down is not
    what it tests.
    """

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._late: list[bytes] = []
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Write a line."""
        text = line.encode() + b"\n"
        if self._writes(text):
            return
        with self._lock:
            self._late.append(b"\n" + text)  # something may have been cut off before it
            if len(self._late) > 1:
                return
        threading.Thread(target=self._write_late, daemon=True).start()

    def _writes(self, text: bytes) -> bool:
        try:
            return os.write(self._descriptor, text) == len(text)
        except OSError:
            return False

    def _write_late(self) -> None:
        while True:
            time.sleep(0.05)
            with self._lock:
                while self._late and self._writes(self._late[0]):
                    self._late.pop(0)
                if not self._late:
                    return


class Wire:
    """Where each event that comes in, and each answer, is written down."""

    def __init__(self, file: Path) -> None:
        self._log = Log(file)

    def write(self, event_id: str, status: int | None) -> None:
        """Write a line."""
        self._log.write(f"{time.time():.6f} {event_id} {'-' if status is None else status}")


class Watched:
    """An application whose events are counted and written down."""

    def __init__(self, app: ASGIApp, wire: Wire, control: Control) -> None:
        self._app = app
        self._wire = wire
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call."""
        event_id = _event_id(scope)
        if event_id is None:
            if scope["type"] == "http" and scope["method"] == "POST":
                at(Step.RECEIVED)
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            if message["type"] == "http.response.body" and not message.get("more_body"):
                # Before the bytes leave: who is killed in between is in flight by both counts.
                await send(message)
                self._wire.write(event_id, status)
                self._control.add(Slot.ANSWERED)
                at(Step.ANSWERED)
                return
            await send(message)

        self._control.add(Slot.ARRIVED)
        self._wire.write(event_id, None)
        at(Step.RECEIVED)
        await self._app(scope, receive, send_and_note)


def read(file: Path) -> Iterator[Line]:
    """Yield what was written; a last line that was cut off is left out."""
    if not file.exists():
        return
    with file.open() as opened:
        for line in opened:
            parts = line.split()
            if line.endswith("\n") and len(parts) == 3:
                moment, event_id, status = parts
                if status != "-" and len(status) != 3:  # cut off when the disk was full
                    continue
                yield Line(float(moment), event_id, None if status == "-" else int(status))


def incident(file: Path, what: str, count: int, why: str) -> None:
    """Note that calls were sent and their outcome was lost without a kill."""
    said = {"at": time.time(), "process": os.environ["CHAOS_NAME"], "what": what}
    _incidents(file).write(json.dumps(said | {"count": count, "why": why[:200]}))


@functools.cache
def _incidents(file: Path) -> Log:
    return Log(file)


def _event_id(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    for prefix, header in _HEADERS.items():
        if scope["path"].startswith(prefix):
            for name, value in scope["headers"]:
                if name == header:
                    return str(value.decode())
    return None
