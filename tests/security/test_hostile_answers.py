"""Whatever a platform answers, a call by either client ends in bounded time, space and kind."""

import gzip
import socket
import ssl
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from mpp_sdk.transport import (
    ConnectionFailed,
    HttpAnswer,
    ResponseTooLarge,
    TimedOut,
    TransportError,
)
from tests.unit.mpp_sdk.test_transport import Answer, certificate, drip, plain, serving

from .clients import Caller, Calls, by_client, by_session

BOTH = pytest.mark.parametrize("call", [by_session, by_client], ids=["threads", "loop"])
OK = b"HTTP/1.1 200 OK\r\n"
MEBIBYTE = 1_048_576


def raw(data: bytes, *, close: bool = True) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        if close:
            connection.shutdown(socket.SHUT_WR)

    return answer


def endless(first: bytes, piece: bytes) -> Answer:
    """Answer for as long as anybody listens."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        block = piece * (65_536 // len(piece) + 1)
        for _ in range(4000):
            connection.sendall(block)

    return answer


def reset(first: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return answer


def compressed(encoding: str, body: bytes, *, pieces: int = 1) -> Answer:
    head = OK + f"Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        step = max(1, len(body) // pieces)
        for start in range(0, len(body), step):
            connection.sendall(body[start : start + step])

    return answer


BOMB = b"\0" * 100 * MEBIBYTE
DEFLATED = zlib.compress(BOMB, 9)
GZIPPED = gzip.compress(BOMB, 9)

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

TOO_MUCH: dict[str, Answer] = {
    "a body without end": endless(OK + b"\r\n", b"x"),
    "a body longer than it says it is": endless(OK + b"Content-Length: 99999999\r\n\r\n", b"x"),
    "a length beyond every machine": endless(
        OK + b"Content-Length: 9" + b"9" * 18 + b"\r\n\r\n", b"x"
    ),
    "chunks without end": endless(CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n"),
    "tiny chunks without end": endless(CHUNKED, b"1\r\nx\r\n"),
    "one chunk without end": endless(CHUNKED + b"7fffffff\r\n", b"x"),
    "a gzip bomb": compressed("gzip", GZIPPED),
    "a gzip bomb in pieces": compressed("gzip", GZIPPED, pieces=50),
    "a deflate bomb": compressed("deflate", DEFLATED),
    "one header without end": endless(OK + b"X-A: ", b"y"),
    "headers without end": endless(OK, b"X-A: y\r\n"),
    "a header of a megabyte": raw(OK + b"X-A: " + b"y" * MEBIBYTE + b"\r\n\r\n"),
    "a hundred thousand headers": raw(OK + b"X-A: y\r\n" * 100_000 + b"\r\n"),
    "a status line without end": endless(b"HTTP/1.1 200 ", b"O"),
    "interim answers without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints without end": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "a trailer without end": endless(CHUNKED + b"0\r\n", b"X-A: y\r\n"),
    "a chunk's extension without end": endless(CHUNKED + b"1;a=", b"y"),
    "a chunk's size without end": endless(CHUNKED, b"0"),
}  # fmt: skip

TOO_SLOW: dict[str, Answer] = {
    "nothing at all": drip(b"", b""),
    "the status line": drip(b"H", b"T"),
    "the headers": drip(OK, b"X-A: y\r\n"),
    "a single header": drip(OK + b"X-A: ", b"y"),
    "the body": drip(OK + b"Content-Length: 1000\r\n\r\n", b"x"),
    "a body without a length": drip(OK + b"\r\n", b"x"),
    "the chunks": drip(CHUNKED, b"1\r\nx\r\n"),
    "a trailer": drip(CHUNKED + b"0\r\n", b"X-A: y\r\n"),
    "interim answers": drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a compressed body": drip(OK + b"Content-Encoding: gzip\r\n\r\n" + GZIPPED[:10], b"\0"),
}

NONSENSE: dict[str, Answer] = {
    "nothing": raw(b""),
    "another protocol": raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "mail": raw(b"220 mail.example ESMTP\r\n"),
    "a frame of HTTP/2": raw(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d\0\x04\0\x10\0\0"),
    "an answer of HTTP/0.9": raw(b"<html>hello</html>"),
    "TLS in the middle": raw(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 40),
    "a status that is none": raw(b"HTTP/1.1 abc OK\r\n\r\n"),
    "a short body": raw(OK + b"Content-Length: 10\r\n\r\nabc"),
    "a bad chunk": raw(CHUNKED + b"ZZ\r\nabc\r\n"),
    "a negative chunk": raw(CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n"),
    "a chunk that is cut": raw(CHUNKED + b"5\r\nab"),
    "chunks without the last": raw(CHUNKED + b"2\r\nab\r\n"),
    "gzip that is none": raw(OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
    "a reset before the answer": reset(b""),
    "a reset in the headers": reset(OK + b"X-A"),
    "a reset in the body": reset(OK + b"Content-Length: 10\r\n\r\nabc"),
}  # fmt: skip

ODD: dict[str, Answer] = {
    "two lengths": raw(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    "a negative length": raw(OK + b"Content-Length: -2\r\n\r\nab"),
    "a length that is none": raw(OK + b"Content-Length: two\r\n\r\nab"),
    "a length and chunks": raw(
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "an unknown transfer encoding": raw(OK + b"Transfer-Encoding: cow\r\n\r\nab"),
    "an unknown content encoding": raw(OK + b"Content-Encoding: cow\r\n\r\nab"),
    "many content encodings": raw(OK + b"Content-Encoding: " + b"gzip, " * 999 + b"br\r\n\r\nab"),
    "gzip that is cut": raw(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"a")[:-9]),
    "zstd that nobody asked for": raw(OK + b"Content-Encoding: zstd\r\n\r\n(\xb5/\xfd\0X"),
    "a header without a colon": raw(OK + b"nonsense\r\n\r\nab"),
    "a header with a null": raw(OK + b"X-A: a\0b\r\n\r\nab"),
    "a folded header": raw(OK + b"X-A: a\r\n b\r\nContent-Length: 2\r\n\r\nab"),
    "a header in Latin-1": raw(OK + b"X-A: \xe9\r\nContent-Length: 2\r\n\r\nab"),
    "line feeds alone": raw(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab"),
    "a status of two digits": raw(b"HTTP/1.1 99 No\r\nContent-Length: 2\r\n\r\nab"),
    "a status of four digits": raw(b"HTTP/1.1 2000 No\r\nContent-Length: 2\r\n\r\nab"),
    "a status of 999": raw(b"HTTP/1.1 999 No\r\nContent-Length: 2\r\n\r\nab"),
    "another version": raw(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nab"),
    "other protocols": raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nab"),
    "a body where there is none": raw(b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nab"),
    "a refresh": raw(OK + b"Refresh: 0; url=http://127.0.0.1/\r\nContent-Length: 2\r\n\r\nab"),
    "a login that is asked for": raw(
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 2\r\n\r\nab"
    ),
    "a proxy's login": raw(
        b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=a\r\nContent-Length: 2\r\n\r\nab"
    ),
}

REDIRECTS = (300, 301, 302, 303, 304, 305, 306, 307, 308)


def test_there_are_enough_of_them() -> None:
    assert len(TOO_MUCH) + len(TOO_SLOW) + len(NONSENSE) + len(ODD) + len(REDIRECTS) >= 60


def outcome_of(
    call: Caller, answer: Answer, seconds: float = 10.0
) -> tuple[HttpAnswer | Exception, HttpAnswer | Exception]:
    """Return what becomes of a call that is answered so, and of a later one of the same client.

    Of two later ones: the first may still get the connection that the server is just closing.
    """
    first_only = iter([answer])

    def answer_once(connection: socket.socket) -> None:
        next(first_only, plain(b"fine"))(connection)

    with serving(answer_once) as server:
        calls = Calls(options={"total_seconds": seconds})
        first, second, third = call(calls, [server.url] * 3)
        return first, third if isinstance(second, ConnectionFailed) else second


def assert_unharmed(second: HttpAnswer | Exception) -> None:
    assert isinstance(second, HttpAnswer), repr(second)
    assert (second.status, second.body) == (200, b"fine")


@BOTH
@pytest.mark.parametrize("answer", TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much_is_refused(call: Caller, answer: Answer) -> None:
    first, second = outcome_of(call, answer)
    assert isinstance(first, ResponseTooLarge | ConnectionFailed), repr(first)
    assert_unharmed(second)


@BOTH
@pytest.mark.parametrize("name", ["a body without end", "a gzip bomb", "headers without end"])
def test_too_much_is_never_held(call: Caller, name: str) -> None:
    outcome_of(call, plain(b"imported and warm"))
    tracemalloc.start()
    first, _ = outcome_of(call, TOO_MUCH[name])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(first, TransportError)
    assert most < 12 * MEBIBYTE


@BOTH
@pytest.mark.parametrize("answer", TOO_SLOW.values(), ids=TOO_SLOW)
def test_too_slow_is_cut_off(call: Caller, answer: Answer) -> None:
    first, second = outcome_of(call, answer, seconds=0.6)
    assert isinstance(first, TimedOut | ConnectionFailed), repr(first)
    assert_unharmed(second)


@BOTH
@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_a_failed_connection(call: Caller, answer: Answer) -> None:
    first, second = outcome_of(call, answer, seconds=2)
    assert isinstance(first, ConnectionFailed), repr(first)
    assert_unharmed(second)


@BOTH
@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_what_is_odd_is_an_answer_or_a_transport_error(call: Caller, answer: Answer) -> None:
    first, second = outcome_of(call, answer, seconds=2)
    assert isinstance(first, HttpAnswer | TransportError), repr(first)
    if isinstance(first, HttpAnswer):
        assert len(first.body) < 100
    assert_unharmed(second)


@BOTH
@pytest.mark.parametrize("status", REDIRECTS)
def test_no_redirect_is_followed(call: Caller, status: int) -> None:
    with serving(plain(b"a secret")) as inner:
        to = f"Location: {inner.url}"
        with serving(plain(b"", f"{status} Elsewhere", to)) as outer:
            (outcome,) = call(Calls(), [outer.url])
    assert isinstance(outcome, HttpAnswer), repr(outcome)
    assert outcome.status == status
    assert inner.connections == 0


@BOTH
def test_an_answer_sent_ahead_is_not_taken_for_that_of_the_next_call(call: Caller) -> None:
    """A platform that answers twice must not answer what somebody else asks next."""
    two = OK + b"Content-Length: 4\r\n\r\nmine" + OK + b"Content-Length: 4\r\n\r\nevil"
    first_only = iter([two])

    def answer(connection: socket.socket) -> None:
        connection.sendall(next(first_only, OK + b"Content-Length: 4\r\n\r\nfine"))
        time.sleep(0.05)

    with serving(answer) as server:
        outcomes = call(Calls(), [server.url] * 2)
    bodies = [one.body if isinstance(one, HttpAnswer) else type(one) for one in outcomes]
    assert b"evil" not in bodies
    assert bodies[1] == b"fine"


def name_server(slow: str, release: threading.Event) -> Callable[[str, int], Sequence[str]]:
    def resolve(host: str, port: int) -> Sequence[str]:
        if host == slow:
            release.wait(20)
        return ["127.0.0.1"]

    return resolve


@BOTH
def test_slow_names_are_given_up_in_time_and_hold_up_nobody(call: Caller) -> None:
    release = threading.Event()
    resolve = name_server("slow.example", release)
    with serving(plain(b"fine")) as server:
        slow, quick = (f"http://{name}.example:{server.port}/" for name in ("slow", "quick"))
        started = time.monotonic()
        calls = Calls(options={"total_seconds": 0.5, "resolve": resolve})
        first, second = call(calls, [slow, quick])
        assert time.monotonic() - started < 5
    release.set()
    assert isinstance(first, TimedOut | ConnectionFailed), repr(first)
    assert_unharmed(second)


# ------------------------------------------------------------------------------------------ TLS


def tls_outcome(
    call: Caller, context: ssl.SSLContext, trusted: str | None, name: str = "platform.example"
) -> tuple[HttpAnswer | Exception, list[bytes]]:
    with serving(plain(b"fine"), context) as server:
        options = {"resolve": lambda *_: ["127.0.0.1"], "total_seconds": 5}
        calls = Calls(trusted=trusted, options=options)
        (outcome,) = call(calls, [f"https://{name}:{server.port}/"])
        return outcome, server.requests


@BOTH
def test_a_good_certificate_is_accepted(call: Caller, tmp_path: Path) -> None:
    outcome, _ = tls_outcome(call, *certificate(tmp_path, "platform.example"))
    assert_unharmed(outcome)


@BOTH
@pytest.mark.parametrize("kind", ["expired", "of another name", "of nobody", "of a parent"])
def test_a_bad_certificate_is_told_nothing(call: Caller, tmp_path: Path, kind: str) -> None:
    of = {"of another name": "other.example", "of a parent": "example"}.get(
        kind, "platform.example"
    )
    context, trusted = certificate(tmp_path, of, expired=kind == "expired")
    outcome, requests = tls_outcome(call, context, None if kind == "of nobody" else trusted)
    assert isinstance(outcome, ConnectionFailed), repr(outcome)
    assert requests == []


@BOTH
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_protocol_is_not_spoken(call: Caller, tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path, "platform.example")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    outcome, requests = tls_outcome(call, context, trusted)
    assert isinstance(outcome, ConnectionFailed), repr(outcome)
    assert requests == []


@BOTH
def test_a_server_that_speaks_no_tls_is_told_nothing(call: Caller) -> None:
    with serving(plain(b"fine")) as server:
        calls = Calls(options={"total_seconds": 2})
        (outcome,) = call(calls, [f"https://127.0.0.1:{server.port}/"])
        assert isinstance(outcome, TransportError), repr(outcome)
        assert all(b"POST" not in one for one in server.requests)


@BOTH
def test_a_closed_port_is_a_failed_connection(call: Caller) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    (outcome,) = call(Calls(), [f"http://127.0.0.1:{port}/"])
    assert isinstance(outcome, ConnectionFailed), repr(outcome)
