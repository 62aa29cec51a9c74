"""Whether a notification is applied once, however often it comes."""

from mpp_sdk.conformance.notices import CONTRACT, Notice, Told
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

_AT_ONCE = 6
_UNIQUE = "Have the database refuse a second row with the same event id, in the same transaction."


@case(
    "NOTIFICATIONS-ONCE-01",
    "A notification that comes again is acknowledged as DUPLICATE",
    why="An acknowledgement that is lost brings every notification twice.",
    contract=CONTRACT,
)
def again(subject: Subject) -> str:
    told = Told(subject)
    now = (subject.now() - told.began).total_seconds()
    notices = (
        told.consent("GRANTED", 0),
        told.activation("ACTIVE", 1),
        told.interim("OPERATIONAL", now),
    )
    for notice in notices:
        told.tell(notice, "APPLIED")
        told.tell(notice, "DUPLICATE")
        told.tell(notice, "DUPLICATE")
    return f"{len(notices)} notifications came three times each."


@case(
    "NOTIFICATIONS-ONCE-02",
    "A notification that comes again later changes nothing",
    why="A consent that was withdrawn must not come back because a network was slow.",
    contract=CONTRACT,
)
def later_again(subject: Subject) -> str:
    told = Told(subject)
    granted = told.grant()
    told.tell(told.consent("WITHDRAWN", 1))
    told.tell(granted, "DUPLICATE")
    told.expect_no_consent(2)
    return "The consent stayed withdrawn."


@case(
    "NOTIFICATIONS-ONCE-03",
    "A notification that arrives several times at the same moment is applied once",
    why="Two senders that each believe the other dead send the same notification at once.",
    contract=CONTRACT,
)
def at_once(subject: Subject) -> str:
    told = Told(subject)
    for notice in (told.consent("GRANTED", 0), told.activation("ACTIVE", 1)):
        outcomes = _outcomes(subject, told, notice)
        subject.expect(
            outcomes.count("APPLIED") == 1,
            f"Of {_AT_ONCE} at once, {outcomes.count('APPLIED')} were answered APPLIED.",
            advice=_UNIQUE,
        )
    return f"Of {_AT_ONCE} at once, one was applied."


@case(
    "NOTIFICATIONS-ONCE-04",
    "Another body under an event id that is known changes nothing",
    why="The id says which notification it is; another body under it is a mistake or a forgery.",
    contract=CONTRACT,
)
def other_body(subject: Subject) -> str:
    told = Told(subject)
    granted = told.grant()
    told.tell(granted.changed(state="WITHDRAWN", occurredAt=told.at(1).isoformat()), "DUPLICATE")
    told.expect_consent(2)
    return "The first body stayed."


@case(
    "NOTIFICATIONS-ONCE-05",
    "A notification that was refused is applied when it comes again and is allowed",
    why="Recorded before it is checked, it would be DUPLICATE for ever and never happen.",
    contract=CONTRACT,
)
def after_a_refusal(subject: Subject) -> str:
    told = Told(subject)
    active = told.activation("ACTIVE", 1)
    told.refused(active, 409, "without a consent")
    told.grant()
    told.tell(active)
    return "It was answered 409 before its consent, and APPLIED after it."


@case(
    "NOTIFICATIONS-ONCE-06",
    "A notification whose acknowledgement was lost is DUPLICATE when it comes again",
    why="Networks fail after the work is done and before it is known: this is the usual case.",
    contract=CONTRACT,
)
def lost_answer(subject: Subject) -> str:
    told = Told(subject)
    for notice in (told.consent("GRANTED", 0), told.activation("ACTIVE", 1)):
        request = subject.prepared(notice.operation, body=dict(notice.body))
        with subject.wire() as wire:
            wire.send(wire.head(request) + (request.body or b""))
            first = wire.first_line(subject.target.timeout.total_seconds())
            wire.cut()
        subject.demand(
            " 200 " in f"{first} ",
            f"{request.method} {request.path} was answered {first or 'nothing'}, not 200.",
        )
        told.tell(notice, "DUPLICATE")
    return "Connections were cut before the acknowledgement was read."


@case(
    "NOTIFICATIONS-RESTART-01",
    "After a restart the marketplace knows what it was told before",
    why="What is kept in memory alone is applied twice, or undone, by every new release.",
    contract=CONTRACT,
)
def after_a_restart(subject: Subject) -> str:
    told = Told(subject)
    granted = told.grant()
    withdrawn = told.consent("WITHDRAWN", 2)
    told.tell(withdrawn)
    subject.restart()
    told.tell(granted, "DUPLICATE")
    told.tell(withdrawn, "DUPLICATE")
    told.tell(told.consent("GRANTED", 1), "SUPERSEDED")
    told.expect_no_consent(3)
    return "Duplicates and older ones were known as such."


def _outcomes(subject: Subject, told: Told, notice: Notice) -> list[str]:
    answers = subject.together([lambda: told.answer(notice)] * _AT_ONCE)
    for answer in answers:
        subject.expect_status(answer, 200)
    return [str(answer.fields().get("outcome")) for answer in answers]
