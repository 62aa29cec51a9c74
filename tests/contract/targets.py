"""The contracts as they are served in one world, ready to be fuzzed."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from mpp_sdk.client import ProblemError
from mpp_sdk.contracts.marketplace.models import (
    DeliveryReplayDraft,
    EventKind,
    MarketPlayerRole,
    Offer,
    ServiceRequest,
    ServiceVersion,
    SubscriptionState,
)
from mpp_sdk.ids import new_id
from mpp_sdk.web.contract import Contract, Operation
from tests.world import people
from tests.world.people import Company, Person, Register
from tests.world.platform import subscription_keys
from tests.world.processes import (
    POD_WITH_CONSENT,
    POD_WITHOUT_CONSENT,
    MarketplaceProcess,
    PlatformProcess,
    without_limits,
)

from .flexoffers import served_flexoffers
from .fuzzing import Target

_KEEP = 4
NAMES = ("marketplace", "notifications", "eu_mp", "eu_mp of a requester", "metering", "flexoffer")


@dataclass
class _Things:
    """What there is at the marketplace to be read, changed and used up."""

    register: Register
    provider: Company
    requester: Company
    renew_every: int
    services: list[ServiceVersion] = field(default_factory=list)
    requests: list[ServiceRequest] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    subscriptions: list[UUID] = field(default_factory=list)
    deliveries: list[UUID] = field(default_factory=list)
    replays: list[UUID] = field(default_factory=list)
    victim: Company = field(init=False)
    _numbers: Iterator[int] = field(default_factory=count)

    def renew(self) -> None:
        """Make new things, every few times.

        The fuzzer works meanwhile, and may withdraw what is just being made: then the things that
        there are serve a little longer.
        """
        number = next(self._numbers)
        if number % self.renew_every == 0:
            with suppress(ProblemError):
                self._make(number)

    def _make(self, number: int) -> None:
        name = f"number {number}"
        published = people.publish(self.provider, f"Service {name}")
        drafted = people.draft(self.provider, f"Draft {name}")
        open_request = people.request(self.requester, published)
        offered = people.request(self.requester, published)
        offer = people.offer(self.provider, offered)
        subscription = people.subscribe(self.provider, self.requester, published)
        self.services = [published, drafted, *self.services][:_KEEP]
        self.requests = [open_request, *self.requests][:_KEEP]
        self.offers = [offer, *self.offers][:_KEEP]
        self.subscriptions = [subscription.subscription_id, *self.subscriptions][:_KEEP]
        found = self.register.operator.client.list_deliveries(limit=_KEEP).items
        self.deliveries = [delivery.event_id for delivery in found]
        replay = self.register.operator.client.request_replay(
            DeliveryReplayDraft(reason=f"For {name}.", kind=EventKind.SERVICE_OFFER_RESUMED)
        )
        self.replays = [replay.replay_id, *self.replays][:_KEEP]
        self.victim = self.register.company(f"Victim {name}", [MarketPlayerRole.DSO])

    def known(self, operation: Operation, random: Random) -> dict[str, str]:
        """Return ids that belong together."""
        service = random.choice(self.services)
        offer = random.choice(self.offers)
        victim = self.victim
        return {
            "marketPlayerId": str(victim.player_id),
            "credentialId": str(random.choice([victim.credential_id, victim.key_id])),
            "providerId": str(self.provider.player_id),
            "serviceId": str(service.service_id),
            "version": str(service.version),
            "serviceRequestId": str(
                offer.service_request_id
                if "offerId" in operation.path
                else random.choice([offer.service_request_id, *self._request_ids()])
            ),
            "offerId": str(offer.offer_id),
            "subscriptionId": str(random.choice(self.subscriptions)),
            "eventId": str(random.choice(self.deliveries)),
            "replayId": str(random.choice(self.replays)),
            "podId": random.choice([POD_WITH_CONSENT, POD_WITHOUT_CONSENT]),
        }

    def _request_ids(self) -> list[UUID]:
        return [request.service_request_id for request in self.requests]

    def body(self, operation: Operation, random: Random) -> dict[str, Any]:
        """Return members that make a body one that can succeed; None takes a member away."""
        now = datetime.now(UTC)
        match operation.name:
            case "request_service":
                published = [s for s in self.services if s.state == "PUBLISHED"]
                chosen = random.choice([None, str(random.choice(self.subscriptions))])
                return {"serviceId": str(random.choice(published).service_id), "supersedes": chosen}
            case "create_service" | "create_service_version" | "edit_service_version":
                return {
                    "providerRole": "DSO",
                    "price": {"model": "FREE"},
                    "interimStatusInterval": "PT1H",
                    "integration": {"contract": "metering", "contractVersion": "1.0.0"},
                }
            case "write_api_document":
                return {
                    "text": f"{{openapi: 3.0.3, info: {{title: {now}, version: '1'}}, paths: {{}}}}"
                }
            case "make_offer":
                return {
                    "price": {"model": "FREE"},
                    "validity": {"start": now.isoformat()},
                    "interimStatusInterval": "PT1H",
                    "validUntil": (now + timedelta(days=3)).isoformat(),
                }
            case "counter_offer":
                return {"price": {"model": "FREE"}, "validity": {"start": now.isoformat()}}
            case "set_platform":
                return {"baseUrl": "http://127.0.0.1:9", "apiKey": "a-key-that-is-long-enough"}
            case "notify_consent" | "notify_activation" | "notify_interim":
                return {
                    "eventId": str(new_id()),
                    "occurredAt": now.isoformat(),
                    "subscriptionId": str(random.choice(self.subscriptions)),
                    "validity": None,
                } | (
                    {}
                    if operation.name == "notify_interim"
                    else {"podId": random.choice([POD_WITH_CONSENT, POD_WITHOUT_CONSENT])}
                )
            case _:
                return {}

    def credentials(self, operation: Operation, random: Random) -> dict[str, str]:
        """Return mostly the credential of who may call, sometimes another one that is valid."""
        operator: Person = self.register.operator
        everybody = [
            operator.headers,
            self.provider.key_headers,
            self.provider.headers,
            self.requester.key_headers,
            self.requester.headers,
            self.victim.headers,
        ]
        if random.random() < 0.15:
            return random.choice(everybody)
        if operation.roles == {"operator"}:
            return operator.headers
        if operation.path.startswith("/market-players/{"):
            return random.choice([self.victim.headers, operator.headers])
        if operation.path == "/apikey":
            return self.victim.key_headers
        if operation.roles == {"provider"}:
            return random.choice([self.provider.key_headers, self.provider.headers])
        if operation.roles == {"requester"}:
            return random.choice([self.requester.key_headers, self.requester.headers])
        return random.choice(everybody[:5])


@contextmanager
def served_contracts(folder: Path, *, renew_every: int) -> Iterator[dict[str, Target]]:
    """Give every contract as it is served: by a marketplace, a provider's and a requester's."""
    with ExitStack() as stack:
        # The processes rotate their keys; those that are fuzzed with must outlive that.
        marketplace = MarketplaceProcess(
            folder, {"FLEXAGORA_API_KEY_GRACE": "P1D", **without_limits("FLEXAGORA_")}
        )
        provider_platform = PlatformProcess(folder, "examples.local_operator:LocalOperator")
        requester_platform = PlatformProcess(folder, "examples.aggregator:Aggregator")
        for server in (requester_platform, provider_platform, marketplace.server):
            stack.callback(server.stop)
        marketplace.server.start()
        register = Register(marketplace.url)
        register.sign_in_operator(*marketplace.create_operator())
        provider = register.company(
            "Crevillent Distribution",
            [MarketPlayerRole.DSO],
            provider_platform.url,
            provider_platform.inbound_key,
        )
        requester = register.company(
            "Levante Aggregation",
            [MarketPlayerRole.AGGREGATOR],
            requester_platform.url,
            requester_platform.inbound_key,
        )
        grace = {"MPP_KEY_GRACE": "P1D", **without_limits("MPP_")}
        provider_platform.start(marketplace.url, provider.key, settings=grace)
        requester_platform.start(marketplace.url, requester.key, settings=grace)
        things = _Things(register, provider, requester, renew_every)
        subscription = people.subscribe(
            provider, requester, people.publish(provider, "Validated meter data")
        )
        _wait_until_active(requester, subscription.subscription_id)
        things.renew()
        keys = subscription_keys(requester_platform, marketplace.url)
        yield {
            target.name: target
            for target in (
                _marketplace("marketplace", marketplace.url, things, subscription.subscription_id),
                _marketplace(
                    "notifications", marketplace.url, things, subscription.subscription_id
                ),
                _eu_mp("eu_mp", provider_platform),
                _eu_mp("eu_mp of a requester", requester_platform),
                _metering(
                    provider_platform,
                    subscription.subscription_id,
                    keys[subscription.subscription_id],
                ),
                stack.enter_context(served_flexoffers(folder)),
            )
        }


def _wait_until_active(requester: Company, subscription_id: UUID) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        read = requester.client.read_subscription(subscription_id).body
        pods = requester.client.list_points_of_delivery(subscription_id).items
        if read.state is SubscriptionState.ACTIVE and len(pods) == 2:
            return
        time.sleep(0.1)
    raise AssertionError("The platforms did not integrate in time.")


def _marketplace(name: str, url: str, things: _Things, subscription_id: UUID) -> Target:
    """Return the target; the subscription stays: others call under it."""
    contract = Contract.load(name)
    return Target(
        name,
        contract,
        url + contract.base_path,
        things.credentials,
        things.known,
        things.body,
        things.renew,
        frozenset(
            map(str, (things.provider.player_id, things.requester.player_id, subscription_id))
        ),
    )


def _eu_mp(name: str, platform: PlatformProcess) -> Target:
    contract = Contract.load("eu_mp")
    subscriptions = [new_id() for _ in range(8)]

    def body(operation: Operation, random: Random) -> dict[str, Any]:
        return {
            "eventId": str(new_id()),
            "occurredAt": datetime.now(UTC).isoformat(),
            "subscriptionId": str(random.choice(subscriptions)),
            "supersedes": None,
            "supersededBy": None,
        }

    return Target(
        name,
        contract,
        platform.url + contract.base_path,
        lambda operation, random: {"X-API-Key": platform.inbound_key},
        body=body,
    )


def _metering(platform: PlatformProcess, subscription_id: UUID, key: str) -> Target:
    contract = Contract.load("metering")

    def known(operation: Operation, random: Random) -> dict[str, str]:
        start = datetime(2013, 1, 1, tzinfo=UTC) + timedelta(hours=random.randrange(60_000))
        return {
            "subscriptionId": str(subscription_id),
            "podId": random.choice([POD_WITH_CONSENT, POD_WITHOUT_CONSENT]),
            "start": start.isoformat(),
            "end": (start + timedelta(hours=random.randrange(1, 60_000))).isoformat(),
        }

    return Target(
        "metering",
        contract,
        platform.url + contract.base_path,
        lambda operation, random: {"X-API-Key": key},
        known,
    )
