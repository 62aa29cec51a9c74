"""Calls to several processes of one marketplace, without a pause, and what comes of each."""

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import requests
from sqlalchemy import select

from examples.demo.companies import (
    Company,
    DidNotHappen,
    connect_platform,
    expect,
    register,
    wait_until,
)
from examples.demo.environments import PlatformSecrets, platform_environment
from examples.demo.processes import free_port
from mpp_sdk.client import NO_RETRIES, api_key
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    CredentialDraft,
    CredentialKind,
    DeliveryState,
    MarketPlayerRole,
    PlatformRole,
    SubscriptionState,
)
from mpp_sdk.contracts.notifications.client import NotificationsClient
from mpp_sdk.contracts.notifications.models import (
    ActivationNotification,
    ActivationState,
    ConsentNotification,
    ConsentState,
    InterimNotification,
    ServiceStatus,
)
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.web.server import BackgroundServer
from tests.functional.marketplace import deliveries, negotiate, publish
from tests.functional.platforms import TOLD, Remembering
from tests.topology import Address

_ANY = "http://marketplace.invalid"
_PAUSE_S = 0.1
_PATIENCE_S = 40.0
_TOLD = ["confirmed", "suspended", "resumed"]
_POD = "ZIVxxxxxxxxxx"


class Targets:
    """Where calls go: to each process in turn. It may be changed while they go."""

    def __init__(self, *urls: str) -> None:
        self._urls: tuple[str, ...] = urls
        self._turn = itertools.count()

    def become(self, *urls: str) -> None:
        """Have the calls from now on go to these."""
        self._urls = urls

    def next(self) -> str:
        """Return whose turn it is."""
        urls = self._urls
        return urls[next(self._turn) % len(urls)]


