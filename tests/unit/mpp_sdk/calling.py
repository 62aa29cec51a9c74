"""Calls by the generated clients of both kinds, to a server that does what a test scripts."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from mpp_sdk.contracts.eu_mp.async_client import AsyncEuMpClient
from mpp_sdk.contracts.eu_mp.client import EuMpClient
from mpp_sdk.contracts.flexoffer.async_client import AsyncFlexofferClient
from mpp_sdk.contracts.flexoffer.client import FlexofferClient
from mpp_sdk.contracts.metering.async_client import AsyncMeteringClient
from mpp_sdk.contracts.metering.client import MeteringClient
from mpp_sdk.contracts.notifications.async_client import AsyncNotificationsClient
from mpp_sdk.contracts.notifications.client import NotificationsClient
from tests.unit.mpp_sdk.test_transport import LOCAL, Answer, Server, plain, serving

AVAILABLE = {
    "status": "AVAILABLE",
    "contract": "metering",
    "contractVersion": "1.0.0",
    "time": "2026-12-01T10:00:00Z",
}


class Calls(Protocol):
    """Makes one call by a client of one kind, which is made for it."""

    def __call__(self, client: str, url: str, operation: str, *given: Any, **options: Any) -> Any:
        """Return what the operation gives; an iterator's items as a list.

        client is the name of a contract, options are those of the client.
        """


_THREADS = {
    "eu-mp": EuMpClient,
    "flexoffer": FlexofferClient,
    "metering": MeteringClient,
    "notifications": NotificationsClient,
}
_EVENT_LOOP = {
    "eu-mp": AsyncEuMpClient,
    "flexoffer": AsyncFlexofferClient,
    "metering": AsyncMeteringClient,
    "notifications": AsyncNotificationsClient,
}


def by_thread(client: str, url: str, operation: str, *given: Any, **options: Any) -> Any:
    """Make a call from a thread."""
    options.setdefault("addresses", LOCAL)
    with _THREADS[client](url, **options) as made:
        result = getattr(made, operation)(*given)
        return list(result) if isinstance(result, Iterator) else result


def by_event_loop(client: str, url: str, operation: str, *given: Any, **options: Any) -> Any:
    """Make a call from an event loop of its own."""
    options.setdefault("addresses", LOCAL)

    async def make() -> Any:
        async with _EVENT_LOOP[client](url, **options) as made:
            result = getattr(made, operation)(*given)
            if isinstance(result, AsyncIterator):
                return [one async for one in result]
            return await result

    return asyncio.run(make())


BOTH = [by_thread, by_event_loop]


@contextmanager
def scripted(*answers: Answer) -> Iterator[Server]:
    """Serve the answers one after the other, the last one for good."""
    left = list(answers)

    def answer(connection: socket.socket) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(connection)

    with serving(answer) as server:
        yield server


def document(
    body: object, status: str = "200 OK", *headers: str
) -> Callable[[socket.socket], None]:
    """Answer with JSON."""
    return plain(json.dumps(body).encode(), status, "Content-Type: application/json", *headers)


def problem(
    status: int, title: str = "Away", *headers: str, **members: object
) -> Callable[[socket.socket], None]:
    """Answer with a problem document."""
    body = {"status": status, "title": title, "detail": "It is so."} | members
    return document(body, f"{status} {title}", *headers)


def breaking_off(connection: socket.socket) -> None:
    """Answer with half a body, and reset the connection."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b'{"status": "AVAI')
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def header(request: bytes, name: str) -> str | None:
    """Return a header of a request that was received."""
    for line in request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]:
        found, _, value = line.partition(":")
        if found.lower() == name.lower():
            return value.strip()
    return None
