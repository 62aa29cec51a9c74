"""Keys and signing secrets change in both directions, under load, and no call fails.

FLEXAGORA_TEST_ROTATION_RATE says how many events a second go each way; `make chaos` makes it 200.
"""

import os
from collections.abc import Callable, Sequence
from itertools import cycle
from uuid import UUID

import pytest
import requests

from examples.demo.companies import connect_platform, wait_until
from mpp_sdk import clock
from mpp_sdk.client import NO_RETRIES, ProblemError, api_key
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    AuditedKind,
    DeliveryState,
    MarketPlayerRole,
    PlatformDraft,
    SubscriptionState,
)
from mpp_sdk.contracts.notifications.client import NotificationsClient
from mpp_sdk.contracts.notifications.models import InterimNotification, ServiceStatus
from mpp_sdk.ids import new_id
from tests.delivery.misbehaving import MisbehavingPlatform
from tests.functional.marketplace import (
    Marketplace,
    Platform,
    deliveries,
    subscribe,
    until_state,
)
from tests.functional.sdk.support import Caller

RATE = int(os.environ.get("FLEXAGORA_TEST_ROTATION_RATE", "40"))
"""Events a second, each way. A change of a subscription is two events: one for each platform."""
CALLER_RATE = 20
CALLS = 16
"""How many of its calls each rotation gets from each caller, at least."""
ROTATIONS = int(os.environ.get("FLEXAGORA_TEST_ROTATIONS", "10"))
CHANGERS = max(1, RATE // 2 // CALLER_RATE)
NOTIFIERS = max(1, RATE // CALLER_RATE)
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
        subscriptions = [
            subscribe(buyer, provider.company).subscription_id for _ in range(4 * CHANGERS)
        ]
        for subscription_id in subscriptions:
            until_state(buyer, subscription_id, SubscriptionState.ACTIVE)
        # Only now that the platform runs: a refresh that fails is not tried again for a while.
        marketplace.process.stop()
        marketplace.start(FLEXAGORA_API_KEY_REFRESH_INTERVAL="PT1S", FLEXAGORA_API_KEY_GRACE=GRACE)
        operator = marketplace.operator()
        base_url = f"{marketplace.url}/notifications/v1"

        def notifying() -> Callable[[], object]:
            notifications = NotificationsClient(
                base_url,
                requests.Session(),
                lambda: {"X-API-Key": platform.outbound_key.current()},
                retries=NO_RETRIES,
            )
            return lambda: notifications.notify_interim(_status(subscriptions[0]))

        changers = [
            Caller(_changing(marketplace.operator(), subscriptions[n::CHANGERS]), CALLER_RATE)
            for n in range(CHANGERS)
        ]
        callers = [*changers, *(Caller(notifying(), CALLER_RATE) for _ in range(NOTIFIERS))]
        for caller in callers:
            caller.start()
        for rotation in range(1, ROTATIONS + 1):
            platform.marketplace.refresh_key()
            if rotation % 3 == 0:
                _rotate_signing_secret(provider)
            _until_made(callers, CALLS * rotation)
        for caller in callers:
            caller.stop()

        assert [failure for one in callers for failure in one.failures] == []
        assert all(one.made >= CALLS * ROTATIONS for one in callers)

        def all_delivered() -> bool:
            return {one.state for each in subscriptions for one in deliveries(operator, each)} == {
                DeliveryState.DELIVERED
            }

        wait_until("The last deliveries", all_delivered, 20)
        sent = [one for each in subscriptions for one in deliveries(operator, each)]
        assert len(sent) == 2 * (sum(one.made for one in changers) + len(subscriptions))
        assert {one.attempts for one in sent} == {1}

        assert _count(operator, AuditedKind.PLATFORM, "refresh-key") >= 3
        assert _count(operator, AuditedKind.CREDENTIAL, "refresh") >= ROTATIONS
        with pytest.raises(ProblemError, match="401"):
            provider.eu_mp().test_connection()
        with pytest.raises(ProblemError, match="401"):
            NotificationsClient(
                base_url, requests.Session(), api_key(provider.first_api_key)
            ).test_connection()


def _changing(operator: MarketplaceClient, subscriptions: Sequence[UUID]) -> Callable[[], object]:
    """Return what suspends and resumes the subscriptions in turn, each by two signed events."""
    changes = (
        (change, subscription_id)
        for change in cycle((operator.suspend_subscription, operator.resume_subscription))
        for subscription_id in subscriptions
    )

    def change() -> None:
        change, subscription_id = next(changes)
        change(subscription_id, REASON)

    return change


def _rotate_signing_secret(provider: Platform) -> None:
    """Have events signed with one more secret; the platform goes on with the one it has."""
    company = provider.company
    answer = company.client.set_platform(
        company.player_id,
        PlatformDraft(base_url=provider.url, rotate_signing_secret=True),
        if_match="*",
    )
    assert answer.body.signing_secret


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
