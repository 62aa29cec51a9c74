"""The demonstration notices when its flex-offers do not come out as they must."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID
from xml.etree.ElementTree import fromstring
from zoneinfo import ZoneInfo

import pytest

from examples.demo.flexibility_outcome import DAY, Outcome, check_flexibility, flexibility_day
from examples.demo.profiles import corridor_picture, profile_picture, together_picture
from examples.devices.ev import ElectricVehicle
from examples.devices.heat_pump import HeatPump
from examples.planning import plan
from mpp_sdk.contracts.flexoffer.models import FlexOfferState
from mpp_sdk.database import open_database
from mpp_sdk.flexoffer.documents import document_of
from mpp_sdk.flexoffer.exchange import agreements, figures
from mpp_sdk.flexoffer.exchange.measurements import Measured, Measurements
from mpp_sdk.flexoffer.exchange.store import FlexOfferStore
from mpp_sdk.flexoffer.lifecycle import Standing
from mpp_sdk.flexoffer.model import FlexOffer, Schedule, spread
from mpp_sdk.flexoffer.terms import DelegatedTerms, FlexibilityContract
from mpp_sdk.ids import new_id
from mpp_sdk.transactions import Transactions
from tests.unit.examples.devices.days import NOW, START, day

OVER = START + DAY + timedelta(hours=1)
ALLOWED = ("HOUSEHOLD-A", "HOUSEHOLD-B")
CONTRACT = FlexibilityContract(
    receiver="Aggregator",
    offered_by="Homes",
    currency="EUR",
    zone=ZoneInfo("UTC"),
    valid_from=NOW,
    terms=DelegatedTerms(activation=Decimal("0.03")),
)


def offers() -> list[FlexOffer]:
    days = [replace(day(), pod_id=pod) for pod in ALLOWED]
    vehicles = [
        ElectricVehicle(3_700, km).offer(one) for km, one in zip((40, 60), days, strict=True)
    ]
    return [*vehicles, HeatPump(2_500, 110, 4_000).offer(days[0])]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return what came of three flex-offers that a store has led through their whole life."""
    file = tmp_path_factory.mktemp("outcome") / "aggregator.db"
    transactions = Transactions(open_database(f"sqlite:///{file}"))
    store = FlexOfferStore(transactions)
    store.create()
    measurements = Measurements(transactions, store, 0.1)
    subscription, made = new_id(), offers()
    ids = [offer.id for offer in made]
    store.add(subscription, [(offer, document_of(offer)) for offer in made], NOW)
    store.accept(ids, NOW)
    given = dict(zip(ids, plan(made, NOW).schedules, strict=True))
    store.assign(given, NOW)
    store.advance(OVER)
    seen = [
        Measured(offer.id, given[offer.id].start, [round(wh) / 1_000 for wh in energies])
        for offer in made
        for energies in (spread(given[offer.id].energies, offer.profile),)
    ]
    measurements.record(subscription, seen, OVER)
    received = list(store.some(states=tuple(FlexOfferState)))
    measured = measurements.of_many(ids)
    bill = agreements.bill(CONTRACT, received, measured, START, START + DAY)
    return Outcome(
        begin=START,
        received=received,
        commands=given,
        measured=measured,
        bill=agreements.bill_document(bill),
        key_figures=figures.key_figures(received, measured, START, START + DAY, bill),
    )


def holding(outcome: Outcome, allowed: Sequence[str] = ALLOWED) -> list[bool]:
    return [check.holds for check in check_flexibility(outcome, allowed=allowed)]


def test_what_is_as_it_must_be_holds(sound: Outcome) -> None:
    assert holding(sound) == [True] * 6


def without_one(commands: dict[UUID, Schedule]) -> None:
    commands.pop(next(iter(commands)))


def a_wh_moved(commands: dict[UUID, Schedule]) -> None:
    first, schedule = next(iter(commands.items()))
    energies = (schedule.energies[0] - 1, *schedule.energies[1:-1], schedule.energies[-1] + 1)
    commands[first] = replace(schedule, energies=energies)


def a_quarter_later(commands: dict[UUID, Schedule]) -> None:
    first, schedule = next(iter(commands.items()))
    commands[first] = replace(schedule, start=schedule.start - timedelta(minutes=15))


def too_much(commands: dict[UUID, Schedule]) -> None:
    first, schedule = next(iter(commands.items()))
    commands[first] = replace(schedule, energies=(926.0, *schedule.energies[1:]))


@pytest.mark.parametrize(
    ("damage", "told", "feasible", "sums"),
    [
        (without_one, False, True, False),
        (a_wh_moved, False, True, False),
        (a_quarter_later, False, True, False),
        (too_much, False, False, False),
    ],
    ids=["missing", "a Wh moved", "earlier", "too much"],
)
def test_a_schedule_that_was_told_otherwise_is_noticed(
    sound: Outcome,
    damage: Callable[[dict[UUID, Schedule]], None],
    told: bool,
    feasible: bool,
    sums: bool,
) -> None:
    commands = dict(sound.commands)
    damage(commands)
    assert holding(replace(sound, commands=commands))[:4] == [True, told, feasible, sums]


def test_a_household_without_consent_is_noticed(sound: Outcome) -> None:
    assert holding(sound, allowed=ALLOWED[:1])[0] is False


def test_a_flex_offer_that_failed_is_noticed(sound: Outcome) -> None:
    failed = replace(sound.received[0], standing=Standing(FlexOfferState.FAILED))
    assert holding(replace(sound, received=[failed, *sound.received[1:]]))[4] is False


def test_a_plan_that_costs_more_than_doing_nothing_is_noticed(sound: Outcome) -> None:
    baselines = {offer.id: offer.default_schedule(NOW) for offer in sound.offers}
    assert holding(replace(sound, commands=baselines))[5] is False


def test_the_page_shows_aggregates_devices_and_what_was_lost(sound: Outcome) -> None:
    shown = flexibility_day(sound)
    assert [(row.name, row.members, row.difference) for row in shown.rows] == [
        ("2 electric vehicles", 2, 0.0),
        ("Household A: heat pump", 1, 0.0),
    ]
    assert 0 < shown.rows[0].kept <= 1
    assert [shape.title for shape in shown.aggregates] == ["2 electric vehicles"]
    assert [shape.title for shape in shown.devices] == [
        "Household A: electric vehicle",
        "Household A: heat pump",
    ]
    assert len(shown.together) == 24


def test_the_pictures_show_band_baseline_schedule_and_measurement(sound: Outcome) -> None:
    shown = flexibility_day(sound)
    vehicle, pump = shown.devices
    drawn = fromstring(profile_picture(vehicle, shown.prices))
    classes = [element.get("class") for element in drawn.iter()]
    assert {"band", "default", "scheduled", "measured", "starts", "start"} <= set(classes)
    assert classes.count("measured") == 20
    assert classes.count("price") == 24
    moved = fromstring(profile_picture(pump, shown.prices))
    assert "starts" not in [element.get("class") for element in moved.iter()]
    for picture in (corridor_picture(pump), together_picture(START, shown.together, shown.prices)):
        assert {"default", "scheduled"} <= {e.get("class") for e in fromstring(picture).iter()}
