"""The outermost layer: correlation id, problem documents, security headers, access log."""

import time
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from mpp_sdk import correlation, tracing
from mpp_sdk.web.access_log import log_access
from mpp_sdk.web.exchange import Exchange, has_exchange, open_exchange
from mpp_sdk.web.problems import refusal

_CORRELATION_ID = b"x-correlation-id"
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_OURS = frozenset({_CORRELATION_ID, _NO_SNIFFING[0]})
_UNLESS_GIVEN = ((b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"))

Answered = Callable[[Exchange, float], None]
"""Told of each call that was answered, and how many seconds that took: of a stream, to begin it."""


class Frame:
    """Surrounds an application; inside another frame it only passes on."""

    def __init__(self, app: ASGIApp, answered: Answered | None = None) -> None:
        self._app = app
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens inside, with an answer that is complete."""
        if scope["type"] != "http" or has_exchange(scope):
            await self._app(scope, receive, send)
            return
        exchange = open_exchange(scope)
        belonging = correlation.enter(exchange.correlation_id, exchange.event_id)
        trace = tracing.on_request(scope["headers"])
        answer = _Answer(exchange, send)
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            response = refusal(error, exchange).response()
            if answer.started:
                raise  # too late for another answer: the server cuts the connection
            await response(scope, receive, answer.send)
        finally:
            seconds = time.perf_counter() - exchange.started
            log_access(exchange, seconds)
            if trace is not None:
                _end(trace, exchange)
            if self._answered is not None:
                self._answered(exchange, answer.began_after if exchange.streams else seconds)
            correlation.leave(belonging)


def _end(trace: tracing.RequestTrace, exchange: Exchange) -> None:
    """End the span of a request; the path in its name is the contract's, without any ids."""
    operation, contract = exchange.operation, exchange.contract
    route = contract.base_path + operation.path if operation and contract else None
    trace.end(
        f"{operation.method} {route}" if operation else "HTTP",
        exchange.status,
        {
            "http.request.method": operation.method if operation else None,
            "http.route": route,
            "flexagora.operation": operation.operation_id if operation else None,
            "flexagora.correlation_id": exchange.correlation_id,
            "flexagora.event_id": exchange.event_id,
        },
    )


class _Answer:
    """Adds the headers that every answer has, and leaves out the body that a HEAD does not get."""

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self.started = False
        self.began_after = 0.0

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send a message of the answer on."""
        if message["type"] == "http.response.start":
            self.started = True
            self.began_after = time.perf_counter() - self._exchange.started
            self._exchange.status = message["status"]
            message = {**message, "headers": self._headers(message.get("headers", ()))}
        elif message["type"] == "http.response.body" and self._exchange.method == "HEAD":
            message = {**message, "body": b""}
        await self._send(message)

    def _headers(self, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        headers = [(name, value) for name, value in given if name.lower() not in _OURS]
        names = {name.lower() for name, _ in headers}
        headers += [(name, value) for name, value in _UNLESS_GIVEN if name not in names]
        headers.append((_CORRELATION_ID, self._exchange.correlation_id.encode("latin-1")))
        headers.append(_NO_SNIFFING)
        return headers
