"""Simulated platforms, in a process of their own: `python -m benchmarks.platforms PORTS`.

They answer 200 to everything, at as little cost as an event loop allows, except below /silent,
where they never answer. When they were first asked for each event is kept, and told at /figures.
"""

import asyncio
import json
import sys
import time
from typing import cast

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_MOST_KEPT = 1_000_000
_first: dict[str, float] = {}


class _Platform(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        came = time.monotonic()
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            length = int(_header(head, b"content-length") or 0)
            if len(self._received) < end + 4 + length:
                return
            self._received = self._received[end + 4 + length :]
            self._answer(head, came)

    def _answer(self, head: bytes, came: float) -> None:
        if b" /silent" in head[:80]:
            return
        if b" /figures" in head[:80]:
            told = json.dumps(_first).encode()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told)
            )
            return
        event = _header(head, b"webhook-id").decode()
        if event and len(_first) < _MOST_KEPT:
            _first.setdefault(event, came)
        self._transport.write(_ANSWER)


def _header(head: bytes, name: bytes) -> bytes:
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


async def _serve(count: int) -> None:
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(_Platform, "127.0.0.1", 0, backlog=4_096) for _ in range(count)
    ]
    print(json.dumps([one.sockets[0].getsockname()[1] for one in servers]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until whoever started it ends or closes


if __name__ == "__main__":
    import resource

    import uvloop

    _, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
    uvloop.run(_serve(int(sys.argv[1])))
