"""A marketplace, a provider of meter data and a requester in this process, with a subscription.

They are served once for many tests; a fault is a layer around them while one test runs.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from examples import local_operator
from examples.demo.companies import (
    Company,
    PlatformAccess,
    connect_platform,
    expect,
    register,
    sign_in,
)
from examples.demo.processes import free_port
from examples.local_operator import Customer, LocalOperator
from marketplace.app import Application, open_environment
from marketplace.core import migrations
from marketplace.core.actor import Actor, acting_as
from marketplace.core.environment import in_environment
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import service as identity
from mpp_sdk.client import api_key
from mpp_sdk.conformance import Credentials, Run, Target, cases_of, run
from mpp_sdk.conformance.subject import opened
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    CredentialDraft,
    CredentialKind,
    IssuedCredential,
    MarketPlayerRole,
    PlatformRole,
    SubscriptionState,
)
from mpp_sdk.contracts.metering.client import MeteringClient
from mpp_sdk.contracts.metering.models import PointsOfDeliveryRequest
from mpp_sdk.database import open_database
from mpp_sdk.metering.model import Direction, PointOfDelivery, Reading, ReadingSeries
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.transport import AddressPolicy
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer
from tests.conformance.altering import Middleware
from tests.conformance.faults.registry import Fault
from tests.functional.marketplace import subscribe, until_state

POD = "METER-1"
REFUSED_POD = "571313000000002000"
DAYS = 10
FIRST = datetime(2026, 10, 20, 22, tzinfo=UTC)
"""The readings go over the night in which clocks in Europe are set back."""

_INBOUND = f"fxk_{'k' * 40}"
_NOWHERE = "http://127.0.0.1:9"
_OTHERS = 60
"""More points of delivery than a page holds unless another size is asked for."""
_LIMITS = ("address", "credential", "anonymous", "failures")
_CUSTOMERS = [
    {"pod": REFUSED_POD, "readings": "notify_validated_measure_data.xml", "consents": False}
]


@dataclass
class Front:
    """What is asked of a server before the server itself: the layers of a fault, if there is one.

    A fault surrounds the application with `wrap` and replaces functions with `patch`. `starts` says
    how often the server was started, so that a fault can be one of restarts.
    """

    patch: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)
    starts: int = 0
    _layers: list[Middleware] = field(default_factory=list)

    def wrap(self, layer: Middleware) -> None:
        """Surround the application."""
        self._layers.append(layer)

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return what is to be served in place of an application."""
        self.starts += 1

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            layered = app
            if scope["type"] == "http":
                for layer in self._layers:
                    layered = layer(layered)
            await layered(scope, receive, send)

        return serve

    @contextmanager
    def broken_by(self, fault: Fault) -> Iterator[None]:
        """Have a fault for as long as a block runs."""
        fault.inject(self)
        try:
            yield
        finally:
            self.patch.undo()
            self._layers.clear()


class Server:
    """A server on a thread of this process, at one address however often it is started."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self.front = Front()
        self._make = make
        self._port = free_port()
        self._running: BackgroundServer | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Serve it."""
        self._running = BackgroundServer(self.front.around(self._make()), port=self._port)
        self._running.start()

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def restart(self) -> None:
        """Stop it and serve it again, on what its database holds."""
        self.stop()
        self.start()


@dataclass
class Party:
    """A company, and its platform."""

    company: Company
    server: Server
    platforms: list[MarketPlayerPlatform]
    """The platform of each start."""


class Operator(LocalOperator):
    """A local operator with ten days of readings, consumption and production, of one meter."""

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        super().__init__(settings)
        self.customers[POD] = Customer(pod=POD, readings="", consents=True)
        for direction in Direction:
            readings = tuple(
                Reading(FIRST + timedelta(hours=hour), Decimal(hour) / 8)
                for hour in range(DAYS * 24)
            )
            series = ReadingSeries(PointOfDelivery(POD), direction, timedelta(hours=1), readings)
            self.store.upsert([series])


@dataclass(frozen=True)
class Stage:
    """What the kit is pointed at."""

    marketplace: Server
    provider: Server
    company: Company
    """The provider's."""
    databases: Mapping[str, str]
    """The URL of the database of what serves each contract."""
    at_marketplace: Target
    at_provider: Target

    def run(
        self,
        contract: str,
        ids: Sequence[str] | None = None,
        fault: Fault | None = None,
        changes: Mapping[str, object] | None = None,
    ) -> Run:
        """Return what comes of the cases of these ids, or of all of them, under a fault.

        changes are to the target. At the marketplace each run has a key of its own, since cases
        replace theirs.
        """
        if contract == "notifications":
            server = self.marketplace
            target = replace(self.at_marketplace, credentials=_credentials(self.company))
        else:
            server, target = self.provider, self.at_provider
        target = replace(target, **(changes or {}))  # type: ignore[arg-type]
        wanted = [one for one in cases_of(contract) if ids is None or one.id in ids]
        with (
            nullcontext() if fault is None else server.front.broken_by(fault),
            opened(target, Contract.load(contract), server) as subject,
        ):
            return run(subject, wanted)


