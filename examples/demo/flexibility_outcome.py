"""What came of the flex-offers of a day, and whether all that must hold does."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

import numpy as np

from examples.demo.report import AggregateRow, Check, Figure, FlexibilityDay, HourRow, Shape
from examples.devices.households import read_households
from examples.flexibility import HOUSEHOLDS
from examples.planning import Plan, cost, eur_per_wh, plan
from mpp_sdk.contracts.flexoffer.models import Bill, FlexOfferState, KeyFigures
from mpp_sdk.flexoffer.exchange.store import ReceivedFlexOffer
from mpp_sdk.flexoffer.feasibility import violations
from mpp_sdk.flexoffer.model import TOLERANCE_WH, FlexOffer, Schedule
from mpp_sdk.flexoffer.timeseries import total

DAY = timedelta(days=1)
SHOWN = "HOUSEHOLD-A"
_ONE_AND_MANY = {
    "ev": ("electric vehicle", "electric vehicles"),
    "heat-pump": ("heat pump", "heat pumps"),
    "battery": ("battery", "batteries"),
    "dishwasher": ("dishwasher", "dishwashers"),
}
_STATED = {
    f"{one.pod}/{name}": device.stated
    for one in read_households(HOUSEHOLDS)
    for name, device in (
        ("ev", one.ev),
        ("heat-pump", one.heat_pump),
        ("battery", one.battery),
        ("dishwasher", one.dishwasher),
    )
}


@dataclass(frozen=True)
class Outcome:
    """What two platforms know of the flex-offers of a day that begins at begin.

    received is what the aggregator has, commands the schedules that the home energy service was
    told by the stream, measured what its meters saw, in Wh.
    """

    begin: datetime
    received: Sequence[ReceivedFlexOffer]
    commands: Mapping[UUID, Schedule]
    measured: Mapping[UUID, Mapping[datetime, int]]
    bill: Bill
    key_figures: KeyFigures

    @cached_property
    def offers(self) -> list[FlexOffer]:
        """The flex-offers, in the order in which they were made."""
        return [one.offer for one in self.received]

    @cached_property
    def plan(self) -> Plan:
        """The plan, made again from the flex-offers as they are stored: it must be the same."""
        return plan(self.offers, self.begin)

    def difference(self, aggregate: int) -> float:
        """Return by how many Wh the members' schedules, as they were told, miss an aggregate's.

        The largest of all intervals.
        """
        aggregation = self.plan.aggregation
        whole = aggregation.aggregates[aggregate], self.plan.aggregated[aggregate]
        members = [self.offers[int(member)] for member in aggregation.members(aggregate)]
        theirs = [(one, self.commands[one.id]) for one in members if one.id in self.commands]
        interval = members[0].interval
        sums = [total(some, self.begin, self.begin + DAY, interval) for some in ([whole], theirs)]
        return float(np.abs(sums[0].values - sums[1].values).max())


def flexibility_day(outcome: Outcome) -> FlexibilityDay:
    """Return what the page shows of it."""
    return FlexibilityDay(
        begin=outcome.begin,
        prices=eur_per_wh,
        figures=_figures(outcome),
        together=[
            HourRow(hour.start, hour.baseline, hour.scheduled, hour.measured)
            for hour in outcome.key_figures.hours
        ],
        aggregates=list(_aggregates(outcome)),
        rows=sorted(_rows(outcome), key=lambda row: -row.members),
        devices=[_shape(outcome, offer) for offer in outcome.offers if offer.pod_id == SHOWN],
        projections=[
            Figure(
                f"{one.times:,} times",
                f"the participants: {one.variation:,.0f} kWh that can be varied in an hour,"
                f" {one.traded:,.0f} kWh of it used",
            )
            for one in outcome.key_figures.projections
        ],
        assumption=outcome.key_figures.projections[0].assumption,
    )


def _members(outcome: Outcome, aggregate: int) -> list[FlexOffer]:
    return [outcome.offers[int(row)] for row in outcome.plan.aggregation.members(aggregate)]


def _aggregates(outcome: Outcome) -> Iterator[Shape]:
    """Yield the aggregates of more than one flex-offer."""
    for number, one in enumerate(outcome.plan.aggregation.aggregates):
        members = _members(outcome, number)
        if len(members) > 1:
            schedule = outcome.plan.aggregated[number]
            note = f"{len(members)} flex-offers as one, with one schedule."
            measured = _together(outcome, members)
            yield Shape(_name(members), note, outcome.begin, one, schedule, measured)


def _rows(outcome: Outcome) -> Iterator[AggregateRow]:
    aggregation = outcome.plan.aggregation
    lost = aggregation.lost
    alone = {outcome.offers[one.index].id: one.reason for one in aggregation.left_out}
    for number, one in enumerate(aggregation.aggregates):
        members = _members(outcome, number)
        yield AggregateRow(
            name=_name(members),
            members=len(members),
            kept=float(lost.kept[number]),
            lost_time=float(lost.time[number]) * one.interval / timedelta(hours=1),
            energy=outcome.plan.aggregated[number].total / 1_000,
            difference=_shown(outcome.difference(number)),
            note=alone.get(members[0].id, ""),
        )


def check_flexibility(outcome: Outcome, *, allowed: Collection[str]) -> list[Check]:
    """Return whether all that must hold of the flex-offers of a day does."""
    offers, commands = outcome.offers, outcome.commands
    pods = {offer.pod_id for offer in offers}
    told = [offer for offer in offers if offer.id in commands]
    broken = [
        offer.offered_by for offer in told if violations(offer, commands[offer.id], outcome.begin)
    ]
    worst = max(map(outcome.difference, range(len(outcome.plan.aggregated)))) if told else 0.0
    executed = [one for one in outcome.received if one.state is FlexOfferState.EXECUTED]
    before, after = _costs(outcome)
    return [
        Check(
            "Flex-offers were made from the readings of households with consent, and no others.",
            bool(pods) and pods <= set(allowed),
            f"{len(offers)} flex-offers of {len(pods)} households.",
        ),
        Check(
            "The home energy service was told the schedule of every flex-offer by the stream.",
            len(told) == len(offers)
            and all(one.schedule == commands.get(one.id) for one in outcome.received),
            f"{len(told)} schedules.",
        ),
        Check(
            "Every schedule is feasible for its flex-offer.",
            bool(told) and not broken,
            f"{len(told) - len(broken)} of {len(told)}.",
        ),
        Check(
            "The schedules that were told sum up to those of the aggregates, in every quarter-hour"
            " and to the last Wh.",
            bool(told) and worst <= TOLERANCE_WH,
            f"The largest difference is {_shown(worst):g} Wh.",
        ),
        Check(
            "Every flex-offer was measured, and carried out.",
            len(executed) == len(offers),
            f"{len(executed)} of {len(offers)} are EXECUTED.",
        ),
        Check(
            "Energy costs less than it would have by the baselines.",
            after < before,
            f"{after:.2f} EUR in place of {before:.2f} EUR at the prices of the market.",
        ),
    ]


def _costs(outcome: Outcome) -> tuple[float, float]:
    """Return what the energy of the day costs, in EUR, by the baselines and by the schedules."""
    return (
        sum(cost(one, one.default_schedule(outcome.begin)) for one in outcome.offers),
        sum(
            cost(one, outcome.commands[one.id])
            for one in outcome.offers
            if one.id in outcome.commands
        ),
    )


def _figures(outcome: Outcome) -> list[Figure]:
    before, after = _costs(outcome)
    hours = outcome.key_figures.hours
    moved = sum(abs(hour.planned) for hour in hours)
    done = sum(abs(hour.realised) for hour in hours if hour.realised is not None)
    levels = [hour.adaptability for hour in hours if hour.adaptability is not None]
    return [
        Figure(
            f"{len(outcome.offers)} → {len(outcome.plan.aggregated)}", "flex-offers, aggregates"
        ),
        Figure(f"{before:.2f} → {after:.2f} €", "for the energy, by baselines and by schedules"),
        Figure(f"{moved:.1f} kWh", "adaptation that was planned, hour by hour"),
        Figure(f"{done:.1f} kWh", "adaptation that was measured"),
        Figure(
            f"{max(levels, default=0):.0%}", "adaptability of the best hour, of the peak demand"
        ),
        Figure(f"{outcome.bill.payable} €", "on the aggregator's bill for the day's flexibility"),
    ]


def _shape(outcome: Outcome, offer: FlexOffer) -> Shape:
    schedule = outcome.commands[offer.id]
    return Shape(
        _name([offer]),
        _STATED[offer.offered_by],
        outcome.begin,
        offer,
        schedule,
        list(outcome.measured.get(offer.id, {}).values()),
    )


def _together(outcome: Outcome, members: Sequence[FlexOffer]) -> Sequence[float]:
    """Return what was measured of members together, from the start of the aggregate's schedule."""
    sums: dict[datetime, float] = {}
    for offer in members:
        for moment, energy in outcome.measured.get(offer.id, {}).items():
            sums[moment] = sums.get(moment, 0.0) + energy
    return [sums[moment] for moment in sorted(sums)]


def _name(members: Sequence[FlexOffer]) -> str:
    first = members[0]
    one, many = _ONE_AND_MANY[first.offered_by.rpartition("/")[2]]
    if len(members) > 1:
        return f"{len(members)} {many}"
    return f"{(first.pod_id or '').replace('HOUSEHOLD-', 'Household ')}: {one}"


def _shown(difference: float) -> float:
    """Return a difference without what rounding of floating-point numbers leaves."""
    return 0.0 if difference <= TOLERANCE_WH else difference
