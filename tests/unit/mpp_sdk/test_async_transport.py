"""The guarded client for an event loop, against the same servers as the one for threads."""

import asyncio
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mpp_sdk.transport import (
    AddressPolicy,
    AddressRefused,
    ConnectionFailed,
    GuardedClient,
    HttpAnswer,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
    TransportError,
)
from tests.unit.mpp_sdk.test_transport import (
    LOCAL,
    SLOW_ANSWERS,
    STRICT,
    Answer,
    certificate,
    drip,
    plain,
    serving,
)


def call(url: str, policy: AddressPolicy = LOCAL, **options: Any) -> HttpAnswer:
    """Make one call in a loop of its own."""

    async def once() -> HttpAnswer:
        async with GuardedClient(policy, **options) as client:
            return await client.request("GET", url)

    return asyncio.run(once())


def test_an_ordinary_call_gives_status_headers_and_body() -> None:
    async def once(url: str) -> HttpAnswer:
        async with GuardedClient(LOCAL) as client:
            return await client.request("POST", url, data=b"x" * 100_000, headers={"A-B": "c"})

    with serving(plain(b'{"a": 1}', "201 Created", "X-Test: yes")) as server:
        answer = asyncio.run(once(server.url))
    assert (answer.status, answer.body, answer.headers["x-test"]) == (201, b'{"a": 1}', "yes")
    (request,) = server.requests
    assert request.endswith(b"x" * 100_000)
    assert b"A-B: c" in request
    assert b"Accept-Encoding: identity" in request
    assert f"Host: 127.0.0.1:{server.port}".encode() in request


def test_connections_are_kept_and_used_again_and_the_client_opened_again() -> None:
    client = GuardedClient(LOCAL)

    async def several(url: str) -> None:
        async with client:
            for _ in range(5):
                assert (await client.request("GET", url)).body == b"hello"

    with serving(plain()) as server:
        asyncio.run(several(server.url))
        asyncio.run(several(server.url))
    assert (server.connections, len(server.requests)) == (2, 10)


def test_it_is_used_open() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(GuardedClient(LOCAL).request("GET", "http://127.0.0.1/"))


def test_chunked_and_compressed_answers_are_read() -> None:
    body = gzip.compress(b"hello" * 10)

    def answer(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
        )
        for byte in body:
            connection.sendall(b"1\r\n" + bytes([byte]) + b"\r\n")
        connection.sendall(b"0\r\n\r\n")

    with serving(answer) as server:
        assert call(server.url).body == b"hello" * 10


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[fe80::1%25lo]",
    ],
)
def test_a_forbidden_address_is_never_dialled(host: str) -> None:
    with serving(plain()) as server, pytest.raises(AddressRefused):
        call(f"http://{host}:{server.port}/", AddressPolicy(allow_http=True))
    assert server.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1."])
def test_an_admitted_literal_is_dialled_as_it_was_understood(host: str) -> None:
    with serving(plain()) as server:
        assert call(f"http://{host}:{server.port}/").body == b"hello"


def test_one_forbidden_address_among_many_is_enough() -> None:
    with pytest.raises(AddressRefused):
        call("https://platform.example/", STRICT, resolve=lambda *_: ["8.8.8.8", "10.0.0.1"])


