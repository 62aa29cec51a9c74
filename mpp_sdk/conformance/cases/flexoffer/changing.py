"""Whether flex-offers are found, replaced and taken back, by whoever offered them alone."""

from datetime import datetime

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.features import IDEMPOTENCY_KEY
from mpp_sdk.conformance.flexoffers import (
    CONTRACT,
    DAY,
    DELETE,
    PAST,
    READ,
    REPLACE,
    draft,
    find,
    listed,
    measured,
    offered,
    record,
    scheduled,
    sleep_until,
    until,
)
from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.refusals import expect_named, expect_problem
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_ENDS = "Look at the state in the transaction that changes it."


@case(
    "FLEXOFFER-LIST-01",
    "The active flex-offers are listed, and what was replaced or taken back is not",
    why="By the list an offering party finds out what it is still bound to.",
    contract=CONTRACT,
)
def active(subject: Subject) -> str:
    kept, replaced, deleted = (offered(subject) for _ in range(3))
    new = _replaced(subject, replaced).fields().get("id")
    _deleted(subject, deleted)
    items = listed(subject)
    for one, expected in ((kept, True), (str(new), True), (replaced, False), (deleted, False)):
        subject.expect(
            (find(items, one) is not None) is expected,
            f"The list of active flex-offers {'lacks' if expected else 'has'} one that is "
            f"{record(subject, one).get('state')}.",
        )
    return f"{len(items)} were listed."


@case(
    "FLEXOFFER-LIST-02",
    "The flex-offers of a period are those that were offered or changed in it",
    why="Who settles a month needs all of it, also what has ended, and nothing of the next one.",
    contract=CONTRACT,
)
def of_a_period(subject: Subject) -> str:
    kept, deleted = offered(subject), offered(subject)
    _deleted(subject, deleted)
    now = subject.now()
    found = listed(subject, PAST, **_period(now - DAY, now + DAY))
    for one in (kept, deleted):
        subject.expect(
            find(found, one) is not None,
            f"The period of now lacks one that is {record(subject, one).get('state')}.",
        )
    for start, end, what in (
        (now - 30 * DAY, now - 29 * DAY, "before"),
        (now + DAY, now + 2 * DAY, "after"),
    ):
        early = listed(subject, PAST, **_period(start, end))
        subject.expect(
            find(early, kept) is None,
            f"A period {what} it has a flex-offer of now.",
        )
    return f"{len(found)} were of the period of now."


@case(
    "FLEXOFFER-LIST-03",
    "A period that does not end after its start is refused, and the end is named",
    why="Answered with nothing, a mistake looks like a day without flexibility.",
    contract=CONTRACT,
    harmless=True,
)
def backwards(subject: Subject) -> str:
    now = subject.now()
    operations = [PAST, *(f"read_{one}_series" for one in ("measurement", "baseline", "schedule"))]
    for operation in operations:
        for end in (now, now - DAY):
            answer = subject.call(operation, path=_period(now, end))
            expect_named(subject, answer, "to", "is not after the start")
    hour = now.replace(minute=0, second=0, microsecond=0)
    for operation in ("read_bill", "read_kpis"):
        period = {"start": hour.isoformat(), "end": (hour - DAY).isoformat()}
        answer = subject.call(operation, query=period)
        if operation == "read_kpis" or answer.status != 404:
            expect_named(subject, answer, "end", "is not after the start")
    return f"{len(operations) + 2} operations refused it."


@case(
    "FLEXOFFER-SEEN-01",
    "A flex-offer that does not exist, or is another subscription's, is answered 404",
    why="When a household is away is nobody's business but that of whom it offers flexibility.",
    contract=CONTRACT,
)
def unseen(subject: Subject) -> str:
    _expect_unseen(subject, str(new_id()), "that does not exist")
    foreign = subject.target.foreign_flex_offer_id
    if foreign is None:
        raise NotShown(
            "Name a flex-offer of another subscription of the platform with --foreign-flex-offer."
        )
    _expect_unseen(subject, str(foreign), "of another subscription")
    subject.expect(
        find(listed(subject), str(foreign)) is None, "The list has one of another subscription."
    )
    return "It was answered 404, and is in no list."


@case(
    "FLEXOFFER-REPLACE-01",
    "A replaced flex-offer is REPLACED, and the new one has an id of its own; each names the other",
    why="A schedule that is given to the old one now would move a load that has other plans.",
    contract=CONTRACT,
)
def replaced(subject: Subject) -> str:
    old, wanted = offered(subject), draft(subject)
    answer = _replaced(subject, old, wanted)
    told = answer.fields()
    subject.expect(
        (told.get("offer") or {}).get("offeredBy") == wanted["offeredBy"],
        f"{answer} with another flex-offer than the one in the body.",
        exchange=answer,
    )
    subject.expect(told.get("id") != old, "The new flex-offer has the id of the old.")
    subject.expect(told.get("replaces") == old, "`replaces` does not name the old one.")
    before = record(subject, old)
    subject.expect(
        before.get("state") == "REPLACED" and before.get("replacedBy") == told.get("id"),
        f"The old one is {before.get('state')}, replaced by {before.get('replacedBy')}.",
    )
    return "The old one is REPLACED, and each names the other."


