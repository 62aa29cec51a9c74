"""Whether moments are compared as moments, however they are written (RFC 3339)."""

from datetime import UTC, datetime, timedelta, timezone

from mpp_sdk.conformance.held import held_events, held_offer, moment_of, same_id
from mpp_sdk.conformance.offers import offer
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

_CONTRACT = "eu-mp"
_PRECISION = timedelta(milliseconds=1)
_INDIA = timezone(timedelta(hours=5, minutes=30))
_SAMOA = timezone(-timedelta(hours=11))
_PARSE = "Parse moments with a library for RFC 3339, store them in UTC, and compare what is stored."


def _z(moment: datetime) -> str:
    """Write a moment in UTC in whole seconds, with the letter Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _in(zone: timezone, moment: datetime) -> str:
    """Write a moment in another zone, in whole seconds."""
    return moment.astimezone(zone).isoformat(timespec="seconds")


def _fraction(moment: datetime, digits: str) -> str:
    """Write a whole second in UTC with these digits after the point."""
    return _z(moment).replace("Z", f".{digits}Z")


@case(
    "EU-MP-TIME-01",
    "A moment is taken in every way in which RFC 3339 writes it, and kept as that moment",
    why="Each language writes moments in another way; a marketplace in UTC today may not be one.",
    contract=_CONTRACT,
)
def every_way(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        moment = made.at(0).replace(microsecond=0)
        seconds = [moment + timedelta(seconds=10 * (number + 1)) for number in range(7)]
        written = [
            _z(seconds[0]),
            _z(seconds[1]).lower(),
            _in(UTC, seconds[2]),
            _in(_INDIA, seconds[3]),
            _in(_SAMOA, seconds[4]),
            _fraction(seconds[5], "5"),
            _fraction(seconds[6], "123456789"),
        ]
        events = [made.suspended(0, occurredAt=text) for text in written]
        for event in events:
            made.tell(event)
        held = held_events(subject, made.began, made.id)
        for event in events if held is not None else ():
            text = event.body["occurredAt"]
            told = [one for one in held or () if same_id(one.get("eventId"), event.id)]
            subject.expect(
                bool(told) and _same(told[0].get("occurredAt"), text),
                f"What occurred at {text} is told as {[one.get('occurredAt') for one in told]}.",
                advice=_PARSE,
            )
    return f"{len(written)} ways to write a moment were taken: {', '.join(written)}."


@case(
    "EU-MP-TIME-02",
    "What is newer is told by the moment, whatever its offset",
    why="Compared as text or without its offset, an older event from another zone undoes a newer.",
    contract=_CONTRACT,
)
def across_offsets(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0, occurredAt=_in(_INDIA, made.at(0))))
        made.tell(made.suspended(0, occurredAt=_in(_SAMOA, made.at(20))))
        made.expect_state("SUSPENDED")
        made.tell(made.resumed(0, occurredAt=_in(_INDIA, made.at(10))), "SUPERSEDED")
        made.expect_state("SUSPENDED")
        made.tell(made.resumed(0, occurredAt=_in(_INDIA, made.at(30))))
        made.tell(made.suspended(0, occurredAt=_in(_SAMOA, made.at(40))))
        made.expect_state("SUSPENDED")
        made.tell(made.resumed(0, occurredAt=_z(made.at(35))), "SUPERSEDED")
        made.expect_state("SUSPENDED")
    return "Events at UTC, +05:30 and -11:00 were put in their order."


@case(
    "EU-MP-TIME-03",
    "What is newer is told by the moment, down to its fractions of a second",
    why="A suspension and its end can lie in one second; as text 10.5Z comes before 10Z.",
    contract=_CONTRACT,
)
def fractions(subject: Subject) -> str:
    with offer(subject) as made:
        second = made.at(10)
        made.tell(made.confirmed(0))
        made.tell(made.suspended(0, occurredAt=_z(second)))
        made.tell(made.resumed(0, occurredAt=_fraction(second, "5")))
        made.tell(made.suspended(0, occurredAt=_fraction(second, "250")), "SUPERSEDED")
        made.expect_state("ACTIVE")
        made.tell(made.suspended(0, occurredAt=_fraction(second, "900000000")))
        made.tell(made.resumed(0, occurredAt=_fraction(second, "75")), "SUPERSEDED")
        made.expect_state("SUSPENDED")
    return "Events of one second were put in their order."


@case(
    "EU-MP-TIME-04",
    "The period that was agreed keeps its moments, whatever their offsets",
    why="Data that is due from midnight in Madrid is not due from midnight in UTC.",
    contract=_CONTRACT,
)
def agreed_period(subject: Subject) -> str:
    with offer(subject) as made:
        confirmed = made.confirmed(0)
        period = {"start": "2026-03-29T00:00:00+01:00", "end": "2126-10-25T02:30:00-05:30"}
        terms = {**confirmed.body["terms"], "validity": period}
        made.tell(confirmed.changed(terms=terms))
        held = held_offer(subject, made.id)
        told = (held or {}).get("terms", {}).get("validity", {})
        for name, text in period.items() if held is not None else ():
            subject.expect(
                _same(told.get(name), text),
                f"The {name} of the validity, {text}, is told as {told.get(name)}.",
                advice=_PARSE,
            )
    return "A period with two offsets was taken."


def _same(told: object, text: str) -> bool:
    found, wanted = moment_of(told), moment_of(text)
    return found is not None and wanted is not None and abs(found - wanted) < _PRECISION
