"""Several contracts and pages in one application, and the server that runs it."""

import asyncio
import contextlib
import gc
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import FrameType, TracebackType
from typing import Any

import uvicorn
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from mpp_sdk.errors import Unavailable
from mpp_sdk.web.binding import BoundContract
from mpp_sdk.web.exchange import raw_path
from mpp_sdk.web.frame import Answered, Frame
from mpp_sdk.web.protocol import BoundedProtocol

LOOPBACK = "127.0.0.1"
_GRACE_S = 10
# Longer than proxies keep a connection that they do not use: who closes first may cut off a call.
_KEEP_ALIVE_S = 75
_CLOSE = (b"connection", b"close")
_POLL_S = 0.005
# Whoever has connected has its request on the way; one that sends nothing is not waited for longer.
_FIRST_REQUEST_S = 1.0
_YOUNG_OBJECTS = 20_000
_NOT_STARTED = "The server could not start; the log says why."

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


def compose(
    contracts: Sequence[BoundContract],
    routes: Sequence[BaseRoute] = (),
    *,
    lifespan: Lifespan | None = None,
    answered: Answered | None = None,
) -> ASGIApp:
    """Return one application that serves the contracts below their base paths, and the routes.

    Whatever else is asked for gets a 404 problem. lifespan surrounds the time that it is served.
    answered is told of each call.
    """
    return Frame(_Composition(contracts, routes, lifespan), answered)


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
        if scope["type"] == "lifespan":
            for contract in self._contracts:
                await contract.prepare()
        await self._router(scope, receive, send)


def serve(
    app: ASGIApp,
    *,
    host: str = LOOPBACK,
    port: int = 8000,
    on_start: Callable[[str], None] = lambda url: None,
    on_stopping: Callable[[], None] = lambda: None,
    drain_seconds: float = 0.0,
) -> None:
    """Serve until the process is told to stop by SIGTERM or SIGINT, and lose no call by it.

    Calls are still taken for drain_seconds, each answer asking for a new connection, so that load
    balancers and clients can go elsewhere. Then no connection is taken any more; what has come in
    over those that were is still answered, and calls in progress get 10 s to end. A second signal
    ends the draining, a third the waiting. on_start is told the base URL once connections are
    accepted, on_stopping is called with the first signal. Raises OSError when the address cannot
    be had, Unavailable when the application's own start-up fails.
    """
    listener = _listen(host, port)
    on_start(_url(host, listener))
    server = _Server(_config(app), drain_seconds, on_stopping)
    _run(server, listener)
    if not server.started:
        raise Unavailable(_NOT_STARTED)


def collect_less() -> None:
    """Let the garbage collector look no more at what is loaded now and stays until the end.

    Nor as often at the rest: a hundred calls under way are no garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


class _Server(uvicorn.Server):
    """uvicorn, which drains first, and leaves the process its own exit status."""

    def __init__(
        self, config: uvicorn.Config, drain_seconds: float, on_stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._on_stopping = on_stopping
        self._drained_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, stop at the second, wait for nothing at the third."""
        if self._drained_at is None:
            self._drained_at = time.monotonic() + self._drain_seconds
            self._on_stopping()
        elif not self.should_exit:
            self.should_exit = True
        else:
            self.force_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and then have the garbage collector disturb calls as little as it can."""
        await super().startup(sockets)
        collect_less()

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to stop."""
        ended = await super().on_tick(counter)
        if self._drained_at is None:
            return ended
        if _CLOSE not in self.server_state.default_headers:
            self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        return ended or time.monotonic() >= self._drained_at

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop without cutting off who has connected and was not heard yet.

        A connection that the system has made would else be reset, and its call, a proxy's say, that
        is not known to be repeatable, be lost: only one that is refused is made elsewhere.
        """
        listeners = [listener.dup() for listener in sockets or []]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for listener in listeners:
            for connected in _backlog(listener):
                await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connected)
        patience = time.monotonic() + _FIRST_REQUEST_S
        while self._unheard() and not self.force_exit and time.monotonic() < patience:
            await asyncio.sleep(_POLL_S)
        await super().shutdown()

    def _protocol(self) -> asyncio.Protocol:
        return BoundedProtocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _unheard(self) -> bool:
        """Return whether there is a connection that has not made its first request."""
        return any(
            isinstance(one, BoundedProtocol) and one.cycle is None
            for one in self.server_state.connections
        )


def _backlog(listener: socket.socket) -> list[socket.socket]:
    """Close a listener, and return the connections that were made to it and not taken yet."""
    connected = []
    with listener, contextlib.suppress(BlockingIOError):
        listener.setblocking(False)
        while True:
            connected.append(listener.accept()[0])
    return connected


class BackgroundServer:
    """Serves an application from a thread of its own, for as long as a `with` block runs.

    With port 0 the system chooses a free one.
    """

    def __init__(self, app: ASGIApp, *, host: str = LOOPBACK, port: int = 0) -> None:
        self._server = uvicorn.Server(_config(app))
        self._host = host
        self._port = port
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Start and return the base URL.

        Raises OSError when the address cannot be had, Unavailable when the application's own
        start-up fails.
        """
        listener = _listen(self._host, self._port)
        url = _url(self._host, listener)
        self._thread = threading.Thread(
            target=_run, args=(self._server, listener), name="flexagora-web", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                listener.close()
                raise Unavailable(_NOT_STARTED)
            time.sleep(_POLL_S)
        return url

    def stop(self) -> None:
        """Stop, letting calls in progress end."""
        self._server.should_exit = True
        if self._thread is not None:
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


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket: uvicorn would end the process when it cannot have the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    with contextlib.suppress(SystemExit):  # uvicorn's way to say that the start-up has failed
        server.run(sockets=[listener])


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
