"""Keys change in both directions, under load, and no call fails."""

from itertools import cycle
from uuid import UUID

import pytest
import requests

from examples.demo.companies import connect_platform, wait_until
from mpp_sdk import clock
from mpp_sdk.client import ProblemError, api_key
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    AuditedKind,
    DeliveryState,
    MarketPlayerRole,
    SubscriptionState,
)
from mpp_sdk.contracts.notifications.client import NotificationsClient
from mpp_sdk.contracts.notifications.models import InterimNotification, ServiceStatus
from mpp_sdk.ids import new_id
from tests.delivery.misbehaving import MisbehavingPlatform
from tests.functional.marketplace import Marketplace, deliveries, subscribe, until_state
from tests.functional.sdk.support import Caller

PER_SECOND = 20
CALLS = 120
ROTATIONS = 5
GRACE = "PT4S"
REASON = ActionReason(reason="A test of keys.")


def test_no_call_fails_while_keys_are_rotated_in_both_directions(marketplace: Marketplace) -> None:
    marketplace.start(FLEXAGORA_JOB_INTERVAL="PT1H")
    provider = marketplace.provider()
    buyer = marketplace.company("Levante Aggregation", MarketPlayerRole.AGGREGATOR)
    with (
        provider.in_this_process(MPP_KEY_GRACE=GRACE) as platform,
        MisbehavingPlatform() as requester,
    ):
        connect_platform(buyer, requester.url, "test-key-that-stays-as-it-is")
        subscriptions = [subscribe(buyer, provider.company).subscription_id for _ in range(4)]
        for subscription_id in subscriptions:
            until_state(buyer, subscription_id, SubscriptionState.ACTIVE)
        # Only now that the platform runs: a refresh that fails is not tried again for a while.
        marketplace.process.stop()
        marketplace.start(FLEXAGORA_API_KEY_REFRESH_INTERVAL="PT1S", FLEXAGORA_API_KEY_GRACE=GRACE)
        operator = marketplace.operator()
        events = iter(
            (change, subscription_id)
            for change in cycle((operator.suspend_subscription, operator.resume_subscription))
            for subscription_id in subscriptions
        )

        def have_the_platforms_called() -> None:
            change, subscription_id = next(events)
            change(subscription_id, REASON)

        base_url = f"{marketplace.url}/notifications/v1"
        notifications = NotificationsClient(
            base_url,
            requests.Session(),
            lambda: {"X-API-Key": platform.outbound_key.current()},
        )
        callers = [
            Caller(have_the_platforms_called, PER_SECOND),
            Caller(lambda: notifications.notify_interim(_status(subscriptions[0])), PER_SECOND),
        ]
        for caller in callers:
            caller.start()
        for rotation in range(1, ROTATIONS + 1):
            platform.marketplace.refresh_key()
            enough = CALLS * rotation // ROTATIONS
            _until_made(callers, enough)
        for caller in callers:
            caller.stop()

        assert [one.failures for one in callers] == [[], []]
        assert all(one.made >= CALLS for one in callers)

        def all_delivered() -> bool:
            return {one.state for each in subscriptions for one in deliveries(operator, each)} == {
                DeliveryState.DELIVERED
            }

        wait_until("The last deliveries", all_delivered, 20)
        sent = [one for each in subscriptions for one in deliveries(operator, each)]
        assert len(sent) == 2 * (callers[0].made + len(subscriptions))
        assert {one.attempts for one in sent} == {1}

        assert _count(operator, AuditedKind.PLATFORM, "refresh-key") >= 3
        assert _count(operator, AuditedKind.CREDENTIAL, "refresh") >= ROTATIONS
        with pytest.raises(ProblemError, match="401"):
            provider.eu_mp().test_connection()
        with pytest.raises(ProblemError, match="401"):
            NotificationsClient(
                base_url, requests.Session(), api_key(provider.first_api_key)
            ).test_connection()


def _count(operator: MarketplaceClient, kind: AuditedKind, action: str) -> int:
    trail = operator.list_audit_trail(entity_kind=kind, limit=200).items
    return sum(entry.action == action for entry in trail)


def _until_made(callers: list[Caller], calls: int) -> None:
    wait_until("These calls", lambda: all(caller.made >= calls for caller in callers))


def _status(subscription_id: UUID) -> InterimNotification:
    return InterimNotification(
        event_id=new_id(),
        occurred_at=clock.now(),
        subscription_id=subscription_id,
        status=ServiceStatus.OPERATIONAL,
    )