def test_the_socket_is_the_last_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever came before it has overlooked."""
    monkeypatch.setattr("mpp_sdk.transport.client._CheckedResolver.resolve", _unchecked)
    with serving(plain()) as server, pytest.raises(AddressRefused):
        call(f"http://platform.example:{server.port}/", AddressPolicy(allow_http=True))
    assert server.connections == 0


async def _unchecked(resolver: object, host: str, port: int, family: int) -> list[dict[str, Any]]:
    return [
        {
            "hostname": host,
            "host": "127.0.0.1",
            "port": port,
            "family": socket.AF_INET,
            "proto": 0,
            "flags": socket.AI_NUMERICHOST,
        }
    ]


def test_the_checked_address_is_dialled_and_the_name_kept() -> None:
    resolved: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        resolved.append((host, port))
        return ["127.0.0.1"]

    async def twice(url: str) -> None:
        async with GuardedClient(LOCAL, resolve=resolve) as client:
            for _ in range(2):
                await client.request("GET", url)

    with serving(plain()) as server:
        asyncio.run(twice(f"http://platform.example:{server.port}/"))
    assert resolved == [("platform.example", server.port)]
    assert f"Host: platform.example:{server.port}".encode() in server.requests[0]


def test_a_name_that_turns_inwards_is_refused_when_it_is_dialled_again() -> None:
    answers = iter([["127.0.0.1"], ["0.0.0.0"]])

    def answer(connection: socket.socket) -> None:
        plain()(connection)
        connection.shutdown(socket.SHUT_RDWR)

    async def twice(url: str) -> None:
        async with GuardedClient(LOCAL, resolve=lambda *_: next(answers)) as client:
            await client.request("GET", url)
            await asyncio.sleep(0.05)
            with pytest.raises(AddressRefused):
                await client.request("GET", url)

    with serving(answer) as server:
        asyncio.run(twice(f"http://platform.example:{server.port}/"))


def test_http_userinfo_and_other_schemes_are_refused() -> None:
    for url in (
        "http://8.8.8.8/",
        "https://user:password@8.8.8.8/",
        "ftp://8.8.8.8/",
        "https://8.8.8.8:0/",
        "https://8.8.8.8/\r\nX: y",
        "https://256.1.1.1/",
    ):
        with pytest.raises(AddressRefused):
            call(url, STRICT)


def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    with serving(plain()) as server:
        url = f"http://platform.example:{server.port}/"
        assert call(url, resolve=lambda *_: ["127.0.0.2", "127.0.0.1"]).body == b"hello"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 T", "308 P"])
def test_redirects_are_not_followed(status: str) -> None:
    with serving(plain()) as inner, serving(plain(b"", status, f"Location: {inner.url}")) as server:
        assert call(server.url).status == int(status[:3])
    assert inner.connections == 0


def test_cookies_and_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    async def twice(url: str) -> None:
        async with GuardedClient(LOCAL) as client:
            for _ in range(2):
                await client.request("GET", url)

    with serving(plain(b"", "200 OK", "Set-Cookie: a=b; Path=/")) as server:
        asyncio.run(twice(server.url))
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize(
    "answer", [*SLOW_ANSWERS.values(), drip(b"HTTP/1.1 200 ", b"y")], ids=[*SLOW_ANSWERS, "status"]
)
def test_a_slow_answer_ends_in_time(answer: Answer) -> None:
    with serving(answer) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            call(server.url, total_seconds=0.4)
        assert time.monotonic() - started < 5


def test_a_handshake_that_never_comes_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(TimedOut):
        call(f"https://127.0.0.1:{listener.getsockname()[1]}/", total_seconds=0.4)


def test_a_request_that_is_not_taken_ends_in_time() -> None:
    async def once(url: str) -> None:
        async with GuardedClient(LOCAL) as client:
            await client.request("POST", url, data=b"x" * 30_000_000, timeout=0.4)

    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(TimedOut):
        asyncio.run(once(f"http://127.0.0.1:{listener.getsockname()[1]}/"))


def test_names_that_are_not_resolved_in_time_stall_nobody() -> None:
    release = threading.Event()
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        if host.startswith("slow"):
            asked.append(host)
            release.wait(20)
        return ["127.0.0.1"]

    async def all_at_once(port: int) -> list[HttpAnswer | BaseException]:
        async with GuardedClient(LOCAL, total_seconds=3, resolve=resolve) as client:
            slow = [
                client.request("GET", f"http://slow-{number % 40}.example:{port}/")
                for number in range(200)
            ]
            waiting = [asyncio.create_task(one) for one in slow]
            for number in range(20):
                quick = await client.request("GET", f"http://quick-{number}.example:{port}/")
                assert quick.body == b"hello"
            assert not any(one.done() for one in waiting)
            return await asyncio.gather(*waiting, return_exceptions=True)

    with serving(plain()) as server:
        outcomes = asyncio.run(all_at_once(server.port))
    release.set()
    assert all(isinstance(outcome, TimedOut) for outcome in outcomes)
    assert len(asked) == 40, "each name is looked up once, however many ask for it"


def test_a_name_that_does_not_resolve_is_a_failed_connection() -> None:
    def fails(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    def finds_none(host: str, port: int) -> Sequence[str]:
        return []

    for resolve in (fails, finds_none):
        with pytest.raises(ConnectionFailed, match="host name platform"):
            call("https://platform.example/", resolve=resolve)


def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_read() -> None:
    with serving(plain(b"x" * 100_000)) as server:
        assert len(call(server.url, max_response_bytes=100_000).body) == 100_000
        with pytest.raises(ResponseTooLarge):
            call(server.url, max_response_bytes=99_999)


def test_a_gzip_bomb_is_refused() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, compresslevel=9)
    with (
        serving(plain(bomb, "200 OK", "Content-Encoding: gzip")) as server,
        pytest.raises(ResponseTooLarge),
    ):
        call(server.url)


@pytest.mark.parametrize("first", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_without_end_is_refused(first: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + first + b"\r\n")
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n" if first else b"x" * 0x10000
        while True:
            connection.sendall(piece)

    with serving(answer) as server, pytest.raises(ResponseTooLarge):
        call(server.url, total_seconds=10)


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 3_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500_000,
        b"HTTP/1.1 200 OK\r\n" + (b"x: " + b"y" * 60_000 + b"\r\n") * 50,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
    ],
    ids=["one header", "many headers", "large headers", "continues"],
)
def test_headers_without_end_are_refused(first: bytes) -> None:
    with (
        serving(lambda connection: connection.sendall(first)) as server,
        pytest.raises((ResponseTooLarge, ConnectionFailed)),
    ):
        call(server.url, total_seconds=10)


@pytest.mark.parametrize(
    "headers",
    [["x: " + "y" * 30_000], [f"x{number}: " + "y" * 3_000 for number in range(10)]],
    ids=["one", "together"],
)
def test_headers_over_the_limit_are_refused(headers: list[str]) -> None:
    with serving(plain(b"", "200 OK", *headers)) as server, pytest.raises(ResponseTooLarge):
        call(server.url, max_header_bytes=10_000)


def test_a_bad_answer_does_not_spoil_the_next_call() -> None:
    answers = iter([plain(b"x" * 100_000), plain(b"fine")])

    async def twice(url: str) -> bytes:
        async with GuardedClient(LOCAL, max_response_bytes=1_000) as client:
            with pytest.raises(ResponseTooLarge):
                await client.request("GET", url)
            return (await client.request("GET", url)).body

    with serving(lambda connection: next(answers)(connection)) as server:
        assert asyncio.run(twice(server.url)) == b"fine"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n"
        + gzip.compress(b"hello" * 10)[:12],
    ],
    ids=["closed", "other protocol", "short", "bad chunk", "bad gzip", "short gzip"],
)
def test_an_answer_that_breaks_off_is_a_failed_connection(data: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    with serving(answer) as server, pytest.raises(ConnectionFailed):
        call(server.url, total_seconds=5)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_call_is_sent_once_even_when_the_connection_breaks(method: str) -> None:
    async def once(url: str) -> None:
        async with GuardedClient(LOCAL) as client:
            await client.request(method, url)

    with serving(lambda connection: connection.close()) as server:
        with pytest.raises(ConnectionFailed):
            asyncio.run(once(server.url))
        assert len(server.requests) == 1


def test_a_refused_connection_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionFailed, match="refused"):
        call(f"http://127.0.0.1:{port}/")


def test_tls_checks_the_name_and_sends_it(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path, "platform.example")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    here: dict[str, Any] = {"resolve": lambda *_: ["127.0.0.1"]}
    trusting = {**here, "tls": ssl.create_default_context(cafile=trusted)}
    with serving(plain(b"x" * 300_000), context) as server:
        url = f"https://platform.example:{server.port}/"
        assert len(call(url, **trusting).body) == 300_000
        for bad_url, options in (
            (f"https://other.example:{server.port}/", trusting),
            (url, here),
        ):
            with pytest.raises(TlsFailed, match="the certificate is"):
                call(bad_url, **options)
    assert names[:2] == ["platform.example", "other.example"]


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path, "platform.example", expired=True)
    with serving(plain(), context) as server, pytest.raises(ConnectionFailed):
        call(
            f"https://platform.example:{server.port}/",
            resolve=lambda *_: ["127.0.0.1"],
            tls=ssl.create_default_context(cafile=trusted),
        )
    assert not server.requests


def test_hundreds_of_platforms_that_keep_silent_hold_up_no_other() -> None:
    async def all_at_once(silent: str, quick: str) -> None:
        async with GuardedClient(LOCAL, total_seconds=8) as client:
            waiting = [asyncio.create_task(client.request("GET", silent)) for _ in range(300)]
            await asyncio.sleep(0)
            for _ in range(20):
                assert (await client.request("GET", quick)).body == b"hello"
            assert not any(one.done() for one in waiting)
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    with (
        socket.create_server(("127.0.0.1", 0), backlog=1_000) as silent,
        serving(plain()) as server,
    ):
        asyncio.run(all_at_once(f"http://127.0.0.1:{silent.getsockname()[1]}/", server.url))


def test_every_failure_is_a_transport_error() -> None:
    for error in (AddressRefused, ConnectionFailed, ResponseTooLarge, TimedOut):
        assert issubclass(error, TransportError)
