"""The operations port: what those who run a process ask it, apart from what it serves to others."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from mpp_sdk.web.server import BackgroundServer


@contextmanager
def operations_port(host: str, port: int | None, routes: Sequence[BaseRoute]) -> Iterator[str]:
    """Serve routes from a thread of its own while a block runs; give the base URL.

    Without a port nothing is served, and the URL is empty. With port 0 the system chooses a free
    one. Raises OSError when the address cannot be had.
    """
    if port is None:
        yield ""
        return
    with BackgroundServer(Starlette(routes=routes), host=host, port=port) as url:
        yield url
