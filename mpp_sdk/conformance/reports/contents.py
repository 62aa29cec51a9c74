"""What every report tells, in plain text: made once, from a run, without any secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import islice

from mpp_sdk.conformance.exchange import Exchange, shown
from mpp_sdk.conformance.model import Finding, Outcome, Result, Verdict
from mpp_sdk.conformance.reports.cleaning import Cleaner
from mpp_sdk.conformance.runner import Run

_MOST_HEADERS = 40


@dataclass(frozen=True)
class ReportedMessage:
    """A request or an answer as it is shown. `head` is its first line."""

    head: str
    headers: tuple[tuple[str, str], ...]
    body: str

    def lines(self) -> list[str]:
        """Return the message as HTTP writes it."""
        headers = [f"{name}: {value}" for name, value in self.headers]
        return [self.head, *headers, *(["", self.body] if self.body else [])]


@dataclass(frozen=True)
class ReportedFinding:
    """What breaks the contract, what to do about it, and the call that showed it."""

    detail: str
    advice: str | None
    request: ReportedMessage | None
    answer: ReportedMessage | None


@dataclass(frozen=True)
class ReportedCase:
    """A case and how it ended."""

    id: str
    title: str
    why: str
    outcome: Outcome
    detail: str
    seconds: float
    findings: tuple[ReportedFinding, ...]


@dataclass(frozen=True)
class Report:
    """What a run came to.

    left_out counts the cases of the contract that were not chosen. Moments carry an offset.
    """

    kit_version: str
    base_url: str
    contract: str
    contract_version: str
    spoken_version: str | None
    started_at: datetime
    finished_at: datetime
    verdict: Verdict
    left_out: int
    cases: tuple[ReportedCase, ...]

    def count(self, outcome: Outcome) -> int:
        """Return how many cases ended so."""
        return sum(case.outcome is outcome for case in self.cases)

    def ended(self, outcome: Outcome) -> Sequence[ReportedCase]:
        """Return the cases that ended so."""
        return [case for case in self.cases if case.outcome is outcome]

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        contract = f"{self.contract} {self.contract_version}"
        match self.verdict:
            case Verdict.CONFORMS:
                return f"This server keeps the contract {contract}."
            case Verdict.FAILS:
                return f"This server does not keep the contract {contract}."
            case Verdict.INCOMPLETE:
                return f"Nothing failed, and not every case of the contract {contract} was shown."

    @property
    def counts(self) -> str:
        """How many cases ended in which way, as `40 passed, 2 failed`."""
        told = [
            f"{self.count(outcome)} {words}"
            for outcome, words in (
                (Outcome.PASSED, "passed"),
                (Outcome.FAILED, "failed"),
                (Outcome.NOT_SHOWN, "not shown"),
                (Outcome.NOT_OFFERED, "not offered"),
            )
            if self.count(outcome) or outcome is Outcome.PASSED
        ]
        return ", ".join([*told, *([f"{self.left_out} not chosen"] if self.left_out else [])])


def report_of(run: Run, cleaner: Cleaner, left_out: int = 0) -> Report:
    """Return what is told of a run. A run of a part of the cases says no more than INCOMPLETE."""
    verdict = run.verdict
    if left_out and verdict is Verdict.CONFORMS:
        verdict = Verdict.INCOMPLETE
    return Report(
        kit_version=kit_version(),
        base_url=cleaner.text(run.base_url),
        contract=run.contract,
        contract_version=run.contract_version,
        spoken_version=None if run.spoken_version is None else cleaner.text(run.spoken_version),
        started_at=run.started_at,
        finished_at=run.finished_at,
        verdict=verdict,
        left_out=left_out,
        cases=tuple(case_of(result, cleaner) for result in run.results),
    )


def case_of(result: Result, cleaner: Cleaner) -> ReportedCase:
    """Return what is told of a case."""
    return ReportedCase(
        id=result.case.id,
        title=result.case.title,
        why=result.case.why,
        outcome=result.outcome,
        detail=cleaner.text(result.detail),
        seconds=result.seconds,
        findings=tuple(_finding_of(finding, cleaner) for finding in result.findings),
    )


def kit_version() -> str:
    """Return the version of the distribution that the kit comes with."""
    try:
        return version("flexagora")
    except PackageNotFoundError:  # copied, not installed
        return "unknown"


def _finding_of(finding: Finding, cleaner: Cleaner) -> ReportedFinding:
    exchange = finding.exchange
    return ReportedFinding(
        detail=cleaner.text(finding.detail),
        advice=None if finding.advice is None else cleaner.text(finding.advice),
        request=None if exchange is None else _request_of(exchange, cleaner),
        answer=None if exchange is None else _answer_of(exchange, cleaner),
    )


def _request_of(exchange: Exchange, cleaner: Cleaner) -> ReportedMessage:
    request = exchange.request
    return ReportedMessage(
        cleaner.text(f"{request.method} {request.path}"),
        _headers(request.shown_headers(), cleaner),
        cleaner.text(shown(request.body)),
    )


def _answer_of(exchange: Exchange, cleaner: Cleaner) -> ReportedMessage:
    return ReportedMessage(
        str(exchange.status),
        _headers(exchange.headers, cleaner),
        cleaner.text(shown(exchange.body)),
    )


def _headers(headers: Mapping[str, str], cleaner: Cleaner) -> tuple[tuple[str, str], ...]:
    first = islice(headers.items(), _MOST_HEADERS)
    return tuple((cleaner.text(name), cleaner.text(value)) for name, value in first)
