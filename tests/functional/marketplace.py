"""A marketplace as a process of its own, and companies that do business there."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from uuid import UUID

import requests
from sqlalchemy import Engine, select

from examples.demo.companies import Company, connect_platform, register, sign_in, wait_until
from examples.demo.environments import (
    PlatformSecrets,
    marketplace_environment,
    platform_environment,
)
from examples.demo.processes import ServerProcess, free_port
from mpp_sdk.client import NO_RETRIES, api_key
from mpp_sdk.contracts.eu_mp.client import EuMpClient
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    AuditEntry,
    DataStandard,
    Delivery,
    Integration,
    MarketPlayerRole,
    Offer,
    OfferDraft,
    Period,
    Price,
    PriceModel,
    ServiceCategory,
    ServiceDescription,
    ServiceRequestDraft,
    Subscription,
    SubscriptionState,
)
from mpp_sdk.database import open_database, reading
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.tables import EventRow
from mpp_sdk.web.server import BackgroundServer
from tests.functional.platforms import TOLD, Provider, Requester
from tests.world.clients import tried_once

SERVE = ("marketplace", "serve")
FREE = Price(model=PriceModel.FREE)


@dataclass(frozen=True)
class Account:
    """An operator's account, and the key that encrypts what its marketplace stores."""

    client_id: str
    client_secret: str
    secret_key: str


class Platform:
    """A company's platform, known to the marketplace; it runs when a test says so."""

    def __init__(
        self, folder: Path, marketplace: "Marketplace", company: Company, role: str
    ) -> None:
        self.company = company
        self._role = role
        self._port = free_port()
        self._folder = folder
        self.url = f"http://127.0.0.1:{self._port}"
        self.first_inbound_key = f"test-{secrets.token_urlsafe(24)}"
        access = connect_platform(company, self.url, self.first_inbound_key)
        self.first_api_key = access.api_key
        given = PlatformSecrets(self.first_inbound_key, access.api_key, access.signing_secret)
        self.environment = platform_environment(
            folder, role, company.name, self._port, marketplace.url, given
        )
        self.process = self.with_module("mpp_sdk")

    def with_module(self, module: str) -> ServerProcess:
        """Return the platform as a process that this module serves."""
        return ServerProcess(
            self.company.name,
            [module, "serve", f"{Provider.__module__}:{self._role}"],
            self._port,
            self.environment,
            self._folder / f"{self._role}.log",
        )

    @contextmanager
    def in_this_process(self, **changed: str) -> Iterator[MarketPlayerPlatform]:
        """Serve the platform from a thread, where no process of its own is needed."""
        settings = {
            name.removeprefix("MPP_").lower(): value
            for name, value in (self.environment | changed).items()
        }
        kind = {"Provider": Provider, "Requester": Requester}[self._role]
        platform = kind(PlatformSettings.model_validate(settings))
        with BackgroundServer(platform.app(), port=self._port):
            yield platform

    def eu_mp(self, key: str | None = None) -> EuMpClient:
        """Return a client of the platform's EU-MP API with a key, by default the first one."""
        key = key or self.first_inbound_key
        return EuMpClient(
            f"{self.url}/eu-mp/v1", requests.Session(), api_key(key), retries=NO_RETRIES
        )

    @cached_property
    def _engine(self) -> Engine:
        return reading(open_database(self.environment["MPP_DATABASE_URL"]))

    def told(self, subscription_id: UUID) -> list[str]:
        """Return what the platform's own code was called for, in order."""
        query = (
            select(TOLD.c.what)
            .where(TOLD.c.subscription_id == str(subscription_id))
            .order_by(TOLD.c.number)
        )
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def inbox(self) -> dict[UUID, str]:
        """Return the outcome of each event that the platform has received."""
        query = select(EventRow.event_id, EventRow.outcome)
        with self._engine.connect() as connection:
            return {row.event_id: row.outcome for row in connection.execute(query)}

    def close(self) -> None:
        self.process.stop()
        if "_engine" in self.__dict__:
            self._engine.dispose()


