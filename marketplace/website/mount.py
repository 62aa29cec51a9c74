"""The website on the server that serves the contracts, too."""

from a2wsgi import WSGIMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Message, Receive, Scope, Send

from marketplace.core.edge import MarketplaceEdge
from marketplace.core.environment import Environment
from marketplace.website.live.streams import PREFIX as LIVE
from marketplace.website.live.streams import Streams
from marketplace.website.site import REFUSED, create_site
from marketplace.website.static_files import PREFIX as STATIC
from marketplace.website.static_files import serve_static
from mpp_sdk.errors import FlexagoraError, InvalidInput
from mpp_sdk.web.exchange import exchange_of, header_items
from mpp_sdk.web.limits import CallLimits
from mpp_sdk.web.validation import read_body

_ADDRESS = "flexagora.address"
_WORTH_IT = 1_024
_FAST = 4


class Website:
    """The website as an ASGI application: files and live streams itself, pages by Flask.

    It takes every path that it is asked for: whatever else is served comes before it.
    """

    def __init__(self, environment: Environment, edge: MarketplaceEdge, limits: CallLimits) -> None:
        self._settings = environment.settings
        self._limits = limits
        self.site = create_site(environment, edge)
        pages = WSGIMiddleware(
            self.site,  # type: ignore[arg-type] # a2wsgi has types of its own for WSGI
            workers=self._settings.handler_threads,
        )
        # What is guessed from a length needs requests of other sites with this site's cookie, which
        # SameSite keeps back.
        self._pages = GZipMiddleware(pages, _WORTH_IT, compresslevel=_FAST)  # type: ignore[arg-type] # as above
        self._streams = Streams(self.site, edge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        exchange = exchange_of(scope)
        headers = dict(header_items(scope))
        peer = scope.get("client")
        address = self._limits.visit(peer[0] if peer else None, headers)
        scope[_ADDRESS] = address
        if scope["path"].startswith(STATIC):
            exchange.page = "static"
            await serve_static(scope, receive, send)
        elif scope["path"].startswith(LIVE):
            exchange.page = "live"
            await self._streams(scope, receive, send)
        else:
            await self._page(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have Flask answer, once the whole body is there: a slow sender holds up no thread."""
        body = b""
        try:
            if not scope["query_string"].isascii():
                raise InvalidInput.field("query", "ascii", "Percent-encode what is not ASCII.")
            body = await read_body(receive, self._settings.max_body_bytes)
        except FlexagoraError as error:
            scope = {**scope, "query_string": b"", REFUSED: error}
        await self._pages(scope, _once(body), send)


def _once(body: bytes) -> Receive:
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return left.pop() if left else {"type": "http.disconnect"}

    return receive
