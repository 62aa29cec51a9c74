"""What a marketplace must not take."""

from datetime import timedelta

from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.notices import CONTRACT, Told
from mpp_sdk.conformance.refusals import expect_named
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_DAY = timedelta(days=1)


@case(
    "NOTIFICATIONS-GUARD-01",
    "A service without its customer's consent does not become ACTIVE",
    why="Data of people who were never asked would flow, and the record would say that it may.",
    contract=CONTRACT,
)
def without_consent(subject: Subject) -> str:
    Told(subject).expect_no_consent(1)
    for state in ("REQUESTED", "DENIED", "TIMED_OUT"):
        told = Told(subject)
        told.tell(told.consent(state, 0))
        told.expect_no_consent(1)
    return "It was answered 409 without a consent, and with three that are none."


@case(
    "NOTIFICATIONS-GUARD-02",
    "A service whose consent was withdrawn or has expired does not become ACTIVE again",
    why="A withdrawal holds from the moment at which the customer says so.",
    contract=CONTRACT,
)
def after_the_consent(subject: Subject) -> str:
    for state in ("WITHDRAWN", "EXPIRED"):
        told = Told(subject)
        told.grant()
        told.expect_consent(1)
        told.tell(told.consent(state, 2))
        told.expect_no_consent(3)
        told.tell(told.activation("ENDED", 4), "APPLIED", "SUPERSEDED")
    return "It was answered 409, and the end of the service was taken."


@case(
    "NOTIFICATIONS-GUARD-03",
    "A consent holds in its period only",
    why="A customer who consents for a year has not consented for the time before or after it.",
    contract=CONTRACT,
)
def outside_the_period(subject: Subject) -> str:
    now = subject.now()
    told = Told(subject)
    seconds = (now - told.began).total_seconds()
    for start, end in ((now + _DAY, now + 2 * _DAY), (now - 2 * _DAY, now - _DAY)):
        told = Told(subject)
        period = {"start": start.isoformat(), "end": end.isoformat()}
        told.tell(told.consent("GRANTED", 0, validity=period))
        told.expect_no_consent(seconds)
    told = Told(subject)
    period = {"start": (now - _DAY).isoformat(), "end": (now + _DAY).isoformat()}
    told.tell(told.consent("GRANTED", 0, validity=period))
    told.expect_consent(seconds)
    return "It was answered 409 before and after the period."


@case(
    "NOTIFICATIONS-GUARD-04",
    "A consent's period that ends before it starts is refused and named",
    why="Nobody can tell what was meant, and both companies would read it differently.",
    contract=CONTRACT,
)
def impossible_period(subject: Subject) -> str:
    told = Told(subject)
    period = {"start": told.at(10).isoformat(), "end": told.at(0).isoformat()}
    answer = told.answer(told.consent("GRANTED", 0, validity=period))
    expect_named(subject, answer, "/validity/end", "is before the start")
    return "It was answered 400."


@case(
    "NOTIFICATIONS-GUARD-05",
    "What is said to happen more than five minutes from now is answered 409",
    why="One of two clocks is wrong; taken, it would make everything older until it is reached.",
    contract=CONTRACT,
)
def future(subject: Subject) -> str:
    told = Told(subject)
    now = (subject.now() - told.began).total_seconds()
    notices = (
        told.consent("GRANTED", now + 900),
        told.activation("REQUESTED", now + 900),
        told.interim("OPERATIONAL", now + 900),
    )
    for notice in notices:
        told.refused(notice, 409, "a quarter of an hour before it happens")
    told.tell(told.consent("GRANTED", now + 60))
    return "A quarter of an hour ahead was refused, a minute was taken."


@case(
    "NOTIFICATIONS-GUARD-06",
    "A subscription that does not exist is answered 404",
    why="A notification that is lost without a word is missed when it is too late.",
    contract=CONTRACT,
)
def unknown_subscription(subject: Subject) -> str:
    return _not_found(subject, str(new_id()), "of a subscription that does not exist")


@case(
    "NOTIFICATIONS-GUARD-07",
    "A subscription of other companies is answered 404",
    why="Any company could end another one's services, or learn what it subscribes to.",
    contract=CONTRACT,
)
def foreign_subscription(subject: Subject) -> str:
    foreign = subject.target.foreign_subscription_id
    if foreign is None:
        raise NotShown("Name a subscription of two other companies with --foreign-subscription.")
    return _not_found(subject, str(foreign), "of other companies")


@case(
    "NOTIFICATIONS-GUARD-08",
    "After a subscription has ended only ENDED is taken; anything else is answered 410",
    why="410 lets a platform stop: with any other answer it tries for days, and the rest waits.",
    contract=CONTRACT,
)
def ended_subscription(subject: Subject) -> str:
    ended = subject.target.ended_subscription_id
    if ended is None:
        raise NotShown("Name a subscription that has ended with --ended-subscription.")
    told = Told(subject).under(ended)
    now = (subject.now() - told.began).total_seconds()
    for state in ("ACTIVE", "REQUESTED", "SUSPENDED"):
        told.refused(told.activation(state, now), 410, "after the end")
    told.tell(told.activation("ENDED", now + 1))
    return "Three states were answered 410, and ENDED was taken."


def _not_found(subject: Subject, subscription_id: str, whose: str) -> str:
    told = Told(subject).under(subscription_id)
    now = (subject.now() - told.began).total_seconds()
    notices = (
        told.consent("GRANTED", now),
        told.activation("ENDED", now),
        told.interim("OPERATIONAL", now),
    )
    for notice in notices:
        told.refused(notice, 404, whose)
    return f"{len(notices)} notifications were answered 404."
