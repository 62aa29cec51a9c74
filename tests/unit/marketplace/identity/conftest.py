import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Engine

import marketplace.identity.tables  # noqa: F401 - the engine's fixture creates what is imported
from marketplace.core.edge import MarketplaceEdge
from marketplace.core.environment import Environment, in_environment
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import access, api, service
from marketplace.identity.authentication import CredentialAuthenticator
from marketplace.identity.domain import AccessRole, MarketPlayerRole, MarketPlayerState
from marketplace.identity.service import IssuedCredential, Statement
from marketplace.identity.tables import MarketPlayer
from mpp_sdk.web.binding import bind, methods_of
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer, compose


@pytest.fixture
def environment(engine: Engine, tmp_path: Path) -> Environment:
    settings = Settings(data_dir=tmp_path, allow_private_addresses=True, allow_http=True)
    return Environment(settings, engine)


AtWork = Callable[..., AbstractContextManager[None]]
"""Runs a block as one unit of work, for a principal if one is given."""

Registered = tuple[MarketPlayer, IssuedCredential]


@pytest.fixture
def at_work(environment: Environment) -> AtWork:
    """Return what runs a block as one unit of work, for a principal if one is given."""

    @contextmanager
    def work(principal: access.MarketplacePrincipal | None = None) -> Iterator[None]:
        with in_environment(environment):
            if principal is None:
                with unit_of_work(environment.engine):
                    yield
            else:
                with access.acting_for(principal), unit_of_work(environment.engine):
                    yield

    return work


STATEMENT = Statement(
    name="Levante Aggregation",
    roles=frozenset({MarketPlayerRole.AGGREGATOR}),
    country="ES",
    contact_email="integration@levante.example",
)

OPERATOR = access.MarketplacePrincipal("credential:operator", "Op", frozenset({"operator"}))


@pytest.fixture
def player(at_work: AtWork) -> Registered:
    with at_work():
        return service.register_market_player(STATEMENT)


def principal_of(
    player: MarketPlayer,
    *roles: AccessRole,
    state: MarketPlayerState = MarketPlayerState.ACTIVE,
) -> access.MarketplacePrincipal:
    held = roles or (AccessRole.PROVIDER, AccessRole.REQUESTER)
    return access.MarketplacePrincipal(
        "credential:test", player.name, frozenset(held), None, player.id, state
    )


class PlatformServer:
    """A little platform on loopback. `answers` says what each path is answered with."""

    def __init__(self) -> None:
        self.keys = {"the-right-key-0123456789"}
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], tuple[int, bytes]]] = {}
        self.checks_keys = True
        self.calls: list[tuple[str, str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                outer.calls.append((self.command, self.path, self.headers.get("Idempotency-Key")))
                if outer.checks_keys and self.headers.get("X-API-Key") not in outer.keys:
                    status, body = 401, b"{}"
                else:
                    answer = outer.answers.get(self.path)
                    status, body = answer(self) if answer else (404, b"{}")
                if status == 0:  # the answer is lost
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.serve_test(
            b'{"status":"AVAILABLE","contract":"eu-mp","contractVersion":"1.0.0",'
            b'"time":"2026-12-01T10:00:00Z"}'
        )

    def serve_test(self, body: bytes, status: int = 200) -> None:
        self.answers["/eu-mp/v1/test"] = lambda _: (status, body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def platform() -> Iterator[PlatformServer]:
    server = PlatformServer()
    yield server
    server.close()


@pytest.fixture
def base_url(environment: Environment) -> Iterator[str]:
    """Return where the operations of identity are served over HTTP."""
    bound = []
    for name in ("marketplace", "notifications"):
        contract = Contract.load(name)
        document = {**contract.document, "paths": {}}
        for path, item in contract.document["paths"].items():
            kept = {
                key: node
                for key, node in item.items()
                if not isinstance(node, dict) or node["operationId"].startswith("identity.")
            }
            if any(isinstance(node, dict) for node in kept.values()):
                document["paths"][path] = kept
        bound.append(
            bind(
                Contract.from_document(name, document),
                methods_of(api),
                edge=MarketplaceEdge(environment, access.entering),
                authenticator=CredentialAuthenticator(environment),
            )
        )
    with BackgroundServer(compose(bound)) as url:
        yield url
