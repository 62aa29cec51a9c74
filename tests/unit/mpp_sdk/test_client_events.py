"""Streams of events as a client reads them, however the network cuts them into pieces."""

import socket
import threading
import time
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.client import (
    AddressRefused,
    ConnectionFailed,
    GoneProblem,
    ResponseTooLarge,
    ServerSentEvent,
    TimedOut,
    api_key,
    event_loop,
    events,
    threads,
)
from mpp_sdk.client.events import EventParser
from mpp_sdk.contracts.flexoffer.client import FlexofferClient
from mpp_sdk.web.streaming import event, opening
from tests.unit.mpp_sdk.calling import BOTH, Calls, header, problem, scripted
from tests.unit.mpp_sdk.test_transport import LOCAL, Answer

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def parsed(*pieces: bytes) -> list[ServerSentEvent]:
    parser = EventParser()
    return [one for piece in pieces for one in parser.feed(piece)]


def test_fields_are_read_as_the_standard_has_them() -> None:
    text = (
        "\ufeff: hello\n\ndata\n\ndata: a\ndata:  b\nother: x\nid: 7\n\nevent: end\rdata:c\r\n\r\n"
    )
    assert parsed(text.encode()) == [
        ServerSentEvent("", "message", ""),
        ServerSentEvent("7", "message", "a\n b"),
        ServerSentEvent("7", "end", "c"),
    ]


def test_an_id_alone_says_where_the_stream_stands() -> None:
    assert parsed(opening("12", 2000)) == [ServerSentEvent("12", "open", "")]


def test_an_id_with_a_nul_is_none() -> None:
    assert parsed(b"id: 3\ndata: a\n\nid: 4\0\ndata: b\n\n")[1].id == "3"


def test_an_event_that_never_ends_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_BYTES", 1000)
    with pytest.raises(ResponseTooLarge):
        parsed(*[b"data: " + b"x" * 100] * 11)
    with pytest.raises(ResponseTooLarge):
        parsed(*[b"data: " + b"x" * 100 + b"\n"] * 11)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))


@given(
    told=st.lists(st.tuples(_TEXTS, st.integers(0, 9).map(str), st.sampled_from(["A", "B"]))),
    data=st.data(),
)
def test_what_is_written_is_read_however_it_is_cut(
    told: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    text = b"".join(event(each, name=name, event_id=number) for each, number, name in told)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parsed(*pieces) == [ServerSentEvent(number, name, each) for each, number, name in told]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def streaming(*texts: bytes, ends: bool = True, silent_s: float = 0.0) -> Answer:
    """Answer with a stream, its events one by one."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(_HEAD)
        for text in texts:
            connection.sendall(chunk(text))
        time.sleep(silent_s)
        if ends:
            connection.sendall(b"0\r\n\r\n")
        else:
            connection.shutdown(socket.SHUT_RDWR)

    return answer


_TWO = (event("a", name="OFFERED", event_id="5"), event("b", name="ASSIGNED", event_id="6"))


@pytest.mark.parametrize("calls", BOTH)
def test_a_client_yields_what_comes_until_the_end(calls: Calls) -> None:
    with scripted(streaming(*_TWO)) as server:
        found = calls(
            "flexoffer", server.url, "stream_flex_offers", auth=api_key("the-key-of-a-test")
        )
    assert found == [ServerSentEvent("5", "OFFERED", "a"), ServerSentEvent("6", "ASSIGNED", "b")]
    assert header(server.requests[0], "X-API-Key") == "the-key-of-a-test"
    assert header(server.requests[0], "Accept") == "text/event-stream, application/problem+json"


@pytest.mark.parametrize("calls", BOTH)
def test_a_refusal_is_its_problem(calls: Calls) -> None:
    with scripted(problem(410)) as server, pytest.raises(GoneProblem) as raised:
        calls("flexoffer", server.url, "stream_flex_offers")
    assert raised.value.problem.detail == "It is so."


@pytest.mark.parametrize("calls", BOTH)
def test_a_stream_that_breaks_off_is_no_end(calls: Calls) -> None:
    with scripted(streaming(*_TWO, ends=False)) as server, pytest.raises(ConnectionFailed):
        calls("flexoffer", server.url, "stream_flex_offers")


@pytest.mark.parametrize("calls", BOTH)
def test_a_stream_that_is_silent_for_too_long_is_given_up(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SILENCE_SECONDS", 0.1)
    with scripted(streaming(*_TWO, silent_s=1)) as server, pytest.raises(TimedOut):
        calls("flexoffer", server.url, "stream_flex_offers")


@pytest.mark.parametrize("calls", BOTH)
def test_a_stream_may_be_longer_than_any_answer(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "MAX_ANSWER_BYTES", 200_000)
    monkeypatch.setattr(event_loop, "MAX_ANSWER_BYTES", 200_000)
    many = [event("x" * 10_000, event_id=str(number)) for number in range(300)]
    with scripted(streaming(*many)) as server:
        found = calls("flexoffer", server.url, "stream_flex_offers")
    assert [one.id for one in found] == [str(number) for number in range(300)]


def test_what_is_not_to_be_called_is_not_followed() -> None:
    with pytest.raises(AddressRefused), FlexofferClient("https://127.0.0.1/flexoffer/v1") as client:
        list(client.stream_flex_offers())


def test_whoever_stops_reading_hangs_up() -> None:
    gone = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(_HEAD + chunk(_TWO[0]))
        if not connection.recv(1):
            gone.set()

    with (
        scripted(answer) as server,
        FlexofferClient(server.url, addresses=LOCAL) as client,
        closing(client.stream_flex_offers()) as told,  # type: ignore[type-var]  # a generator
    ):
        assert next(told).id == "5"
        told.close()  # type: ignore[attr-defined]
        assert gone.wait(10)
