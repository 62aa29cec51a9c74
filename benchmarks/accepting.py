"""The servers whose acceptance is compared: `python -m benchmarks.accepting KIND DATABASE_URL`.

Database and durability are the same. What flexagora is compared with is served by uvicorn as it
comes, on uvloop and httptools.
"""

import json
import socket
import sys
from typing import Any

import uvicorn
from connexion import FlaskApp
from connexion.resolver import Resolver
from sqlalchemy import Column, Engine, MetaData, String, Table, Text, Uuid, insert
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from marketplace.app import create_app
from marketplace.core.settings import Settings
from mpp_sdk.clock import now
from mpp_sdk.database import UtcDateTime, open_database
from mpp_sdk.ids import new_id
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import serve

PATH = "/notifications/v1/service/activation"
_METADATA = MetaData()
_ROW = Table(
    "accepted",
    _METADATA,
    Column("id", Uuid(), primary_key=True),
    Column("received_at", UtcDateTime(), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("text", Text, nullable=False),
)
_TEXT = "a row of the length of a notification " * 5


def starlette_app(engine: Engine) -> ASGIApp:
    """Return the bare handler: no authentication, no validation, one row committed per request."""

    def accept(_: Request) -> JSONResponse:
        return JSONResponse({"outcome": _store(engine)})

    return Starlette(routes=[Route(PATH, accept, methods=["POST"])])


def flask_app(engine: Engine) -> ASGIApp:
    """Return the same through connexion's FlaskApp, the body validated by connexion."""

    def accept(body: dict[str, Any]) -> tuple[dict[str, str], int, dict[str, str]]:
        answer = {"eventId": body["eventId"], "outcome": _store(engine)}
        return answer, 200, {"Content-Type": "application/json"}

    document = json.loads(json.dumps(Contract.load("notifications").document))
    document.pop("security", None)
    document["paths"] = {"/service/activation": document["paths"]["/service/activation"]}
    app = FlaskApp(__name__)
    app.add_api(document, base_path="/notifications/v1", resolver=Resolver(lambda _: accept))
    served: ASGIApp = app
    return served


def _store(engine: Engine) -> str:
    with engine.begin() as connection:
        connection.execute(
            insert(_ROW).values(id=new_id(), received_at=now(), kind="activation", text=_TEXT)
        )
    return "APPLIED"


def main(kind: str, url: str) -> None:
    """Serve until the process is told to stop."""
    if kind == "flexagora":
        serve(create_app(Settings()), port=0, on_start=lambda address: print(address, flush=True))
        return
    engine = open_database(url, pool_size=40)
    _METADATA.create_all(engine)
    app = starlette_app(engine) if kind == "starlette" else flask_app(engine)
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
