"""A load generator that costs little: prepared requests over connections that are kept open."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

_ROUND_LIMIT_S = 20


@dataclass
class Round:
    """What a round of requests came to. latencies are in seconds, in no order."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    odd: bytes = b""

    @property
    def per_second(self) -> float:
        """How many requests were answered in a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """Return the latency, in seconds, that a part of the requests (0 to 1) stayed within."""
        ordered = sorted(self.latencies)
        return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def run_round(
    host: str, port: int, queues: Sequence[deque[bytes]], seconds: float, expected: int = 200
) -> Round:
    """Send the requests of each queue over a connection of its own, one after the other.

    What was sent is gone from the queue.

    It ends after so many seconds, each connection once its last answer is there. Raises
    RuntimeError when a queue is too short for that, or an answer is not the expected one.
    """
    done = uvloop.run(_run(host, port, queues, seconds))
    if set(done.statuses) != {expected}:
        raise RuntimeError(f"Answers were {done.statuses}: {done.odd[:500]!r}")
    return done


async def _run(host: str, port: int, queues: Sequence[deque[bytes]], seconds: float) -> Round:
    loop = asyncio.get_running_loop()
    done = Round()
    begun = time.perf_counter()
    clients = [_Client(queue, done, begun + seconds) for queue in queues]
    for client in clients:
        await loop.create_connection(partial(_itself, client), host, port)
    async with asyncio.timeout(seconds + _ROUND_LIMIT_S):
        await asyncio.gather(*(client.finished for client in clients))
    done.seconds = time.perf_counter() - begun
    return done


def _itself(client: "_Client") -> "_Client":
    return client


class _Client(asyncio.Protocol):
    """One connection: it sends a request when the answer to the last one is complete."""

    def __init__(self, requests: deque[bytes], done: Round, until: float) -> None:
        self._requests = requests
        self._done = done
        self._until = until
        self._buffer = b""
        self._sent_at = 0.0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        head, found, body = data.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            self._buffer = data
            return
        self._buffer = b""
        moment = time.perf_counter()
        done = self._done
        done.latencies.append(moment - self._sent_at)
        status = int(head[9:12])
        done.statuses[status] = done.statuses.get(status, 0) + 1
        if status != 200:
            done.odd = data
        if moment >= self._until:
            self._transport.close()
        else:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.finished.done():
            return
        if self._sent_at and time.perf_counter() < self._until:
            self.finished.set_exception(RuntimeError("The server closed a connection"))
        else:
            self.finished.set_result(None)

    def _next(self) -> None:
        if not self._requests:
            self.finished.set_exception(RuntimeError("A queue was too short for the round"))
            self._transport.close()
            return
        request = self._requests.popleft()
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0] or 0)
