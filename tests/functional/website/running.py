"""A marketplace as its operators see it: companies, their platforms, and what is sent to them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import UUID

from marketplace.accounts import managing
from marketplace.identity import service as identity
from marketplace.identity.service import PlatformStatement
from mpp_sdk.outbox import EventState
from tests.functional.website.browserless import PASSWORD, Page, Visitor
from tests.functional.website.places import Place, opened
from tests.unit.marketplace.market import Company, Market

_PATIENCE_S = 30.0


@dataclass
class Platforms:
    """Platforms at one address that all answer events with `status`, and say nothing else."""

    url: str = ""
    status: int = 204
    heard: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Running:
    """A marketplace that delivers, its platforms, and what companies do by its services."""

    place: Place
    platforms: Platforms
    market: Market

    @property
    def url(self) -> str:
        """Where the website is."""
        return self.place.url

    @cached_property
    def operator(self) -> Visitor:
        """An operator who is signed in, invited at the command line."""
        return self.invited_operator("olivia@market.example", "Olivia Meyer")

    def invited_operator(self, email: str, name: str) -> Visitor:
        """Return an operator who has come by an invitation."""
        invited = self.market.call(None, managing.invite_operator, email, name)
        someone = Visitor(self.url)
        page = someone.go(invited.link)
        given = {"name": name, "password": PASSWORD, "passwordAgain": PASSWORD, "timeZone": "UTC"}
        entered = someone.press(page, "Accept the invitation", given)
        assert entered.path == "/operators/board", entered.words
        return someone

    def company(self, name: str) -> Company:
        """Return an ACTIVE company whose platform is one of the platforms."""
        company = self.market.company(name, platform=False)
        statement = PlatformStatement(self.platforms.url, "a-key-of-20-characters", False)
        self.market.call(company, identity.set_platform, company.id, statement, None)
        return company

    def subscription(self, name: str = "Meters") -> tuple[Company, Company, UUID]:
        """Return a provider, a requester, and what they have just agreed on."""
        provider, requester = self.company(f"{name} Provider"), self.company(f"{name} Requester")
        service_id = self.market.published(provider, name=f"{name} of every hour")
        return provider, requester, self.market.pending(provider, requester, service_id)

    def dead_delivery(self, name: str = "Meters") -> tuple[Company, UUID]:
        """Return a company and a delivery to it that is dead, for its platform said 410."""
        self.platforms.status = 410
        provider, _, subscription_id = self.subscription(name)
        self.eventually(f"/deliveries?subscription={subscription_id}", "410", count=2)
        self.platforms.status = 204
        page = self.operator.go(f"/deliveries?company={provider.id}")
        [link] = page.tree.xpath('//tbody//th/a[contains(@href, "/deliveries/")]/@href')
        return provider, UUID(link.rpartition("/")[2])

    def eventually(self, path: str, words: str, count: int = 1) -> Page:
        """Return a page of the operator's, once it says something that often."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            page = self.operator.go(path)
            assert page.status == 200, page.words
            if page.words.count(words) >= count:
                return page
            assert time.monotonic() < until, f"{path} does not say {words!r}: {page.words}"
            time.sleep(0.1)

    def delivered(self, event_id: UUID) -> Page:
        """Return the page of a delivery, once it is delivered."""
        return self.eventually(f"/deliveries/{event_id}", EventState.DELIVERED.value)


@contextmanager
def running(folder: Path, database_url: str = "") -> Iterator[Running]:
    """Give a marketplace that delivers, on SQLite unless another database is given."""
    with (
        platforms() as there,
        opened(folder, database_url, poll_interval="PT0.1S", job_interval="PT0.2S") as place,
    ):
        yield Running(place, there, Market(place.application.environment))


@contextmanager
def platforms() -> Iterator[Platforms]:
    """Give platforms that answer as they are told to, at a free port."""
    told = Platforms()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.heard.append(self.path)
            self.send_response(503 if self.path.endswith("/apikey") else told.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
