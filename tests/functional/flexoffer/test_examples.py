"""The example platforms that trade flexibility: what they do with readings, consent and time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from examples.flexibility import FlexibilityAggregator, day_ahead
from examples.home_energy import HomeEnergy, metered
from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.contracts.flexoffer.models import FlexOfferState
from mpp_sdk.flexoffer.exchange.client import FlexOfferRequester
from mpp_sdk.flexoffer.exchange.store import ReceivedFlexOffer
from mpp_sdk.flexoffer.model import spread
from mpp_sdk.metering.client import DataRefused, MeteringRequester
from mpp_sdk.metering.model import Direction, PointOfDelivery, Reading, ReadingSeries
from mpp_sdk.state.subscriptions import Subscription
from tests.flexoffers.checker import broken
from tests.functional.flexoffer.support import subscribed
from tests.functional.sdk.support import eu_mp_client, served, settings, wait_for

HOUR = timedelta(hours=1)
WITH_CONSENT = ("HOUSEHOLD-A", "HOUSEHOLD-B")


class Aggregator(FlexibilityAggregator):
    """An aggregator that trades when the test says so."""

    def __init__(self, url: str, directory: Path) -> None:
        super().__init__(settings(url, directory))
        for pod in (*WITH_CONSENT, "HOUSEHOLD-C", "SOMEBODY-ELSE"):
            self.store.upsert([readings(pod)])
        self.store.delete("HOUSEHOLD-C")  # as after a withdrawal

    def trade(self) -> None:
        pass

    def trade_now(self) -> None:
        super().trade()

    def offers(self) -> list[ReceivedFlexOffer]:
        return list(self.receiver.offers(states=tuple(FlexOfferState)))


class Home(HomeEnergy):
    """A home energy service that tells when the test says so."""

    def tell(self) -> None:
        pass


def readings(pod: str) -> ReadingSeries:
    """Return two days of a household that is busy in the evening and in the morning."""
    busy = {7: "0.9", 8: "0.7", 19: "1.2", 20: "1.6", 21: "0.8"}
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return ReadingSeries(
        PointOfDelivery(pod),
        Direction.CONSUMPTION,
        HOUR,
        tuple(Reading(start + n * HOUR, Decimal(busy.get(n % 24, "0.3"))) for n in range(48)),
    )


@pytest.fixture
def companies(tmp_path: Path) -> Iterator[tuple[Aggregator, Home, Subscription]]:
    with _companies(tmp_path) as found:
        yield found


@contextmanager
def _companies(folder: Path) -> Iterator[tuple[Aggregator, Home, Subscription]]:
    aggregator = Aggregator(f"sqlite:///{folder / 'aggregator.db'}", folder)
    home = Home(settings(f"sqlite:///{folder / 'home.db'}", folder))
    with served(aggregator) as url, served(home) as home_url:
        event = subscribed(url)
        eu_mp_client(url).confirm_service_offer(PlatformRole.PROVIDER, event)
        eu_mp_client(home_url).confirm_service_offer(PlatformRole.REQUESTER, event)
        yield aggregator, home, home.subscriptions.get(event.subscription_id)


def test_each_device_of_a_household_with_readings_is_given_a_schedule_once(
    companies: tuple[Aggregator, Home, Subscription],
) -> None:
    aggregator, home, subscription = companies
    aggregator.trade_now()
    aggregator.trade_now()
    offers = aggregator.offers()
    assert sorted(one.offer.offered_by for one in offers) == sorted(
        f"{pod}/{device}"
        for pod in WITH_CONSENT
        for device in ("ev", "heat-pump", "battery", "dishwasher")
    )
    assert {one.state for one in offers} == {FlexOfferState.ASSIGNED}
    for one in offers:
        assert one.schedule is not None
        assert broken(one.offer, one.schedule, clock.now()) == []

    wait_for(lambda: len(home.commands.schedules()) == len(offers), seconds=60)
    assert home.commands.schedules() == {one.id: one.schedule for one in offers}
    assert home.commands.in_state(subscription.id, FlexOfferState.ASSIGNED) == {
        one.id for one in offers
    }


def test_readings_that_come_later_do_not_change_the_day_that_is_planned(
    companies: tuple[Aggregator, Home, Subscription],
) -> None:
    aggregator, _, _ = companies
    aggregator.trade_now()
    before = aggregator.offers()
    aggregator.store.upsert([readings("HOUSEHOLD-C")])
    aggregator.trade_now()
    assert aggregator.offers() == before


def test_flex_offers_from_readings_that_are_no_longer_allowed_are_taken_back(
    companies: tuple[Aggregator, Home, Subscription],
) -> None:
    aggregator, home, subscription = companies
    aggregator.trade_now()
    provider = MeteringRequester(home, subscription)
    aggregator.forget(provider, DataRefused("HOUSEHOLD-A", "The customer withdrew."))
    states = {(one.offer.pod_id, one.state) for one in aggregator.offers()}
    assert states == {
        ("HOUSEHOLD-A", FlexOfferState.DELETED),
        ("HOUSEHOLD-B", FlexOfferState.ASSIGNED),
    }
    aggregator.trade_now()
    assert len(aggregator.offers()) == 8


def test_what_a_meter_saw_is_near_to_the_schedule_and_in_whole_wh(
    companies: tuple[Aggregator, Home, Subscription],
) -> None:
    aggregator, home, subscription = companies
    aggregator.trade_now()
    for own in FlexOfferRequester(home, subscription).active():
        assert own.schedule is not None
        seen = [energy * 1_000 for energy in metered(own).energies]
        asked = spread(own.schedule.energies, own.offer.profiles[own.schedule.profile])
        for saw, energy in zip(seen, asked, strict=True):
            assert abs(saw - energy) <= 0.03 * abs(energy) + 0.5 + 1e-6
            assert saw == pytest.approx(round(saw))


def test_nothing_is_told_of_devices_that_still_run(
    companies: tuple[Aggregator, Home, Subscription],
) -> None:
    aggregator, home, subscription = companies
    aggregator.trade_now()
    wait_for(lambda: len(home.commands.schedules()) == len(aggregator.offers()), seconds=60)
    home.tell_to(FlexOfferRequester(home, subscription))
    assert aggregator.receiver.measurements.of_many([one.id for one in aggregator.offers()]) == {}
    assert home.commands.statement() is None


def test_the_day_ahead_begins_tomorrow_at_noon_whatever_the_zone() -> None:
    late = datetime.fromisoformat("2026-11-22T23:30:00-05:00")
    assert day_ahead(late) == datetime(2026, 11, 24, 12, tzinfo=UTC)
