"""Going through lists and documents that come in pages, by clients of both kinds."""

import re
import socket
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from mpp_sdk.client import ConnectionFailed, NotFoundProblem, RetryPolicy, UnexpectedAnswer
from mpp_sdk.contracts.metering.client import MeteringClient
from mpp_sdk.contracts.metering.models import ActivationState, PointOfDeliveryStatus
from tests.unit.mpp_sdk.calling import BOTH, Calls, breaking_off, document, problem, scripted
from tests.unit.mpp_sdk.test_transport import LOCAL, Answer, Server, plain

SUBSCRIPTION = UUID("0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90")
START = datetime(2026, 12, 1, tzinfo=UTC)
END = datetime(2026, 12, 2, tzinfo=UTC)
QUICK = RetryPolicy(first_wait_s=0.01)


def page(names: str, cursor: str | None = None) -> Answer:
    items = [{"podId": name, "updatedAt": "2026-12-01T10:00:00Z"} for name in names]
    return document({"items": items} | ({"nextCursor": cursor} if cursor is not None else {}))


def part(text: str, link: str | None = None) -> Answer:
    headers = [f'Link: <{link}>; rel="next"'] if link else []
    return plain(text.encode(), "200 OK", "Content-Type: application/json", *headers)


def queries(server: Server) -> list[dict[str, str]]:
    targets = [one.split(b" ")[1].decode() for one in server.requests]
    return [
        {name: value for name, [value] in parse_qs(urlsplit(target).query).items()}
        for target in targets
    ]


def pods(call: Calls, server: Server, **options: Any) -> list[PointOfDeliveryStatus]:
    found = call(
        "metering", server.url, "iter_points_of_delivery", SUBSCRIPTION, retries=QUICK, **options
    )
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("call", BOTH)
class TestLists:
    def test_every_item_of_every_page_comes_once(self, call: Calls) -> None:
        with scripted(page("ab", "one"), page("", "two/+="), page("c")) as server:
            found = pods(call, server)
        assert [one.pod_id for one in found] == ["a", "b", "c"]
        assert [one.get("cursor") for one in queries(server)] == [None, "one", "two/+="]
        assert {one["limit"] for one in queries(server)} == {"50"}

    @pytest.mark.parametrize("cursors", [["x", "x"], ["x", "y", "z", "x"]])
    def test_a_cursor_that_repeats_is_an_error(self, call: Calls, cursors: list[str]) -> None:
        with (
            scripted(*(page("a", cursor) for cursor in cursors)) as server,
            pytest.raises(UnexpectedAnswer, match="has no end"),
        ):
            pods(call, server)
        assert len(server.requests) == len(cursors)

    def test_a_fault_between_two_pages_is_passed_over(self, call: Calls) -> None:
        with scripted(page("a", "x"), breaking_off, problem(503), page("b")) as server:
            found = pods(call, server)
        assert [one.pod_id for one in found] == ["a", "b"]
        assert [one.get("cursor") for one in queries(server)] == [None, "x", "x", "x"]

    def test_a_refusal_between_two_pages_is_raised(self, call: Calls) -> None:
        with scripted(page("a", "x"), problem(404)) as server, pytest.raises(NotFoundProblem):
            pods(call, server)


def test_a_page_is_read_when_it_is_needed_and_the_filter_goes_along() -> None:
    with (
        scripted(page("ab", "x"), page("c")) as server,
        MeteringClient(server.url, addresses=LOCAL) as client,
    ):
        found = client.iter_points_of_delivery(
            SUBSCRIPTION, page_size=2, activation=ActivationState.ACTIVE
        )
        assert not server.requests
        assert [next(found).pod_id, next(found).pod_id] == ["a", "b"]
        assert len(server.requests) == 1
        assert next(found).pod_id == "c"
        with pytest.raises(StopIteration):
            next(found)
    assert queries(server) == [
        {"limit": "2", "activation": "ACTIVE"},
        {"limit": "2", "activation": "ACTIVE", "cursor": "x"},
    ]


def test_an_iterator_that_met_an_error_has_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with MeteringClient(f"http://127.0.0.1:{port}", addresses=LOCAL, retries=QUICK) as client:
        found = client.iter_points_of_delivery(SUBSCRIPTION)
        with pytest.raises(ConnectionFailed):
            next(found)
        with pytest.raises(StopIteration):
            next(found)


@pytest.mark.parametrize("call", BOTH)
class TestDocuments:
    def read(self, call: Calls, server: Server) -> list[bytes]:
        answers = call(
            "metering",
            server.url,
            "iter_validated_measure_data",
            SUBSCRIPTION,
            "ES:1/2",
            START,
            END,
            retries=QUICK,
        )
        return [one.body for one in answers]

    def test_links_lead_on_by_their_parameters_and_never_elsewhere(self, call: Calls) -> None:
        link = "https://elsewhere.example/x?start=2026-12-01T10%3A00%3A00Z&maxPoints=7&key=stolen"
        with scripted(part("one", link), part("two")) as server:
            assert self.read(call, server) == [b"one", b"two"]
        first, second = queries(server)
        assert first == {
            "start": START.isoformat(),
            "end": END.isoformat(),
            "maxPoints": "5000",
        }
        assert second == {"start": "2026-12-01T10:00:00Z", "maxPoints": "7"}
        paths = {one.split(b"?")[0] for one in server.requests}
        assert len(paths) == 1
        assert re.fullmatch(rb"GET .*/validated-measure-data/ES%3A1%2F2", paths.pop())

    @pytest.mark.parametrize("link", ["/x?start=a&end=b", "/x?other=1", "/x"])
    def test_a_link_that_does_not_lead_on_is_an_error(self, call: Calls, link: str) -> None:
        with scripted(part("one", link)) as server, pytest.raises(UnexpectedAnswer, match="link"):
            self.read(call, server)
        assert len(server.requests) <= 2

    def test_a_link_to_the_same_page_is_an_error(self, call: Calls) -> None:
        link = f"/x?start={START.isoformat()}&end={END.isoformat()}&maxPoints=5000"
        with (
            scripted(part("one", link.replace("+", "%2B"))) as server,
            pytest.raises(UnexpectedAnswer, match="leads back"),
        ):
            self.read(call, server)
        assert len(server.requests) == 1
