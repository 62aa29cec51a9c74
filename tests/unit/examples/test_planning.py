"""The plan of the demonstration: feasible, and the cheapest of all that could be done."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from examples.devices.battery import Battery
from examples.devices.dishwasher import Dishwasher
from examples.devices.ev import ElectricVehicle
from examples.planning import cheapest, cost, eur_per_wh
from mpp_sdk.flexoffer.model import FlexOffer, Schedule
from mpp_sdk.flexoffer.pricing import price
from tests.flexoffers.checker import broken
from tests.flexoffers.strategies import schedules
from tests.unit.examples.devices.days import NOW, day

OFFERS = st.one_of(
    st.builds(ElectricVehicle, st.sampled_from([2_300, 3_700]), st.integers(1, 60)),
    st.builds(Battery, st.integers(500, 9_000), st.integers(400, 3_000)),
    st.just(Dishwasher()),
).map(lambda device: device.offer(day()))


def paid(offer: FlexOffer, schedule: Schedule) -> float:
    return cost(offer, schedule) + float(price(offer, schedule))


@settings(deadline=None, max_examples=10)
@given(st.data())
def test_nothing_that_an_offer_allows_is_cheaper_than_the_plan(data: st.DataObject) -> None:
    offer = data.draw(OFFERS)
    plan = cheapest(offer, NOW)
    assert broken(offer, plan, NOW) == []
    assert paid(offer, plan) <= paid(offer, data.draw(schedules(offer))) + 1e-6


def test_a_move_in_time_costs_nothing_but_the_market() -> None:
    offer = Dishwasher().offer(day())
    default = offer.default_schedule(NOW)
    later = Schedule(default.start + timedelta(hours=3), default.energies)
    assert price(offer, later) == 0
    assert cost(offer, later) == sum(
        energy * eur_per_wh(later.start + number * offer.interval)
        for number, energy in enumerate(later.energies)
    )


def test_a_battery_rests_where_its_wear_costs_more_than_prices_differ() -> None:
    offer = Battery(5_000, 2_400, price=Decimal("0.2")).offer(day())
    assert set(cheapest(offer, NOW).energies) == {0.0}
