"""The report for whoever waits for it: a line for each case as it ends, then what to do."""

from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

from mpp_sdk.conformance.model import Case, Outcome, Result
from mpp_sdk.conformance.reports.cleaning import Cleaner
from mpp_sdk.conformance.reports.contents import Report, ReportedCase, ReportedFinding, case_of

_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.NOT_SHOWN: "yellow",
    Outcome.NOT_OFFERED: "dim",
}
_WIDTH = max(len(outcome.value) for outcome in Outcome)
_MOST_FINDINGS = 5
_VERDICTS = {"CONFORMS": "bold green", "INCOMPLETE": "bold yellow", "FAILS": "bold red"}


class Progress:
    """Follows a run at a terminal, or in a log where there is none. Use it as a context manager."""

    def __init__(self, console: Console, cleaner: Cleaner) -> None:
        self._console = console
        self._cleaner = cleaner
        self._status = Status("", console=console)

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def begins(self, case: Case, number: int, total: int) -> None:
        """Say which case is tried now."""
        self._status.update(Text(f"{number} of {total}: {case.title}", style="dim"))

    def ended(self, result: Result) -> None:
        """Say how it ended."""
        case = case_of(result, self._cleaner)
        self._console.print(_line(case), soft_wrap=True)
        if case.outcome is not Outcome.PASSED:
            self._say(Text(case.detail, style="dim"))

    def ask(self, question: str) -> bool:
        """Return whether somebody at the terminal says yes; nobody there is a no."""
        self._status.stop()
        try:
            answer = self._console.input(f"{question} [y/N] ", markup=False, emoji=False)
        except EOFError:
            return False
        finally:
            if self._console.is_terminal:
                self._status.start()
        return answer.strip().lower() in ("y", "yes")

    def _say(self, text: Text) -> None:
        self._console.print(Text(" " * (_WIDTH + 1)) + text, soft_wrap=True)


def show(console: Console, report: Report) -> None:
    """Print what failed, each with the call that showed it, and the verdict."""
    for case in report.ended(Outcome.FAILED):
        _show_failure(console, case)
    _print(console)
    _print(console, report.verdict.value, _VERDICTS[report.verdict.value])
    _print(console, report.headline)
    seconds = (report.finished_at - report.started_at).total_seconds()
    _print(console, f"{report.counts}, in {seconds:.1f} s.")


def _show_failure(console: Console, case: ReportedCase) -> None:
    _print(console)
    _print(console, f"{case.id}  {case.title}", "bold red")
    _print(console, f"Why it matters: {case.why}", indent=2)
    for finding in case.findings[:_MOST_FINDINGS]:
        _show_finding(console, finding)
    more = len(case.findings) - _MOST_FINDINGS
    if more > 0:
        _print(console)
        _print(console, f"... and {more} more.", indent=2)


def _show_finding(console: Console, finding: ReportedFinding) -> None:
    _print(console)
    _print(console, f"- {finding.detail}", indent=2)
    if finding.advice:
        _print(console, f"To do: {finding.advice}", "cyan", indent=4)
    for mark, message in ((">", finding.request), ("<", finding.answer)):
        if message is not None:
            for line in "\n".join(message.lines()).split("\n"):
                _print(console, f"{mark} {line}", "dim", indent=4)


def _line(case: ReportedCase) -> Text:
    return Text.assemble(
        (case.outcome.value.ljust(_WIDTH), _STYLES[case.outcome]),
        " ",
        (case.id, "bold"),
        f"  {case.title}",
        (f"  {case.seconds:.2f} s", "dim"),
    )


def _print(console: Console, text: str = "", style: str = "", *, indent: int = 0) -> None:
    console.print(Text(" " * indent + text, style=style), soft_wrap=True)


def console_of(**options: Any) -> Console:
    """Return a console that shows text as it is: no markup, no emoji codes, nothing highlighted."""
    return Console(markup=False, emoji=False, highlight=False, **options)
