"""Points of delivery that a company adds at the marketplace: its platform asks the provider."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from mpp_sdk import clock
from mpp_sdk.client import ProblemError
from mpp_sdk.contracts.eu_mp.models import (
    AcknowledgementOutcome,
    HeldEventKind,
    PlatformRole,
    PointsOfDeliveryRequested,
)
from mpp_sdk.ids import new_id
from mpp_sdk.metering.handler import MeteringProvider
from mpp_sdk.metering.store import MeteringStore
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.state.subscriptions import Subscription
from mpp_sdk.transport import ConnectionFailed
from tests.functional.sdk.support import (
    canceled,
    changed,
    confirmed,
    eu_mp_client,
    served,
    settings,
    wait_for,
)

MINUTE = timedelta(minutes=1)
Outcome = AcknowledgementOutcome
REQUESTER, PROVIDER = PlatformRole.REQUESTER, PlatformRole.PROVIDER


class Asking(MarketPlayerPlatform):
    """Tells whom it asks; a provider that is down refuses."""

    down = False

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(settings(url, folder))
        self.asked: list[tuple[UUID, list[str]]] = []

    def request_points_of_delivery(
        self, subscription: Subscription, pod_ids: Sequence[str]
    ) -> None:
        if self.down:
            raise ConnectionFailed("Connection refused.")
        self.asked.append((subscription.id, list(pod_ids)))


def added(subscription_id: UUID, *pods: str) -> PointsOfDeliveryRequested:
    return PointsOfDeliveryRequested(
        event_id=new_id(),
        occurred_at=clock.now(),
        subscription_id=subscription_id,
        pod_ids=list(pods),
    )


def test_they_are_asked_for_once_whatever_comes_twice(sqlite_url: str, tmp_path: Path) -> None:
    platform = Asking(sqlite_url, tmp_path)
    offer = confirmed()
    first, second = added(offer.subscription_id, "B", "A"), added(offer.subscription_id, "A", "C")
    with served(platform) as url:
        client = eu_mp_client(url)
        receive = client.receive_requested_points_of_delivery
        client.confirm_service_offer(REQUESTER, offer)
        assert receive(REQUESTER, first).outcome is Outcome.APPLIED
        assert receive(REQUESTER, first).outcome is Outcome.DUPLICATE
        wait_for(lambda: len(platform.asked) == 1)
        assert receive(REQUESTER, second).outcome is Outcome.APPLIED
        wait_for(lambda: len(platform.asked) == 2)
        held = client.list_held_events(first.occurred_at)
    assert platform.asked == [
        (offer.subscription_id, ["A", "B"]),
        (offer.subscription_id, ["C"]),
    ]
    assert [one.kind for one in held.items] == [HeldEventKind.POINTS_OF_DELIVERY_REQUESTED] * 2


def test_a_provider_that_does_not_answer_is_asked_again_after_a_restart(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    offer = confirmed()
    platform = Asking(sqlite_url, tmp_path)
    platform.down = True
    with served(platform) as url:
        eu_mp_client(url).confirm_service_offer(REQUESTER, offer)
        wanted = added(offer.subscription_id, "A")
        eu_mp_client(url).receive_requested_points_of_delivery(REQUESTER, wanted)
        wait_for(lambda: "was not asked yet" in caplog.text)
    again = Asking(sqlite_url, tmp_path)
    with served(again):
        wait_for(lambda: again.asked == [(offer.subscription_id, ["A"])])


def test_they_wait_for_the_confirmation_and_for_the_end_of_a_suspension(
    sqlite_url: str, tmp_path: Path
) -> None:
    platform = Asking(sqlite_url, tmp_path)
    offer = confirmed()
    with served(platform) as url:
        client = eu_mp_client(url)
        early = added(offer.subscription_id, "A")
        assert client.receive_requested_points_of_delivery(REQUESTER, early).outcome is (
            Outcome.APPLIED
        )
        assert client.confirm_service_offer(REQUESTER, offer).outcome is Outcome.APPLIED
        client.suspend_service_offer(REQUESTER, changed(offer, MINUTE))
        platform._ask_for_points_of_delivery()
        assert platform.asked == []
        client.resume_service_offer(REQUESTER, changed(offer, 2 * MINUTE))
        platform._ask_for_points_of_delivery()
        assert platform.asked == [(offer.subscription_id, ["A"])]
        client.cancel_service_offer(REQUESTER, canceled(offer, 3 * MINUTE))
        late = client.receive_requested_points_of_delivery(
            REQUESTER, added(offer.subscription_id, "B")
        )
        assert late.outcome is Outcome.SUPERSEDED
        platform._ask_for_points_of_delivery()
    assert len(platform.asked) == 1


def test_only_a_requesters_platform_takes_them(sqlite_url: str, tmp_path: Path) -> None:
    platform = Asking(sqlite_url, tmp_path)
    offer = confirmed()
    with served(platform) as url:
        client = eu_mp_client(url)
        client.confirm_service_offer(PROVIDER, offer)
        for role in (PROVIDER, REQUESTER):
            with pytest.raises(ProblemError) as refused:
                client.receive_requested_points_of_delivery(role, added(offer.subscription_id, "A"))
            assert refused.value.status == 409
    assert platform.asked == []


def test_as_it_stands_a_platform_asks_over_the_metering_contract(
    sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / "provider").mkdir()
    provider = MarketPlayerPlatform(
        settings(f"sqlite:///{tmp_path / 'provider' / 'p.db'}", tmp_path / "provider")
    )
    store = MeteringStore(provider.engine)
    store.create()
    provider.serve_contract(MeteringProvider(provider, store))
    requester = MarketPlayerPlatform(settings(sqlite_url, tmp_path))
    with served(provider) as provider_url, served(requester) as requester_url:
        offer = confirmed(base_url=provider_url)
        eu_mp_client(provider_url).confirm_service_offer(PROVIDER, offer)
        client = eu_mp_client(requester_url)
        client.confirm_service_offer(REQUESTER, offer)
        client.receive_requested_points_of_delivery(
            REQUESTER, added(offer.subscription_id, "B", "A")
        )
        wait_for(lambda: len(provider.points_of_delivery.page(offer.subscription_id)) == 2)
