"""An aggregator that also uses what its readings tell: it makes, plans and schedules flex-offers.

Run it with `python -m mpp_sdk serve examples.flexibility:FlexibilityAggregator`. A company that
operates devices subscribes to the service; the aggregator's agent makes flex-offers of the devices
in that company's name, from the readings that the households allow it to have (GOFLEX D2.1, 3.2).
It aggregates them, gives the aggregates schedules, and shares these out.
"""

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from examples.aggregator import Aggregator
from examples.devices.day import CURRENCY, Day
from examples.devices.habits import Habits
from examples.devices.households import read_households
from examples.devices.weather import last_day
from examples.planning import plan
from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.contracts.flexoffer.models import FlexOfferState
from mpp_sdk.flexoffer.documents import document_of
from mpp_sdk.flexoffer.exchange.handler import CONTRACT, FlexOfferReceiver
from mpp_sdk.flexoffer.model import FlexOffer
from mpp_sdk.flexoffer.terms import DelegatedTerms, FlexibilityContract
from mpp_sdk.metering.client import DataRefused, MeteringRequester
from mpp_sdk.metering.model import Direction
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.domain import SubscriptionState
from mpp_sdk.state.subscriptions import Subscription

LOG = logging.getLogger(__name__)
HERE = Path(__file__).parent
HOUSEHOLDS = Path(os.environ.get("AGGREGATOR_HOUSEHOLDS", HERE / "households.json"))
WEATHER = Path(
    os.environ.get("AGGREGATOR_WEATHER", HERE / "data" / "temperature_a_hourly_celsius.csv")
)
DAY_BEGINS = time(12)
OFFERED, ACCEPTED = FlexOfferState.OFFERED, FlexOfferState.ACCEPTED
NOT_BEGUN = (OFFERED, ACCEPTED, FlexOfferState.ASSIGNED)
REWARDS = DelegatedTerms(
    per_hour=Decimal("0.002"), per_kwh=Decimal("0.002"), activation=Decimal("0.03")
)
"""What flexibility is worth to the aggregator, in EUR."""
EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def day_ahead(now: datetime) -> datetime:
    """Return when the day begins that flex-offers are made for: at noon of tomorrow, UTC."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), DAY_BEGINS, UTC)


class FlexibilityAggregator(Aggregator):
    """The platform of an aggregator that receives flex-offers."""

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        super().__init__(settings)
        self.households = read_households(HOUSEHOLDS)
        self.receiver = FlexOfferReceiver(self)
        self.trading = self.every(timedelta(seconds=2), self.trade)

    def on_subscription_confirmed(self, subscription: Subscription) -> None:
        """Also state the flexibility contract, and begin to trade."""
        super().on_subscription_confirmed(subscription)
        if subscription.contract == CONTRACT:
            self.receiver.set_contract(subscription.id, self.contract_with(subscription))
            self.wake_later(self.trading)

    def trade(self) -> None:
        """Make the flex-offers of the day ahead, accept them, plan, and give them schedules."""
        now = clock.now()
        running = self.subscriptions.all(PlatformRole.PROVIDER, SubscriptionState.ACTIVE)
        for subscription in running:
            if subscription.contract == CONTRACT:
                self.offer_for(subscription, day_ahead(now))
        self.receiver.accept([one.id for one in self.receiver.offers(states=[OFFERED])])
        accepted = [one.offer for one in self.receiver.offers(states=[ACCEPTED])]
        if accepted:
            schedules = plan(accepted, now).schedules
            self.receiver.assign(
                {offer.id: one for offer, one in zip(accepted, schedules, strict=True)}
            )

    def offer_for(self, subscription: Subscription, begin: datetime) -> None:
        """Make flex-offers of the day in the requester's name, unless they are there already."""
        day = begin, begin + timedelta(days=1)
        there = self.receiver.store.some(subscription.id, states=tuple(FlexOfferState), running=day)
        if not list(there):
            made = [(offer, document_of(offer)) for offer in self.offers_of(begin)]
            self.receiver.store.add(subscription.id, made, clock.now())
            LOG.info("%d flex-offers for %s", len(made), subscription.requester.name)

    def offers_of(self, begin: datetime) -> Iterator[FlexOffer]:
        """Yield the flex-offers of a day, of the households whose readings are here."""
        outdoor = last_day(WEATHER, begin.time())
        for household in self.households:
            for series in self.store.read(household.pod, *EVER):
                if series.direction is Direction.CONSUMPTION:
                    habits = Habits.of(series.signed, series.resolution)
                    yield from household.offers(Day(household.pod, begin, habits, outdoor))

    def forget(self, provider: MeteringRequester, refused: DataRefused) -> None:
        """Also take back the flex-offers that its readings have told, while that can be done."""
        super().forget(provider, refused)
        for one in self.receiver.offers(states=NOT_BEGUN):
            if one.document.get("podId") == refused.pod_id:
                self.receiver.store.delete(one.subscription_id, one.id, clock.now())

    def contract_with(self, subscription: Subscription) -> FlexibilityContract:
        """Return what the company that offers is paid."""
        return FlexibilityContract(
            receiver=self.settings.name,
            offered_by=subscription.requester.name,
            currency=CURRENCY,
            zone=ZoneInfo("Europe/Madrid"),
            valid_from=subscription.validity.start,
            valid_until=subscription.validity.end,
            terms=REWARDS,
        )
