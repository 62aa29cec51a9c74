"""Platforms of the release of before, built with its SDK, at the marketplace of today."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from examples.demo.companies import run_set_up_test, wait_until
from marketplace.identity.speaking import own_version
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    ActivationState,
    Delivery,
    DeliveryState,
    PointsOfDeliveryOrder,
    SubscriptionState,
)
from mpp_sdk.contracts.marketplace.models import EventKind as Kind
from tests.functional.marketplace import (
    Marketplace,
    Platform,
    deliveries,
    subscribe,
    until_state,
)
from tests.functional.platforms import GRANTED

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "tests" / "releases" / "flexagora-0.1.0-py3-none-any.whl"
REASON = ActionReason(reason="As the test has it.")
BY_HAND = "GRANTED-BY-HAND"


@pytest.fixture(scope="module")
def sdk_of_before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment in which Python finds the SDK of the release of before."""
    unpacked = tmp_path_factory.mktemp("release")
    with zipfile.ZipFile(RELEASE) as wheel:
        wheel.extractall(unpacked)
    # Before what is installed; the tests' own platforms are built on it as they are on today's.
    return {"PYTHONPATH": f"{unpacked}:{ROOT}", "PYTHONSAFEPATH": "1"}


@contextmanager
def of_before(platform: Platform, sdk: dict[str, str]) -> Iterator[None]:
    """Run a platform on the SDK of the release of before."""
    today = platform.environment
    platform.environment = today | sdk
    process = platform.with_module("mpp_sdk")
    platform.environment = today
    process.start()
    try:
        yield
    finally:
        process.stop()


def active_pods(platform: Platform, subscription_id: UUID) -> set[str]:
    listed = platform.company.client.list_points_of_delivery(subscription_id).items
    return {pod.pod_id for pod in listed if pod.activation is ActivationState.ACTIVE}


def until_told(platform: Platform, subscription_id: UUID, *expected: str) -> None:
    wait_until("The events", lambda: platform.told(subscription_id) == list(expected))


def test_the_whole_exchange_works_with_platforms_one_minor_version_behind(
    on_sqlite: Marketplace, sdk_of_before: dict[str, str]
) -> None:
    market = on_sqlite
    market.start()
    operator = market.operator()
    provider, requester = market.provider(), market.requester()
    with of_before(provider, sdk_of_before):
        with of_before(requester, sdk_of_before):
            for platform in (provider, requester):
                test = run_set_up_test(platform.company)
                assert test.passed
                [said] = [step for step in test.steps if step.name == "test answered"]
                assert "serves eu-mp 1.0.0" in said.detail
                assert f"What came with {own_version().series} is not sent to it" in said.detail
            assert speaks(requester) == "1.0.0"

            subscription_id = subscribe(requester.company, provider.company).subscription_id
            until_state(requester.company, subscription_id, SubscriptionState.ACTIVE)
            wait_until(
                "Activations",
                lambda: active_pods(requester, subscription_id) == set(GRANTED),
            )
            add_by_hand(requester, subscription_id)
            refused = undelivered(market, subscription_id)
            assert refused.reason is not None
            assert "came with version 1.1" in refused.reason
            assert "the platform speaks 1.0." in refused.reason
            assert refused.attempts == 1

            provider.company.client.suspend_subscription(subscription_id, REASON)
            until_told(requester, subscription_id, "confirmed", "suspended")
            provider.company.client.resume_subscription(subscription_id, REASON)
            until_told(requester, subscription_id, "confirmed", "suspended", "resumed")
            wait_until(
                "Activations again",
                lambda: active_pods(requester, subscription_id) == set(GRANTED),
            )

        requester.process.start()  # with the SDK of today, on the database of before
        operator.replay(refused.event_id, REASON)
        wait_until(
            "What was added by hand",
            lambda: active_pods(requester, subscription_id) == {*GRANTED, BY_HAND},
        )
        assert run_set_up_test(requester.company).passed
        assert speaks(requester) == str(own_version())

        requester.company.client.cancel_subscription(subscription_id, REASON)
        for platform in (provider, requester):
            until_told(platform, subscription_id, "confirmed", "suspended", "resumed", "canceled")
    states = {one.state for one in deliveries(operator, subscription_id)}
    assert states == {DeliveryState.DELIVERED}


def speaks(platform: Platform) -> str | None:
    company = platform.company
    return company.client.read_platform(company.player_id).body.contract_version


def add_by_hand(requester: Platform, subscription_id: UUID) -> None:
    order = PointsOfDeliveryOrder(pod_ids=[BY_HAND])
    assert (
        requester.company.client.request_points_of_delivery(subscription_id, order).added_count == 1
    )


def undelivered(market: Marketplace, subscription_id: UUID) -> Delivery:
    """Return the delivery of what was added by hand, once it is dead."""
    operator = market.operator()

    def dead() -> Delivery | None:
        for one in deliveries(operator, subscription_id):
            if one.kind is Kind.POINTS_OF_DELIVERY_REQUESTED and one.state is DeliveryState.DEAD:
                return one
        return None

    return wait_until("A dead delivery", dead)
