"""A layer around a served application that changes what is asked or what is answered."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Middleware = Callable[[ASGIApp], ASGIApp]


@dataclass
class Asked:
    """A request: what it changes here is what the application gets. Header names are small."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one where it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, **fields: Any) -> None:
        """Replace fields of the body; those that are None are taken away."""
        changed = {**self.fields, **fields}
        kept = {name: value for name, value in changed.items() if value is not None}
        self.body = json.dumps(kept).encode()


@dataclass
class Answered:
    """An answer: what it changes here is what the caller gets. Header names are small."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one where it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, **fields: Any) -> None:
        """Replace fields of the body; those that are None are taken away."""
        changed = {**self.fields, **fields}
        kept = {name: value for name, value in changed.items() if value is not None}
        self.body = json.dumps(kept).encode()


Ask = Callable[[Asked], "Answered | None"]
"""Changes a request; what it returns is answered instead of asking the application."""

Answer = Callable[[Asked, Answered], None]
"""Changes an answer, given what was asked."""


def refusal(status: int, **fields: Any) -> Answered:
    """Return a problem document."""
    document = {"type": "about:blank", "title": "No", "status": status, "detail": "No.", **fields}
    headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
    return Answered(status, headers, json.dumps(document).encode())


def acknowledged(event_id: object, outcome: str) -> Answered:
    """Return an acknowledgement."""
    body = json.dumps({"eventId": event_id, "outcome": outcome}).encode()
    return Answered(200, {"content-type": "application/json"}, body)


def altering(ask: Ask | None = None, answer: Answer | None = None) -> Middleware:
    """Return the layer that changes requests, answers, or both."""

    def around(app: ASGIApp) -> ASGIApp:
        async def altered(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            asked = await _read(scope, receive)
            instead = None if ask is None else ask(asked)
            given = instead or await _answer_of(app, scope, asked)
            if answer is not None:
                answer(asked, given)
            await _send(given, asked, send)

        return altered

    return around


async def _read(scope: Scope, receive: Receive) -> Asked:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    raw_path = scope.get("raw_path") or scope["path"].encode()
    return Asked(
        scope["method"],
        raw_path.decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        body,
    )


@dataclass
class _Collected:
    messages: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    def answered(self) -> Answered:
        start = self.messages[0]
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in start.get("headers", ())
        }
        body = b"".join(one.get("body", b"") for one in self.messages[1:])
        return Answered(start["status"], headers, body)


async def _answer_of(app: ASGIApp, scope: Scope, asked: Asked) -> Answered:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": asked.body, "more_body": False}

    headers = dict(asked.headers)
    headers["content-length"] = str(len(asked.body))
    inner = {
        **scope,
        "method": asked.method,
        "path": asked.path,
        "raw_path": asked.path.encode("latin-1"),
        "query_string": asked.query.encode("latin-1"),
        "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers.items()],
    }
    collected = _Collected()
    await app(inner, receive, collected.send)
    return collected.answered()


async def _send(given: Answered, asked: Asked, send: Send) -> None:
    headers = {name: value for name, value in given.headers.items() if name != "content-length"}
    if asked.method != "HEAD":
        headers["content-length"] = str(len(given.body))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": given.status, "headers": raw})
    await send(
        {"type": "http.response.body", "body": b"" if asked.method == "HEAD" else given.body}
    )
