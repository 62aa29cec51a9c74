"""When an event is tried again, when it is given up, and when a whole lane is parked.

Nothing here reads a clock or a database: each function takes what is known and says what follows.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from mpp_sdk.retry_after import parse_retry_after

_UNKNOWN_PATH = frozenset({404, 405, 501})
_CONFLICT = 409  # says that this event comes too early, or too late; not that nothing can come


class EventState(StrEnum):
    """Where an event stands: QUEUED -> DELIVERED, or RETRYING -> DEAD, or replayed from there."""

    QUEUED = "QUEUED"
    RETRYING = "RETRYING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


class BreakerState(StrEnum):
    """Whether a lane is open for traffic (CLOSED), parked (OPEN) or being probed (HALF_OPEN)."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class LaneMode(StrEnum):
    """Whether a lane's events go out: all (RUNNING), none (PAUSED), the earlier ones (DRAINING)."""

    RUNNING = "RUNNING"
    DRAINING = "DRAINING"
    PAUSED = "PAUSED"


@dataclass(frozen=True)
class Response:
    """What the other side answered: its status, its Retry-After header, the body's beginning."""

    status: int
    retry_after: str | None = None
    body: str = ""


@dataclass(frozen=True)
class NoResponse:
    """What became of a call that got no answer."""

    reason: str


@dataclass(frozen=True)
class Unsent:
    """Why an event was not sent: the other side would not understand it as long as it is as it is.

    It says nothing of whether the other side is well.
    """

    reason: str


Answer = Response | NoResponse | Unsent


@dataclass(frozen=True)
class Tried:
    """What went before, since the event was enqueued or last replayed.

    failures counts the attempts that failed; first_attempt_at is None before the first one.
    """

    failures: int
    first_attempt_at: datetime | None


@dataclass(frozen=True)
class Verdict:
    """What follows from an attempt.

    next_attempt_at is there for RETRYING only. not_before is a floor that the other side set.
    platform_alive is False for an answer that an unhealthy platform gives, or none.
    """

    state: EventState
    platform_alive: bool
    next_attempt_at: datetime | None = None
    not_before: datetime | None = None
    dead_reason: str | None = None


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with jitter, over a span of time rather than a number of attempts.

    An event is tried until an attempt at or after span from the first one has failed. Delays double
    from first_delay up to longest_delay; each is lengthened at random by up to jitter of itself.
    """

    first_delay: timedelta = timedelta(seconds=2)
    longest_delay: timedelta = timedelta(hours=6)
    jitter: float = 0.2
    span: timedelta = timedelta(hours=75)
    # The same bytes would be refused again, whenever they come.
    refusals: frozenset[int] = field(default=frozenset({400, 405, 410, 413, 414, 415, 422}))
    # Kinds of events that the other side need not know: what it has no path for ends at once.
    later_kinds: frozenset[str] = frozenset()

    def delay(self, failures: int, chance: float) -> timedelta:
        """Return how long to wait after so many failures, for a chance from 0 to 1."""
        doublings = min(failures - 1, 62)  # more would overflow, and longest_delay is long reached
        plain = self.longest_delay
        if self.first_delay < self.longest_delay / 2**doublings:
            plain = self.first_delay * 2**doublings
        return plain * (1 + self.jitter * chance)

    def alive(self, answer: Answer, kind: str = "") -> bool:
        """Return whether an answer to an event of a kind is one that a healthy platform gives."""
        if isinstance(answer, NoResponse | Unsent):
            return isinstance(answer, Unsent)
        status = answer.status
        if 200 <= status < 300 or status in self.refusals or status == _CONFLICT:
            return True
        return self._is_unknown(answer, kind)

    def judge(
        self, answer: Answer, tried: Tried, now: datetime, chance: float, kind: str = ""
    ) -> Verdict:
        """Return what follows from an answer to an event of a kind.

        chance, from 0 to 1, places the next attempt.
        """
        if isinstance(answer, NoResponse):
            return self._failed(answer.reason, None, tried, now, chance)
        if isinstance(answer, Unsent):
            return Verdict(EventState.DEAD, platform_alive=True, dead_reason=answer.reason)
        if 200 <= answer.status < 300:
            return Verdict(EventState.DELIVERED, platform_alive=True)
        said = f"The platform answered {answer.status}."
        if self._is_unknown(answer, kind):
            unknown = f"{said} It does not know {kind}; its version of the contract is older."
            return Verdict(EventState.DEAD, platform_alive=True, dead_reason=unknown)
        if answer.status in self.refusals:
            return Verdict(EventState.DEAD, platform_alive=True, dead_reason=said)
        floor = parse_retry_after(answer.retry_after, now)
        verdict = self._failed(said, floor, tried, now, chance)
        return replace(verdict, platform_alive=self.alive(answer))

    def _is_unknown(self, answer: Response, kind: str) -> bool:
        """Return whether the other side has no path for a kind, being older."""
        return kind in self.later_kinds and answer.status in _UNKNOWN_PATH

    def _failed(
        self, reason: str, floor: datetime | None, tried: Tried, now: datetime, chance: float
    ) -> Verdict:
        first = tried.first_attempt_at or now
        if now >= first + self.span:
            hours = (now - first) / timedelta(hours=1)
            given_up = f"Given up after {tried.failures + 1} attempts over {hours:.0f} h. {reason}"
            return Verdict(EventState.DEAD, platform_alive=False, dead_reason=given_up)
        if floor is not None and floor > now + self.span:
            too_far = f"{reason} It asked not to be called before {floor.isoformat()}."
            return Verdict(EventState.DEAD, platform_alive=False, dead_reason=too_far)
        planned = now + self.delay(tried.failures + 1, chance)
        return Verdict(
            EventState.RETRYING,
            platform_alive=False,
            next_attempt_at=planned if floor is None else max(planned, floor),
            not_before=floor,
        )


@dataclass(frozen=True)
class BreakerPolicy:
    """When a lane is parked: after so many failures in a row; and how often it is probed then."""

    threshold: int = 10
    probe_every: timedelta = timedelta(seconds=30)


@dataclass(frozen=True)
class Breaker:
    """The circuit breaker of a lane. probe_at is when a parked lane is probed next."""

    state: BreakerState = BreakerState.CLOSED
    consecutive_failures: int = 0
    probe_at: datetime | None = None

    def probing(self) -> "Breaker":
        """Return the breaker while a parked lane is being probed."""
        return self if self.state is BreakerState.CLOSED else replace(self, state=_HALF_OPEN)

    def after(self, *, alive: bool, now: datetime, policy: BreakerPolicy) -> "Breaker":
        """Return the breaker after an attempt that found the platform alive, or not."""
        if alive:
            return Breaker()
        failures = self.consecutive_failures + 1
        if self.state is BreakerState.CLOSED and failures < policy.threshold:
            return Breaker(BreakerState.CLOSED, failures)
        return Breaker(BreakerState.OPEN, failures, now + policy.probe_every)

    def without_answer(self, now: datetime, policy: BreakerPolicy) -> "Breaker":
        """Return the breaker after a turn in which nothing was attempted."""
        if self.state is BreakerState.CLOSED:
            return self
        return replace(self, state=BreakerState.OPEN, probe_at=now + policy.probe_every)


_HALF_OPEN = BreakerState.HALF_OPEN
