"""What goes wrong with one call, or with a commit, and what becomes of the other calls."""

import socket
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import Connection, event, func, select
from sqlalchemy.exc import OperationalError

from benchmarks.acceptance import request, seed, serving, upgrade
from marketplace import app
from marketplace.activations.tables import ActivationNotice
from marketplace.core import edge as edge_module
from marketplace.core.edge import Grouped, MarketplaceEdge
from marketplace.core.unit_of_work import current_session
from mpp_sdk.clock import now
from mpp_sdk.database import open_database
from mpp_sdk.errors import NotFound, Unavailable
from mpp_sdk.ids import new_id
from mpp_sdk.web.call import Reply, Waiting
from mpp_sdk.web.server import BackgroundServer, compose
from tests.unit.marketplace.acceptance.world import Told, World, edge_of
from tests.unit.marketplace.market import Market


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    engine = open_database(database_url)
    market = Market.on(engine, tmp_path)
    names = ("provider", "requester", "stranger")
    yield World(market, {name: market.company(name) for name in names})
    engine.dispose()


def _group(world: World, count: int) -> list[Grouped]:
    return [
        world.waiting(
            Told(
                "activation",
                "provider",
                1,
                {
                    "eventId": str(new_id()),
                    "occurredAt": now().isoformat(),
                    "podId": f"POD{number}",
                    "state": "ACTIVE",
                },
                number=number,
            )
        )
        for number in range(count)
    ]


def _notices(world: World) -> int:
    with world.market.working(None):
        found = current_session().scalar(select(func.count()).select_from(ActivationNotice))
    return found or 0


class _Fails(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("injected")
        self.sqlstate = sqlstate


def _failing_commits(world: World, times: int, sqlstate: str | None) -> list[int]:
    """Have the next commits fail; return the list that counts them."""
    failed: list[int] = []

    def fail(_: Connection) -> None:
        if len(failed) < times:
            failed.append(1)
            raise OperationalError("COMMIT", {}, _Fails(sqlstate))

    event.listen(world.market.environment.engine, "commit", fail)
    return failed


def test_a_call_that_has_a_fault_of_its_own_fails_alone(world: World) -> None:
    group = _group(world, 4)

    bad = group[1].waiting

    def broken() -> Reply:
        bad.proceed()
        raise ZeroDivisionError

    group[1] = Grouped(group[1].function, Waiting(bad.call, bad.arguments, broken))
    answers = edge_of(world.market).carry_out(group)
    assert isinstance(answers[1], ZeroDivisionError)
    assert [type(each) for each in answers] == [Reply, ZeroDivisionError, Reply, Reply]
    assert _notices(world) == 3


def test_a_refusal_after_a_change_leaves_no_trace_of_it(world: World) -> None:
    group = _group(world, 3)

    first = group[0].waiting

    def late() -> Reply:
        first.proceed()
        raise NotFound("too late")

    changed = [Grouped(group[0].function, Waiting(first.call, first.arguments, late)), *group[1:]]
    answers = edge_of(world.market).carry_out(changed)
    assert [type(each) for each in answers] == [NotFound, Reply, Reply]
    assert _notices(world) == 2


def test_a_commit_that_the_database_undid_for_others_is_tried_for_each(world: World) -> None:
    failed = _failing_commits(world, 1, "40P01")
    answers = edge_of(world.market).carry_out(_group(world, 5))
    assert [type(each) for each in answers] == [Reply] * 5
    assert failed == [1]
    assert _notices(world) == 5


def test_a_commit_that_fails_is_told_to_everybody(world: World) -> None:
    failed = _failing_commits(world, 1, None)
    group = _group(world, 5)
    edge = edge_of(world.market)
    assert [type(each) for each in edge.carry_out(group)] == [Unavailable] * 5
    assert failed == [1]
    assert _notices(world) == 0
    assert [type(each) for each in edge.carry_out(group)] == [Reply] * 5  # they try again


def test_callers_are_turned_away_with_a_problem_when_too_many_wait(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_module, "MOST_WAITING", 0)
    lanes = seed(str(market.environment.engine.url), companies=2, subscriptions=2)
    with BackgroundServer(compose(app.bound_contracts(market.environment))) as address:
        answer = _post(address, request(lanes[0], 0, now()))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_client_that_goes_away_while_its_call_waits(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gone = threading.Event(), threading.Event()
    carry_out = MarketplaceEdge.carry_out

    def slowly(edge: MarketplaceEdge, group: Sequence[Grouped]) -> Sequence[Reply | Exception]:
        begun.set()
        gone.wait(30)
        return carry_out(edge, group)

    monkeypatch.setattr(MarketplaceEdge, "carry_out", slowly)
    lanes = seed(str(market.environment.engine.url), companies=2, subscriptions=2)
    with BackgroundServer(compose(app.bound_contracts(market.environment))) as address:
        place = (urlsplit(address).hostname, urlsplit(address).port)
        with socket.create_connection(place, 30) as client:
            client.sendall(request(lanes[1], 0, now()))
            assert begun.wait(30)
        gone.set()
        assert _post(address, request(lanes[0], 0, now())).status_code == 200
        with market.working(None):
            query = select(func.count()).select_from(ActivationNotice)
            assert current_session().scalar(query) == 2  # its call was done all the same


def _post(address: str, raw: bytes) -> requests.Response:
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    headers = {name: value for name, _, value in lines if name != "Host"}
    path = head.split(b" ")[1].decode()
    return requests.post(address + path, body, headers=headers, timeout=30)


def test_nothing_that_was_answered_is_lost_when_the_process_is_killed(
    database_url: str, tmp_path: Path
) -> None:
    upgrade(database_url)
    lanes = seed(database_url, companies=4, subscriptions=8)
    begun = now() - timedelta(hours=1)
    answered: list[str] = []
    enough = threading.Event()

    def send(number: int, address: str) -> None:
        for step in range(10_000):
            raw = request(lanes[number], step, begun + timedelta(milliseconds=step))
            try:
                answer = _post(address, raw)
            except requests.RequestException:
                return
            assert answer.status_code == 200, answer.text
            answered.append(answer.json()["eventId"])
            if len(answered) > 120:
                enough.set()

    with serving("flexagora", database_url, tmp_path) as server:
        address = f"http://127.0.0.1:{server.port}"
        threads = [threading.Thread(target=send, args=(each, address)) for each in range(8)]
        for thread in threads:
            thread.start()
        assert enough.wait(120)
        server.process.kill()
        for thread in threads:
            thread.join()
    assert len(answered) > 120
    engine = open_database(database_url)
    with engine.connect() as connection:
        kept: Any = connection.scalars(select(ActivationNotice.event_id)).all()
    engine.dispose()
    assert set(answered) <= {str(each) for each in kept}
