"""Faults of a platform with HTTP."""

import asyncio
import re
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mpp_sdk.web.protocol import BoundedProtocol
from tests.conformance.altering import Answered, Asked, acknowledged, altering, refusal
from tests.conformance.faults.eu_mp_events import is_event
from tests.conformance.faults.eu_mp_once import slowly, with_peer
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken


@fault(
    "What arrives first of a body is taken for all of it.",
    caught_by=("EU-MP-HTTP-01", "EU-MP-HTTP-06"),
)
def reads_once(broken: Broken) -> None:
    def around(app: ASGIApp) -> ASGIApp:
        async def cut(scope: Scope, receive: Receive, send: Send) -> None:
            async def first() -> Message:
                return {**await receive(), "more_body": False}

            await app(scope, first if scope["type"] == "http" else receive, send)

        return cut

    broken.wrap(around)


@fault("One call is served at a time, for as long as it takes.", caught_by=("EU-MP-HTTP-02",))
def serves_one_at_a_time(broken: Broken) -> None:
    def around(app: ASGIApp) -> ASGIApp:
        turn = asyncio.Lock()

        async def one(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            async with turn:
                await app(scope, receive, send)

        return one

    broken.wrap(around)


@fault("A call that comes while another one is served is refused.", caught_by=("EU-MP-HTTP-03",))
def refuses_calls_at_once(broken: Broken) -> None:
    busy = [0]

    def ask(_: Asked) -> Answered | None:
        busy[0] += 1
        return refusal(503) if busy[0] > 1 else None

    def answer(*_: object) -> None:
        busy[0] -= 1

    broken.wrap(slowly)
    broken.wrap(altering(ask, answer))


@fault(
    "What is left of a request that was refused is taken for the next one.",
    caught_by=("EU-MP-HTTP-04",),
)
def leaves_bodies_unread(broken: Broken) -> None:
    spoilt: set[str] = set()

    def ask(asked: Asked) -> Answered | None:
        port = asked.headers["x-port"]
        if port in spoilt:
            spoilt.discard(port)
            return refusal(400)
        return None

    def answer(asked: Asked, given: Answered) -> None:
        if given.status == 401 and asked.body:
            spoilt.add(asked.headers["x-port"])

    broken.wrap(altering(ask, answer))
    broken.wrap(with_peer)


@fault("Who asks before sending a body is refused.", caught_by=("EU-MP-HTTP-05",))
def refuses_expectations(broken: Broken) -> None:
    def around(app: ASGIApp) -> ASGIApp:
        async def refused(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and any(name == b"expect" for name, _ in scope["headers"]):
                await send({"type": "http.response.start", "status": 417, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            await app(scope, receive, send)

        return refused

    broken.wrap(around)


@fault("A body in chunks is refused.", caught_by=("EU-MP-HTTP-06",))
def refuses_chunks(broken: Broken) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(411) if "transfer-encoding" in asked.headers else None

    broken.wrap(altering(ask))


@fault("The name of the key's header is compared letter by letter.", caught_by=("EU-MP-HTTP-07",))
def compares_names_of_headers(broken: Broken) -> None:
    original: Any = BoundedProtocol.on_header

    def on_header(self: BoundedProtocol, name: bytes, value: bytes) -> None:
        if name.lower() != b"x-api-key" or name == b"X-API-Key":
            original(self, name, value)

    broken.patch.setattr(BoundedProtocol, "on_header", on_header)


@fault("Half an event is taken for one that has come.", caught_by=("EU-MP-HTTP-08",))
def records_half_an_event(broken: Broken) -> None:
    recorded: set[str] = set()

    def ask(asked: Asked) -> Answered | None:
        half = re.match(rb'\{"eventId":"([^"]+)"', asked.body)
        if half and not is_event(asked):
            recorded.add(half[1].decode())
        event_id = str(asked.fields.get("eventId"))
        return acknowledged(event_id, "DUPLICATE") if event_id in recorded else None

    broken.wrap(altering(ask))
