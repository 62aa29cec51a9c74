"""The words of the kit: a case, what it finds, how it ends."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpp_sdk.conformance.exchange import Exchange
    from mpp_sdk.conformance.subject import Subject
    from mpp_sdk.web.contract import Contract


class Outcome(StrEnum):
    """How a case ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    NOT_SHOWN = "NOT_SHOWN"
    """It could not be tried, for want of something that the kit was not given."""
    NOT_OFFERED = "NOT_OFFERED"
    """It is about a part of the contract that a server may leave out, and this one does."""


class Verdict(StrEnum):
    """What a whole run says."""

    CONFORMS = "CONFORMS"
    INCOMPLETE = "INCOMPLETE"
    """Nothing failed, but cases were not shown."""
    FAILS = "FAILS"


@dataclass(frozen=True)
class Case:
    """One thing that the contract asks for. `check` tries it at a server.

    check returns what was seen, in a sentence for the report. It notes what is wrong with the
    subject, and raises NotShown or NotOffered where it cannot be tried.
    """

    id: str
    title: str
    why: str
    contract: str
    check: Callable[["Subject"], str]
    harmless: bool
    """Whether it leaves the server as it was, so that a server in use can be tried."""
    where: Callable[["Contract"], bool] = lambda _: True
    """Whether a contract has what the case is about, such as lists."""


@dataclass(frozen=True)
class Finding:
    """Something that breaks the contract: what, what to do, and the call that showed it."""

    detail: str
    advice: str | None = None
    exchange: "Exchange | None" = None


@dataclass(frozen=True)
class Result:
    """How a case ended. `detail` says what was seen; findings are there when it failed."""

    case: Case
    outcome: Outcome
    detail: str
    seconds: float
    findings: tuple[Finding, ...] = field(default=())


class NotShown(Exception):
    """A case cannot be tried; the text says what the kit would need for it."""


class NotOffered(Exception):
    """The server leaves out what a case is about, as the contract lets it."""


class CaseEnds(Exception):
    """What was noted last leaves a case nothing further to try."""
