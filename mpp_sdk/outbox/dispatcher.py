"""Sends what is due: lanes side by side, each lane's events one after the other."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from uuid import uuid4

from mpp_sdk import clock
from mpp_sdk.errors import FlexagoraError
from mpp_sdk.outbox.engine import LeaseLost, Outbox
from mpp_sdk.outbox.model import Claim, Event, Recorded, Sent
from mpp_sdk.outbox.policy import BreakerState, EventState, NoResponse, Response

Send = Callable[[Event, bytes], Response]
"""Makes one call for an event with these bytes as its body; raises FlexagoraError for no answer."""

_LOG = logging.getLogger(__name__)
_RECORD_EVERY_SECONDS = 0.1


class Dispatcher:
    """Claims due lanes and sends their events, outside of any transaction.

    At most `lanes` lanes are under way at once. A lane's turn ends after turn_seconds, so that slow
    platforms give way. send_seconds is the longest that one send may take: none begins on a lease
    that might end before it. poll_seconds is how late what nobody has waked for may be.
    """

    def __init__(
        self,
        outbox: Outbox,
        send: Send,
        *,
        lanes: int = 16,
        poll_seconds: float = 1.0,
        turn_seconds: float = 5.0,
        send_seconds: float = 20.0,
    ) -> None:
        self._outbox = outbox
        self._send = send
        self._lanes = lanes
        self._poll_seconds = poll_seconds
        self._turn_seconds = turn_seconds
        self._send_time = timedelta(seconds=send_seconds)
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._awake = threading.Event()

    def wake(self) -> None:
        """Make the running dispatcher look for due lanes now. May be called from any thread."""
        self._awake.set()

    def run_once(self) -> int:
        """Return how many events were tried in one turn of each lane that was due."""
        with ThreadPoolExecutor(self._lanes, "outbox") as pool:
            claims = self._outbox.claim(self._owner, self._lanes)
            return sum(pool.map(lambda claim: self._take_turn(claim, threading.Event()), claims))

    def run(self, stop: threading.Event) -> None:
        """Send what is due until told to stop; then end the sends under way, and return.

        An error of the database is logged and survived: the next look comes after poll_seconds.
        """
        under_way: set[Future[int]] = set()
        with ThreadPoolExecutor(self._lanes, "outbox") as pool:
            while not stop.is_set():
                self._awake.clear()
                under_way = {turn for turn in under_way if not turn.done()}
                claims = self._claim(self._lanes - len(under_way))
                for claim in claims:
                    turn = pool.submit(self._take_turn, claim, stop)
                    under_way.add(turn)
                    turn.add_done_callback(lambda _: self._awake.set())
                if not claims:
                    self._awake.wait(self._poll_seconds)
            wait(under_way)

    def _claim(self, limit: int) -> list[Claim]:
        if limit == 0:
            return []
        try:
            return self._outbox.claim(self._owner, limit)
        except Exception:
            _LOG.exception("Due events could not be claimed; trying again")
            return []

    def _take_turn(self, claim: Claim, stop: threading.Event) -> int:
        """Return how many of a claim's events were tried; what goes wrong, the lease mends."""
        turn = _Turn(self._outbox, claim)
        try:
            self._send_all(claim, turn, stop)
            turn.end()
        except LeaseLost as lost:
            _LOG.warning("%s", lost)
        except Exception:
            _LOG.exception(
                "The lane %s could not be recorded; its lease runs out", claim.lease.lane
            )
        return turn.tried

    def _send_all(self, claim: Claim, turn: "_Turn", stop: threading.Event) -> None:
        ends_at = time.monotonic() + self._turn_seconds
        held_back: set[str] = set()
        for event in claim.events:
            if stop.is_set() or (turn.tried and time.monotonic() >= ends_at):
                return
            if event.ordering_key in held_back:
                continue
            if turn.lease.expires_at - clock.now() < self._send_time:
                turn.record()
            sent = self._try(event)
            turn.add(sent)
            if _delivered(sent):
                continue
            recorded = turn.record()
            if recorded.states[event.event_id] is EventState.RETRYING:
                held_back.add(event.ordering_key)
            if recorded.breaker.state is not BreakerState.CLOSED:
                return

    def _try(self, event: Event) -> Sent:
        started_at, started = clock.now(), time.monotonic()
        answer: Response | NoResponse
        try:
            answer = self._send(event, self._outbox.body(event))
        except FlexagoraError as error:
            answer = NoResponse(error.detail)
        except Exception as error:  # a defect must not stop the lane without a trace
            _LOG.exception("Sending the event %s failed", event.event_id)
            answer = NoResponse(f"Sending failed: {type(error).__name__}.")
        return Sent(event, started_at, round((time.monotonic() - started) * 1000), answer)


class _Turn:
    """What one turn of a lane has sent; recorded in small batches, since each costs a commit."""

    def __init__(self, outbox: Outbox, claim: Claim) -> None:
        self._outbox = outbox
        self.lease = claim.lease
        self.tried = 0
        self._unrecorded: list[Sent] = []
        self._recorded = time.monotonic()

    def add(self, sent: Sent) -> None:
        """Take up an attempt, and record when the last recording is long enough ago."""
        self.tried += 1
        self._unrecorded.append(sent)
        if _delivered(sent) and time.monotonic() - self._recorded >= _RECORD_EVERY_SECONDS:
            self.record()

    def record(self) -> Recorded:
        """Record what is not recorded yet, and prolong the lease."""
        recorded = self._outbox.record(self.lease, self._unrecorded)
        self.lease = recorded.lease
        self._unrecorded = []
        self._recorded = time.monotonic()
        return recorded

    def end(self) -> None:
        """Record the rest, and give the lane back."""
        self._outbox.release(self.lease, self._unrecorded)


def _delivered(sent: Sent) -> bool:
    return isinstance(sent.answer, Response) and 200 <= sent.answer.status < 300