@contextmanager
def staged(folder: Path, databases: Callable[[str], str] | None = None) -> Iterator[Stage]:
    """Give the stage while a block runs; each server has the database that `databases` gives."""
    url_of = databases or (lambda name: f"sqlite:///{folder / name}.db")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        customers = folder / "customers.json"
        customers.write_text(json.dumps(_CUSTOMERS))
        patch.setattr(local_operator, "CUSTOMERS", customers)

        settings = Settings.model_validate(
            {
                "data_dir": folder,
                "database_url": "" if databases is None else databases("marketplace"),
                "secret_keys": (SecretStr(Fernet.generate_key().decode()),),
                "poll_interval": timedelta(seconds=0.1),
                "allow_private_addresses": True,
                "allow_http": True,
                **{f"rate_limit_{name}": 0 for name in _LIMITS},
            }
        )
        if databases is not None:
            engine = open_database(settings.effective_database_url)
            migrations.upgrade(engine)
            engine.dispose()
        marketplace = Server(lambda: Application(open_environment(settings)).app)
        marketplace.start()
        stack.callback(marketplace.stop)
        operator = sign_in(marketplace.url, *_operator(settings))

        def company(name: str, role: MarketPlayerRole) -> Company:
            return register(marketplace.url, operator, name, [role])

        def party(name: str, role: MarketPlayerRole, kind: type[MarketPlayerPlatform]) -> Party:
            made = company(name, role)
            platforms: list[MarketPlayerPlatform] = []

            def make() -> ASGIApp:
                platforms.append(kind(_settings_of(access, marketplace.url, database_url)))
                return platforms[-1].app()

            database_url = url_of(kind.__name__.lower())
            server = Server(make)
            access = connect_platform(made, server.url, _INBOUND)
            server.start()
            stack.callback(server.stop)
            return Party(made, server, platforms)

        provider = party("Crevillent Distribution", MarketPlayerRole.DSO, Operator)
        requester = party("Levante Aggregation", MarketPlayerRole.AGGREGATOR, MarketPlayerPlatform)
        stranger = company("Ponent Energia", MarketPlayerRole.AGGREGATOR)
        other_provider = company("Segura Distribution", MarketPlayerRole.DSO)

        for one in (stranger, other_provider):
            connect_platform(one, _NOWHERE, _INBOUND)

        running = subscribe(requester.company, provider.company)
        ended = subscribe(requester.company, provider.company)
        of_stranger = subscribe(stranger, provider.company)
        of_others = subscribe(stranger, other_provider)
        for confirmed in (running, ended):
            until_state(provider.company, confirmed.subscription_id, SubscriptionState.ACTIVE)
        provider.company.client.cancel_subscription(
            ended.subscription_id, ActionReason(reason="It was a mistake.")
        )
        key = requester.platforms[-1].subscriptions.key_for(running.subscription_id)
        client = MeteringClient(
            f"{provider.server.url}/metering/v1", requests.Session(), api_key(key)
        )
        pods = [POD, REFUSED_POD, *(f"OTHER-{number:03}" for number in range(_OTHERS))]
        client.request_points_of_delivery(
            running.subscription_id, PointsOfDeliveryRequest(pod_ids=pods)
        )
        yield Stage(
            marketplace,
            provider.server,
            provider.company,
            {
                "notifications": settings.effective_database_url,
                "metering": provider.platforms[-1].settings.database_url,
            },
            Target(
                marketplace.url,
                "notifications",
                _credentials(provider.company),
                AddressPolicy(allow_private=True, allow_http=True),
                subscription_id=running.subscription_id,
                ended_subscription_id=ended.subscription_id,
                foreign_subscription_id=of_others.subscription_id,
            ),
            Target(
                provider.server.url,
                "metering",
                Credentials(key),
                AddressPolicy(allow_private=True, allow_http=True),
                subscription_id=running.subscription_id,
                foreign_subscription_id=of_stranger.subscription_id,
                pod_ids=(POD,),
                refused_pod_id=REFUSED_POD,
            ),
        )


def _settings_of(
    access: PlatformAccess, marketplace_url: str, database_url: str
) -> PlatformSettings:
    return PlatformSettings.model_validate(
        {
            "database_url": database_url,
            "marketplace_url": marketplace_url,
            "api_key": access.api_key,
            "inbound_api_key": _INBOUND,
            "signing_secrets": access.signing_secret,
            "allow_private_addresses": True,
            "allow_http": True,
            **{f"rate_limit_{name}": 0 for name in _LIMITS},
        }
    )


def _operator(settings: Settings) -> tuple[str, str]:
    """Return the client id and the secret of a new operator's account."""
    environment = open_environment(settings)
    with (
        in_environment(environment),
        acting_as(Actor("test", "The test")),
        unit_of_work(environment.engine),
    ):
        issued = identity.create_operator("Test")
    environment.engine.dispose()
    return expect(issued.credential.client_id), issued.secret


def _credentials(company: Company) -> Credentials:
    """Return credentials of a provider beside those that its platform has."""

    def issue(kind: CredentialKind) -> IssuedCredential:
        draft = CredentialDraft(kind=kind, label="conformance", roles=[PlatformRole.PROVIDER])
        return company.client.issue_credential(company.player_id, draft)

    key, client = issue(CredentialKind.API_KEY), issue(CredentialKind.OAUTH2_CLIENT)
    return Credentials(
        expect(key.api_key),
        client_id=expect(client.client_id),
        client_secret=expect(client.client_secret),
    )
