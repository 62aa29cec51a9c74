"""Keys change in both directions, under load, and no call fails."""

from itertools import cycle
from uuid import UUID

import pytest
import requests

from examples.demo.companies import wait_until
from mpp_sdk import clock
from mpp_sdk.client import ProblemError, api_key
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    AuditedKind,
    DeliveryState,
    SubscriptionState,
)
from mpp_sdk.contracts.notifications.client import NotificationsClient
from mpp_sdk.contracts.notifications.models import InterimNotification, ServiceStatus
from mpp_sdk.ids import new_id
from tests.functional.marketplace import Marketplace, deliveries, subscribe, until_state
from tests.functional.sdk.support import Caller

PER_SECOND = 20
CALLS = 120
ROTATIONS = 5
GRACE = "PT4S"
REASON = ActionReason(reason="A test of keys.")


def test_no_call_fails_while_keys_are_rotated_in_both_directions(marketplace: Marketplace) -> None:
    marketplace.start(FLEXAGORA_API_KEY_REFRESH_INTERVAL="PT1S", FLEXAGORA_API_KEY_GRACE=GRACE)
    provider, requester = marketplace.provider(), marketplace.requester()
    with (
        provider.in_this_process(MPP_KEY_GRACE=GRACE) as platform,
        requester.in_this_process(MPP_KEY_GRACE=GRACE),
    ):
        subscriptions = [
            subscribe(requester.company, provider.company).subscription_id for _ in range(4)
        ]
        for subscription_id in subscriptions:
            until_state(requester.company, subscription_id, SubscriptionState.ACTIVE)
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

        trail = operator.list_audit_trail(entity_kind=AuditedKind.PLATFORM, limit=200).items
        assert sum(entry.action == "refresh-key" for entry in trail) >= 2 * 3
        trail = operator.list_audit_trail(entity_kind=AuditedKind.CREDENTIAL, limit=200).items
        assert sum(entry.action == "refresh" for entry in trail) >= ROTATIONS
        with pytest.raises(ProblemError, match="401"):
            provider.eu_mp().test_connection()
        with pytest.raises(ProblemError, match="401"):
            NotificationsClient(
                base_url, requests.Session(), api_key(provider.first_api_key)
            ).test_connection()


def _until_made(callers: list[Caller], calls: int) -> None:
    wait_until("These calls", lambda: all(caller.made >= calls for caller in callers))


def _status(subscription_id: UUID) -> InterimNotification:
    return InterimNotification(
        event_id=new_id(),
        occurred_at=clock.now(),
        subscription_id=subscription_id,
        status=ServiceStatus.OPERATIONAL,
    )
