"""A platform of the Python SDK served in this process, sound or broken by a fault."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from examples.aggregator import Aggregator
from mpp_sdk.conformance import Case, Credentials, Outcome, Result, Run, Target, cases_of, run
from mpp_sdk.conformance.subject import Subject, opened
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.secrets import new_secret
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.transport import AddressPolicy
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer
from mpp_sdk.webhooks import new_signing_secret
from tests.conformance.altering import Middleware
from tests.services.certificates import Certificate


@dataclass
class Broken:
    """A platform that is about to be served, as a fault sees it.

    A fault changes the platform's parts, replaces functions with `patch` (which lasts as long as
    the platform is served), or surrounds the whole application with `wrap`. `starts` says how often
    it was started before, so that a fault can be one of restarts.
    """

    platform: MarketPlayerPlatform
    patch: pytest.MonkeyPatch
    starts: int
    _middlewares: list[Middleware] = field(default_factory=list)

    def wrap(self, middleware: Middleware) -> None:
        """Surround the application."""
        self._middlewares.append(middleware)

    def app(self) -> ASGIApp:
        """Return the application as it is to be served."""
        served = self.platform.app()
        for middleware in self._middlewares:
            served = middleware(served)
        return served


Break = Callable[[Broken], None]


class ServedPlatform:
    """A platform on a thread of this process; it can be restarted at its address."""

    def __init__(
        self,
        database_url: str,
        fault: Break | None = None,
        kind: type[MarketPlayerPlatform] = Aggregator,
        certificate: Certificate | None = None,
    ) -> None:
        self.signing_secrets = (new_signing_secret(), new_signing_secret())
        self.api_key = new_secret("fxk")
        self._settings = PlatformSettings(
            database_url=database_url,
            inbound_api_key=SecretStr(self.api_key),
            signing_secrets=tuple(map(SecretStr, self.signing_secrets)),
            marketplace_url="http://127.0.0.1:9",
            rate_limit_address=0,
            rate_limit_credential=0,
            rate_limit_failures=0,
        )
        self._fault = fault
        self._kind = kind
        self._certificate = certificate
        self._starts = 0
        self._port = 0
        self._patch = pytest.MonkeyPatch()
        self._server: BackgroundServer | None = None
        self.base_url = ""

    def start(self) -> None:
        """Serve it."""
        # Its calls to a provider that is not there take long to end.
        self._patch.setattr(Aggregator, "collect", lambda _: None)
        platform = self._kind(self._settings)
        broken = Broken(platform, self._patch, self._starts)
        if self._fault is not None:
            self._fault(broken)
        self._starts += 1
        self._server = BackgroundServer(broken.app(), port=self._port)
        if self._certificate is not None:
            config = self._server._server.config
            config.ssl_certfile = str(self._certificate.chain)
            config.ssl_keyfile = str(self._certificate.key)
        self._port = int(self._server.start().rpartition(":")[2])
        address = "https://localhost" if self._certificate else "http://127.0.0.1"
        self.base_url = f"{address}:{self._port}"

    def stop(self) -> None:
        """Stop it."""
        if self._server is not None:
            self._server.stop()
        self._patch.undo()

    def restart(self) -> None:
        """Stop it and serve it again, on what its database holds."""
        self.stop()
        self.start()

    def target(self) -> Target:
        """Return what the kit is told of it; a faulty one is not waited for as long."""
        return Target(
            self.base_url,
            "eu-mp",
            Credentials(self.api_key, self.signing_secrets),
            AddressPolicy(allow_private=True, allow_http=True),
            timeout=timedelta(seconds=30 if self._fault is None else 3),
        )


@contextmanager
def served(
    database_url: str,
    fault: Break | None = None,
    kind: type[MarketPlayerPlatform] = Aggregator,
    certificate: Certificate | None = None,
) -> Iterator[ServedPlatform]:
    """Give a platform that is served while the block runs, with a certificate over TLS."""
    platform = ServedPlatform(database_url, fault, kind, certificate)
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()


@contextmanager
def subject_of(platform: ServedPlatform) -> Iterator[Subject]:
    """Give a platform as the kit's cases see it; it is restarted where they ask for it."""
    with opened(platform.target(), Contract.load("eu_mp"), platform) as subject:
        yield subject


def sqlite_in(folder: Path) -> str:
    """Return the URL of a database in a folder."""
    return f"sqlite:///{folder / 'platform.db'}"


def run_cases(platform: ServedPlatform, ids: Sequence[str] | None = None) -> Run:
    """Return what comes of the cases of these ids, or of all of them."""
    with subject_of(platform) as subject:
        return run(subject, [one for one in cases_of("eu-mp") if ids is None or one.id in ids])


def case_named(case_id: str) -> Case:
    """Return a case by its id."""
    return next(one for one in cases_of("eu-mp") if one.id == case_id)


def told(result: Result) -> str:
    """Return a result as a test's message has it."""
    found = "; ".join(one.detail for one in result.findings)
    return f"{result.case.id} {result.outcome}: {found or result.detail}"


def not_as(run: Run, *outcomes: Outcome) -> list[str]:
    """Return the results whose outcome is none of these, as text."""
    return [told(one) for one in run.results if one.outcome not in outcomes]
