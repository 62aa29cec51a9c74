"""Whether deadlines hold, schedules can be kept to, and what was measured counts."""

from datetime import timedelta

from mpp_sdk.conformance.flexoffers import (
    CONTRACT,
    SECOND,
    Record,
    as_kwh,
    end_of,
    measured,
    offered,
    record,
    scheduled,
    sleep_until,
    soon,
    until,
)
from mpp_sdk.conformance.held import moment_of
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_SOON_S = 3
_CLOCK = "Move on what a deadline has come for, every few seconds, or whenever it is read."
_DEAR = {None: None, "50": "EUR", "9000": "EUR"}
"""Prices per kWh: what nobody accepts, or accepts without a schedule, is left to its deadlines."""


@case(
    "FLEXOFFER-TIME-01",
    "After its deadlines a flex-offer is neither OFFERED nor ACCEPTED",
    why="What is accepted too late finds a household that has made other plans.",
    contract=CONTRACT,
)
def deadlines(subject: Subject) -> str:
    made = [
        offered(subject, soon(subject, _SOON_S, currency=currency, profiles=_priced(price)))
        for price, currency in _DEAR.items()
    ]
    states = []
    for one in made:
        sleep_until(subject, record(subject, one)["offer"]["acceptBefore"])
        found = until(subject, one, lambda held: held.get("state") != "OFFERED")
        _expect_moved(subject, found, "acceptBefore", ("OFFERED",))
        sleep_until(subject, found["offer"]["assignBefore"])
        found = until(subject, one, lambda held: held.get("state") != "ACCEPTED")
        _expect_moved(subject, found, "assignBefore", ("OFFERED", "ACCEPTED"))
        states.append(str(found.get("state")))
    return f"They were {', '.join(states)}."


@case(
    "FLEXOFFER-TIME-02",
    "When its schedule begins, a flex-offer executes",
    why="From then on it cannot be withdrawn: both must know from when.",
    contract=CONTRACT,
)
def begins(subject: Subject) -> str:
    found = scheduled(subject)
    sleep_until(subject, found["schedule"]["start"])
    found = until(subject, str(found["id"]), lambda held: held.get("state") != "ASSIGNED")
    subject.expect(
        found.get("state") in ("EXECUTING", "EXECUTED", "FAILED", "SETTLED"),
        f"Its schedule has begun, and it is {found.get('state')}.",
        advice=_CLOCK,
    )
    return f"It was {found.get('state')}."


@case(
    "FLEXOFFER-SCHEDULE-01",
    "A schedule keeps to all that its flex-offer says",
    why="It is carried out by devices that can do nothing else.",
    contract=CONTRACT,
)
def feasible(subject: Subject) -> str:
    found = scheduled(subject)
    schedule, offer = found["schedule"], found["offer"]
    start = moment_of(schedule["start"])
    first, last = moment_of(offer["startAfter"]), moment_of(offer["startBefore"])
    subject.expect(
        start is not None and first is not None and last is not None and first <= start <= last,
        f"The schedule starts at {schedule['start']}, not within the start times.",
    )
    slices, energies = offer["profiles"][0]["slices"], schedule["energies"]
    subject.expect(
        len(slices) == len(energies),
        f"The schedule has {len(energies)} energies for {len(slices)} slices.",
    )
    for part, energy in zip(slices, energies, strict=False):
        subject.expect(
            part["lower"] <= energy <= part["upper"],
            f"The schedule has {energy} kWh where {part['lower']} to {part['upper']} can be had.",
        )
    deadline = moment_of(offer["assignBefore"])
    given = moment_of(schedule["givenAt"])
    subject.expect(
        given is not None and deadline is not None and given <= deadline,
        "The schedule was given after assignBefore.",
    )
    return f"It was given {len(energies)} energies within their bounds."


