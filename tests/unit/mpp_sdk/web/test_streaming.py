"""Streams of server-sent events: what is sent, when they end, and what a slow reader costs."""

import asyncio
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import requests

from mpp_sdk.errors import NotFound, TooManyCalls
from mpp_sdk.web import protocol, streaming
from mpp_sdk.web.binding import bind, methods_of
from mpp_sdk.web.call import no_edge
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.exchange import Exchange
from mpp_sdk.web.frame import Answered
from mpp_sdk.web.server import BackgroundServer, compose
from mpp_sdk.web.streaming import StreamEnded, StreamReply, event, opening

from . import probe

_DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Probe", "version": "1.0.0"},
    "servers": [{"url": "/probe/v1"}],
    "security": [{"apiKey": []}],
    "paths": {
        "/stream": {
            "get": {
                "operationId": "read_stream",
                "parameters": [
                    {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}
                ],
                "responses": {
                    "200": {
                        "description": "Events.",
                        "content": {"text/event-stream": {"schema": {"type": "string"}}},
                    },
                    "404": probe.PROBLEM,
                },
            }
        }
    },
    "components": {
        "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
    },
}


class Tap:
    """A source that gives what it is told to, from any thread."""

    def __init__(self) -> None:
        self.waiting: deque[bytes | StreamEnded] = deque()
        self.opened = threading.Event()
        self.closed = threading.Event()
        self.refuses: Exception | None = None
        self._wake: Callable[[], None] | None = None
        self._in_loop: Callable[[Callable[[], None]], object] | None = None

    def open(self, wake: Callable[[], None]) -> None:
        if self.refuses is not None:
            raise self.refuses
        self._wake, self._in_loop = wake, asyncio.get_running_loop().call_soon_threadsafe
        self.opened.set()

    async def take(self) -> bytes:
        if not self.waiting:
            return b""
        given = self.waiting.popleft()
        if isinstance(given, StreamEnded):
            raise given
        return given

    def close(self) -> None:
        self.closed.set()

    def give(self, *things: bytes | StreamEnded) -> None:
        self.waiting.extend(things)
        if self._in_loop is not None and self._wake is not None:
            self._in_loop(self._wake)


class Handlers:
    def __init__(self) -> None:
        self.tap = Tap()
        self.asked: list[str | None] = []

    def read_stream(self, last_event_id: str | None = None) -> StreamReply:
        self.asked.append(last_event_id)
        if last_event_id == "lost":
            raise NotFound("There is no such event.")
        return StreamReply(source=self.tap)


@contextmanager
def served(handlers: Handlers, answered: Answered | None = None) -> Iterator[str]:
    contract = Contract.from_document("probe", _DOCUMENT)
    bound = bind(contract, methods_of(handlers), edge=no_edge, authenticator=probe.Keys())
    with BackgroundServer(compose([bound], answered=answered)) as url:
        yield url


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def url(handlers: Handlers) -> Iterator[str]:
    with served(handlers) as url:
        yield f"{url}/probe/v1/stream"


def read(url: str, key: str = "writer", **headers: str) -> requests.Response:
    return requests.get(url, headers={"X-API-Key": key, **headers}, stream=True, timeout=30)


def test_events_come_as_they_are_given(url: str, handlers: Handlers) -> None:
    with closing(read(url, **{"Last-Event-ID": "7"})) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Correlation-ID"]
        pieces = answer.iter_content(None)
        handlers.tap.give(opening("7", 2000))
        assert next(pieces) == b"retry: 2000\nid: 7\n\n"
        handlers.tap.give(event('{"a": 1}', name="ASSIGNED", event_id="8"))
        assert next(pieces) == b'event: ASSIGNED\nid: 8\ndata: {"a": 1}\n\n'
        handlers.tap.give(StreamEnded("OVER", "It is over."))
        last = b"".join(pieces)
    assert last.startswith(b"event: end\ndata: ")
    assert json.loads(last.partition(b"data: ")[2]) == {"reason": "OVER", "detail": "It is over."}
    assert handlers.asked == ["7"]
    assert handlers.tap.closed.wait(10)


def test_data_of_several_lines_stays_one_event() -> None:
    assert event("a\nb\r\nc") == b"data: a\ndata: b\ndata: c\n\n"


