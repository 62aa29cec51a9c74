"""Answers that go on: streams of server-sent events (WHATWG HTML, 9.2).

The event loop sends them: a stream that is open holds up no thread. Each ends with an event `end`
that says why, unless its reader is gone: `STOPPING` when the server stops, `TOO_SLOW` when nothing
was taken for 20 s, else what the source of the events says. A reader that resumes with the id of
the last event that it has seen misses nothing.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from mpp_sdk.web.call import Reply

MEDIA_TYPE = "text/event-stream"
CONNECTION = "flexagora.connection"
"""Where the state of a request's scope has its `Connection`, if the server is ours."""

END = "end"
STOPPING = "STOPPING"
TOO_SLOW = "TOO_SLOW"

BEAT_SECONDS = 10.0
"""After a beat without an event a comment is sent: nothing is silent for 20 s."""

TAKEN_SECONDS = 20.0
"""How long a reader may take nothing of what it is sent."""

_HEADERS = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HEARTBEAT = b":\n\n"
_LINES = re.compile(r"\r\n|\n|\r")


def event(data: str, *, name: str | None = None, event_id: str | None = None) -> bytes:
    """Return an event as it is sent. Raises ValueError for a name or an id of several lines."""
    lines = [f"{key}: {value}" for key, value in (("event", name), ("id", event_id)) if value]
    if any(_LINES.search(line) or "\0" in line for line in lines):
        raise ValueError("The name and the id of an event have one line.")
    lines += [f"data: {line}" for line in _LINES.split(data)]
    return "\n".join([*lines, "", ""]).encode()


def opening(last_event_id: str, retry_ms: int) -> bytes:
    """Return what a stream begins with: where it stands, and how long to wait before a new try.

    A reader that is cut off before the first event resumes from there; it is told of no event.
    """
    return f"retry: {retry_ms}\nid: {last_event_id}\n\n".encode()


class StreamEnded(Exception):
    """A stream ends. The reader is told the reason, a word in capitals, and the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def event(self) -> bytes:
        """Return the last event."""
        return event(json.dumps({"reason": self.reason, "detail": self.detail}), name=END)


class Source(Protocol):
    """Where the events of one reader come from. Everything is called on the event loop."""

    def open(self, wake: Callable[[], None]) -> None:
        """Begin. wake says that there may be something to take; it costs next to nothing.

        What it raises is the answer, in the place of the stream.
        """

    async def take(self) -> bytes:
        """Return the events that there are now, empty when there are none.

        It should give no more at a time than a reader is to have in memory. Raises StreamEnded.
        """

    def close(self) -> None:
        """End, once for each `open` that did not raise."""


class Connection(Protocol):
    """What a stream asks of the server's end of its connection."""

    stopping: bool
    """Whether the server is about to stop."""

    def on_stopping(self, callback: Callable[[], None]) -> None:
        """Call back when the server is about to stop."""

    def cut_off(self, last: bytes) -> None:
        """End the answer with these bytes, though its reader takes none, and hang up."""


@dataclass(frozen=True, kw_only=True)
class StreamReply(Reply):
    """A handler's answer that is a stream of server-sent events."""

    source: Source

    def response(self) -> Response:
        """Return what sends it."""
        return _StreamResponse(self)


class _StreamResponse(Response):
    def __init__(self, reply: StreamReply) -> None:
        # As in starlette's own, without its constructor: there is no length that could be told.
        self.status_code = reply.status or 200
        self.background = None
        self.init_headers({**_HEADERS, **reply.headers})
        self._source = reply.source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream until it ends."""
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        if scope["method"] == "HEAD":
            await send(start)
            await send(_body(b"", last=True))
            return
        connection: Connection | None = (scope.get("state") or {}).get(CONNECTION)
        reader = _Reader(self._source, connection, receive, send)
        self._source.open(reader.wake)
        try:
            await reader.serve(start)
        finally:
            self._source.close()


class _Reader:
    """One reader that is being served: it waits for whichever comes first of all that may come."""

    def __init__(
        self, source: Source, connection: Connection | None, receive: Receive, send: Send
    ) -> None:
        self._source = source
        self._connection = connection
        self._receive = receive
        self._send = send
        self._awake = asyncio.Event()
        self._gone = False
        self._stuck = False
        self._beat_due = False
        self._sent_since_beat = True
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Have it look again at what there is."""
        self._awake.set()

    async def serve(self, start: Message) -> None:
        """Send the head, and events until one side ends the stream."""
        if self._connection is not None:
            self._connection.on_stopping(self.wake)
        watching = asyncio.create_task(self._watch())
        self._beat()
        try:
            await self._deliver(start)
            await self._send_events()
        except StreamEnded as ended:
            await self._end(ended)
        finally:
            watching.cancel()
            if self._timer is not None:
                self._timer.cancel()

    async def _send_events(self) -> None:
        while not self._gone:
            self._awake.clear()
            if self._connection is not None and self._connection.stopping:
                raise StreamEnded(STOPPING, "The server stops. Resume at once.")
            taken = await self._source.take()
            if not taken and self._beat_due:
                taken = _HEARTBEAT
            self._beat_due = False
            if taken:
                self._sent_since_beat = True
                await self._deliver(_body(taken))
            else:
                await self._awake.wait()

    async def _deliver(self, message: Message) -> None:
        """Send a message as soon as the reader has taken enough of what was sent before."""
        try:
            async with asyncio.timeout(TAKEN_SECONDS):
                await self._send(message)
        except TimeoutError:
            self._stuck = True
            raise StreamEnded(
                TOO_SLOW, f"Nothing was taken for {TAKEN_SECONDS:g} s. Resume, and read on."
            ) from None

    async def _end(self, ended: StreamEnded) -> None:
        if not self._stuck:
            with contextlib.suppress(StreamEnded):
                await self._deliver(_body(ended.event(), last=True))
                return
        if self._connection is not None:
            self._connection.cut_off(ended.event())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self.wake()

    def _beat(self) -> None:
        self._beat_due, self._sent_since_beat = not self._sent_since_beat, False
        if self._beat_due:
            self.wake()
        self._timer = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat)


def _body(data: bytes, *, last: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": not last}
