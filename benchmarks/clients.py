"""What a call costs by a generated client, beside the same call by bare requests and aiohttp."""

import asyncio
import json
import math
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from uuid import UUID

import aiohttp
import requests

from benchmarks.measure import show
from mpp_sdk.client import AddressPolicy
from mpp_sdk.contracts.metering.async_client import AsyncMeteringClient
from mpp_sdk.contracts.metering.client import MeteringClient
from mpp_sdk.contracts.metering.models import PointOfDeliveryPage
from mpp_sdk.transport import GuardedClient, GuardedSession

_CALLS = 500
_QUICK_CALLS = 50
_ROUNDS = 7
_ITEMS = (1, 50)
_LOCAL = AddressPolicy(allow_private=True, allow_http=True)
_SUBSCRIPTION = UUID("0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90")
_PATH = f"/subscriptions/{_SUBSCRIPTION}/points-of-delivery?limit=50"


def run(quick: bool = False) -> None:
    """Print the processor's time for calls one after the other, on one connection that is kept.

    Of the calling process alone: what the server and other processes take, does not count.
    """
    calls = _QUICK_CALLS if quick else _CALLS
    for items in _ITEMS:
        body = _page(items)
        print(f"{calls} calls one after the other, an answer of {len(body)} bytes, {items} PoDs")
        with _served(body) as url:
            _by_threads(url, calls)
            asyncio.run(_by_event_loop(url, calls))


def _by_threads(url: str, calls: int) -> None:
    with requests.Session() as plain, GuardedSession(_LOCAL) as guarded:
        on_plain = MeteringClient(url, plain)
        own = MeteringClient(url, addresses=_LOCAL)
        ways: dict[str, Callable[[], object]] = {
            "bare requests, json.loads": lambda: json.loads(plain.get(url + _PATH).content),
            "bare requests, the model": lambda: PointOfDeliveryPage.model_validate_json(
                plain.get(url + _PATH).content
            ),
            "the client, on the same session": lambda: _list(on_plain),
            "GuardedSession, json.loads": lambda: json.loads(guarded.get(url + _PATH).content),
            "the client, on its own guarded session": lambda: _list(own),
        }
        times = dict.fromkeys(ways, math.inf)
        for _ in range(_ROUNDS):  # in turn, so that what disturbs one disturbs all
            for name, call in ways.items():
                begun = time.process_time()
                for _ in range(calls):
                    call()
                times[name] = min(times[name], time.process_time() - begun)
        own.close()
    _show(times)


async def _by_event_loop(url: str, calls: int) -> None:
    async with (
        aiohttp.ClientSession() as plain,
        GuardedClient(_LOCAL) as guarded,
        AsyncMeteringClient(url, addresses=_LOCAL) as client,
    ):

        async def by_aiohttp() -> object:
            async with plain.get(url + _PATH) as response:
                return json.loads(await response.read())

        async def by_guarded() -> object:
            return json.loads((await guarded.request("GET", url + _PATH)).body)

        async def by_client() -> object:
            return await client.list_points_of_delivery(_SUBSCRIPTION)

        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "bare aiohttp, json.loads": by_aiohttp,
            "GuardedClient, json.loads": by_guarded,
            "the client, on its own guarded one": by_client,
        }
        times = dict.fromkeys(ways, math.inf)
        for _ in range(_ROUNDS):
            for name, call in ways.items():
                begun = time.process_time()
                for _ in range(calls):
                    await call()
                times[name] = min(times[name], time.process_time() - begun)
    _show(times)


def _show(times: Mapping[str, float]) -> None:
    bare, first = next(iter(times.items()))
    for name, seconds in times.items():
        show(name, seconds, bare, first)


def _list(client: MeteringClient) -> object:
    return client.list_points_of_delivery(_SUBSCRIPTION)


def _page(items: int) -> bytes:
    pod = {
        "podId": "ES0021000000000001AB",
        "consent": "GRANTED",
        "activation": "ACTIVE",
        "updatedAt": "2026-12-01T10:00:00Z",
    }
    return json.dumps({"items": [pod] * items}).encode()


@contextmanager
def _served(body: bytes) -> Iterator[str]:
    """Serve one answer to everything, from a process of its own that does nothing else."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(body, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(body: bytes, told: Connection) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    answer = head.encode() + b"\r\n\r\n" + body

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answering, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
