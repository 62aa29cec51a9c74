"""Group commit: what was sent while one transaction ran is recorded together by the next one."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mpp_sdk import clock
from mpp_sdk.outbox.engine import Outbox
from mpp_sdk.outbox.model import Lease, LeaseLost, Recorded, Sent, Settlement

_LOG = logging.getLogger(__name__)
_TURNS_AT_ONCE = 500
_FEW = 8
_GATHER_SECONDS = 0.01
_KEPT_SECONDS = 60.0


class Turn(Protocol):
    """The turn of a lane that is being sent."""

    lease: Lease

    @property
    def paced_for(self) -> float:
        """The seconds until the lane's rate allows another call."""

    def recorded(self, sent: Sequence[Sent], result: Recorded | Exception) -> None:
        """Take note of what a recording came to."""


@dataclass
class _Entry:
    """What is to be recorded next of a turn."""

    turn: Turn
    done: "asyncio.Future[Recorded]"
    since: float
    sent: list[Sent] = field(default_factory=list)
    release: bool = False

    def settlement(self) -> Settlement:
        """Return it as the outbox takes it."""
        paced = self.turn.paced_for
        until = clock.now() + timedelta(seconds=paced) if paced > 0 else None
        return Settlement(self.turn.lease, tuple(self.sent), self.release, until)


class Recorder:
    """Records for the turns of one event loop; is open inside `async with`.

    While the database cannot be reached, what is to be recorded is kept for up to a minute.
    """

    def __init__(
        self,
        outbox: Outbox,
        threads: Executor,
        writing: asyncio.Lock | None,
        retry_seconds: float,
    ) -> None:
        self._outbox = outbox
        self._threads = threads
        self._writing: contextlib.AbstractAsyncContextManager[object] = (
            writing or contextlib.nullcontext()
        )
        self._retry_seconds = retry_seconds
        self._entries: dict[Turn, _Entry] = {}
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def record(self, turn: Turn, *sent: Sent) -> "asyncio.Future[Recorded]":
        """Have attempts of a turn recorded, and its lease prolonged; the future says when it is.

        It raises LeaseLost when somebody else has the lane, another error when recording failed.
        """
        entry = self._entries.get(turn)
        if entry is None:
            done: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
            done.add_done_callback(_seen)
            entry = self._entries[turn] = _Entry(turn, done, time.monotonic())
            self._something.set()
        entry.sent += sent
        return entry.done

    def release(self, turn: Turn) -> "asyncio.Future[Recorded]":
        """Have the rest of a turn recorded, and its lane given back."""
        done = self.record(turn)
        self._entries[turn].release = True
        return done

    async def _run(self) -> None:
        while True:
            await self._something.wait()
            if len(self._entries) >= _FEW:
                await asyncio.sleep(_GATHER_SECONDS)
            batch = [self._entries.pop(turn) for turn in list(self._entries)[:_TURNS_AT_ONCE]]
            if not self._entries:
                self._something.clear()
            results = await self._settle(batch)
            if results is None:
                self._keep(batch)
                await asyncio.sleep(self._retry_seconds)
                continue
            for entry, result in zip(batch, results, strict=True):
                _tell(entry, result)

    async def _settle(self, batch: Sequence[_Entry]) -> Sequence[Recorded | Exception] | None:
        """Return what came of each, or None when the database cannot be reached."""
        settlements = [entry.settlement() for entry in batch]
        try:
            async with self._writing:
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, _settle, self._outbox, settlements
                )
        except _OUTAGES:
            _LOG.exception("Outcomes could not be recorded; trying again")
            return None

    def _keep(self, batch: Sequence[_Entry]) -> None:
        """Put entries back in front of what has come since, unless they are too old."""
        for entry in batch:
            if time.monotonic() - entry.since > _KEPT_SECONDS:
                _tell(entry, TimeoutError("The database could not be reached for too long."))
                continue
            later = self._entries.pop(entry.turn, None)
            if later is not None:
                entry.sent += later.sent
                entry.release |= later.release
                _chain(entry.done, later.done)
            self._entries[entry.turn] = entry
        if self._entries:
            self._something.set()


_OUTAGES = (OperationalError, InterfaceError, PoolTimeout, OSError)


def _settle(outbox: Outbox, settlements: Sequence[Settlement]) -> Sequence[Recorded | Exception]:
    """Record together, or one by one when some of it cannot be recorded at all."""
    try:
        return outbox.settle(settlements)
    except _OUTAGES:
        raise
    except DBAPIError as error:
        if error.connection_invalidated:
            raise OSError("The connection to the database was lost.") from error
    except Exception:
        _LOG.debug("Recording lane by lane", exc_info=True)
    return [_settle_one(outbox, settlement) for settlement in settlements]


def _settle_one(outbox: Outbox, settlement: Settlement) -> Recorded | Exception:
    try:
        (result,) = outbox.settle([settlement])
    except _OUTAGES:
        raise
    except Exception as error:
        return error
    return result


def _tell(entry: _Entry, result: Recorded | Exception) -> None:
    entry.turn.recorded(entry.sent, result)
    if isinstance(result, Exception):
        if not isinstance(result, LeaseLost):
            _LOG.error("An outcome could not be recorded", exc_info=result)
        entry.done.set_exception(result)
    else:
        entry.done.set_result(result)


def _chain(done: "asyncio.Future[Recorded]", later: "asyncio.Future[Recorded]") -> None:
    def pass_on(of: "asyncio.Future[Recorded]") -> None:
        error = of.exception()
        if error is not None:
            later.set_exception(error)
        else:
            later.set_result(of.result())

    done.add_done_callback(pass_on)


def _seen(done: "asyncio.Future[Recorded]") -> None:
    """Mark what it raises as seen: nobody need wait for it."""
    if not done.cancelled():
        done.exception()
