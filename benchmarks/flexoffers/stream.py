"""The stream of flex-offers with 10, 100 and 1,000 readers in one process.

Latency: from the call that accepts one flex-offer to its event at the last reader; how long that
call and its commit take by themselves is said, too.
Throughput: 1,000 flex-offers accepted in one commit, until each reader has all of the events.
Beside a bare fan-out: an asyncio server that writes the same bytes to each connection, with nothing
authenticated, stored, resumable or bounded. Readers and server share one process, in both.
"""

import asyncio
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from uuid import UUID

from benchmarks.flexoffers.interface import KEY, drafts, post, receiving
from benchmarks.measure import RUNS
from mpp_sdk.flexoffer.exchange.handler import FlexOfferReceiver

READERS = (10, 100, 1_000)
EVENTS = 1_000
_SINGLE = 20
_EVENT = b"data: {"
_HEAD = "GET /flexoffer/v1/flexoffer/stream HTTP/1.1\r\nHost: benchmark\r\nX-API-Key: {key}\r\n\r\n"


def run(quick: bool) -> None:
    """Measure and print both figures for each number of readers, ours beside the bare fan-out."""
    runs = 1 if quick else RUNS
    print("readers   latency (without readers)   x bare   events delivered a second   bare: x")
    with receiving() as (receiver, url):
        for count in READERS:
            ids = _offered(url, (EVENTS + 2 * _SINGLE) * runs)
            alone = statistics.median(
                _seconds(partial(receiver.accept, [ids.pop()])) for _ in range(_SINGLE * runs)
            )
            with following(url, count) as readers:
                ours = _measure(readers, ids, receiver.accept, runs)
            text = _text(receiver, ids[0])
            with fan_out() as (bare_url, publish), following(bare_url, count) as readers:
                bare = _measure(readers, ids, partial(_publish, publish, text), runs)
            print(
                f"{count:>7} {ours.latency * 1000:9.1f} ms ({alone * 1000:8.1f} ms)"
                f" {ours.latency / bare.latency:11.2f}   {ours.delivered:>17,.0f}"
                f" {bare.delivered / ours.delivered:17.2f}"
            )


@dataclass(frozen=True)
class _Figures:
    latency: float
    delivered: float


def _measure(
    readers: "Readers", ids: Sequence[UUID], tell: Callable[[Sequence[UUID]], None], runs: int
) -> _Figures:
    latencies, delivered = [], []
    some = iter(ids)
    for _ in range(runs):
        for _ in range(_SINGLE):
            latencies.append(readers.until_told(1, partial(tell, [next(some)])))
        many = list(islice(some, EVENTS))
        delivered.append(readers.count * EVENTS / readers.until_told(EVENTS, partial(tell, many)))
    return _Figures(statistics.median(latencies), statistics.median(delivered))


def _publish(publish: Callable[[bytes], None], text: bytes, ids: Sequence[UUID]) -> None:
    publish(text * len(ids))


def _seconds(function: Callable[[], None]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def _offered(url: str, count: int) -> list[UUID]:
    ids: list[UUID] = []
    for start in range(0, count, 5_000):
        body = json.dumps(drafts(min(5_000, count - start))).encode()
        ids += [UUID(one["id"]) for one in post(url, body)]
    return ids


def _text(receiver: FlexOfferReceiver, flex_offer_id: UUID) -> bytes:
    """Return the event of an accepted flex-offer as it is sent."""
    change = receiver.store.history(flex_offer_id)[-1]
    return f"event: {change.kind}\nid: {change.sequence}\ndata: ".encode() + (
        json.dumps(change.document(), separators=(",", ":")).encode() + b"\n\n"
    )


class _Reader(asyncio.Protocol):
    """Counts the events that come."""

    def __init__(self, readers: "Readers") -> None:
        self._readers = readers
        self._tail = b""
        self.told = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(_HEAD.format(key=KEY).encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        seen = self._tail + data
        self._tail = seen[-(len(_EVENT) - 1) :]
        before, self.told = self.told, self.told + seen.count(_EVENT)
        if b"retry: " in data:
            self._readers.opened()
        if before < self._readers.wanted <= self.told:
            self._readers.satisfied()


class Readers:
    """So many readers in an event loop of their own."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.wanted = 0
        self._missing = count
        self._done = threading.Event()

    def opened(self) -> None:
        """Note that the stream of a reader has begun."""
        self.satisfied()

    def satisfied(self) -> None:
        """Note that a reader has what is waited for."""
        self._missing -= 1
        if not self._missing:
            self._done.set()

    def until_open(self) -> None:
        """Wait until all streams have begun."""
        if not self._done.wait(120):
            raise RuntimeError("Not all streams have begun.")

    def until_told(self, events: int, tell: Callable[[], None]) -> float:
        """Return how long it takes from a call until every reader has so many more events."""
        self._done.clear()
        self._missing = self.count
        self.wanted += events
        begun = time.perf_counter()
        tell()
        if not self._done.wait(300):
            raise RuntimeError("Not all readers were told.")
        return time.perf_counter() - begun


@contextmanager
def following(url: str, count: int) -> Iterator[Readers]:
    """Give readers that follow the stream at a URL."""
    readers = Readers(count)
    host, _, port = url.removeprefix("http://").partition(":")
    with _loop() as loop:

        async def connect() -> Sequence[asyncio.BaseTransport]:
            made = []
            for _ in range(count):
                transport, _ = await loop.create_connection(
                    lambda: _Reader(readers), host, int(port)
                )
                made.append(transport)
            return made

        transports = asyncio.run_coroutine_threadsafe(connect(), loop).result()
        readers.until_open()
        yield readers
        for transport in transports:
            loop.call_soon_threadsafe(transport.close)


@contextmanager
def fan_out() -> Iterator[tuple[str, Callable[[bytes], None]]]:
    """Give the URL of a server that writes to all of its connections what is published."""
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 2000\n\n")
        writers.append(writer)

    async def send(data: bytes) -> None:
        for writer in writers:
            writer.write(data)
        for writer in writers:
            await writer.drain()

    with _loop() as loop:
        starting = asyncio.start_server(connected, "127.0.0.1", 0, backlog=2048)
        server = asyncio.run_coroutine_threadsafe(starting, loop).result()
        port = server.sockets[0].getsockname()[1]
        yield (
            f"http://127.0.0.1:{port}",
            lambda data: asyncio.run_coroutine_threadsafe(send(data), loop).result(),
        )
        loop.call_soon_threadsafe(server.close)


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


if __name__ == "__main__":
    run(quick=True)
