"""A small marketplace and what it tells platforms, for tests over real HTTP on loopback."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import requests
from pydantic import SecretStr

from mpp_sdk import clock
from mpp_sdk.auth import InboundKeys, KeyPolicy
from mpp_sdk.client import api_key
from mpp_sdk.contracts.eu_mp.client import EuMpClient
from mpp_sdk.contracts.eu_mp.models import (
    AgreedTerms,
    B2bAccess,
    CompanyReference,
    ConfirmedService,
    DataStandard,
    EndedSubscriptionState,
    MarketPlayerRole,
    Period,
    Price,
    PriceModel,
    ServiceCategory,
    ServiceOfferCanceled,
    ServiceOfferChanged,
    ServiceOfferConfirmed,
)
from mpp_sdk.contracts.notifications.handler import NotificationsHandler
from mpp_sdk.contracts.notifications.models import (
    Acknowledgement,
    AcknowledgementOutcome,
    ActivationNotification,
    ConnectionStatus,
    ConnectionTest,
    ConsentNotification,
    InterimNotification,
    IssuedApiKey,
)
from mpp_sdk.database import open_database
from mpp_sdk.edge import PlatformEdge
from mpp_sdk.ids import new_id
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.secrets import SecretBox, load_or_create_key
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.tables import Base
from mpp_sdk.transactions import Transactions
from mpp_sdk.web.binding import bind, methods_of
from mpp_sdk.web.call import Call, Principal, Proceed, Reply
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer, compose

FIRST_OUTBOUND = "fxk_the-first-key-a-platform-presents"
FIRST_INBOUND = "fxk_the-first-key-the-marketplace-presents"
B2B_KEY = "fxb_the-key-of-the-subscription-of-the-test"
POLICY = KeyPolicy(timedelta(days=90), timedelta(hours=24), timedelta(seconds=60))

Notification = ConsentNotification | ActivationNotification | InterimNotification


@dataclass
class FakeMarketplace(NotificationsHandler):
    """Records what it is told. It checks and refreshes keys by the rules of the platforms."""

    directory: Path
    received: list[Notification] = field(default_factory=list)
    lose_answers_to: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        engine = open_database(f"sqlite:///{self.directory / 'fake_marketplace.db'}")
        Base.metadata.create_all(engine)
        transactions = Transactions(engine)
        self.keys = InboundKeys(transactions, POLICY)
        self.keys.adopt(FIRST_OUTBOUND)
        box = SecretBox([load_or_create_key(self.directory / "fake_marketplace.key")])
        self._edge = PlatformEdge(transactions, box, ())

    @contextmanager
    def served(self, port: int = 0) -> Iterator[str]:
        """Give the base URL while it is served."""
        bound = bind(
            Contract.load("notifications"),
            methods_of(self),
            edge=self._answer,
            authenticator=self,
        )
        with BackgroundServer(compose([bound]), port=port) as url:
            yield url

    def _answer(self, call: Call, proceed: Proceed) -> Reply:
        name = call.operation.name
        self.calls.append(name)
        reply = self._edge(call, proceed)
        if name in self.lose_answers_to:
            self.lose_answers_to.remove(name)
            return Reply(b"{}", status=503)  # the work is done, and nobody hears of it
        return reply

    def authenticate(self, scheme: str, credential: str) -> Principal:
        self.keys.check(credential)
        return Principal("platform", "A platform", frozenset({"provider"}))

    def notify_consent(self, body: ConsentNotification) -> Acknowledgement:
        return self._take(body)

    def notify_activation(self, body: ActivationNotification) -> Acknowledgement:
        return self._take(body)

    def notify_interim(self, body: InterimNotification) -> Acknowledgement:
        return self._take(body)

    def refresh_api_key(self) -> IssuedApiKey:
        issued = self.keys.issue()
        return IssuedApiKey(
            api_key=issued.api_key,
            valid_from=issued.valid_from,
            valid_until=issued.valid_until,
            previous_key_valid_until=issued.previous_key_valid_until,
        )

    def test_connection(self) -> ConnectionTest:
        return ConnectionTest(
            status=ConnectionStatus.AVAILABLE,
            contract="notifications",
            contract_version="1.0.0",
            time=clock.now(),
        )

    def _take(self, body: Notification) -> Acknowledgement:
        self.received.append(body)
        return Acknowledgement(event_id=body.event_id, outcome=AcknowledgementOutcome.APPLIED)

    def story(self, pod_id: str) -> list[str]:
        """Return the states that it was told of a point of delivery, in the order of arrival."""
        return [
            f"{type(one).__name__.removesuffix('Notification')} {one.state}"
            for one in self.received
            if not isinstance(one, InterimNotification) and one.pod_id == pod_id
        ]


def settings(
    database_url: str, directory: Path, marketplace_url: str = "http://127.0.0.1:9"
) -> PlatformSettings:
    return PlatformSettings(
        name="test",
        database_url=database_url,
        encryption_keys=(SecretStr(load_or_create_key(directory / "platform.key")),),
        marketplace_url=marketplace_url,
        api_key=SecretStr(FIRST_OUTBOUND),
        inbound_api_key=SecretStr(FIRST_INBOUND),
        allow_private_addresses=True,
        allow_http=True,
    )


@contextmanager
def served(platform: MarketPlayerPlatform) -> Iterator[str]:
    """Give the base URL of a platform while it is served."""
    with BackgroundServer(platform.app()) as url:
        yield url


def eu_mp_client(url: str, key: str = FIRST_INBOUND) -> EuMpClient:
    return EuMpClient(f"{url}/eu-mp/v1", requests.Session(), api_key(key))


def confirmed(
    *,
    base_url: str = "https://provider.example",
    subscription_id: UUID | None = None,
    occurred_at: datetime | None = None,
    consent_required: bool = True,
    validity: Period | None = None,
    interval: str = "PT1H",
    key: str = B2B_KEY,
) -> ServiceOfferConfirmed:
    return ServiceOfferConfirmed(
        event_id=new_id(),
        occurred_at=occurred_at or clock.now(),
        subscription_id=subscription_id or new_id(),
        service=ConfirmedService(
            service_id=uuid4(),
            version=1,
            name="Validated meter data",
            category=ServiceCategory.METERING_DATA,
            data_standard=DataStandard.CIM_IEC_62325,
            consent_required=consent_required,
        ),
        provider=_company("Crevillent Distribution", MarketPlayerRole.DSO),
        requester=_company("Levante Aggregation", MarketPlayerRole.AGGREGATOR),
        terms=AgreedTerms(
            text="Data by noon of the next day.",
            price=Price(model=PriceModel.FREE),
            validity=validity or Period(start=datetime(2020, 1, 1, tzinfo=UTC)),
            interim_status_interval=interval,
        ),
        b2b=B2bAccess(
            base_url=base_url, contract="metering", contract_version="1.0.0", api_key=key
        ),
    )


def changed(event: ServiceOfferConfirmed, after: timedelta) -> ServiceOfferChanged:
    return ServiceOfferChanged(
        event_id=new_id(),
        occurred_at=event.occurred_at + after,
        subscription_id=event.subscription_id,
        reason="The licence is under review.",
    )


def canceled(event: ServiceOfferConfirmed, after: timedelta) -> ServiceOfferCanceled:
    return ServiceOfferCanceled(
        event_id=new_id(),
        occurred_at=event.occurred_at + after,
        subscription_id=event.subscription_id,
        state=EndedSubscriptionState.CANCELED,
        reason="The portfolio was sold.",
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Return as soon as a condition holds. Fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.02)


class Caller(threading.Thread):
    """Makes a call again and again at a rate, and keeps what failed."""

    def __init__(self, call: Callable[[], object], per_second: float) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._pause = 1 / per_second
        self._stopping = threading.Event()
        self.made = 0
        self.failures: list[Exception] = []

    def run(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            self.made += 1
            try:
                self._call()
            except Exception as error:  # whatever it is, the test wants to see it
                self.failures.append(error)
            self._stopping.wait(max(0.0, self._pause - (time.monotonic() - started)))

    def stop(self) -> None:
        self._stopping.set()
        self.join()


def _company(name: str, role: MarketPlayerRole) -> CompanyReference:
    return CompanyReference(market_player_id=uuid4(), name=name, roles=[role])