class Marketplace:
    """A marketplace that can be started, stopped and killed; it keeps its address."""

    def __init__(self, folder: Path, database_url: str, account: Account) -> None:
        self._folder = folder
        self._account = account
        self._port = free_port()
        self._platforms: list[Platform] = []
        self.url = f"http://127.0.0.1:{self._port}"
        self.environment = {
            **marketplace_environment(folder, self._port),
            "FLEXAGORA_DATABASE_URL": database_url,
            "FLEXAGORA_SECRET_KEYS": account.secret_key,
            "FLEXAGORA_POLL_INTERVAL": "PT0.1S",
            "FLEXAGORA_JOB_INTERVAL": "PT0.5S",
        }
        self.process = self._process(SERVE, {})

    def start(self, module: Sequence[str] = SERVE, **changed: str) -> None:
        """Start it, with other settings or by another module than usual if they are given."""
        self.process = self._process(module, changed)
        self.process.start()

    def close(self) -> None:
        for platform in self._platforms:
            platform.close()
        self.process.stop()

    def operator(self) -> MarketplaceClient:
        """Return a client with the operator's role."""
        account = self._account
        return tried_once(sign_in(self.url, account.client_id, account.client_secret))

    def company(self, name: str, role: MarketPlayerRole) -> Company:
        """Sign a company up, and have the operator activate it."""
        made = register(self.url, self.operator(), name, [role])
        return replace(made, client=tried_once(made.client))

    def provider(self) -> Platform:
        """Return the platform of a new company that has meter data."""
        company = self.company("Crevillent Distribution", MarketPlayerRole.DSO)
        return self._platform(company, "Provider")

    def requester(self) -> Platform:
        """Return the platform of a new company that wants meter data."""
        company = self.company("Levante Aggregation", MarketPlayerRole.AGGREGATOR)
        return self._platform(company, "Requester")

    def _platform(self, company: Company, role: str) -> Platform:
        platform = Platform(self._folder, self, company, role)
        self._platforms.append(platform)
        return platform

    def _process(self, module: Sequence[str], changed: dict[str, str]) -> ServerProcess:
        return ServerProcess(
            "The marketplace",
            module,
            self._port,
            self.environment | changed,
            self._folder / "marketplace.log",
        )


def description(interval: str = "PT1H") -> ServiceDescription:
    """Return what a provider of meter data states of its service."""
    return ServiceDescription(
        name="Validated meter data",
        summary="Hourly readings of households, as CIM market documents",
        category=ServiceCategory.METERING_DATA,
        provider_role=MarketPlayerRole.DSO,
        countries=["ES"],
        data_standard=DataStandard.CIM_IEC_62325,
        consent_required=True,
        price=FREE,
        terms="Readings of the day before by noon.",
        interim_status_interval=interval,
        integration=Integration(contract="metering", contract_version="1.0.0"),
    )


def publish(provider: Company, interval: str = "PT1H") -> UUID:
    """Publish a service and return its id."""
    draft = provider.client.create_service(description(interval)).body
    provider.client.publish_service_version(draft.service_id, draft.version)
    return draft.service_id


def terms(interval: str = "PT1H") -> OfferDraft:
    """Return what a provider offers."""
    moment = datetime.now(UTC)
    return OfferDraft(
        terms="Readings of the day before by noon, for a year.",
        price=FREE,
        validity=Period(start=moment - timedelta(minutes=1), end=moment + timedelta(days=365)),
        interim_status_interval=interval,
        valid_until=moment + timedelta(days=14),
    )


def negotiate(requester: Company, provider: Company, service_id: UUID) -> Offer:
    """Request a service and return what is offered, ready to be accepted."""
    request = requester.client.request_service(ServiceRequestDraft(service_id=service_id)).body
    return provider.client.make_offer(request.service_request_id, terms()).body


def subscribe(requester: Company, provider: Company) -> Subscription:
    """Return a new subscription to a new service, just accepted."""
    offer = negotiate(requester, provider, publish(provider))
    return requester.client.accept_offer(offer.service_request_id, offer.offer_id).body


def until_state(
    company: Company, subscription_id: UUID, state: SubscriptionState, seconds: float = 30
) -> Subscription:
    """Return a subscription as soon as it is in a state."""

    def reached() -> Subscription | None:
        subscription = company.client.read_subscription(subscription_id).body
        return subscription if subscription.state is state else None

    return wait_until(f"The state {state}", reached, seconds)


def deliveries(client: MarketplaceClient, subscription_id: UUID) -> list[Delivery]:
    """Return the deliveries of a subscription that a client may see, the oldest first."""
    found: list[Delivery] = []
    cursor: str | None = None
    while True:
        page = client.list_deliveries(subscription_id=subscription_id, limit=200, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found[::-1]


def audit_trail(client: MarketplaceClient, subscription_id: UUID) -> list[AuditEntry]:
    """Return what was recorded of a subscription, the oldest first."""
    return client.list_audit_trail(subscription_id=subscription_id, limit=200).items[::-1]
