"""A platform whose address is inside the marketplace's own network is never called."""

import pytest

from examples.demo.companies import connect_platform, run_set_up_test, wait_until
from mpp_sdk.client import ProblemError
from mpp_sdk.contracts.marketplace.models import (
    DeliveryState,
    MarketPlayerRole,
    PlatformDraft,
    SubscriptionState,
)
from mpp_sdk.contracts.marketplace.models import (
    TestOutcome as StepOutcome,
)
from tests.delivery.misbehaving import MisbehavingPlatform
from tests.functional.marketplace import Marketplace, deliveries, subscribe, until_state

KEY = "test-key-of-a-platform-that-is-inside"
INSIDE = (
    "http://127.0.0.1:9009",
    "http://localhost:9009",
    "http://2130706433:9009",
    "http://0x7f.1:9009",
    "http://[::1]:9009",
    "http://[::ffff:127.0.0.1]:9009",
    "http://[64:ff9b::7f00:1]:9009",
    "http://10.1.2.3",
    "http://100.64.0.1",
    "http://169.254.169.254",
    "http://172.16.0.1",
    "http://192.168.1.1",
)
REFUSED = {"FLEXAGORA_ALLOW_PRIVATE_ADDRESSES": "false"}


def test_a_private_address_is_refused_at_registration_and_again_at_send_time(
    on_sqlite: Marketplace,
) -> None:
    on_sqlite.start(FLEXAGORA_DELIVER="false")
    with MisbehavingPlatform() as requester, MisbehavingPlatform() as provider:
        buyer = on_sqlite.company("Levante Aggregation", MarketPlayerRole.AGGREGATOR)
        seller = on_sqlite.company("Crevillent Distribution", MarketPlayerRole.DSO)
        connect_platform(buyer, requester.url, KEY)
        connect_platform(seller, provider.url, KEY)
        subscription = subscribe(buyer, seller).subscription_id
        on_sqlite.process.stop()

        on_sqlite.start(**REFUSED)
        newcomer = on_sqlite.company("Ponent Energia", MarketPlayerRole.RETAILER)
        for url in INSIDE:
            with pytest.raises(ProblemError) as refused:
                newcomer.client.set_platform(
                    newcomer.player_id, PlatformDraft(base_url=url, api_key=KEY)
                )
            assert refused.value.status == 400, url
            errors = refused.value.problem.errors or []
            assert [(one.pointer, one.rule) for one in errors] == [("/baseUrl", "publicAddress")]

        def tried() -> bool:
            sent = deliveries(on_sqlite.operator(), subscription)
            return [one.state for one in sent] == [DeliveryState.RETRYING] * 2

        wait_until("An attempt of each delivery", tried, 20)
        for delivery in deliveries(on_sqlite.operator(), subscription):
            (attempt,) = on_sqlite.operator().list_attempts(delivery.event_id, limit=1).items
            assert attempt.status is None
            assert "not at a public address" in (attempt.error or "")
        test = run_set_up_test(buyer)
        assert (test.passed, test.steps[0].outcome) == (False, StepOutcome.FAILED)
        assert requester.heard == provider.heard == []
        on_sqlite.process.stop()

        on_sqlite.start()
        until_state(buyer, subscription, SubscriptionState.ACTIVE)
        assert len(requester.heard) == len(provider.heard) == 1
