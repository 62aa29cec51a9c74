"""Sends what is due: one event loop, many lanes side by side, each key's events in their order.

A platform that does not answer costs a socket and a coroutine. The database is asked from two
threads, and for many lanes at a time: whatever was sent while a transaction ran is recorded by the
next one.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

from mpp_sdk import clock, tracing
from mpp_sdk.correlation import correlated
from mpp_sdk.errors import FlexagoraError
from mpp_sdk.outbox.engine import Outbox
from mpp_sdk.outbox.model import Claim, Event, LeaseLost, Recorded, Sent
from mpp_sdk.outbox.policy import (
    Answer,
    BreakerState,
    LaneMode,
    NoResponse,
    Response,
    Unsent,
    Verdict,
)
from mpp_sdk.outbox.recorder import Recorder

Send = Callable[[Event, bytes], Awaitable[Response | Unsent]]
"""Makes one call for an event with these bytes as its body; raises FlexagoraError for no answer."""

_LOG = logging.getLogger(__name__)
_LANES_AT_ONCE = 200  # in one claim, whose transaction others wait for
_BETWEEN_CLAIMS_SECONDS = 0.02


class Observer(Protocol):
    """Is told of what a dispatcher does, in its event loop: it must neither wait nor raise."""

    def on_claim(self, claims: Sequence[Claim]) -> None:
        """Take note of lanes that were claimed."""

    def on_attempt(self, sent: Sent, verdict: Verdict) -> None:
        """Take note of an attempt, once it is recorded."""


class Dispatcher:
    """Claims due lanes and sends their events, outside of any transaction.

    At most `lanes` lanes are under way at once, those that are being probed at most half of them.
    Of a lane, at most `concurrency` events are sent and not yet recorded, each of another key or
    after the answer to the one before it; a limit of the lane's own goes before. A lane's turn ends
    after turn_seconds, so that slow platforms give way. send_seconds is the longest that one send
    may take: none begins on a lease that might end before it. poll_seconds is how late what nobody
    has waked for may be. `within` is open while it sends, such as the client that `send` uses.
    """

    def __init__(
        self,
        outbox: Outbox,
        send: Send,
        *,
        within: AbstractAsyncContextManager[object] | None = None,
        lanes: int = 1_000,
        concurrency: int = 4,
        poll_seconds: float = 1.0,
        turn_seconds: float = 5.0,
        send_seconds: float = 20.0,
        observer: Observer | None = None,
    ) -> None:
        self._outbox = outbox
        self._send = send
        self._within = within
        self._lanes = lanes
        self._concurrency = concurrency
        self._poll_seconds = poll_seconds
        self._turn_seconds = turn_seconds
        self._send_time = timedelta(seconds=send_seconds)
        self._observer = observer
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._waking: Callable[[], object] | None = None

    def wake(self) -> None:
        """Make the running dispatcher look for due lanes now. May be called from any thread."""
        waking = self._waking
        if waking is not None:
            with contextlib.suppress(RuntimeError):  # its loop has just ended
                waking()

    def run_once(self) -> int:
        """Return how many events were tried in one turn of each lane that was due."""
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(self._run_once())

    def run(self, stop: threading.Event) -> None:
        """Send what is due until told to stop; then end the sends under way, and return.

        An error of the database is logged and survived: the next look comes after poll_seconds.
        """
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._run(stop))

    async def _run_once(self) -> int:
        async with self._working(threading.Event()) as work:
            claims = await work.claim(self._lanes)
            turns = [work.begin(claim) for claim in claims]
            await asyncio.gather(*work.under_way)
            return sum(turn.tried for turn in turns)

    async def _run(self, stop: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        async with self._working(stop) as work:
            self._waking = lambda: loop.call_soon_threadsafe(work.wake)
            try:
                await work.claim_until_stopped()
            finally:
                self._waking = None
                work.end_turns()
                await asyncio.gather(*work.under_way)

    @asynccontextmanager
    async def _working(self, stop: threading.Event) -> AsyncIterator["_Work"]:
        with ThreadPoolExecutor(2, "outbox") as threads:
            async with self._within or contextlib.nullcontext():
                writing = asyncio.Lock() if self._outbox.one_writer else None
                recorder = Recorder(self._outbox, threads, writing, self._poll_seconds)
                async with recorder:
                    yield _Work(self, recorder, threads, writing, stop)


class _Work:
    """What a dispatcher has under way in one event loop."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        recorder: Recorder,
        threads: ThreadPoolExecutor,
        writing: asyncio.Lock | None,
        stop: threading.Event,
    ) -> None:
        self._of = dispatcher
        self.recorder = recorder
        self._threads = threads
        self._writing: AbstractAsyncContextManager[object] = writing or contextlib.nullcontext()
        self.stop = stop
        self.under_way: set[asyncio.Task[None]] = set()
        self._turns: set[_Turn] = set()
        self._probing = 0
        self._looking = asyncio.Event()
        self._waked = False

    def wake(self) -> None:
        """Look now: something is due, as far as whoever says so knows."""
        self._waked = True
        self.look()

    def look(self) -> None:
        """Look for due lanes now."""
        self._looking.set()

    def end_turns(self) -> None:
        """Have every turn end after the sends that are under way."""
        for turn in self._turns:
            turn.end()

    async def claim_until_stopped(self) -> None:
        """Claim lanes and begin their turns, as soon as there are some and room for them."""
        of = self._of
        while not self.stop.is_set():
            self._looking.clear()
            begun = time.monotonic()
            room = min(of._lanes - len(self.under_way), _LANES_AT_ONCE)
            claims = await self.claim(room) if room > 0 else []
            for claim in claims:
                self.begin(claim)
            if room <= 0 or len(claims) < room:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._looking.wait(), of._poll_seconds)
            # Lanes that are due a moment later share a transaction.
            await asyncio.sleep(max(0.0, begun + _BETWEEN_CLAIMS_SECONDS - time.monotonic()))

    async def claim(self, limit: int) -> list[Claim]:
        """Return claimed lanes, none when the database fails."""
        of = self._of
        expected, self._waked = self._waked, False
        parked = self._probing < max(1, of._lanes // 2)
        try:
            async with self._writing:
                claims = await asyncio.get_running_loop().run_in_executor(
                    self._threads,
                    lambda: of._outbox.claim(of._owner, limit, parked=parked, expected=expected),
                )
        except Exception:
            _LOG.exception("Due events could not be claimed; trying again")
            return []
        if claims and of._observer is not None:
            of._observer.on_claim(claims)
        return claims

    def begin(self, claim: Claim) -> "_Turn":
        """Return the turn of a claimed lane, which has begun."""
        of = self._of
        turn = _Turn(self, of, claim)
        probing = claim.breaker.state is not BreakerState.CLOSED
        self._turns.add(turn)
        self._probing += probing
        task = asyncio.get_running_loop().create_task(turn.run())
        self.under_way.add(task)

        def ended(task: "asyncio.Task[None]") -> None:
            self.under_way.discard(task)
            self._turns.discard(turn)
            self._probing -= probing
            self.look()

        task.add_done_callback(ended)
        return turn


class _Turn:
    """One turn of a lane: its keys side by side, each key's events one after the other."""

    def __init__(self, work: _Work, of: Dispatcher, claim: Claim) -> None:
        self._work = work
        self._of = of
        self.lease = claim.lease
        self.tried = 0
        self._ended = False
        self._concurrency = claim.max_concurrency or of._concurrency
        self._failures = claim.breaker.consecutive_failures
        self._probing = claim.breaker.state is not BreakerState.CLOSED
        self._under_way = 0  # sent, or about to be, and not answered
        self._unrecorded = 0
        self._changed = asyncio.Event()
        self._ends_at = time.monotonic() + of._turn_seconds
        self._rate = claim.max_per_second
        self._next_call_at = 0.0
        if claim.paced_until is not None:
            ahead = (claim.paced_until - clock.now()).total_seconds()
            self._next_call_at = time.monotonic() + ahead
        by_key: dict[str, list[Event]] = {}
        for event in claim.events:
            by_key.setdefault(event.ordering_key, []).append(event)
        self._keys = deque(by_key.values())

    def end(self) -> None:
        """Begin no more sends."""
        self._ended = True
        self._changed.set()

    async def run(self) -> None:
        """Send what there is, and give the lane back; what goes wrong, the lease mends."""
        try:
            side_by_side = min(self._concurrency, len(self._keys))
            ended = await asyncio.gather(
                *(self._send_keys() for _ in range(side_by_side)), return_exceptions=True
            )
            for error in ended:
                if error is not None:
                    raise error
            await self._work.recorder.release(self)
        except LeaseLost as lost:
            _LOG.warning("%s", lost)
        except Exception:
            _LOG.exception("The lane %s could not be recorded; its lease runs out", self.lease.lane)

    def recorded(self, sent: Sequence[Sent], result: Recorded | Exception) -> None:
        """Take note of what a recording came to."""
        self._unrecorded -= len(sent)
        if isinstance(result, Exception):
            self.end()
            return
        self.lease = result.lease
        if not self._under_way and not self._unrecorded:
            self._failures = result.breaker.consecutive_failures
        for error in result.failed.values():
            _LOG.error(
                "What follows a delivery of the lane %s failed; it is sent again later",
                self.lease.lane,
                exc_info=error,
            )
        if result.breaker.state is not BreakerState.CLOSED or result.mode is LaneMode.PAUSED:
            self._ended = True
        self._changed.set()
        observer = self._of._observer
        if observer is not None:
            for one in sent:
                verdict = result.verdicts.get(one.event.event_id)
                if verdict is not None:
                    observer.on_attempt(one, verdict)

    @property
    def paced_for(self) -> float:
        """The seconds until the lane's rate allows another call."""
        return self._next_call_at - time.monotonic() if self._rate is not None else 0.0

    async def _send_keys(self) -> None:
        while self._keys:
            for event in self._keys.popleft():
                if not await self._may_send():
                    return
                if not await self._send(event):
                    break  # the others of this key wait for it

    async def _send(self, event: Event) -> bool:
        """Return whether the next event of the key may follow at once."""
        self.tried += 1
        sent = await self._try(event)
        self._under_way -= 1
        self._unrecorded += 1
        alive = self._of._outbox.retry.alive(sent.answer, event.kind)
        self._failures = 0 if alive else self._failures + 1
        self._changed.set()
        recording = self._work.recorder.record(self, sent)
        if isinstance(sent.answer, Response) and 200 <= sent.answer.status < 300:
            return True
        recorded = await recording
        verdict = recorded.verdicts.get(event.event_id)
        return verdict is not None and verdict.next_attempt_at is None

    async def _may_send(self) -> bool:
        """Return whether a send may begin, as soon as one may; False when the turn is over."""
        while not self._has_room():
            if self._over():
                return False
            self._changed.clear()
            await self._changed.wait()
        if self._over():
            return False
        self._under_way += 1
        if await self._in_pace() and await self._lease_suffices():
            return True
        self._under_way -= 1
        self._changed.set()
        return False

    def _has_room(self) -> bool:
        if self._under_way + self._unrecorded >= self._concurrency:
            return False
        # No more are sent than may fail before the lane is parked.
        allowed = self._of._outbox.breaker.threshold - self._failures
        return self._probing or self._under_way < allowed

    def _over(self) -> bool:
        if self._ended or self._work.stop.is_set():
            return True
        return self.tried > 0 and time.monotonic() >= self._ends_at

    async def _in_pace(self) -> bool:
        """Wait until the lane's rate allows a call; False when the turn is over before that."""
        if self._rate is None:
            return True
        begin_at = max(self._next_call_at, time.monotonic())
        if begin_at > self._ends_at:
            self.end()
            return False
        self._next_call_at = begin_at + 1 / self._rate
        while (seconds := begin_at - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)
            if self._over():
                return False
        return True

    async def _lease_suffices(self) -> bool:
        """Prolong the lease where a send might outlive it. Raises LeaseLost."""
        if self.lease.expires_at - clock.now() < self._of._send_time:
            await self._work.recorder.record(self)
        return not self._over()

    async def _try(self, event: Event) -> Sent:
        started_at, started = clock.now(), time.monotonic()
        answer: Answer
        try:
            with (
                correlated(event.correlation_id, str(event.event_id)),
                tracing.sending(f"deliver {event.kind}", event.trace_parent, **_about(event)),
            ):
                answer = await self._of._send(event, self._of._outbox.body(event))
        except FlexagoraError as error:
            answer = NoResponse(error.detail)
        except Exception as error:  # a defect must not stop the lane without a trace
            _LOG.exception("Sending the event %s failed", event.event_id)
            answer = NoResponse(f"Sending failed: {type(error).__name__}.")
        return Sent(event, started_at, round((time.monotonic() - started) * 1000), answer)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes a loop: uvloop's, where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _about(event: Event) -> dict[str, str | int | None]:
    """Return what a span says of an attempt: ids and names, nothing of what is sent."""
    return {
        "flexagora.event_id": str(event.event_id),
        "flexagora.correlation_id": event.correlation_id,
        "flexagora.lane": event.lane,
        "flexagora.attempt": event.attempts + 1,
    }
