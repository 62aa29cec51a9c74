"""The frame of the kit: how cases are registered, how they call, and how they end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.demo.processes import free_port
from mpp_sdk.conformance import (
    Case,
    Credentials,
    Outcome,
    Subject,
    Target,
    Verdict,
    cases_of,
    run,
)
from mpp_sdk.conformance.model import NotOffered, NotShown
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import opened
from mpp_sdk.database import open_database
from mpp_sdk.state.tables import EventRow, InboundKeyRow, RequestedPodRow, SubscriptionRow
from mpp_sdk.transport import AddressPolicy
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer
from tests.conformance.served import (
    not_as,
    run_cases,
    served,
    sqlite_in,
    subject_of,
)
from tests.services.certificates import Authority

SOUND = {
    "status": "AVAILABLE",
    "contract": "eu-mp",
    "contractVersion": "1.1.0",
    "time": "2026-12-01T10:00:00Z",
}


def made(check: Callable[[Subject], str]) -> Case:
    return Case("OF-THE-TEST-01", "A case", "For the test.", "eu-mp", check, harmless=True)


@contextmanager
def answered_by(answer: Callable[[Request], Response]) -> Iterator[Subject]:
    """Give what tries a server that answers the connection test so."""
    app = Starlette(routes=[Route("/eu-mp/v1/test", answer)])
    with BackgroundServer(app) as url, opened(_target(url), Contract.load("eu_mp")) as subject:
        yield subject


def _target(url: str) -> Target:
    return Target(url, "eu-mp", Credentials("a key of the test"), AddressPolicy(True, True))


def test_an_id_that_reads_otherwise_or_is_there_already_is_refused() -> None:
    assert "ACCESS-KEY-01" in [one.id for one in cases_of("eu-mp")]
    for wrong in ("eu-mp-01", "EU-MP-1", "EU_MP-01", "ACCESS-KEY-01"):
        with pytest.raises(ValueError, match=wrong):
            case(wrong, "A title", why="A reason.")(lambda subject: "")


def test_every_case_says_what_it_shows_and_why_it_matters() -> None:
    for one in cases_of("eu-mp"):
        assert not one.title.endswith(".")
        assert one.why.endswith(".")
        assert len(one.title) <= 100, one.id


def test_a_run_says_how_each_case_ended() -> None:
    def fails(subject: Subject) -> str:
        subject.note("It is broken.", advice="Mend it.")
        return "Not of interest."

    def is_not_shown(_: Subject) -> str:
        raise NotShown("The kit lacks something.")

    def is_left_out(_: Subject) -> str:
        raise NotOffered("It is left out.")

    def ends(subject: Subject) -> str:
        subject.demand(False, "There is nothing more to try.")
        raise AssertionError("The case has ended.")

    with answered_by(lambda _: JSONResponse(SOUND)) as subject:
        checks = (lambda _: "Seen.", is_left_out, is_not_shown, fails, ends)
        found = run(subject, [made(check) for check in checks])
        verdicts = [run(subject, [made(one) for one in checks[:number]]) for number in range(5)]
    assert [(one.outcome, one.detail) for one in found.results] == [
        (Outcome.PASSED, "Seen."),
        (Outcome.NOT_OFFERED, "It is left out."),
        (Outcome.NOT_SHOWN, "The kit lacks something."),
        (Outcome.FAILED, "It is broken."),
        (Outcome.FAILED, "There is nothing more to try."),
    ]
    assert [one.verdict for one in verdicts] == [
        Verdict.INCOMPLETE,
        Verdict.CONFORMS,
        Verdict.CONFORMS,
        Verdict.INCOMPLETE,
        Verdict.FAILS,
    ]


def test_a_case_that_stumbles_over_a_broken_answer_has_failed_and_others_go_on() -> None:
    def stumbles(subject: Subject) -> str:
        return str(subject.call("test_connection").fields()["contract"])

    with answered_by(lambda _: JSONResponse({"status": "AVAILABLE"})) as subject:
        found = run(subject, [made(stumbles), made(lambda _: "Seen.")])
    assert [one.outcome for one in found.results] == [Outcome.FAILED, Outcome.PASSED]
    assert "contract" in found.results[0].detail


def test_a_case_that_is_broken_itself_blames_nobody() -> None:
    def broken(_: Subject) -> str:
        raise KeyError("a defect of the kit")

    with (
        answered_by(lambda _: JSONResponse(SOUND)) as subject,
        pytest.raises(KeyError, match="a defect of the kit"),
    ):
        run(subject, [made(broken)])


def test_no_answer_is_a_finding() -> None:
    with opened(_target(f"http://127.0.0.1:{free_port()}"), Contract.load("eu_mp")) as subject:
        found = run(subject, [made(lambda subject: str(subject.call("test_connection")))])
    assert found.verdict is Verdict.FAILS
    assert "got no answer" in found.results[0].detail


def test_a_server_that_asks_to_wait_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    answers = iter(
        [
            JSONResponse({}, 429, {"Retry-After": "2"}),
            JSONResponse({}, 429, {"Retry-After": "1"}),
            JSONResponse(SOUND),
        ]
    )
    with answered_by(lambda _: next(answers)) as subject, monkeypatch.context() as patch:
        patch.setattr("mpp_sdk.conformance.subject.time.sleep", waited.append)
        assert subject.call("test_connection").status == 200
        assert subject.findings == []
    assert waited == [2.0, 1.0]


def test_what_is_made_once_is_made_once_in_a_run() -> None:
    with answered_by(lambda _: JSONResponse(SOUND)) as subject:
        numbers = iter(range(10))
        assert subject.once("a", lambda: next(numbers)) == 0
        assert subject.once("b", lambda: next(numbers)) == 1
        assert subject.once("a", lambda: next(numbers)) == 0


def test_calls_that_are_made_together_are_under_way_at_once() -> None:
    meeting = threading.Barrier(8)

    def call() -> int:
        return meeting.wait(timeout=30)

    with answered_by(lambda _: JSONResponse(SOUND)) as subject:
        assert sorted(subject.together([call] * 8)) == list(range(8))


def test_cases_that_are_harmless_change_nothing(tmp_path: Path) -> None:
    harmless = [one.id for one in cases_of("eu-mp") if one.harmless]
    with served(sqlite_in(tmp_path)) as platform:
        run_cases(platform, ["EU-MP-EVENT-01", "EU-MP-EVENT-02", "EU-MP-KEY-01"])
        with subject_of(platform) as subject:
            before = _held(tmp_path)
            found = run(subject, [one for one in cases_of("eu-mp") if one.harmless])
        after = _held(tmp_path)
    assert not_as(found, Outcome.PASSED) == []
    assert len(harmless) > 10
    assert after == before


def _held(folder: Path) -> list[object]:
    """Return what a platform has in its database, but for when its keys were used."""
    engine = open_database(sqlite_in(folder))
    with engine.connect() as connection:
        found = [
            connection.execute(select(*columns)).all()
            for columns in (
                (EventRow.__table__,),
                (SubscriptionRow.__table__,),
                (RequestedPodRow.__table__,),
                (InboundKeyRow.id, InboundKeyRow.key_hash, InboundKeyRow.valid_until),
            )
        ]
    engine.dispose()
    return list(found)


def test_after_a_run_the_kit_has_a_key_that_works(tmp_path: Path) -> None:
    with served(sqlite_in(tmp_path)) as platform, subject_of(platform) as subject:
        first = subject.credentials.api_key
        found = run(subject, [one for one in cases_of("eu-mp") if "-KEY-" in one.id])
        assert not_as(found, Outcome.PASSED) == []
        live = subject.credentials.api_key
        assert live != first
        assert subject.call("test_connection", api_key=live).status == 200


def test_bytes_are_written_over_tls_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path / "authority")
    certificate = authority.issue("localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    by_bytes = ["EU-MP-ONCE-04", *(f"EU-MP-HTTP-0{number}" for number in range(1, 9))]
    with served(sqlite_in(tmp_path), certificate=certificate) as platform:
        found = run_cases(platform, [*by_bytes, "EU-MP-TEST-01"])
    assert found.base_url.startswith("https://")
    assert not_as(found, Outcome.PASSED) == []
    assert len(found.results) == len(by_bytes) + 1
