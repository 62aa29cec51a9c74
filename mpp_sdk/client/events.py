"""Streams of server-sent events, as a reader has them (WHATWG HTML, 9.2)."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import isawaitable

from mpp_sdk.client.answer import Answer
from mpp_sdk.client.call import Call, Manner, Target
from mpp_sdk.client.request import Request
from mpp_sdk.transport import GuardedClient, ResponseTooLarge

SILENCE_SECONDS = 45.0
"""How long a stream may be silent; servers send comments more often than that."""

OPEN = "open"

MOST_BYTES = 1_048_576
"""The longest event that is read."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class ServerSentEvent:
    """An event of a stream. id is that of the last event that had one, empty when none had.

    An id that the server tells without any event comes as an event `open`: from there a reader can
    resume that has been told of nothing.
    """

    id: str
    name: str
    data: str


class EventParser:
    """Makes events of the bytes of a stream, however they are cut into pieces.

    last_event_id is what to resume from.
    """

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id
        self._rest = b""
        self._begun = False
        self._told_id = False
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that end with a piece. Raises ResponseTooLarge for one without end."""
        text = self._rest + piece
        if not self._begun:
            if len(text) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(text):
                self._rest = text
                return
            text, self._begun = text.removeprefix(_BYTE_ORDER_MARK), True
        begin = 0
        for end in _LINE_END.finditer(text):
            if end.group() == b"\r" and end.end() == len(text):
                break  # the line feed that belongs to it may be in the next piece
            found = self._line(text[begin : end.start()].decode("utf-8", "replace"))
            begin = end.end()
            if found is not None:
                yield found
        self._rest = text[begin:]
        if len(self._rest) + sum(map(len, self._data)) > MOST_BYTES:
            raise ResponseTooLarge("An event of the stream is larger than what is read.")

    def _line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._event()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self.last_event_id = value
                self._told_id = True
        return None

    def _event(self) -> ServerSentEvent | None:
        name, data, told_id = self._name or "message", self._data, self._told_id
        self._name, self._data, self._told_id = "", [], False
        if data:
            return ServerSentEvent(self.last_event_id, name, "\n".join(data))
        return ServerSentEvent(self.last_event_id, OPEN, "") if told_id else None


async def follow(
    client: GuardedClient,
    request: Request,
    target: Target,
    manner: Manner,
    auth: Callable[[], Mapping[str, str] | Awaitable[Mapping[str, str]]],
) -> AsyncGenerator[ServerSentEvent, None]:
    """Yield the events of a stream until the server ends it, or raise CallFailed.

    The client's time limit is for the answer's head. It is called once: who resumes waits first.
    """
    call = Call(request, target, manner)
    with call.watched():
        given = auth()
        attempt = call.next_attempt(await given if isawaitable(given) else given)
        async with client.stream(
            attempt.method,
            attempt.url,
            headers=attempt.headers,
            timeout=call.seconds_left(),
            silence_seconds=SILENCE_SECONDS,
        ) as stream:
            refused = not 200 <= stream.status < 300
            body = await stream.read() if refused else b""
            call.answered(attempt, Answer(body, stream.status, stream.headers))
            parser = EventParser()
            async for piece in stream.pieces():
                for event in parser.feed(piece):
                    yield event
