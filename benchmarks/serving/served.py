"""The Python servers of the comparison: `python -m benchmarks.serving.served KIND FOLDER`.

`starlette` is bare, on uvicorn as it comes; `platform` is a platform of the SDK with everything
that it does; `unchecked` is that platform with neither parameters nor bodies checked.
"""

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.serving.handlers import MeteringService
from mpp_sdk import clock
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.secrets import load_or_create_key
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.web import validation
from mpp_sdk.web.server import serve

PATH = "/metering/v1/subscriptions/{subscription_id}/points-of-delivery"
_PER_SECOND = 100_000  # as high as it needs to be here, and counted all the same


async def _answer(request: Request) -> JSONResponse:
    """Do what MeteringService does, with neither models nor checks nor authentication."""
    document = await request.json()
    moment = clock.now().isoformat()
    items = [
        {"podId": pod_id, "consent": "REQUESTED", "updatedAt": moment}
        for pod_id in document["podIds"]
    ]
    return JSONResponse({"items": items}, 202)


def _platform(folder: Path) -> MarketPlayerPlatform:
    platform = MarketPlayerPlatform(
        PlatformSettings(
            name="compared",
            database_url=f"sqlite:///{folder / 'platform.db'}",
            encryption_keys=(SecretStr(load_or_create_key(folder / "platform.key")),),
            marketplace_url="http://127.0.0.1:9",
            rate_limit_address=_PER_SECOND,
            rate_limit_credential=_PER_SECOND,
        )
    )
    platform.serve_contract(MeteringService())
    return platform


@contextlib.contextmanager
def _nothing_checked() -> Iterator[None]:
    """Have every value let through that can be read at all."""

    def no_errors(_validator: Any, _value: Any) -> Iterator[tuple[str, str, str]]:
        return iter(())

    with mock.patch.object(validation, "_errors", no_errors):
        yield


def _say(url: str) -> None:
    print(url, flush=True)


def main(kind: str, folder: str) -> None:
    """Serve until the process is told to stop."""
    match kind:
        case "starlette":
            app = Starlette(routes=[Route(PATH, _answer, methods=["POST"])])
            listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
            _say(f"http://127.0.0.1:{listener.getsockname()[1]}")
            config = uvicorn.Config(app, log_level="warning", access_log=False)
            uvicorn.Server(config).run(sockets=[listener])
        case "platform":
            serve(_platform(Path(folder)).app(), port=0, on_start=_say)
        case "unchecked":
            with _nothing_checked():
                serve(_platform(Path(folder)).app(), port=0, on_start=_say)
        case _:
            raise SystemExit(f"there is no {kind}")


if __name__ == "__main__":
    main(*sys.argv[1:])