class Balanced:
    """A session that sends each call to the target whose turn it is, over connections it keeps."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._session = requests.Session()
        self.made = 0

    def request(
        self,
        method: str,
        url: str,
        *,
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
        allow_redirects: bool,
    ) -> Any:
        self.made += 1
        return self._session.request(
            method,
            url.replace(_ANY, self._targets.next(), 1),
            data=data,
            headers=headers,
            timeout=timeout,
            allow_redirects=allow_redirects,
        )


class Side:
    """A company with a platform that runs in this process, and writes down what it is told."""

    def __init__(
        self,
        folder: Path,
        url: str,
        operator: MarketplaceClient,
        role: MarketPlayerRole,
        address: Address,
    ) -> None:
        name = f"Company {role.value}"
        self.company = register(url, operator, name, [role])
        port, inbound = address.port, f"test-{secrets.token_urlsafe(24)}"
        access = connect_platform(self.company, address.url, inbound)
        given = PlatformSecrets(inbound, access.api_key, access.signing_secret)
        environment = platform_environment(folder, role.value, name, port, url, given)
        self._platform = Remembering(
            PlatformSettings.model_validate(
                {key.removeprefix("MPP_").lower(): value for key, value in environment.items()}
            )
        )
        self._port = port
        issued = self.company.client.issue_credential(
            self.company.player_id,
            CredentialDraft(
                kind=CredentialKind.API_KEY,
                label="traffic",
                roles=[PlatformRole.PROVIDER, PlatformRole.REQUESTER],
            ),
        )
        self.api_key = expect(issued.api_key)

    @contextmanager
    def running(self) -> Iterator[None]:
        with BackgroundServer(self._platform.app(), port=self._port):
            yield

    def told(self, subscription_id: UUID) -> list[str]:
        query = (
            select(TOLD.c.what)
            .where(TOLD.c.subscription_id == str(subscription_id))
            .order_by(TOLD.c.number)
        )
        with self._platform.transactions.reading() as session:
            return list(session.execute(query).scalars())


class Caller:
    """Does something again and again in a thread until it is told to stop."""

    def __init__(self, what: Callable[[], None]) -> None:
        self._what = what
        self._stop = threading.Event()
        self.rounds = 0
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._what()
                self.rounds += 1
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            time.sleep(_PAUSE_S)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class Traffic:
    """Two callers that subscribe, notify, suspend and resume, and one that reports its status."""

    def __init__(
        self, targets: Targets, provider: Side, requester: Side, patience_s: float = _PATIENCE_S
    ) -> None:
        self._targets = targets
        self._patience_s = patience_s
        self._provider, self._requester = provider, requester
        self._service_id = publish(provider.company)
        self._sessions: list[Balanced] = []
        self.subscriptions: list[UUID] = []
        self._callers: list[Caller] = []

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return sum(session.made for session in self._sessions)

    @property
    def rounds(self) -> int:
        """How many rounds were made in all."""
        return sum(caller.rounds for caller in self._callers)

    @property
    def failures(self) -> list[str]:
        """What went wrong, in words."""
        return [failure for caller in self._callers for failure in caller.failures]

    def start(self) -> None:
        """Begin, and return when one round of each was made."""
        requester, provider = self._requester.company, self._provider.company
        offer = negotiate(requester, provider, self._service_id)
        reported = requester.client.accept_offer(offer.service_request_id, offer.offer_id).body
        self._until_active(requester, reported.subscription_id)
        self._callers = [Caller(self._subscriber()) for _ in range(2)]
        self._callers.append(Caller(self._reporter(reported.subscription_id)))
        self.go_on()

    def go_on(self) -> None:
        """Return when each caller has made at least one whole round from now, or has failed."""
        before = [caller.rounds for caller in self._callers]
        wait_until(
            "A round of each",
            lambda: (
                bool(self.failures)
                or all(
                    caller.rounds > made + 1
                    for caller, made in zip(self._callers, before, strict=True)
                )
            ),
            3 * self._patience_s,
        )

    def stop(self) -> None:
        """End; rounds under way are finished."""
        for caller in self._callers:
            caller.stop()

    def check(self, operator: MarketplaceClient, most_attempts: int = 1) -> None:
        """Assert that no call failed, and that every event was delivered and applied once."""
        assert not self.failures, self.failures[:5]

        def states() -> set[DeliveryState]:
            return {one.state for each in self.subscriptions for one in deliveries(operator, each)}

        wait_until("The deliveries", lambda: states() == {DeliveryState.DELIVERED}, 60)
        for subscription_id in self.subscriptions:
            sent = deliveries(operator, subscription_id)
            assert len(sent) == 2 * len(_TOLD)
            assert max(one.attempts for one in sent) <= most_attempts
            for side in (self._provider, self._requester):
                assert side.told(subscription_id) == _TOLD

    def _people(self, company: Company) -> Company:
        session = Balanced(self._targets)
        self._sessions.append(session)
        client = MarketplaceClient(
            f"{_ANY}/api/v1", session, company.client._auth, retries=NO_RETRIES
        )
        return Company(company.name, company.player_id, company.credential_id, client)

    def _notifications(self) -> NotificationsClient:
        session = Balanced(self._targets)
        self._sessions.append(session)
        return NotificationsClient(
            f"{_ANY}/notifications/v1", session, api_key(self._provider.api_key), retries=NO_RETRIES
        )

    def _subscriber(self) -> Callable[[], None]:
        requester = self._people(self._requester.company)
        provider = self._people(self._provider.company)
        notifications = self._notifications()

        def go_round() -> None:
            offer = negotiate(requester, provider, self._service_id)
            made = requester.client.accept_offer(offer.service_request_id, offer.offer_id).body
            each = made.subscription_id
            self.subscriptions.append(each)

            self._until_active(requester, each)
            for consent in (ConsentState.REQUESTED, ConsentState.GRANTED):
                notifications.notify_consent(
                    ConsentNotification(
                        event_id=uuid4(),
                        occurred_at=datetime.now(UTC),
                        subscription_id=each,
                        pod_id=_POD,
                        state=consent,
                    )
                )
            for activation in (ActivationState.REQUESTED, ActivationState.ACTIVE):
                notifications.notify_activation(
                    ActivationNotification(
                        event_id=uuid4(),
                        occurred_at=datetime.now(UTC),
                        subscription_id=each,
                        pod_id=_POD,
                        state=activation,
                    )
                )
            provider.client.suspend_subscription(each, ActionReason(reason="A pause."))
            provider.client.resume_subscription(each, ActionReason(reason="The end of it."))

        return go_round

    def _until_active(self, company: Company, subscription_id: UUID) -> None:
        def active() -> bool:
            found = company.client.read_subscription(subscription_id).body
            return found.state is SubscriptionState.ACTIVE

        try:
            wait_until("That it is ACTIVE", active, self._patience_s)
        except DidNotHappen:
            sent = deliveries(company.client, subscription_id)
            tried = [company.client.list_attempts(one.event_id).items[:3] for one in sent]
            raise DidNotHappen(f"{subscription_id} is not ACTIVE: {sent} {tried}") from None

    def _reporter(self, subscription_id: UUID) -> Callable[[], None]:
        notifications = self._notifications()

        def go_round() -> None:
            notifications.notify_interim(
                InterimNotification(
                    event_id=uuid4(),
                    occurred_at=datetime.now(UTC),
                    subscription_id=subscription_id,
                    status=ServiceStatus.OPERATIONAL,
                    active_pods=1,
                )
            )

        return go_round


@contextmanager
def two_sides(
    folder: Path,
    url: str,
    operator: MarketplaceClient,
    addresses: Sequence[Address] | None = None,
) -> Iterator[Sequence[Side]]:
    """Give a provider and a requester whose platforms run in this process.

    They are reached at the addresses, by default without TLS at free ports.
    """
    if addresses is None:
        ports = [free_port(), free_port()]
        addresses = [Address(port, f"http://127.0.0.1:{port}") for port in ports]
    with ExitStack() as stack:
        sides = [
            Side(folder, url, operator, role, address)
            for role, address in zip(
                (MarketPlayerRole.DSO, MarketPlayerRole.AGGREGATOR), addresses, strict=True
            )
        ]
        for side in sides:
            stack.enter_context(side.running())
        yield sides
