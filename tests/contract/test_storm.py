"""A bounded storm of a grammar's calls on every served contract, and proof that it would see harm.

`python -m tests.contract.storm` lets it rage for a million calls. FLEXAGORA_TEST_STORM_CALLS says
how many are made here.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from random import Random

import pytest

from mpp_sdk.web.contract import Contract

from .grammar import Grammar, Request
from .judge import PROBLEM, Foreign, Judge
from .storm import Target, brewing, rage
from .wire import Answer

CALLS = int(os.environ.get("FLEXAGORA_TEST_STORM_CALLS", "2500"))
CONTRACT = Contract.load("marketplace")
READ = CONTRACT.by_id["subscriptions.read_subscription"]


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Target]]:
    with brewing(tmp_path_factory.mktemp("storm")) as brewed:
        yield brewed


def test_nothing_fails_surprises_or_tells_of_others(targets: list[Target]) -> None:
    storm = asyncio.run(rage(targets, CALLS, seed=1))

    assert [f"{flaw}: {request}" for flaw, request, _ in storm.flaws.values()] == []
    assert storm.calls == CALLS
    assert set(storm.targets) == {target.name for target in targets}
    assert sum(storm.succeeded.values()) > CALLS / 20  # it got past the first refusals
    assert len(storm.succeeded) > 25


def test_a_seed_makes_the_same_requests_again() -> None:
    def made() -> list[tuple[str, str]]:
        grammar, random = Grammar(CONTRACT), Random(7)
        requests = [
            grammar.request(random, random.choice(CONTRACT.operations), {"version": ["1"]}, {})
            for _ in range(300)
        ]
        return [(one.method, one.target.partition("?")[0]) for one in requests]

    fixed = [one for one in made() if "0197" not in one[1]]
    assert len(set(fixed)) > 100
    assert [one[0] for one in made()] == [one[0] for one in made()]


def _kinds(answer: Answer, foreign: Foreign | None = None, target: str = "/1") -> set[str]:
    request = Request(READ, "GET", f"/api/v1/subscriptions{target}", [], None)
    return {one.kind for one in Judge(CONTRACT).flaws(request, answer, foreign or Foreign(()))}


def _problem(status: int, detail: str = "There is none.") -> Answer:
    body = {
        "type": "about:blank",
        "title": "Not found",
        "status": status,
        "detail": detail,
        "correlationId": "a",
    }
    return Answer(status, {"content-type": PROBLEM}, json.dumps(body).encode())


def test_a_good_problem_is_no_flaw() -> None:
    assert _kinds(_problem(404)) == set()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(500, {"content-type": PROBLEM}, b"{}"), "server error"),
        (Answer(418, {"content-type": PROBLEM}, b"{}"), "undocumented"),
        (Answer(404, {"content-type": "text/html"}, b"<p>"), "undocumented"),
        (Answer(404, {"content-type": PROBLEM}, b"{}"), "schema"),
        (Answer(200, {"content-type": "application/json"}, b'{"state": "GONE"}'), "schema"),
        (Answer(404, {"content-type": PROBLEM, "x-injected": "1"}, b"{}"), "injection"),
    ],
)
def test_what_is_wrong_is_seen(answer: Answer, kind: str) -> None:
    assert kind in _kinds(answer)


def test_what_belongs_to_another_company_is_seen_unless_the_caller_said_it() -> None:
    told = _problem(404, "There is no subscription of Levante.")
    assert _kinds(told, Foreign({"Levante"})) == {"foreign"}
    assert _kinds(told, Foreign({"Levante"}), target="/Levante") == set()
    assert _kinds(told, Foreign({"Poniente"})) == set()


def test_an_answer_where_there_is_no_operation_is_seen() -> None:
    request = Request(READ, "GET", "/api/v1/nothing", [], None)
    answer = Answer(200, {"content-type": "application/json"}, b"{}")
    assert {one.kind for one in Judge(CONTRACT).flaws(request, answer, Foreign(()))} == {
        "undocumented"
    }
