"""A marketplace with its website, and platforms that companies connect by hand."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography.fernet import Fernet

from tests.browser.mails import Mailbox, links_in
from tests.world.processes import MarketplaceProcess, PlatformProcess, without_limits

PROVIDER = "examples.local_operator:LocalOperator"
REQUESTER = "examples.aggregator:Aggregator"
_LIVELY = {"FLEXAGORA_POLL_INTERVAL": "PT0.1S", "FLEXAGORA_JOB_INTERVAL": "PT0.5S"}


class World:
    """The marketplace at `url`; whom it writes to, and who does business there."""

    def __init__(self, folder: Path, marketplace: MarketplaceProcess) -> None:
        self.url = marketplace.url
        self.mails = Mailbox(folder / "marketplace" / "mails")
        self._folder = folder
        self._marketplace = marketplace
        self._platforms: list[PlatformProcess] = []

    def provider_platform(self) -> PlatformProcess:
        """Return the platform of a company with meter data; see `requester_platform`."""
        return self._platform("provider", PROVIDER)

    def requester_platform(self) -> PlatformProcess:
        """Return the platform of a company that wants meter data, which does not run yet.

        Its `url` and `inbound_key` are what its owner states to the marketplace; `connect` starts
        it with what the marketplace has shown to its owner in return.
        """
        return self._platform("requester", REQUESTER)

    def connect(self, platform: PlatformProcess, api_key: str, signing_secret: str) -> None:
        """Start a platform with the two secrets that its owner has got."""
        platform.start(self.url, api_key, signing_secret, without_limits("MPP_"))

    def command(self, *arguments: str) -> str:
        """Return what a command of the marketplace prints."""
        return subprocess.run(
            [sys.executable, "-m", "marketplace", *arguments],
            env={**os.environ, **self._marketplace.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def invite_operator(self, email: str, name: str) -> str:
        """Return the link with which a new operator chooses a password."""
        printed = self.command("person", "invite-operator", "--email", email, "--name", name)
        [link] = links_in(printed)
        return link

    def create_operator(self) -> tuple[str, str]:
        """Return the client id and the secret of an operator's account for the REST API."""
        return self._marketplace.create_operator()

    def stop_marketplace(self) -> None:
        """Stop the marketplace; `start_marketplace` brings it back at the same address."""
        self._marketplace.server.stop()

    def start_marketplace(self) -> None:
        """Start the marketplace again."""
        self._marketplace.server.start()

    def close(self) -> None:
        """Stop everything."""
        for platform in self._platforms:
            platform.stop()
        self._marketplace.server.stop()

    def _platform(self, company: str, handler: str) -> PlatformProcess:
        folder = self._folder / f"{company}-{len(self._platforms)}"
        platform = PlatformProcess(folder, handler)
        self._platforms.append(platform)
        return platform


@contextmanager
def running(
    folder: Path, database_url: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[World]:
    """Give a world, on SQLite unless another database is given, while the block runs."""
    given = {**_LIVELY, **without_limits("FLEXAGORA_"), **(settings or {})}
    if database_url is not None:
        given["FLEXAGORA_DATABASE_URL"] = database_url
        given["FLEXAGORA_SECRET_KEYS"] = Fernet.generate_key().decode()
    world = World(folder, MarketplaceProcess(folder, given))
    with ExitStack() as stack:
        stack.callback(world.close)
        if database_url is not None:
            world.command("database", "upgrade")
        world.start_marketplace()
        yield world


@contextmanager
def gone(platform: PlatformProcess) -> Iterator[None]:
    """Have a platform that is stopped answer 410 to every event: what is sent to it dies at once.

    Refreshes of its key are put off (503), so that it can be started again with the one it has.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(503 if self.path.endswith("/apikey") else 410)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", platform.port), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
