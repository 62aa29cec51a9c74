"""The second story: devices of the households become flexible, over a subscription of their own."""

from datetime import UTC, datetime, timedelta

from examples.demo import messages as who
from examples.demo.agreeing import INTERIM_INTERVAL, Steps, Wish, agree, publish, until_active
from examples.demo.companies import Company, expect, register
from examples.demo.flexibility_outcome import DAY, Outcome
from examples.demo.stage import Stage
from examples.flexibility import day_ahead
from examples.home_energy import Commands
from mpp_sdk.contracts.flexoffer.models import FlexOfferState
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    DataStandard,
    Integration,
    MarketPlayerRole,
    Price,
    PriceModel,
    ServiceCategory,
    ServiceDescription,
)
from mpp_sdk.database import open_database
from mpp_sdk.flexoffer.exchange.measurements import Measurements
from mpp_sdk.flexoffer.exchange.store import FlexOfferStore, ReceivedFlexOffer
from mpp_sdk.transactions import Transactions

_SERVICE = ServiceDescription(
    name="Flexibility of households",
    summary="Flex-offers of devices, made from readings, aggregated and given schedules",
    category=ServiceCategory.FLEXIBILITY_OFFERS,
    provider_role=MarketPlayerRole.AGGREGATOR,
    countries=["ES"],
    data_standard=DataStandard.FLEX_OFFER,
    consent_required=False,
    price=Price(model=PriceModel.FREE),
    terms="Schedules of the day ahead; what is delivered is rewarded.",
    interim_status_interval=INTERIM_INTERVAL,
    integration=Integration(contract="flexoffer", contract_version="1.0.0"),
)


def play(stage: Stage, operator: MarketplaceClient, aggregator: Company) -> Outcome:
    """Play the story. Raises DidNotStart, or DidNotHappen when a step does not come."""
    stage.show()
    stage.messages.steps = who.FLEXIBILITY
    stage.heading(who.FIRST_OF_FLEXIBILITY)
    home = register(stage.marketplace_url, operator, who.HOME.name, [MarketPlayerRole.ESCO])
    stage.messages.callers[f"credential:{home.credential_id}"] = who.HOME
    stage.say(f"{home.name} signed up, and the operator activated it.")
    handler = "examples.home_energy:HomeEnergy"
    stage.start_platform(home, "home_energy", handler, who.HOME_PLATFORM, {})
    service_id = publish(stage, aggregator, _SERVICE)
    stage.show()

    begin = day_ahead(datetime.now(UTC))
    subscription_id = agree(
        stage,
        home,
        aggregator,
        service_id,
        Wish("flexibility households", "For the devices that we operate."),
        "What is delivered is rewarded; see the flexibility contract.",
        Steps(10, 10, 11),
    )
    until_active(stage, home, subscription_id)

    stage.heading(12)
    reader = _Reader(stage, begin)
    stage.until("The schedules at the home energy service", reader.told, seconds=120)
    received = reader.received()
    stage.say(f"{len(received)} flex-offers have got their schedules.")

    stage.heading(13)
    by = begin + DAY + timedelta(hours=1) - datetime.now(UTC)
    stage.say(f"All processes stop, and start again with their clocks {by} ahead.")
    stage.set_clocks_on(by)
    stage.until("The measurements, and what came of them", reader.over, seconds=180)
    stage.show()
    return reader.outcome()


class _Reader:
    """Reads the databases of both platforms while they work."""

    def __init__(self, stage: Stage, begin: datetime) -> None:
        ours, theirs = (
            Transactions(open_database(f"sqlite:///{stage.folder / label}.db"))
            for label in ("aggregator", "home_energy")
        )
        self._begin = begin
        self._store = FlexOfferStore(ours)
        self._measurements = Measurements(ours, self._store, 0.0)
        self._commands = Commands(theirs)

    def received(self) -> list[ReceivedFlexOffer]:
        """Return the flex-offers of the day."""
        period = self._begin, self._begin + DAY
        return list(self._store.some(states=tuple(FlexOfferState), running=period))

    def told(self) -> bool:
        """Return whether the home energy service has a schedule for every one of them."""
        received, schedules = self.received(), self._commands.schedules()
        return bool(received) and all(one.id in schedules for one in received)

    def over(self) -> bool:
        """Return whether all are carried out, and the home energy service knows what it earned."""
        return self._commands.statement() is not None and all(
            one.state in (FlexOfferState.EXECUTED, FlexOfferState.FAILED) for one in self.received()
        )

    def outcome(self) -> Outcome:
        """Return what came of the day."""
        received = self.received()
        bill, key_figures = expect(self._commands.statement())
        return Outcome(
            begin=self._begin,
            received=received,
            commands=self._commands.schedules(),
            measured=self._measurements.of_many([one.id for one in received]),
            bill=bill,
            key_figures=key_figures,
        )
