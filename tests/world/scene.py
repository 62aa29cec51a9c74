"""Two pairs of companies at one marketplace: what the first pair has is none of the second's."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from mpp_sdk.contracts.marketplace.models import (
    MarketPlayerRole,
    Offer,
    ServiceRequest,
    ServiceVersion,
    Subscription,
    SubscriptionState,
)
from mpp_sdk.ids import new_id

from . import people
from .people import Company, Register
from .platform import presented_key, subscription_keys
from .processes import PODS, MarketplaceProcess, PlatformProcess

T = TypeVar("T")

FIRST_DRAFT = "A draft that nobody else may know of"
FIRST_DRAFTED_VERSION = "A version that nobody else may know of"


@dataclass(frozen=True)
class Pair:
    """A provider and a requester, and what they have with each other."""

    provider: Company
    requester: Company
    service: ServiceVersion
    draft: ServiceVersion
    request: ServiceRequest
    offer: Offer
    subscription: Subscription
    confirmed_request: ServiceRequest
    confirmed_offer: Offer


@dataclass(frozen=True)
class Scene:
    """The world of the tests.

    The second requester also has a subscription with the first provider, whose platform runs; the
    keys are those of the data exchange of the two requesters with it.
    """

    folder: Path
    register: Register
    marketplace: MarketplaceProcess
    provider_platform: PlatformProcess
    first: Pair
    second: Pair
    second_at_first: Subscription
    first_key: str
    second_key: str
    platforms: tuple[PlatformProcess, ...]

    def secrets(self) -> set[str]:
        """Return every secret that was issued or stated."""
        presented = {presented_key(one, self.marketplace.url) for one in self.platforms}
        inbound = {one.inbound_key for one in self.platforms}
        return self.register.secrets | presented | inbound | {self.first_key, self.second_key}


@contextmanager
def staged(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    platform_settings: Mapping[str, str] | None = None,
) -> Iterator[Scene]:
    """Give the scene, with its processes, for as long as the block runs."""
    with ExitStack() as stack:
        marketplace = MarketplaceProcess(folder, settings)
        operator_platform = PlatformProcess(folder, "examples.local_operator:LocalOperator")
        first_platform = PlatformProcess(folder, "examples.aggregator:Aggregator")
        second_platform = PlatformProcess(
            folder / "second", "mpp_sdk.platform:MarketPlayerPlatform"
        )
        platforms = (operator_platform, first_platform, second_platform)
        for server in (*platforms, marketplace.server):
            stack.callback(server.stop)
        marketplace.server.start()
        register = Register(marketplace.url)
        register.sign_in_operator(*marketplace.create_operator())

        def company(name: str, role: MarketPlayerRole, platform: PlatformProcess) -> Company:
            made = register.company(name, [role], platform.url, platform.inbound_key)
            platform.start(marketplace.url, made.key, made.signing_secret, platform_settings)
            return made

        # None of them is named as in a contract's examples: a storm takes words from these.
        provider = company("Crevillent Networks", MarketPlayerRole.DSO, operator_platform)
        requester = company("Levante Flexibility", MarketPlayerRole.AGGREGATOR, first_platform)
        other = company("Poniente Aggregation", MarketPlayerRole.AGGREGATOR, second_platform)
        other_provider = register.company("Segura Distribution", [MarketPlayerRole.DSO])
        for one in (provider, requester):
            one.client.test_platform(one.player_id, idempotency_key=str(new_id()))
        first = _pair(provider, requester, "The first service", FIRST_DRAFT)
        second = _pair(other_provider, other, "The second service", "The second draft")
        drafted = provider.client.create_service_version(
            first.service.service_id, people.description(FIRST_DRAFTED_VERSION)
        )
        people.document(provider, drafted.body)
        second_at_first = people.subscribe(provider, other, first.service)
        _wait_for(lambda: _is_integrated(requester, first.subscription.subscription_id, len(PODS)))
        _wait_for(lambda: _is_integrated(other, second_at_first.subscription_id, 0))
        _wait_for(lambda: _has_status(requester, first.subscription.subscription_id))
        yield Scene(
            folder,
            register,
            marketplace,
            operator_platform,
            first,
            second,
            second_at_first,
            subscription_keys(first_platform, marketplace.url)[first.subscription.subscription_id],
            subscription_keys(second_platform, marketplace.url)[second_at_first.subscription_id],
            platforms,
        )


def _pair(provider: Company, requester: Company, service_name: str, draft_name: str) -> Pair:
    drafted = people.document(provider, people.draft(provider, service_name))
    service = provider.client.publish_service_version(drafted.service_id, drafted.version).body
    open_request = people.request(requester, service)
    subscription = people.subscribe(provider, requester, service, "PT1S")
    confirmed = requester.client.read_service_request(subscription.service_request_id).body
    offers = requester.client.list_offers(subscription.service_request_id).items
    return Pair(
        provider,
        requester,
        service,
        people.document(provider, people.draft(provider, draft_name)),
        open_request,
        people.offer(provider, open_request),
        subscription,
        confirmed,
        offers[0],
    )


def _is_integrated(company: Company, subscription_id: UUID, pods: int) -> bool:
    subscription = company.client.read_subscription(subscription_id).body
    known = company.client.list_points_of_delivery(subscription_id).items
    activated = [pod for pod in known if pod.activation == "ACTIVE" or pod.consent == "DENIED"]
    return subscription.state is SubscriptionState.ACTIVE and len(activated) == pods


def _has_status(company: Company, subscription_id: UUID) -> bool:
    return bool(company.client.list_interim_statuses(subscription_id).items)


def _wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.1)
