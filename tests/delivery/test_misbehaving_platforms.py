"""What a running marketplace does when a platform asks for time, or is gone."""

from datetime import timedelta

from examples.demo.companies import Company, connect_platform, wait_until
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    AttemptOutcome,
    DeliveryState,
    MarketPlayerRole,
    SubscriptionState,
)
from tests.delivery.misbehaving import MisbehavingPlatform, Say
from tests.functional.marketplace import Marketplace, deliveries, subscribe, until_state

KEY = "test-key-of-a-platform-that-misbehaves"
REASON = ActionReason(reason="The test says so.")


def test_a_retry_after_is_kept_and_so_is_the_order_within_a_subscription(
    marketplace: Marketplace,
) -> None:
    pause = timedelta(seconds=5)  # by itself the first retry would come after two or so
    wants_time = Say(503, retry_after=str(int(pause.total_seconds())))
    marketplace.start()
    with MisbehavingPlatform(wants_time) as requester, MisbehavingPlatform() as provider:
        buyer = _company(marketplace, "Levante Aggregation", requester.url)
        seller = _company(marketplace, "Crevillent Distribution", provider.url)
        first = subscribe(buyer, seller).subscription_id
        wait_until("The first attempt", lambda: requester.about(first), 20)
        buyer.client.cancel_subscription(first, REASON)
        second = subscribe(buyer, seller).subscription_id
        until_state(buyer, second, SubscriptionState.ACTIVE)
        wait_until("All of the first", lambda: len(requester.about(first)) == 3 or None, 20)

        heard = requester.about(first)
        assert [one.event for one in heard] == ["confirmed", "confirmed", "canceled"]
        assert heard[0].body == heard[1].body
        assert heard[1].at - heard[0].at >= pause
        (other,) = requester.about(second)
        assert heard[0].at < other.at < heard[1].at  # nobody waits for another subscription
        assert [one.event for one in provider.about(first)] == ["confirmed", "canceled"]

        def all_recorded() -> bool:
            sent = deliveries(buyer.client, first)
            return [one.state for one in sent] == [DeliveryState.DELIVERED] * 2

        wait_until("The record", all_recorded, 10)
        confirmed = deliveries(buyer.client, first)[0]
        attempts = buyer.client.list_attempts(confirmed.event_id).items
        assert [(one.number, one.status, one.outcome) for one in attempts] == [
            (2, 200, AttemptOutcome.DELIVERED),
            (1, 503, AttemptOutcome.RETRY),
        ]


def test_gone_is_final_until_an_operator_replays_the_delivery(on_sqlite: Marketplace) -> None:
    on_sqlite.start()
    with MisbehavingPlatform(Say(410)) as requester, MisbehavingPlatform() as provider:
        buyer = _company(on_sqlite, "Levante Aggregation", requester.url)
        seller = _company(on_sqlite, "Crevillent Distribution", provider.url)
        subscription = subscribe(buyer, seller).subscription_id

        def dead() -> bool:
            return deliveries(buyer.client, subscription)[0].state is DeliveryState.DEAD

        wait_until("The end of the delivery", dead, 20)
        delivery = deliveries(buyer.client, subscription)[0]
        assert delivery.attempts == 1
        assert "410" in (delivery.reason or "")
        assert delivery.next_attempt_at is None
        seen = buyer.client.read_subscription(subscription).body
        assert seen.state is SubscriptionState.PENDING

        on_sqlite.operator().replay(delivery.event_id, REASON)
        until_state(buyer, subscription, SubscriptionState.ACTIVE)
        heard = requester.about(subscription)
        assert [one.event for one in heard] == ["confirmed", "confirmed"]
        assert {one.body["eventId"] for one in heard} == {str(delivery.event_id)}


def _company(marketplace: Marketplace, name: str, platform_url: str) -> Company:
    company = marketplace.company(name, MarketPlayerRole.DSO)
    connect_platform(company, platform_url, KEY)
    return company
