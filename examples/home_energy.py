"""A home energy service: it operates the devices of households as their schedules say.

Run it with `python -m mpp_sdk serve examples.home_energy:HomeEnergy`. It subscribes to the service
of an aggregator, follows what happens to its flex-offers there, and tells what the devices used.
There are no devices here: what their meters see is simulated, and up to 3 % off the schedules.
"""

import logging
from datetime import timedelta
from uuid import UUID

from sqlalchemy import JSON, Column, MetaData, String, Table, Uuid, delete, insert, select, update

from mpp_sdk import clock
from mpp_sdk.client import CallFailed
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.contracts.flexoffer.models import (
    Bill,
    FlexOfferEvent,
    FlexOfferState,
    KeyFigures,
    Measurement,
)
from mpp_sdk.flexoffer.documents import kwh, schedule_of
from mpp_sdk.flexoffer.exchange.client import FlexOfferRequester, OwnFlexOffer
from mpp_sdk.flexoffer.exchange.following import CONTRACT, FlexOfferFollower
from mpp_sdk.flexoffer.lifecycle import CARRIED_OUT, begin_of, end_of
from mpp_sdk.flexoffer.model import Schedule, spread
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.schema import bring_up_to_date
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.domain import SubscriptionState
from mpp_sdk.state.subscriptions import Subscription
from mpp_sdk.transactions import Transactions

LOG = logging.getLogger(__name__)
METADATA = MetaData()
COMMANDS = Table(
    "device_command",
    METADATA,
    Column("flex_offer_id", Uuid, primary_key=True),
    Column("subscription_id", Uuid, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("schedule", JSON(none_as_null=True)),
)
STATEMENTS = Table(
    "statement",
    METADATA,
    Column("subscription_id", Uuid, primary_key=True),
    Column("bill", JSON, nullable=False),
    Column("key_figures", JSON, nullable=False),
)


class Commands:
    """What the stream said that devices are to do, and the aggregator what it is worth."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def create(self) -> None:
        """Make what is missing of the tables."""
        bring_up_to_date(self._transactions.engine, METADATA)

    def note(self, subscription_id: UUID, event: FlexOfferEvent) -> None:
        """Remember a state, and a schedule in the place of the one before."""
        values: dict[str, object] = {"state": event.state.value}
        if event.schedule is not None:
            values["schedule"] = event.schedule.model_dump(
                mode="json", by_alias=True, exclude_none=True
            )
        this = COMMANDS.c.flex_offer_id == event.flex_offer_id
        own = {"flex_offer_id": event.flex_offer_id, "subscription_id": subscription_id}
        with self._transactions() as session:
            if session.execute(select(COMMANDS).where(this)).first() is None:
                session.execute(insert(COMMANDS), [own | values])
            else:
                session.execute(update(COMMANDS).where(this).values(values))

    def in_state(self, subscription_id: UUID, state: FlexOfferState) -> set[UUID]:
        """Return the flex-offers of a subscription that are in a state."""
        query = select(COMMANDS.c.flex_offer_id).where(
            COMMANDS.c.subscription_id == subscription_id, COMMANDS.c.state == state.value
        )
        with self._transactions.reading() as session:
            return set(session.scalars(query))

    def schedules(self) -> dict[UUID, Schedule]:
        """Return the schedules by the ids of their flex-offers."""
        query = select(COMMANDS.c.flex_offer_id, COMMANDS.c.schedule)
        with self._transactions.reading() as session:
            rows = session.execute(query).all()
        return {one: schedule_of(document) for one, document in rows if document is not None}

    def keep_statement(self, subscription_id: UUID, bill: Bill, figures: KeyFigures) -> None:
        """Keep what the aggregator said last."""
        row = {
            "subscription_id": subscription_id,
            "bill": bill.model_dump(mode="json", by_alias=True, exclude_none=True),
            "key_figures": figures.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        with self._transactions() as session:
            session.execute(
                delete(STATEMENTS).where(STATEMENTS.c.subscription_id == subscription_id)
            )
            session.execute(insert(STATEMENTS), [row])

    def statement(self) -> tuple[Bill, KeyFigures] | None:
        """Return the bill and the key figures, once they are there."""
        with self._transactions.reading() as session:
            row = session.execute(select(STATEMENTS)).first()
        if row is None:
            return None
        return Bill.model_validate(row.bill), KeyFigures.model_validate(row.key_figures)


class HomeEnergy(MarketPlayerPlatform):
    """The home energy service's platform."""

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        super().__init__(settings)
        self.commands = Commands(self.transactions)
        self.commands.create()
        self.follower = FlexOfferFollower(self, self.on_flex_offer)
        self.every(timedelta(seconds=1), self.tell)

    def start(self) -> None:
        """Also follow the flex-offers."""
        super().start()
        self.follower.start()

    def stop(self) -> None:
        """Also stop following them."""
        self.follower.stop()
        super().stop()

    def on_flex_offer(self, subscription: Subscription, event: FlexOfferEvent) -> None:
        """Remember what a device is to do; a newer schedule takes the place of the one before."""
        self.commands.note(subscription.id, event)

    def tell(self) -> None:
        """Tell every aggregator what the devices have used, and read what came of it."""
        running = self.subscriptions.all(PlatformRole.REQUESTER, SubscriptionState.ACTIVE)
        for subscription in running:
            if subscription.contract == CONTRACT:
                try:
                    self.tell_to(FlexOfferRequester(self, subscription))
                except CallFailed as error:  # nobody else waits for it
                    LOG.warning("%s was told nothing: %s", subscription.provider.name, error)

    def tell_to(self, aggregator: FlexOfferRequester) -> None:
        """Tell what devices have used whose schedules are over; when all have, read the bill."""
        subscription_id = aggregator.subscription.id
        executing = self.commands.in_state(subscription_id, FlexOfferState.EXECUTING)
        if executing:
            over = [own for own in aggregator.active() if own.id in executing and is_over(own)]
            if over:
                aggregator.measure_all([metered(own) for own in over])
            return
        if self.commands.statement() is None and self.commands.in_state(
            subscription_id, FlexOfferState.EXECUTED
        ):
            self.read_statement(aggregator)

    def read_statement(self, aggregator: FlexOfferRequester) -> None:
        """Read what was earned, from the first to the last thing that a device was told to do."""
        done = [own for own in aggregator.active() if own.state in CARRIED_OUT]
        times = [
            moment
            for own in done
            if own.schedule is not None
            for moment in (begin_of(own.offer, own.schedule), end_of(own.offer, own.schedule))
        ]
        bill = aggregator.bill(min(times), max(times))
        figures = aggregator.key_figures(min(times), max(times))
        self.commands.keep_statement(aggregator.subscription.id, bill, figures)


def is_over(own: OwnFlexOffer) -> bool:
    """Return whether a flex-offer has been carried out by now."""
    return own.schedule is not None and end_of(own.offer, own.schedule) <= clock.now()


def metered(own: OwnFlexOffer) -> Measurement:
    """Return what the meter of a device has seen: the same share off in every interval."""
    assert own.schedule is not None  # noqa: S101 - it is over
    off = 1 + (own.id.int % 61 - 30) / 1_000
    profile = own.offer.profiles[own.schedule.profile]
    seen = [kwh(round(energy * off)) for energy in spread(own.schedule.energies, profile)]
    return Measurement(flex_offer_id=own.id, start=begin_of(own.offer, own.schedule), energies=seen)
