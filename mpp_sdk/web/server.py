"""Several contracts and pages in one application, and the server that runs it."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import anyio.to_thread
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mpp_sdk.web.binding import BoundContract
from mpp_sdk.web.exchange import raw_path
from mpp_sdk.web.frame import Frame

LOOPBACK = "127.0.0.1"
_GRACE_S = 10

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


def compose(
    contracts: Sequence[BoundContract],
    routes: Sequence[BaseRoute] = (),
    *,
    lifespan: Lifespan | None = None,
) -> ASGIApp:
    """Return one application that serves the contracts below their base paths, and the routes.

    Whatever else is asked for gets a 404 problem. lifespan surrounds the time that it is served.
    """
    return Frame(_Composition(contracts, routes, lifespan))


def health_route(check: Callable[[], None], path: str = "/healthz") -> Route:
    """Return the route that says whether this server can do its work.

    check runs in a thread; what it raises is answered as everywhere, a lost database with 503.
    """

    async def answer(_: Request) -> Response:
        await anyio.to_thread.run_sync(check)
        return JSONResponse({"status": "ok"})

    return Route(path, answer)


class _Composition:
    def __init__(
        self,
        contracts: Sequence[BoundContract],
        routes: Sequence[BaseRoute],
        lifespan: Lifespan | None,
    ) -> None:
        self._contracts = sorted(contracts, key=lambda each: len(each.base_path), reverse=True)
        self._router = Router(list(routes), redirect_slashes=False, lifespan=lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = raw_path(scope)
            for contract in self._contracts:
                if path.startswith(contract.base_path + "/"):
                    await contract(scope, receive, send)
                    return
            scope["app"] = self  # makes the router raise instead of answering in plain text
        await self._router(scope, receive, send)


def _server(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )
    return uvicorn.Server(config)


def serve(app: ASGIApp, *, host: str = LOOPBACK, port: int = 8000) -> None:
    """Serve until the process is told to stop; calls in progress get 10 s to end."""
    _server(app, host, port).run()


class BackgroundServer:
    """Serves an application from a thread of its own, for as long as a `with` block runs.

    With port 0 the system chooses a free one.
    """

    def __init__(self, app: ASGIApp, *, host: str = LOOPBACK, port: int = 0) -> None:
        self._server = _server(app, host, port)
        self._host = host
        self._thread = threading.Thread(target=self._run, name="flexagora-web", daemon=True)
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def _run(self) -> None:
        async def run() -> None:
            task = asyncio.ensure_future(self._server.serve())
            while not (self._server.started or task.done()):
                await asyncio.sleep(0.005)
            self._ready.set()
            await task

        try:
            asyncio.run(run())
        except BaseException as error:  # handed to the thread that started this one
            self._failure = error
        finally:
            self._ready.set()

    def start(self) -> str:
        """Start and return the base URL. Raises RuntimeError when it could not start."""
        self._thread.start()
        self._ready.wait()
        if not self._server.started:
            raise RuntimeError("The server could not start") from self._failure
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://{self._host}:{port}"

    def stop(self) -> None:
        """Stop, letting calls in progress end."""
        self._server.should_exit = True
        self._thread.join()

    def __enter__(self) -> str:
        """Start and return the base URL."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()
