"""Whether the newest of what was told holds, in whatever order it arrives."""

from datetime import timedelta, timezone

from mpp_sdk.conformance.notices import CONTRACT, Told
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

_EAST = timezone(timedelta(hours=14))
_WEST = timezone(timedelta(hours=-12))


@case(
    "NOTIFICATIONS-ORDER-01",
    "An older consent does not undo a newer withdrawal",
    why="Data would flow against the customer's will.",
    contract=CONTRACT,
)
def older_grant(subject: Subject) -> str:
    told = Told(subject)
    told.tell(told.consent("WITHDRAWN", 10))
    told.tell(told.consent("GRANTED", 5), "SUPERSEDED")
    told.expect_no_consent(20)
    return "The consent stayed withdrawn."


@case(
    "NOTIFICATIONS-ORDER-02",
    "An older withdrawal does not undo a newer consent",
    why="A customer who consented again would get no service.",
    contract=CONTRACT,
)
def older_withdrawal(subject: Subject) -> str:
    told = Told(subject)
    told.grant(10)
    told.tell(told.consent("WITHDRAWN", 5), "SUPERSEDED")
    told.expect_consent(20)
    return "The consent stayed granted."


@case(
    "NOTIFICATIONS-ORDER-03",
    "An older activation does not undo a newer one",
    why="A service that has ended would count as running, and be paid for.",
    contract=CONTRACT,
)
def older_activation(subject: Subject) -> str:
    told = Told(subject)
    told.grant()
    told.tell(told.activation("ACTIVE", 10))
    told.tell(told.activation("SUSPENDED", 30))
    told.tell(told.activation("ACTIVE", 20), "SUPERSEDED")
    return "The older one was SUPERSEDED."


@case(
    "NOTIFICATIONS-ORDER-04",
    "An older interim status does not undo a newer one",
    why="A service that failed an hour ago and runs again would be shown as failed.",
    contract=CONTRACT,
)
def older_status(subject: Subject) -> str:
    told = Told(subject)
    now = (subject.now() - told.began).total_seconds()
    told.tell(told.interim("OPERATIONAL", now))
    told.tell(told.interim("UNAVAILABLE", now - 60), "SUPERSEDED")
    return "The older one was SUPERSEDED."


@case(
    "NOTIFICATIONS-ORDER-05",
    "Moments are compared as moments, whatever their offsets",
    why="Compared as text, noon in Madrid comes after noon in London.",
    contract=CONTRACT,
)
def offsets(subject: Subject) -> str:
    told = Told(subject)
    told.tell(told.consent("WITHDRAWN", 10))
    later_text = told.at(5).astimezone(_EAST).isoformat()
    told.tell(told.consent("GRANTED", 0).changed(occurredAt=later_text), "SUPERSEDED")
    told.expect_no_consent(20)
    other = Told(subject)
    other.tell(other.consent("REQUESTED", 10))
    earlier_text = other.at(15).astimezone(_WEST).isoformat()
    other.tell(other.consent("GRANTED", 0).changed(occurredAt=earlier_text))
    other.expect_consent(20)
    return "Offsets of +14:00 and -12:00 were reckoned with."


@case(
    "NOTIFICATIONS-ORDER-06",
    "Moments a millisecond apart are told apart, and all of RFC 3339 is read",
    why="A platform tells several things within a second; cut to seconds, none is newer.",
    contract=CONTRACT,
)
def fractions(subject: Subject) -> str:
    told = Told(subject)
    moment = told.at(10).replace(microsecond=500_000)
    base = moment.strftime("%Y-%m-%dt%H:%M:%S")
    told.tell(told.consent("WITHDRAWN", 0).changed(occurredAt=f"{base}.002z"))
    told.tell(told.consent("GRANTED", 0).changed(occurredAt=f"{base}.001000000Z"), "SUPERSEDED")
    told.expect_no_consent(20)
    return "A millisecond made the difference."


@case(
    "NOTIFICATIONS-ORDER-07",
    "What is newer is decided for each point of delivery by itself",
    why="Late news of one customer would be lost because another one's were faster.",
    contract=CONTRACT,
)
def each_by_itself(subject: Subject) -> str:
    first, second = Told(subject), Told(subject)
    first.grant(30)
    second.grant(10)
    second.expect_consent(20)
    return "Older news of another point of delivery were applied."