@case(
    "FLEXOFFER-MEASURE-01",
    "What was measured is recorded once, and corrected by another value",
    why="Meters send what they have sent before, and corrections; both must not be paid twice.",
    contract=CONTRACT,
)
def measurements(subject: Subject) -> str:
    found = _over(subject)
    start, energies = found["schedule"]["start"], found["schedule"]["energies"]
    sent = {"flexOfferId": found["id"], "start": start, "energies": as_kwh(energies)}
    more = {**sent, "energies": [round(one + 0.001, 3) for one in as_kwh(energies)]}
    for one, recorded, corrected, what in (
        (sent, len(energies), 0, "for the first time"),
        (sent, 0, 0, "again"),
        (more, 0, len(energies), "with other values"),
        (sent, 0, len(energies), "with the first values again"),
    ):
        [told] = measured(subject, one)
        subject.expect(
            (told.get("recorded"), told.get("corrected")) == (recorded, corrected),
            f"Told {what}, {told.get('recorded')} are recorded and {told.get('corrected')} "
            f"corrected, not {recorded} and {corrected}.",
            advice="Keep one value for each interval, and a trace of those before it.",
        )
    state = record(subject, found["id"]).get("state")
    subject.expect(
        state in ("EXECUTED", "SETTLED"),
        f"It was measured as it was scheduled, and is {state}.",
    )
    return f"{len(energies)} intervals were recorded, and corrected twice."


@case(
    "FLEXOFFER-MEASURE-02",
    "A measurement that is wrong does not lose the others, and what is wrong is named",
    why="A thousand meters are read at once, and one of them has a mistake.",
    contract=CONTRACT,
)
def measured_wrongly(subject: Subject) -> str:
    found = _over(subject)
    over = end_of(subject, found)
    schedule = found["schedule"]
    sent = {
        "flexOfferId": found["id"],
        "start": schedule["start"],
        "energies": as_kwh(schedule["energies"]),
    }
    unscheduled = offered(subject, soon(subject, 3600))
    wrong = {
        "it is of no flex-offer": (sent | {"flexOfferId": str(new_id())}, "/flexOfferId"),
        "it is of one without a schedule": (sent | {"flexOfferId": unscheduled}, "/flexOfferId"),
        "it is off the grid": (
            sent | {"start": (over - timedelta(milliseconds=500)).isoformat()},
            "/start",
        ),
        "it begins after the end": (sent | {"start": (over + 60 * SECOND).isoformat()}, "/start"),
        "it is no multiple of 1 Wh": (sent | {"energies": [0.0005]}, "/energies/0"),
    }
    if "schedule" in record(subject, unscheduled):
        del wrong["it is of one without a schedule"]
    told = measured(subject, sent, *(one for one, _ in wrong.values()), sent)
    for (what, (_, pointer)), result in zip(wrong.items(), told[1:-1], strict=True):
        named = [str(one.get("pointer")) for one in result.get("errors") or ()]
        subject.expect(
            pointer in named,
            f"{pointer}: {what}, and the errors name {', '.join(named) or 'nothing'}.",
        )
    for result in (told[0], told[-1]):
        subject.expect(
            not result.get("errors"),
            "A measurement that is right was lost with those that are not.",
        )
    return f"{len(wrong)} were refused beside two that were recorded."


def _over(subject: Subject) -> Record:
    """Return the flex-offer with a schedule, once that is over."""
    found = scheduled(subject)
    sleep_until(subject, end_of(subject, found).isoformat())
    return found


def _expect_moved(subject: Subject, found: Record, deadline: str, states: tuple[str, ...]) -> None:
    subject.expect(
        found.get("state") not in states,
        f"{deadline} has passed, and it is {found.get('state')}.",
        advice=_CLOCK,
    )


def _priced(price: str | None) -> list[dict[str, object]]:
    part: dict[str, object] = {"lower": 0, "upper": 2.5}
    if price is not None:
        part["price"] = price
    return [{"slices": [part, {"lower": 0.5, "upper": 2.5}]}]