@pytest.mark.parametrize("wrong", ["a\nb", "a\rb", "a\0b"])
def test_a_name_or_an_id_of_several_lines_is_no_event(wrong: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        event("", name=wrong)
    with pytest.raises(ValueError, match="one line"):
        event("", event_id=wrong)


def test_who_is_refused_gets_a_problem(url: str, handlers: Handlers) -> None:
    assert read(url, key="nobody").status_code == 401
    assert read(url, **{"Last-Event-ID": "lost"}).json()["title"] == NotFound.title
    handlers.tap.refuses = TooManyCalls("streams", 2, 60, 10)
    refused = read(url)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
    assert not handlers.tap.closed.is_set()


def test_a_head_gets_no_stream(url: str, handlers: Handlers) -> None:
    answer = requests.head(url, headers={"X-API-Key": "writer"}, timeout=30)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert not handlers.tap.opened.is_set()


def test_silence_is_broken_by_comments(
    url: str, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "BEAT_SECONDS", 0.05)
    with closing(read(url)) as answer:
        pieces = answer.iter_content(None)
        assert next(pieces).startswith(b":\n\n")
        assert next(pieces).startswith(b":\n\n")
        handlers.tap.give(event("x"))
        while b"data: x\n\n" not in (piece := next(pieces)):
            assert piece == b":\n\n"


def test_whoever_goes_is_noticed(url: str, handlers: Handlers) -> None:
    with closing(read(url)) as answer:
        handlers.tap.give(event("x"))
        pieces = answer.iter_content(None)
        next(pieces)
        assert not handlers.tap.closed.is_set()
    assert handlers.tap.closed.wait(10)


def test_a_server_that_stops_says_so(handlers: Handlers) -> None:
    with served(handlers) as base:
        answer = read(f"{base}/probe/v1/stream")
        handlers.tap.give(event("x"))
        pieces = answer.iter_content(None)
        next(pieces)
        started = time.monotonic()
    rest = b"".join(pieces)
    assert json.loads(rest.rpartition(b"data: ")[2])["reason"] == streaming.STOPPING
    assert time.monotonic() - started < 9  # it did not wait until calls are broken off
    assert handlers.tap.closed.is_set()


def test_a_call_is_in_the_access_log_once_it_is_over(
    url: str, handlers: Handlers, access_lines: list[dict[str, Any]]
) -> None:
    with closing(read(url)) as answer:
        handlers.tap.give(event("x"))
        pieces = answer.iter_content(None)
        next(pieces)
        assert access_lines == []
    handlers.tap.closed.wait(10)
    while not access_lines:
        time.sleep(0.01)
    [line] = access_lines
    assert (line["operationId"], line["status"], line["caller"]) == (
        "read_stream",
        200,
        "Levante Aggregation",
    )


def test_how_long_it_was_followed_is_no_time_that_an_answer_took(handlers: Handlers) -> None:
    took: list[tuple[float, float]] = []

    def answered(exchange: Exchange, seconds: float) -> None:
        took.append((seconds, time.perf_counter() - exchange.started))

    with served(handlers, answered) as base, closing(read(f"{base}/probe/v1/stream")):
        time.sleep(0.3)
    [(until_it_began, in_all)] = took
    assert 0 < until_it_began <= in_all - 0.3


class SlowReader:
    """Asks for a stream, and reads it when it is told to. read is what it has read."""

    def __init__(self, url: str, path: str = "/probe/v1/stream", key: str = "writer") -> None:
        host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
        self.read = b""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((host, int(port)))
        self.socket.settimeout(30)
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\n\r\n"
        self.socket.sendall(head.encode())

    def some(self) -> bool:
        """Read what there is; return whether there will be more."""
        piece = self.socket.recv(65_536)
        self.read += piece
        return bool(piece)

    def rest(self) -> bytes:
        """Read to the end of the answer, and return all that was read."""
        while not self.read.endswith(b"\r\n0\r\n\r\n") and self.some():
            pass
        return self.read


def test_a_reader_that_takes_nothing_is_cut_off_and_told(
    url: str, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "TAKEN_SECONDS", 0.2)
    slow = SlowReader(url)
    with closing(slow.socket):
        assert handlers.tap.opened.wait(10)
        text = event("x" * 60_000)
        handlers.tap.give(*[text] * 400)
        assert handlers.tap.closed.wait(30)
        assert len(handlers.tap.waiting) > 0  # not all of it was held for one who takes nothing
        rest = slow.rest()
    assert b'event: end\ndata: {"reason": "TOO_SLOW"' in rest
    assert rest.endswith(b"\n\n\r\n0\r\n\r\n")


def test_a_reader_that_never_reads_on_is_hung_up_on(
    url: str, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "TAKEN_SECONDS", 0.1)
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.1)
    slow = SlowReader(url)
    with closing(slow.socket):
        assert handlers.tap.opened.wait(10)
        handlers.tap.give(*[event("x" * 60_000)] * 400)
        assert handlers.tap.closed.wait(30)
        time.sleep(0.5)
        assert not slow.rest().endswith(b"0\r\n\r\n")
