"""The outermost layer: correlation id, problem documents, security headers, access log."""

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from mpp_sdk.web.access_log import log_access
from mpp_sdk.web.exchange import Exchange, has_exchange, open_exchange
from mpp_sdk.web.problems import refusal


class Frame:
    """Surrounds an application; inside another frame it only passes on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens inside, with an answer that is complete."""
        if scope["type"] != "http" or has_exchange(scope):
            await self._app(scope, receive, send)
            return
        exchange = open_exchange(scope)
        answer = _Answer(exchange, send)
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            response = refusal(error, exchange).response()
            if answer.started:
                raise  # too late for another answer: the server cuts the connection
            await response(scope, receive, answer.send)
        finally:
            log_access(exchange)


class _Answer:
    """Adds the headers that every answer has, and leaves out the body that a HEAD does not get."""

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self.started = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send a message of the answer on."""
        if message["type"] == "http.response.start":
            self.started = True
            self._exchange.status = message["status"]
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            headers["X-Correlation-ID"] = self._exchange.correlation_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("Referrer-Policy", "no-referrer")
            message = {**message, "headers": headers.raw}
        elif message["type"] == "http.response.body" and self._exchange.method == "HEAD":
            message = {**message, "body": b""}
        await self._send(message)
