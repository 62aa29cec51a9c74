"""Which calls are tried again, and when."""

from dataclasses import dataclass

from tenacity import wait_exponential_jitter

from mpp_sdk.client.errors import ProblemError
from mpp_sdk.transport.errors import CallFailed, ConnectionFailed, TimedOut, TlsFailed

_PASSING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class RetryPolicy:
    """How often a call is tried, and how long it waits in between.

    Only what may be done twice is tried again: reads, and writes with an idempotency key. It is
    tried again when the connection fails, or with one of the statuses as the answer.

    - attempts: how many tries there are in all, at least 1.
    - first_wait_s: the wait before the second try, in seconds; it doubles with each further one,
      and up to as much again as the first is added at random.
    - longest_wait_s: the most that is waited, in seconds, beside what a `Retry-After` asks for.
      That is never cut short: when it would end too late for the call's timeout, the call fails.
    - statuses: the answers that pass over.
    """

    attempts: int = 4
    first_wait_s: float = 0.25
    longest_wait_s: float = 8.0
    statuses: frozenset[int] = _PASSING

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}: there is at least 1 try.")
        if not 0 < self.first_wait_s <= self.longest_wait_s:
            raise ValueError(
                f"first_wait_s is {self.first_wait_s}: it is more than 0 and at most"
                f" longest_wait_s ({self.longest_wait_s})."
            )

    def covers(self, error: BaseException) -> bool:
        """Return whether what made a call fail may pass over."""
        if isinstance(error, ProblemError):
            return error.status in self.statuses
        if isinstance(error, TlsFailed):
            return False
        return isinstance(error, ConnectionFailed | TimedOut)

    def backoff(self) -> wait_exponential_jitter:
        """Return the waits between tries, without what the other side asks for."""
        return wait_exponential_jitter(
            multiplier=self.first_wait_s, max=self.longest_wait_s, jitter=self.first_wait_s
        )


NO_RETRIES = RetryPolicy(attempts=1)
"""Each call is tried once: for whoever repeats calls by other means."""


def asked_wait(error: BaseException | None) -> float:
    """Return the seconds that the other side asked to wait for, 0 when it did not."""
    return (error.retry_after or 0.0) if isinstance(error, ProblemError) else 0.0


def short(error: CallFailed) -> str:
    """Return what went wrong in words of our own: none of the other side, and no secret."""
    return f"It answered {error.status}." if isinstance(error, ProblemError) else str(error)
