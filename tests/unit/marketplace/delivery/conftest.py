"""A delivery queue on a real database, and a real platform on loopback to deliver to."""

import json
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from marketplace.core.contract_version import ContractVersion
from marketplace.core.environment import Environment
from marketplace.core.settings import Settings
from marketplace.delivery import listeners
from mpp_sdk.errors import Unavailable
from mpp_sdk.webhooks import new_signing_secret


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class PlatformStub:
    """A platform that answers with `status`, or 404 to a path that it does not know.

    It keeps what it was sent, and tells the version `speaks` when it is asked, or hangs up.
    """

    base_url: str = ""
    api_key: str = "mpp_0123456789"
    contract_version: ContractVersion | None = None
    signing_secrets: list[str] = field(default_factory=lambda: [new_signing_secret()])
    status: int = 200
    unknown: str | None = None
    speaks: str | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)


class Directory:
    """Knows platforms by their market player's id."""

    def __init__(self) -> None:
        self.platforms: dict[UUID, PlatformStub] = {}

    def connections(
        self, market_player_ids: Collection[UUID]
    ) -> Mapping[UUID, PlatformStub | Unavailable]:
        unknown = Unavailable("The market player has not stated its platform's address.")
        return {one: self.platforms.get(one, unknown) for one in market_player_ids}


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def platform() -> Iterator[PlatformStub]:
    stub = PlatformStub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Say which version is spoken."""
            stub.asked.append((self.path, self.headers["X-API-Key"]))
            if stub.speaks is None:
                self.close_connection = True
                self.connection.close()
                return
            said = {"status": "AVAILABLE", "contract": "eu-mp", "contractVersion": stub.speaks}
            body = json.dumps({**said, "time": "2026-12-01T10:00:00Z"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stub.received.append(Received(self.path, dict(self.headers.items()), body))
            is_unknown = stub.unknown is not None and stub.unknown in self.path
            self.send_response(404 if is_unknown else stub.status)
            for name, value in stub.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "7")
            self.end_headers()
            self.wfile.write(b"noted\n\xff")
            stub.arrived.set()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.base_url = f"http://127.0.0.1:{server.server_port}/platform"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield stub
    server.shutdown()
    server.server_close()


@pytest.fixture
def environment(engine: Engine, tmp_path: Path) -> Environment:
    settings = Settings(
        data_dir=tmp_path,
        allow_private_addresses=True,
        allow_http=True,
        poll_interval=timedelta(seconds=0.1),
    )
    return Environment(settings, engine)


@pytest.fixture(autouse=True)
def _only_the_listeners_of_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "_listeners", {})
