"""Whether a process can do its work now, and why not."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mpp_sdk.errors import FlexagoraError
from mpp_sdk.sampling import Sampled

_KEEP_SECONDS = 1.0  # asking often, from outside, costs nothing
_PATIENCE_SECONDS = 3.0


class ReadinessState(StrEnum):
    """How much of its work a process can do. DEGRADED can do all of it, with less comfort."""

    READY = "READY"
    DEGRADED = "DEGRADED"
    NOT_READY = "NOT_READY"


@dataclass(frozen=True)
class Finding:
    """What a check came to. problem is None when all is well, else what is wrong, for a person."""

    name: str
    problem: str | None
    essential: bool = True


@dataclass(frozen=True)
class ReadinessReport:
    """Whether the process can do its work, and every finding."""

    state: ReadinessState
    findings: tuple[Finding, ...]


class Readiness:
    """What a process needs to do its work, and whether it is about to stop.

    Who stops the process says so with `begin_stopping` before it takes no more calls, so that load
    balancers send their calls elsewhere in time. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._checks: list[tuple[str, bool, Sampled[str | None]]] = []

    @property
    def stopping(self) -> bool:
        """Whether the process is about to stop."""
        return self._stopping.is_set()

    def begin_stopping(self) -> None:
        """Say from now on that the process cannot take work, because it is about to stop."""
        self._stopping.set()

    def check(self, name: str, find: Callable[[], str | None], *, essential: bool = True) -> None:
        """Have something looked at: find returns what is wrong, in words, or None.

        Without what is not essential, the process is DEGRADED and goes on. What find raises is
        wrong too. It runs in a thread, at most once in a second.
        """
        sampled = Sampled(
            name, find, keep_seconds=_KEEP_SECONDS, patience_seconds=_PATIENCE_SECONDS
        )
        self._checks.append((name, essential, sampled))

    def report(self) -> ReadinessReport:
        """Return how it stands. It takes a few seconds at most."""
        findings = [Finding("process", "It is about to stop." if self.stopping else None)]
        for name, essential, sampled in self._checks:
            sample = sampled.get()
            problem = _words(sample.error) if sample.failed else sample.value
            findings.append(Finding(name, problem, essential))
        wrong = [finding for finding in findings if finding.problem is not None]
        state = ReadinessState.READY
        if wrong:
            state = ReadinessState.DEGRADED
        if any(finding.essential for finding in wrong):
            state = ReadinessState.NOT_READY
        return ReadinessReport(state, tuple(findings))


def _words(error: Exception | None) -> str:
    """Return what an error means, without what libraries put into theirs: it may be a secret."""
    match error:
        case FlexagoraError():
            return error.detail
        case TimeoutError():
            return "It does not answer in time."
        case _:
            return "It does not answer."
