"""The server's reading of requests, with the bounds that uvicorn leaves to others.

The head of a request, from its first line to its last header, must arrive whole in bounded time and
space: else a few thousand connections that never end one cost a server its memory and its sockets.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mpp_sdk.web.writing import GatheringTransport

MAX_HEAD_BYTES = 65_536
HEAD_SECONDS = 20.0
_ANSWER = (
    "HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\nContent-Length: {length}\r\n"
    "Connection: close\r\n\r\n{body}"
)


class BoundedProtocol(HttpToolsProtocol):
    """Answers 431 to a head that is too large, 408 to one that takes too long, and hangs up."""

    _in_head = False
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take up a connection; its first request is waited for no longer than any other."""
        super().connection_made(GatheringTransport(transport, self.loop))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the connection up."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what has come in."""
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._hang_up("431 Request Header Fields Too Large")
        elif self._head_timer is None:
            self._expect_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Pass the request on."""
        self._in_head = False
        self._head_is_there()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._hang_up, "408 Request Timeout")

    def _head_is_there(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _hang_up(self, status: str) -> None:
        self._head_is_there()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            code, _, title = status.partition(" ")
            body = f'{{"type":"about:blank","title":"{title}","status":{code},"detail":"{title}."}}'
            answer = _ANSWER.format(status=status, length=len(body), body=body)
            self.transport.write(answer.encode())
        self.transport.close()
