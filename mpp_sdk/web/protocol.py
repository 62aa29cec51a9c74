"""The server's reading of requests, with the bounds that uvicorn leaves to others.

The head of a request, from its first line to its last header, must arrive whole in bounded time and
space: else a few thousand connections that never end one cost a server its memory and its sockets.

A wish to speak another protocol on the connection (`Upgrade`, such as the `h2c` that Java's
HttpClient sends unless it is told otherwise) is passed over, as RFC 9110, 7.8 allows.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mpp_sdk.web.streaming import CONNECTION
from mpp_sdk.web.writing import GatheringTransport

MAX_HEAD_BYTES = 65_536
HEAD_SECONDS = 20.0
LINGER_SECONDS = 20.0
"""How long somebody who was cut off may still take what was sent before."""

_ANSWER = (
    "HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\nContent-Length: {length}\r\n"
    "Connection: close\r\n\r\n{body}"
)
_UPGRADE_HEADERS = frozenset({b"upgrade", b"http2-settings"})


class BoundedProtocol(HttpToolsProtocol):
    """Answers 431 to a head that is too large, 408 to one that takes too long, and hangs up."""

    _in_head = False
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _tell_stopping: Callable[[], None] | None = None
    stopping = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser: Any = _Parser(self)

    def connection_made(self, transport: Any) -> None:
        """Take up a connection; its first request is waited for no longer than any other."""
        super().connection_made(GatheringTransport(transport, self.loop))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the connection up."""
        self._head_is_there()
        self._tell_stopping = None
        if self.scope is not None:
            self.scope["state"].pop(CONNECTION, None)  # else the two would wait for the collector
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
        self.scope["state"][CONNECTION] = self

    def on_headers_complete(self) -> None:
        """Pass the request on."""
        self._in_head = False
        self._head_is_there()
        super().on_headers_complete()

    def shutdown(self) -> None:
        """End with the answer that is under way; a stream is told to come to its end."""
        self.stopping = True
        if self._tell_stopping is not None:
            self._tell_stopping()
        super().shutdown()

    def on_stopping(self, callback: Callable[[], None]) -> None:
        """Call back, for the answer that is under way, when the server is about to stop."""
        self._tell_stopping = callback

    def cut_off(self, last: bytes) -> None:
        """End the answer that is under way with these bytes, though its reader takes none.

        What it has not taken some time later is dropped with the connection.
        """
        if self.transport.is_closing():
            return
        self.cycle.response_complete = True
        self.transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last))
        self.transport.close()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def head_without_upgrade(self) -> bytes:
        """Return the head that was just read as it would be without a wish for another protocol."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                options = (option.strip() for option in value.split(b","))
                value = b", ".join(one for one in options if one.lower() not in _UPGRADE_HEADERS)
            if name not in _UPGRADE_HEADERS:
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _should_upgrade(self) -> bool:
        """Have uvicorn leave alone what its parser reads once more."""
        return True

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


class _Parser:
    """httptools' parser, to which a request with `Upgrade` ends with its head: its body is lost.

    Such a head is read once more without the wish, and what follows it as that one announces.
    """

    def __init__(self, protocol: BoundedProtocol) -> None:
        self._protocol = protocol
        self._begin()

    def _begin(self) -> None:
        parser = httptools.HttpRequestParser(self._protocol)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self._parser = parser
        self.get_http_version = parser.get_http_version
        self.get_method = parser.get_method
        self.should_keep_alive = parser.should_keep_alive

    def should_upgrade(self) -> bool:
        """Return whether the head that was just read is to be read once more.

        That of CONNECT is not: its wish is no header.
        """
        return self._parser.should_upgrade() and self.get_method() != b"CONNECT"

    def feed_data(self, data: bytes) -> None:
        """Read what has come in. Raises HttpParserError, and HttpParserUpgrade for a CONNECT."""
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as ended:
                if not self.should_upgrade():
                    raise
                head = self._protocol.head_without_upgrade()
                self._begin()
                data = head + data[ended.args[0] :]
            else:
                return
