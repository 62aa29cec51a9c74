"""Whether time series, key figures, contract and bill tell what was offered and agreed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.flexoffers import (
    CONTRACT,
    DAY,
    DELETE,
    HOUR,
    as_kwh,
    draft,
    end_of,
    measured,
    offered,
    scheduled,
    sleep_until,
)
from mpp_sdk.conformance.held import moment_of
from mpp_sdk.conformance.model import NotOffered
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

_QUARTER = timedelta(minutes=15)
_TIMES = [10, 100, 1000]


@case(
    "FLEXOFFER-SERIES-01",
    "The baseline series has the default of each flex-offer, interval by interval",
    why="Against it both sides count what a schedule changes.",
    contract=CONTRACT,
)
def baseline(subject: Subject) -> str:
    wanted = draft(subject)
    start = datetime.fromisoformat(wanted["startAfter"])
    before = _series(subject, "baseline", start - HOUR, start + HOUR)
    one = offered(subject, wanted)
    after = _series(subject, "baseline", start - HOUR, start + HOUR)
    expected = [0.0] * 4 + wanted["default"]["energies"] + [0.0] * 2
    _expect_added(subject, before, after, expected)
    answer = subject.call(DELETE, path={"id": one})
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    gone = _series(subject, "baseline", start - HOUR, start + HOUR)
    subject.expect(gone == before, "What was taken back is still in the baseline.")
    return "It rose by the default, and fell when that was taken back."


@case(
    "FLEXOFFER-SERIES-02",
    "The series of schedules and of measurements have the energies of each flex-offer",
    why="What is bought and what is delivered are compared by them.",
    contract=CONTRACT,
)
def scheduled_and_measured(subject: Subject) -> str:
    found = scheduled(subject)
    start, energies = moment_of(found["schedule"]["start"]), found["schedule"]["energies"]
    sleep_until(subject, end_of(subject, found).isoformat())
    subject.demand(start is not None, "The schedule's start is no moment.")
    quarter = datetime.fromtimestamp((start or subject.now()).timestamp() // 900 * 900, UTC)
    sent = {"flexOfferId": found["id"], "start": found["schedule"]["start"]}
    measured(subject, {**sent, "energies": [0] * len(energies)})
    period = (quarter, quarter + 2 * _QUARTER)  # a schedule of seconds may go into the next one
    low = _series(subject, "measurement", *period)
    measured(subject, {**sent, "energies": as_kwh(energies)})
    high = _series(subject, "measurement", *period)
    total = round(sum(energies), 3)
    subject.expect(
        round(sum(high) - sum(low), 3) == total,
        f"{total} kWh more were measured, and the series rose by {sum(high) - sum(low):.3f}.",
    )
    asked = sum(_series(subject, "schedule", *period))
    subject.expect(
        asked >= total - 0.001, f"{total} kWh were scheduled, and the series has {asked:.3f}."
    )
    return f"{total} kWh were scheduled and measured."


@case(
    "FLEXOFFER-KPI-01",
    "Key figures have each hour of the period, and projections of 10, 100 and 1,000 times",
    why="Whoever decides on a market compares platforms by them.",
    contract=CONTRACT,
    harmless=True,
)
def key_figures(subject: Subject) -> str:
    hour = subject.now().replace(minute=0, second=0, microsecond=0)
    for query, start, count in (
        ({"start": hour.isoformat(), "end": (hour + 3 * HOUR).isoformat()}, hour, 3),
        ({"start": hour.isoformat()}, hour, 24),
        ({}, None, 24),
    ):
        answer = subject.call("read_kpis", query=query)
        subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
        told = answer.fields()
        hours = [moment_of(one.get("start")) for one in told["hours"]]
        first = start or moment_of(told["period"]["start"])
        subject.expect(
            first is not None and hours == [first + number * HOUR for number in range(count)],
            f"{answer} with {len(hours)} hours, not {count} in a row from the start.",
            exchange=answer,
        )
        subject.expect(
            [one.get("times") for one in told["projections"]] == _TIMES,
            f"{answer} without projections of 10, 100 and 1,000 times.",
            exchange=answer,
        )
    return "Three periods had all their hours."


@case(
    "FLEXOFFER-TERMS-01",
    "The bill of a period sums up its lines, and is there where the contract is",
    why="An offering party checks the bill by adding it up.",
    contract=CONTRACT,
    harmless=True,
)
def bill(subject: Subject) -> str:
    contract = subject.call("read_contract")
    now = subject.now()
    if contract.status == 404:
        answer = _bill(subject, now - DAY, now)
        subject.expect(answer.status == 404, f"{answer}, and there is no contract.")
        raise NotOffered("The receiving party has set no flexibility contract.")
    subject.demand(contract.status == 200, f"{contract}, not 200.", exchange=contract)
    start, end = (moment_of(contract.fields()["period"].get(one)) for one in ("start", "end"))
    subject.expect(
        start is not None and (end is None or start < end), "The contract ends before it starts."
    )
    first = max(start or now - DAY, now - DAY)
    last = min(end or now + DAY, now + DAY)
    answer = _bill(subject, first, last)
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    told: dict[str, Any] = answer.fields()
    subject.expect(
        told["currency"] == contract.fields()["currency"], f"{answer} in another currency."
    )
    total = sum((Decimal(line["amount"]) for line in told["lines"]), Decimal(0))
    subject.expect(
        total == Decimal(told["total"]),
        f"{answer} whose lines sum up to {total}, and whose total is {told['total']}.",
        exchange=answer,
    )
    subject.expect(
        Decimal(told["payable"]) + Decimal(told["carried"]) == Decimal(told["total"]),
        f"{answer}: what is payable and what is carried are not the total.",
        exchange=answer,
    )
    return f"{len(told['lines'])} lines sum up to {told['total']} {told['currency']}."


def _bill(subject: Subject, start: datetime, end: datetime) -> Exchange:
    query = {"start": start.isoformat(), "end": end.isoformat()}
    return subject.call("read_bill", query=query)


def _series(subject: Subject, name: str, start: datetime, end: datetime) -> list[float]:
    """Return the energies of a period that lies on the grid. Ends the case when it is not whole."""
    path = {"from": start.isoformat(), "to": end.isoformat()}
    answer = subject.call(f"read_{name}_series", path=path)
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    told = answer.fields()
    count = (end - start) // _QUARTER
    subject.demand(
        moment_of(told["start"]) == start
        and told["interval"] in ("PT15M", "PT900S", "PT0H15M")
        and len(told["energies"]) == count,
        f"{answer} from {told['start']} with {len(told['energies'])} intervals of "
        f"{told['interval']}, not {count} of PT15M from {start.isoformat()}.",
        exchange=answer,
    )
    return as_kwh(told["energies"])


def _expect_added(
    subject: Subject, before: list[float], after: list[float], expected: list[float]
) -> None:
    added = [round(late - early, 3) for early, late in zip(before, after, strict=True)]
    subject.expect(
        added == [round(one, 3) for one in expected],
        f"The series rose by {added}, not by {expected}.",
        advice="Consumption is positive, and the start belongs to its interval.",
    )