@case(
    "FLEXOFFER-REPLACE-02",
    "A replacement that is wrong is refused, and the old flex-offer stands",
    why="With neither of the two, a household has withdrawn by a mistake of spelling.",
    contract=CONTRACT,
)
def replaced_wrongly(subject: Subject) -> str:
    old = offered(subject)
    before = record(subject, old).get("state")
    wrong = draft(subject, default={"energies": [2.5, 9]})
    answer = subject.call(REPLACE, path={"id": old}, body=wrong)
    expect_named(subject, answer, "/default/energies/1", "is above what the slice allows")
    after = record(subject, old).get("state")
    subject.expect(
        after not in ("REPLACED", "DELETED"), f"The old one was {before}, and is {after}."
    )
    return "It was answered 400, and nothing changed."


@case(
    "FLEXOFFER-REPLACE-03",
    "A replacement that comes again under its Idempotency-Key replaces once",
    why="Asked again after a lost answer, it would be refused, though it was done.",
    contract=CONTRACT,
)
def replaced_once(subject: Subject) -> str:
    old, wanted, key = offered(subject), draft(subject), {IDEMPOTENCY_KEY: str(new_id())}
    first, again = (
        subject.call(REPLACE, path={"id": old}, body=wanted, headers=key) for _ in range(2)
    )
    subject.expect(
        first.status == 200 and again.json() == first.json(),
        f"{again} and not as the first time.",
        advice="Keep the answer with its Idempotency-Key.",
        exchange=again,
    )
    return "The second answer was the first."


@case(
    "FLEXOFFER-DELETE-01",
    "A flex-offer that was taken back is DELETED",
    why="Whoever has taken a flex-offer back relies on it that no schedule comes any more.",
    contract=CONTRACT,
)
def deleted(subject: Subject) -> str:
    one = offered(subject)
    answer = _deleted(subject, one)
    for told in (answer.fields(), record(subject, one)):
        subject.expect(told.get("state") == "DELETED", f"It is {told.get('state')}, not DELETED.")
    return "It is DELETED."


@case(
    "FLEXOFFER-ENDED-01",
    "What was replaced or taken back can be neither any more, which is answered 409",
    why="Twice replaced, there would be two in the place of one.",
    contract=CONTRACT,
)
def after_the_end(subject: Subject) -> str:
    for end in (_replaced, _deleted):
        one = offered(subject)
        end(subject, one)
        _expect_fixed(subject, one, str(record(subject, one).get("state")))
    return "Both were answered 409."


@case(
    "FLEXOFFER-ENDED-02",
    "What executes can be neither replaced nor taken back, which is answered 409",
    why="The grid counts on what has begun.",
    contract=CONTRACT,
)
def while_it_executes(subject: Subject) -> str:
    found = scheduled(subject)
    sleep_until(subject, found["schedule"]["start"])
    one = str(found["id"])
    state = str(until(subject, one, lambda held: held.get("state") != "ASSIGNED").get("state"))
    _expect_fixed(subject, one, state)
    return f"It was {state}, and answered 409."


def _replaced(subject: Subject, one: str, wanted: object = None) -> Exchange:
    answer = subject.call(REPLACE, path={"id": one}, body=wanted or draft(subject))
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    return answer


def _deleted(subject: Subject, one: str) -> Exchange:
    answer = subject.call(DELETE, path={"id": one})
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    return answer


def _expect_fixed(subject: Subject, one: str, state: str) -> None:
    for answer in (
        subject.call(REPLACE, path={"id": one}, body=draft(subject)),
        subject.call(DELETE, path={"id": one}),
    ):
        if not expect_problem(subject, answer, 409, f"to what is {state}"):
            subject.note(f"What is {state} was changed.", advice=_ENDS, exchange=answer)


def _expect_unseen(subject: Subject, one: str, which: str) -> None:
    for answer in (
        subject.call(READ, path={"id": one}),
        subject.call(REPLACE, path={"id": one}, body=draft(subject)),
        subject.call(DELETE, path={"id": one}),
    ):
        expect_problem(subject, answer, 404, f"to a flex-offer {which}")
    moment = subject.now().replace(microsecond=0).isoformat()
    [told] = measured(subject, {"flexOfferId": one, "start": moment, "energies": [1]})
    subject.expect(bool(told.get("errors")), f"Measurements of one {which} were taken.")


def _period(start: datetime, end: datetime) -> dict[str, object]:
    return {"from": start.isoformat(), "to": end.isoformat()}
