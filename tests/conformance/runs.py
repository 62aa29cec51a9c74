"""Runs of the kit that never were, for the reports: each outcome, and a server that means harm."""

from datetime import UTC, datetime, timedelta

from mpp_sdk.conformance import Case, Finding, Outcome, Result, Run, Subject
from mpp_sdk.conformance.exchange import Exchange, Request

API_KEY = "a-key-of-another-form-0123456789"
SECRET = "whsec_c2VjcmV0LXRoYXQtb25seS10aGlzLXRlc3Qta25vd3M="
SIGNATURE = "v1,c2lnbmF0dXJlLW9mLXRoaXMtdGVzdA=="
ISSUED = "fxk_issued-in-the-answer-0123456789"
HOSTILE = "</span><script>alert(1)</script>\x1b[31m\x00\u202e&lt;]]>\ud800\ufffe"
STARTED = datetime(2026, 12, 1, 10, tzinfo=UTC)


def nothing(subject: Subject) -> str:
    """Stand in for what a case does."""
    del subject
    return ""


def case_of(number: int, title: str = "A sound server does this") -> Case:
    return Case(f"TEST-CASE-{number:02}", title, "Others lose data.", "eu-mp", nothing, True)


def exchange(body: bytes) -> Exchange:
    headers = {"X-API-Key": API_KEY, "webhook-signature": SIGNATURE, "webhook-id": "1"}
    return Exchange(
        operation=None,
        request=Request("POST", f"/eu-mp/v1/apikey?echo={API_KEY}", headers, b'{"apiKey": "mine"}'),
        status=500,
        headers={"content-type": "application/problem+json", "x-echo": API_KEY},
        body=body,
        seconds=0.2,
    )


def run_of(*results: Result) -> Run:
    return Run(
        base_url="https://platform.example",
        contract="eu-mp",
        contract_version="1.1.0",
        spoken_version="1.0.0",
        started_at=STARTED,
        finished_at=STARTED + timedelta(seconds=3),
        results=results,
    )


def passed(number: int = 1) -> Result:
    return Result(case_of(number), Outcome.PASSED, "10 operations answered.", 0.1)


def every_outcome() -> Run:
    """Return a run with each outcome, whose failure tells all that a report must not."""
    leaks = f'{{"apiKey": "{ISSUED}", "detail": "{API_KEY} and {SECRET}"}}'.encode()
    findings = (
        Finding(f"It was answered with {API_KEY}. {HOSTILE}", "Do it right.", exchange(leaks)),
        Finding("Another one.", None, exchange(HOSTILE.encode("utf-8", "surrogatepass"))),
    )
    return run_of(
        passed(),
        Result(case_of(2), Outcome.FAILED, findings[0].detail, 0.2, findings),
        Result(case_of(3), Outcome.NOT_SHOWN, "The server must be restarted for this.", 0.0),
        Result(case_of(4), Outcome.NOT_OFFERED, "It has no GET /events.", 0.0),
    )
