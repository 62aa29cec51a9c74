"""The reports: right in form, whole, without secrets, and safe against a server that means harm."""

import io
import json
import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest
from jsonschema_rs import validator_for
from lxml import etree
from playwright.sync_api import Browser, Dialog

from mpp_sdk.conformance import Outcome, Verdict, cases_of
from mpp_sdk.conformance.reports import Report, report_of, to_certificate, to_json, to_junit
from mpp_sdk.conformance.reports.cleaning import Cleaner
from mpp_sdk.conformance.reports.contents import ReportedCase
from mpp_sdk.conformance.reports.terminal import Progress, console_of, show
from tests.conformance import runs
from tests.services.chromium import chromium

SCHEMA = Path(__file__).parent / "junit.xsd"
SECRETS = [runs.API_KEY, runs.SECRET, runs.ISSUED, runs.SIGNATURE]


def report(left_out: int = 0) -> Report:
    return report_of(runs.every_outcome(), Cleaner({runs.API_KEY, runs.SECRET}), left_out)


def at_terminal(told: Report) -> str:
    """Return what a terminal is sent in all: the progress, and what follows it."""
    console = console_of(file=io.StringIO(), force_terminal=True, width=100)
    with Progress(console, Cleaner({runs.API_KEY, runs.SECRET})) as progress:
        for number, result in enumerate(runs.every_outcome().results, start=1):
            progress.begins(result.case, number, 4)
            progress.ended(result)
    show(console, told)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


EVERY = pytest.mark.parametrize("render", [to_json, to_junit, to_certificate, at_terminal])
Render = Callable[[Report], str]


@EVERY
def test_every_report_tells_the_verdict_and_each_case(render: Render) -> None:
    text = render(report())

    assert "eu-mp" in text
    assert "1.1.0" in text
    assert "FAILS" in text
    assert all(f"TEST-CASE-{number:02}" in text for number in (1, 2, 3, 4))
    assert "The server must be restarted for this." in text


@EVERY
def test_no_report_has_a_secret(render: Render) -> None:
    text = render(report())

    assert [secret for secret in SECRETS if secret in text] == []


def test_what_was_never_told_to_the_kit_is_known_by_its_looks() -> None:
    assert Cleaner(()).text(f"The key is {runs.ISSUED}.") == "The key is fxk_***."
    assert runs.SECRET not in Cleaner(()).text(runs.SECRET)


@pytest.mark.parametrize("render", [to_json, to_junit, at_terminal])
def test_the_call_that_showed_a_failure_is_told_with_what_to_do(render: Render) -> None:
    text = render(report())

    assert "POST /eu-mp/v1/apikey" in text
    assert "500" in text
    assert "Do it right." in text
    assert "application/problem+json" in text


def test_json_keeps_its_schema() -> None:
    schema = resources.files("mpp_sdk.conformance.reports") / "report.schema.json"
    validator = validator_for(json.loads(schema.read_text("utf-8")))

    told = json.loads(to_json(report(left_out=7)))
    assert list(validator.iter_errors(told)) == []
    assert told["counts"] == {"PASSED": 1, "FAILED": 1, "NOT_SHOWN": 1, "NOT_OFFERED": 1}
    assert told["notChosen"] == 7
    assert not validator.is_valid({**told, "verdict": "FINE"})


def test_junit_keeps_its_schema_and_counts_what_was_skipped() -> None:
    document = etree.fromstring(to_junit(report()).encode())
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(document)

    [suite] = document
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
    }
    [failure] = suite.iter("failure")
    assert "Why it matters: Others lose data." in str(failure.text)


def test_a_terminal_is_sent_nothing_that_the_server_wrote_to_steer_it() -> None:
    text = at_terminal(report())
    sent = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)  # what the library itself colours with

    assert "\x1b[31m" not in text
    assert not {"\x1b", "\x00", "\u202e", "\ufffe"} & set(sent)


def test_a_log_gets_plain_text() -> None:
    console = console_of(file=io.StringIO(), width=60)
    with Progress(console, Cleaner(())) as progress:
        progress.begins(runs.case_of(1), 1, 1)
        progress.ended(runs.passed())
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()

    assert "\x1b" not in text
    assert text.splitlines() == ["PASSED      TEST-CASE-01  A sound server does this  0.10 s"]


@pytest.mark.parametrize(
    ("typed", "said"), [("y\n", True), ("Yes\n", True), ("\n", False), ("", False)]
)
def test_a_person_is_asked_for_a_restart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, said: bool
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with Progress(console_of(), Cleaner(())) as progress:
        assert progress.ask("Is it there again?") is said

    assert "Is it there again? [y/N]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("results", "left_out", "verdict"),
    [
        ([Outcome.PASSED], 0, Verdict.CONFORMS),
        ([Outcome.PASSED, Outcome.NOT_OFFERED], 0, Verdict.CONFORMS),
        ([Outcome.PASSED], 1, Verdict.INCOMPLETE),
        ([Outcome.PASSED, Outcome.NOT_SHOWN], 0, Verdict.INCOMPLETE),
        ([Outcome.FAILED], 1, Verdict.FAILS),
        ([], 0, Verdict.INCOMPLETE),
    ],
)
def test_a_part_of_the_cases_is_not_the_whole(
    results: list[Outcome], left_out: int, verdict: Verdict
) -> None:
    every = {result.outcome: result for result in runs.every_outcome().results}
    run = runs.run_of(*(every[outcome] for outcome in results))

    assert report_of(run, Cleaner(()), left_out).verdict is verdict


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_the_certificate_runs_nothing_and_asks_nobody(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "certificate.html"
    file.write_text(to_certificate(report()), encoding="utf-8")
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []

    def answered(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", answered)
    page.goto(file.as_uri())

    assert asked == [file.as_uri()]
    assert said == []
    assert page.locator("script").count() == 0
    assert page.locator(".FAILED .detail").inner_text().count("<script>alert(1)</script>") == 1
    assert page.locator("li").count() == 4
    page.close()


@pytest.mark.parametrize("contract", ["eu-mp", "notifications", "metering"])
def test_a_certificate_prints_on_one_page(browser: Browser, contract: str) -> None:
    cases = tuple(
        ReportedCase(one.id, one.title, one.why, Outcome.PASSED, "", 0.1, ())
        for one in cases_of(contract)
    )
    empty = report_of(runs.run_of(), Cleaner(()))
    told = Report(**{**vars(empty), "contract": contract, "cases": cases})
    page = browser.new_page()
    page.set_content(to_certificate(told))

    assert page.locator("li").count() == len(cases) > 20
    [pages] = re.findall(rb"/Type /Pages.*?/Count (\d+)", page.pdf(prefer_css_page_size=True), re.S)
    assert int(pages) == 1
    page.close()


def test_a_certificate_fits_a_phone(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 700})
    page.set_content(to_certificate(report()))

    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.close()
