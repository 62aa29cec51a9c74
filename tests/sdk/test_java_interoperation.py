"""The demonstration's exchange, with a requester's platform in Java and a provider's in Python."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from examples.demo.checks import states
from examples.demo.companies import wait_until
from examples.demo.portfolio import DENIED, EXPECTED, WITHDRAWN
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    DeliveryState,
    MarketPlayerRole,
    PointsOfDeliveryOrder,
    Subscription,
    SubscriptionState,
)
from mpp_sdk.database import open_database, reading
from mpp_sdk.metering.store import MeteringStore
from tests.sdk.java.compiled import JavaSdk
from tests.sdk.java.platform import JavaPlatform
from tests.sdk.java.readings import documents, take_in
from tests.world import people
from tests.world.people import Company, Register
from tests.world.processes import MarketplaceProcess, PlatformProcess

KEPT = ("ZIVxxxxxxxxxx", "HOUSEHOLD-A")
READ = (*KEPT, WITHDRAWN)
ADDED = "NOT-SUPPLIED-HERE"


@dataclass
class World:
    """A marketplace, a provider in Python and a requester in Java."""

    folder: Path
    register: Register
    provider: Company
    requester: Company
    operator_platform: PlatformProcess
    java: JavaPlatform

    def subscription(self, agreed: Subscription) -> Subscription:
        """Return a subscription as the marketplace has it now."""
        return self.requester.client.read_subscription(agreed.subscription_id).body

    def states(self, agreed: Subscription) -> dict[str, tuple[str, str]]:
        """Return consent and activation of each point of delivery at the marketplace."""
        return states(self.register.operator.client, agreed.subscription_id)

    def has_everything_of(self, pod_id: str) -> bool:
        """Return whether the requester's documents tell exactly the provider's readings."""
        theirs = MeteringStore(
            reading(open_database(f"sqlite:///{self.operator_platform.database_file}"))
        )
        ours = MeteringStore(open_database(f"sqlite:///{self.folder / 'fetched.db'}"))
        ours.create()
        take_in(ours, documents(self.java, pod_id))
        return ours.count(pod_id) > 0 and ours.digest(pod_id) == theirs.digest(pod_id)

    def withdraw(self, pod_id: str, marketplace_url: str) -> None:
        """Record at the provider that a customer takes the consent back."""
        settings = {
            "MPP_DATABASE_URL": f"sqlite:///{self.operator_platform.database_file}",
            "MPP_MARKETPLACE_URL": marketplace_url,
        }
        command = ["mpp_sdk", "consents", "withdraw", pod_id, "--reason", "The customer moved out."]
        subprocess.run(
            [sys.executable, "-m", *command],
            env={**os.environ, **settings},
            check=True,
            capture_output=True,
        )


@pytest.fixture
def world(java_sdk: JavaSdk, tmp_path: Path) -> Iterator[World]:
    marketplace = MarketplaceProcess(
        tmp_path, {"FLEXAGORA_POLL_INTERVAL": "PT0.1S", "FLEXAGORA_JOB_INTERVAL": "PT0.5S"}
    )
    operator_platform = PlatformProcess(tmp_path, "examples.local_operator:LocalOperator")
    java = JavaPlatform(java_sdk, tmp_path / "java")
    try:
        marketplace.server.start()
        register = Register(marketplace.url)
        register.sign_in_operator(*marketplace.create_operator())
        provider = register.company(
            "Crevillent Networks",
            [MarketPlayerRole.DSO],
            operator_platform.url,
            operator_platform.inbound_key,
        )
        requester = register.company(
            "Levante Flexibility", [MarketPlayerRole.AGGREGATOR], java.url, java.inbound_key
        )
        operator_platform.start(marketplace.url, provider.key, provider.signing_secret)
        java.start(
            marketplace.url,
            requester.key,
            requester.signing_secret,
            {"AGGREGATOR_PODS": ",".join([*READ, DENIED])},
        )
        yield World(tmp_path, register, provider, requester, operator_platform, java)
    finally:
        for server in (java, operator_platform, marketplace.server):
            server.stop()


def test_a_requester_in_java_gets_the_readings_that_customers_allow(world: World) -> None:
    java, requester, provider = world.java, world.requester, world.provider

    test = requester.client.test_platform(requester.player_id)
    assert test.passed, test.steps

    service = people.publish(provider, "Validated meter data")
    agreed = people.subscribe(provider, requester, service, "PT1S")
    wait_until("Both platforms know", lambda: _is(world, agreed, SubscriptionState.ACTIVE))
    assert len(world.subscription(agreed).acknowledged_by) == 2

    # Killed in the midst of the first readings, it goes on where it was.
    wait_until("The first readings", lambda: documents(java, "HOUSEHOLD-A"))
    java.kill()
    before = {pod: documents(java, pod) for pod in READ}
    java.start_again()
    wait_until("All readings", lambda: all(_is_fetched(java, agreed, pod) for pod in READ))
    assert all(world.has_everything_of(pod) for pod in READ)
    assert not documents(java, DENIED)
    for pod, kept in before.items():
        assert kept.items() <= documents(java, pod).items()  # nothing was fetched twice

    # What happens while it is down reaches it afterwards.
    java.kill()
    fetched = {pod: documents(java, pod) for pod in KEPT}
    world.withdraw(WITHDRAWN, world.register.url)
    requester.client.request_points_of_delivery(
        agreed.subscription_id, PointsOfDeliveryOrder(pod_ids=[ADDED])
    )
    assert documents(java, WITHDRAWN)
    java.start_again()
    wait_until("The deletion", lambda: not documents(java, WITHDRAWN))
    expected = {pod: EXPECTED[pod] for pod in (*READ, DENIED)} | {ADDED: ("DENIED", "")}
    wait_until("What the marketplace knows", lambda: world.states(agreed) == expected)
    assert {pod: documents(java, pod) for pod in KEPT} == fetched

    requester.client.cancel_subscription(
        agreed.subscription_id, ActionReason(reason="The portfolio was sold.")
    )
    wait_until("The cancelation", lambda: _is_told_canceled(java, agreed))
    wait_until("The acknowledgements", lambda: _all_is_delivered(world, agreed))


def _is(world: World, agreed: Subscription, state: SubscriptionState) -> bool:
    return world.subscription(agreed).state is state


def _all_is_delivered(world: World, agreed: Subscription) -> bool:
    operator = world.register.operator.client
    deliveries = operator.list_deliveries(subscription_id=agreed.subscription_id).items
    return all(one.state is DeliveryState.DELIVERED for one in deliveries)


def _is_fetched(java: JavaPlatform, agreed: Subscription, pod_id: str) -> bool:
    """Return whether it has all up to now; a page before the last one ends in the past."""
    until = java.recorded().get(f"fetched/{agreed.subscription_id}/{pod_id}")
    return until is not None and datetime.fromisoformat(until) > agreed.created_at


def _is_told_canceled(java: JavaPlatform, agreed: Subscription) -> bool:
    known = java.recorded().get(f"subscription/{agreed.subscription_id}", {})
    return bool(known.get("state") == "CANCELED")
