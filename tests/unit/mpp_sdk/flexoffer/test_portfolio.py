"""Offers that come and go leave the aggregates that they would have had from scratch."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mpp_sdk.errors import InvalidInput, NotFound
from mpp_sdk.flexoffer.aggregation import aggregate
from mpp_sdk.flexoffer.columns import FlexOffers, Schedules
from mpp_sdk.flexoffer.grouping import Grouping
from mpp_sdk.flexoffer.model import INTERVAL, FlexOffer
from mpp_sdk.flexoffer.portfolio import Portfolio
from mpp_sdk.ids import new_id
from tests.flexoffers.strategies import KINDS, NOW, portfolios
from tests.unit.mpp_sdk.flexoffer.columns import MODEST, groupings, made, rows_of


class ComingAndGoing(RuleBasedStateMachine):
    """A portfolio beside the list of what is in it."""

    @initialize(grouping=groupings(), offers=portfolios(KINDS, scales=MODEST))
    def begin(self, grouping: Grouping, offers: list[FlexOffer]) -> None:
        self.portfolio = Portfolio(grouping)
        self.outside = [offer.resolved(NOW) for offer in offers]
        self.inside: list[FlexOffer] = []

    @precondition(lambda self: self.outside)
    @rule(data=st.data())
    def some_come(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, len(self.outside)))
        coming, self.outside = self.outside[:count], self.outside[count:]
        self.portfolio.add(FlexOffers.of(coming, NOW))
        self.inside += coming

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def some_go(self, data: st.DataObject) -> None:
        going = data.draw(st.lists(st.sampled_from(self.inside), unique_by=lambda one: one.id))
        self.portfolio.remove([offer.id for offer in going])
        self.inside = [offer for offer in self.inside if offer not in going]
        self.outside += going

    @precondition(lambda self: self.outside)
    @rule()
    def nobody_goes_who_is_not_there(self) -> None:
        with pytest.raises(InvalidInput):
            self.portfolio.remove([offer.id for offer in [*self.inside, self.outside[0]]])

    @precondition(lambda self: self.inside)
    @rule()
    def nobody_comes_twice(self) -> None:
        with pytest.raises(InvalidInput):
            self.portfolio.add(FlexOffers.of([*self.outside, self.inside[0]], NOW))

    @invariant()
    def it_is_what_it_would_be_from_scratch(self) -> None:
        if not hasattr(self, "portfolio"):
            return
        offers = FlexOffers.of(self.inside, NOW)
        assert len(self.portfolio) == len(self.inside)
        assert rows_of(self.portfolio.offers) == rows_of(offers)
        found = aggregate(offers, self.portfolio.grouping).aggregates
        assert rows_of(self.portfolio.aggregates) == rows_of(found)


TestComingAndGoing = ComingAndGoing.TestCase
TestComingAndGoing.settings = settings(
    max_examples=20,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def crowd(count: int, seed: int) -> FlexOffers:
    """Return that many different offers."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 5, count)
    lower = [random.integers(-50, 50, length).tolist() for length in lengths]
    return made(
        lower,
        [[energy + int(random.integers(0, 99)) for energy in row] for row in lower],
        earliest=random.integers(96, 106, count).tolist(),
        flexible=random.integers(0, 5, count).tolist(),
    )


def test_a_crowd_that_is_replaced_again_and_again_stays_exact_and_takes_no_more_room() -> None:
    grouping = Grouping(
        start_tolerance=3 * INTERVAL, flexibility_tolerance=INTERVAL, by_direction=False
    )
    portfolio = Portfolio(grouping)
    portfolio.add(crowd(500, 0))
    for seed in range(1, 13):
        portfolio.add(crowd(400, seed))
        portfolio.remove(portfolio.offers.ids[:400])
        assert len(portfolio) == 500
        found = aggregate(portfolio.offers, grouping).aggregates
        assert rows_of(portfolio.aggregates) == rows_of(found)
    assert len(portfolio._groups.rows) <= 2 * len(portfolio) + 1_400


def test_one_aggregate_can_be_disaggregated_without_the_others() -> None:
    grouping = Grouping(start_tolerance=3 * INTERVAL, max_size=20)
    portfolio = Portfolio(grouping)
    portfolio.add(crowd(200, 0))
    together = aggregate(portfolio.offers, grouping)
    everybody = together.disaggregate(Schedules.default(together.aggregates))
    for number in range(len(together.aggregates)):
        alone = portfolio.aggregation_of(together.aggregates.id(number))
        assert rows_of(alone.aggregates) == rows_of(together.aggregates.take(np.array([number])))
        found = alone.disaggregate(Schedules.default(alone.aggregates))
        assert list(found) == [everybody[row] for row in together.members(number).tolist()]
    with pytest.raises(NotFound):
        portfolio.aggregation_of(new_id())


def test_removing_and_adding_again_is_the_identity() -> None:
    portfolio = Portfolio(Grouping(start_tolerance=3 * INTERVAL))
    everybody = crowd(300, 0)
    portfolio.add(everybody)
    before = rows_of(portfolio.aggregates)
    some = everybody.take(np.arange(50, 150))
    portfolio.remove(some.ids)
    assert rows_of(portfolio.aggregates) != before
    portfolio.add(some)
    assert rows_of(portfolio.aggregates) == before


def test_another_interval_or_an_offer_that_is_there_is_refused_and_nobody_comes_in() -> None:
    portfolio = Portfolio(Grouping())
    offers = crowd(3, 0)
    portfolio.add(offers.take(np.array([0])))
    with pytest.raises(InvalidInput) as refused:
        portfolio.add(offers)
    assert refused.value.errors[0].pointer == "/0/id"
    with pytest.raises(InvalidInput) as refused:
        portfolio.add(offers.take(np.array([1, 1])))
    assert refused.value.errors[0].pointer == "/1/id"
    with pytest.raises(InvalidInput) as refused:
        portfolio.remove([offers.id(0), offers.id(0)])
    assert refused.value.errors[0].rule == "uniqueItems"
    with pytest.raises(InvalidInput) as refused:
        portfolio.add(made([[0]], [[1]], earliest=[1], flexible=[0], interval=4 * INTERVAL))
    assert refused.value.errors[0].rule == "sameInterval"
    assert len(portfolio) == 1
