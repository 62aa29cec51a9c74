"""Runs cases one after another and says what came of each."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mpp_sdk import clock
from mpp_sdk.conformance.model import (
    Case,
    CaseEnds,
    NotOffered,
    NotShown,
    Outcome,
    Result,
    Verdict,
)
from mpp_sdk.conformance.subject import Subject


class Listener(Protocol):
    """Follows a run as it goes."""

    def begins(self, case: Case, number: int, total: int) -> None:
        """Be told that a case begins; the first one's number is 1."""

    def ended(self, result: Result) -> None:
        """Be told how it ended."""


@dataclass(frozen=True)
class Run:
    """What a whole run came to.

    contract_version is that of the kit's document, spoken_version what the server says that it
    speaks, where the contract lets it say so.
    """

    base_url: str
    contract: str
    contract_version: str
    spoken_version: str | None
    started_at: datetime
    finished_at: datetime
    results: tuple[Result, ...]

    def count(self, outcome: Outcome) -> int:
        """Return how many cases ended so."""
        return sum(result.outcome is outcome for result in self.results)

    @property
    def verdict(self) -> Verdict:
        """What is to be said of the server."""
        if self.count(Outcome.FAILED):
            return Verdict.FAILS
        if self.count(Outcome.NOT_SHOWN) or not self.results:
            return Verdict.INCOMPLETE
        return Verdict.CONFORMS


def run(subject: Subject, cases: Sequence[Case], listener: Listener | None = None) -> Run:
    """Return what came of each case, in their order. The server's refusals are findings."""
    started_at = clock.now()
    results = []
    for number, case in enumerate(cases, start=1):
        if listener is not None:
            listener.begins(case, number, len(cases))
        result = run_one(subject, case)
        results.append(result)
        if listener is not None:
            listener.ended(result)
    return Run(
        base_url=subject.target.base_url,
        contract=subject.contract.name,
        contract_version=subject.contract.version,
        spoken_version=subject.spoken_version,
        started_at=started_at,
        finished_at=clock.now(),
        results=tuple(results),
    )


def run_one(subject: Subject, case: Case) -> Result:
    """Return what came of one case. Raises what a case raises by itself, with nothing noted."""
    subject.findings = []
    started = time.monotonic()
    outcome, detail = Outcome.PASSED, ""
    try:
        detail = case.check(subject)
    except NotShown as reason:
        outcome, detail = Outcome.NOT_SHOWN, str(reason)
    except NotOffered as reason:
        outcome, detail = Outcome.NOT_OFFERED, str(reason)
    except CaseEnds:
        pass  # what was found is in the findings
    except Exception:
        # An answer that is noted as broken may break what reads it; else the case itself is broken.
        if not subject.findings:
            raise
    if subject.findings:
        outcome, detail = Outcome.FAILED, subject.findings[0].detail
    return Result(case, outcome, detail, time.monotonic() - started, tuple(subject.findings))
