"""The first story: an aggregator and a local operator integrate by themselves, in eight steps."""

from dataclasses import dataclass
from uuid import UUID

from examples.demo import messages as who
from examples.demo.agreeing import INTERIM_INTERVAL, Steps, Wish, agree, publish, until_active
from examples.demo.checks import states
from examples.demo.companies import Company, register, wait_until
from examples.demo.portfolio import EXPECTED, GRANTED, WITHDRAWN
from examples.demo.stage import Stage, run
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
from mpp_sdk.database import open_database, reading
from mpp_sdk.metering.store import MeteringStore

_SERVICE = ServiceDescription(
    name="Validated meter data",
    summary="Hourly and half-hourly readings of households, as CIM market documents",
    category=ServiceCategory.METERING_DATA,
    provider_role=MarketPlayerRole.METERED_DATA_OPERATOR,
    countries=["ES"],
    data_standard=DataStandard.CIM_IEC_62325,
    consent_required=True,
    price=Price(model=PriceModel.FREE),
    terms="Readings of the day before by noon.",
    interim_status_interval=INTERIM_INTERVAL,
    integration=Integration(contract="metering", contract_version="1.0.0"),
)


@dataclass(frozen=True)
class ReadingsStory:
    """What came of it: the company that has readings now, and its subscription to them."""

    aggregator: Company
    subscription_id: UUID


def play(stage: Stage, operator: MarketplaceClient) -> ReadingsStory:
    """Play the story. Raises DidNotStart, or DidNotHappen when a step does not come."""
    url = stage.marketplace_url
    requester = register(url, operator, who.REQUESTER.name, [MarketPlayerRole.AGGREGATOR])
    provider = register(
        url,
        operator,
        who.PROVIDER.name,
        [MarketPlayerRole.DSO, MarketPlayerRole.METERED_DATA_OPERATOR],
    )
    for company, person in ((requester, who.REQUESTER), (provider, who.PROVIDER)):
        stage.messages.callers[f"credential:{company.credential_id}"] = person
        stage.say(f"{company.name} signed up, and the operator activated it.")
    pause = {"AGGREGATOR_POINTS_PER_PAGE": "1000", "AGGREGATOR_PAUSE_SECONDS": "0.1"}
    aggregator = "examples.flexibility:FlexibilityAggregator"
    stage.start_platform(requester, "aggregator", aggregator, who.REQUESTER_PLATFORM, pause)
    local_operator = stage.start_platform(
        provider,
        "local_operator",
        "examples.local_operator:LocalOperator",
        who.PROVIDER_PLATFORM,
        {},
    )
    service_id = publish(stage, provider, _SERVICE)

    stage.show()
    subscription_id = agree(
        stage,
        requester,
        provider,
        service_id,
        Wish("meter read", "For our portfolio of five points."),
        "Readings of the day before by noon. Free of charge.",
        Steps(1, 2, 3),
    )
    until_active(stage, requester, subscription_id)
    stage.say("[b]Steps 4 to 8: the platforms do the rest by themselves.[/]")
    stage.until("The first readings", lambda: stage.seen(7, 200))

    stage.until(f"The first readings of {WITHDRAWN}", lambda: stage.seen(7, 200, path=WITHDRAWN))
    stage.messages.withdrawing = True
    stage.say(f"The customer of {WITHDRAWN} withdraws the consent while readings are flowing.")
    reason = "The customer changed supplier."
    run(["mpp_sdk", "consents", "withdraw", WITHDRAWN, "--reason", reason], local_operator)
    stage.until("The refusal of further readings", lambda: stage.seen(7, 403))
    _finish(stage, operator, subscription_id)
    return ReadingsStory(requester, subscription_id)


def readings_of(stage: Stage, label: str) -> MeteringStore:
    """Return the readings that a platform holds."""
    return MeteringStore(reading(open_database(f"sqlite:///{stage.folder / label}.db")))


def _finish(stage: Stage, operator: MarketplaceClient, subscription_id: UUID) -> None:
    ours, theirs = readings_of(stage, "aggregator"), readings_of(stage, "local_operator")

    def complete() -> bool:
        stage.show()
        return (
            all(ours.count(pod) == theirs.count(pod) for pod in GRANTED)
            and ours.count(WITHDRAWN) == 0
            and states(operator, subscription_id) == EXPECTED
        )

    wait_until("The end of the exchange", lambda: complete() or None, seconds=120)
    stage.until("An interim status", lambda: stage.seen(8, 200))
