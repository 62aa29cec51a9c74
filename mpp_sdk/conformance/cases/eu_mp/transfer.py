"""Whether HTTP is spoken as callers, and proxies between, may speak it (RFC 9110, RFC 9112)."""

import time
from contextlib import ExitStack
from functools import partial

from mpp_sdk.conformance.exchange import Exchange, Request
from mpp_sdk.conformance.offers import Event, demand_outcome, offer, tell
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.conformance.wire import Wire, connected
from mpp_sdk.secrets import new_secret

_CONTRACT = "eu-mp"
_PIECES = 12
_PAUSE_S = 0.02
_HANGS_ON_S = 0.1
_SLOW_CALLERS = 24
_AT_ONCE = 12
_CONTINUE_S = 5.0


def _prepared(subject: Subject, event: Event) -> Request:
    return subject.prepared(
        event.operation, path={"platformRole": event.role}, body=dict(event.body)
    )


def _pieces(data: bytes) -> list[bytes]:
    size = max(1, len(data) // _PIECES)
    return [data[start : start + size] for start in range(0, len(data), size)]


def _drip(wire: Wire, data: bytes) -> None:
    for piece in _pieces(data):
        wire.send(piece)
        time.sleep(_PAUSE_S)  # the case is about a caller that is slow


@case(
    "EU-MP-HTTP-01",
    "A request that arrives in small pieces, head and body, is answered like any other",
    why="Networks cut where they like; who reads once has half of an event.",
    contract=_CONTRACT,
)
def in_pieces(subject: Subject) -> str:
    with offer(subject) as made:
        event = made.confirmed(0)
        request = _prepared(subject, event)
        with subject.wire() as wire:
            _drip(wire, wire.head(request))
            _drip(wire, request.body or b"")
            demand_outcome(subject, wire.answer(request), event, "APPLIED")
        made.expect_state("ACTIVE")
    return f"Head and body came in {2 * _PIECES} pieces."


@case(
    "EU-MP-HTTP-02",
    "While some callers are slow, others are served",
    why="A few connections that stand still would stop every event, by accident or on purpose.",
    contract=_CONTRACT,
)
def slow_callers(subject: Subject) -> str:
    with offer(subject) as made, ExitStack() as open_ones:
        request = _prepared(subject, made.confirmed(0))
        for number in range(_SLOW_CALLERS):
            wire = open_ones.enter_context(subject.wire())
            head = wire.head(request)
            wire.send(head + (request.body or b"")[:20] if number % 2 else head[: len(head) // 2])
        answer = subject.call("test_connection")
        subject.expect_status(answer, 200)
        made.tell(made.confirmed(0))
    return f"With {_SLOW_CALLERS} slow callers, others were served."


@case(
    "EU-MP-HTTP-03",
    "Calls at the same time are all answered",
    why="After an outage everything that waited is sent, over several connections.",
    contract=_CONTRACT,
)
def in_parallel(subject: Subject) -> str:
    with ExitStack() as stack:
        offers = [stack.enter_context(offer(subject)) for _ in range(_AT_ONCE)]
        events = [made.confirmed(0) for made in offers]
        calls = [partial(tell, subject, event) for event in events]
        calls += [partial(subject.call, "test_connection")] * _AT_ONCE
        answers: list[Exchange] = subject.together(calls)
        for event, answer in zip(events, answers, strict=False):
            demand_outcome(subject, answer, event, "APPLIED")
        for answer in answers[_AT_ONCE:]:
            subject.expect_status(answer, 200)
    return f"{2 * _AT_ONCE} calls at once were answered."


@case(
    "EU-MP-HTTP-04",
    "A connection can be used again, also after a refusal whose body was not wanted",
    why="What is left of one request would be read as the beginning of the next.",
    contract=_CONTRACT,
)
def used_again(subject: Subject) -> str:
    with offer(subject) as made:
        event = made.confirmed(0)
        right = _prepared(subject, event)
        refused = Request(
            right.method,
            right.path,
            {**right.headers, "X-API-Key": new_secret("fxk")},
            right.body,
        )
        test = subject.prepared("test_connection")
        with subject.wire() as wire:
            for number, (request, status) in enumerate(
                ((test, 200), (refused, 401), (test, 200), (right, 200), (test, 200))
            ):
                wire.send(wire.head(request) + (request.body or b""))
                answer = wire.answer(request)
                subject.expect_status(
                    answer, status, advice="Read the body of what is refused, or close."
                )
                if answer.headers.get("connection", "").lower() == "close":
                    return f"The server closes the connection after {number + 1} calls."
    return "Five calls went over one connection."


@case(
    "EU-MP-HTTP-05",
    "Who asks before sending a body (Expect: 100-continue) is answered",
    why="Some clients and proxies ask before every body, and wait.",
    contract=_CONTRACT,
)
def asks_first(subject: Subject) -> str:
    with offer(subject) as made:
        event = made.confirmed(0)
        request = _prepared(subject, event)
        with subject.wire() as wire:
            wire.send(wire.head(request, {"Expect": "100-continue"}))
            first = wire.first_line(_CONTINUE_S)
            subject.demand(
                " 100" in first,
                f"Who asked whether to send the body got {first or 'no answer'}, not 100.",
                advice="Use a server that answers 100 Continue (RFC 9110, 10.1.1).",
            )
            wire.rest_of_head()
            wire.send(request.body or b"")
            demand_outcome(subject, wire.answer(request), event, "APPLIED")
    return "It was told to continue, and its event was applied."


@case(
    "EU-MP-HTTP-06",
    "A body of which the length is not told in advance (chunked) is taken",
    why="Proxies and some clients send bodies in chunks.",
    contract=_CONTRACT,
)
def in_chunks(subject: Subject) -> str:
    with offer(subject) as made:
        event = made.confirmed(0)
        request = _prepared(subject, event)
        with subject.wire() as wire:
            wire.send(wire.head(request, {"Transfer-Encoding": "chunked"}))
            for piece in _pieces(request.body or b""):
                wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                time.sleep(_PAUSE_S)
            wire.send(b"0\r\n\r\n")
            demand_outcome(subject, wire.answer(request), event, "APPLIED")
        made.expect_state("ACTIVE")
    return f"A body in {_PIECES} chunks was taken."


@case(
    "EU-MP-HTTP-07",
    "The names of headers are read in small and in capital letters",
    why="HTTP/2 and many proxies make them small; a key that is not found is a call refused.",
    contract=_CONTRACT,
)
def names_of_headers(subject: Subject) -> str:
    with offer(subject) as made:
        for event, spell in ((made.confirmed(0), str.lower), (made.suspended(10), str.upper)):
            request = _prepared(subject, event)
            headers = {spell(name): value for name, value in request.headers.items()}
            answer = subject.send(
                request.method,
                request.path,
                body=request.body,
                headers=headers,
                operation=subject.operation(event.operation),
            )
            subject.judge(answer)
            demand_outcome(subject, answer, event, "APPLIED")
    return "Small and capital letters were read."


@case(
    "EU-MP-HTTP-08",
    "A caller that hangs up in the middle of a body leaves nothing behind",
    why="Half an event is no event; and a server that stumbles over it takes others with it.",
    contract=_CONTRACT,
)
def hangs_up(subject: Subject) -> str:
    with offer(subject) as made:
        event = made.confirmed(0)
        request = _prepared(subject, event)
        body = request.body or b""
        with subject.wire() as wire:
            wire.send(wire.head(request) + body[: len(body) // 2])
            time.sleep(_HANGS_ON_S)  # so that the half arrives before the end
        with connected(subject.target) as wire:
            wire.send(wire.head(request)[:40])
            wire.cut()
        made.tell(event)
        made.expect_state("ACTIVE")
    return "The event was news when it came whole."
