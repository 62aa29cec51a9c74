"""A request that wishes for another protocol is read as one that does not, its body included."""

import json
import socket
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from mpp_sdk.web.server import BackgroundServer

SETTINGS = b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
WISHES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + SETTINGS,
    "websocket": b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
}
LAST = b"POST /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nxyz"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what has arrived, a line for each request."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
        return
    request = Request(scope, receive)
    seen = [request.method, request.url.path, (await request.body()).decode()]
    line = json.dumps([*seen, sorted(request.headers)]).encode() + b"\n"
    headers = [(b"content-length", str(len(line)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": line})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with BackgroundServer(echo) as url:
        yield "127.0.0.1", int(url.rpartition(":")[2])


def exchange(address: tuple[str, int], *pieces: bytes) -> list[list[object]]:
    """Return what the server has seen of each request; the last one ends the connection."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        told = b"".join(iter(lambda: connection.recv(65_536), b""))
    return [json.loads(line) for line in told.splitlines() if line.startswith(b"[")]


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


BODIES = {
    "a length": b"Content-Length: 5\r\n\r\nhello",
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("size", [1, 40, 4096], ids=["bytewise", "split", "at once"])
def test_a_wish_for_another_protocol_costs_no_body_and_no_later_request(
    address: tuple[str, int], wish: bytes, body: bytes, size: int
) -> None:
    request = b"POST /first?a=b HTTP/1.1\r\nHost: a\r\nX-Kept: yes\r\n" + wish + body
    first, second, last = exchange(address, *in_pieces(request + request + LAST, size))
    assert first[:3] == ["POST", "/first", "hello"]
    assert second == first
    assert last[:3] == ["POST", "/last", "xyz"]
    kept = first[3]
    assert isinstance(kept, list)
    assert {"host", "x-kept", "connection"} <= set(kept)
    assert not {"upgrade", "http2-settings"} & set(kept)


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
def test_a_request_without_a_body_may_wish_for_another_protocol(
    address: tuple[str, int], wish: bytes
) -> None:
    request = b"GET /first HTTP/1.1\r\nHost: a\r\n" + wish + b"\r\n"
    first, last = exchange(address, request + LAST)
    assert first[:3] == ["GET", "/first", ""]
    assert last[:3] == ["POST", "/last", "xyz"]


def test_a_connect_is_no_request_of_this_server(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")
