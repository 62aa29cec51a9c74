"""Whether what is offered is taken, each by itself, and once."""

from typing import Any

from mpp_sdk.conformance.features import IDEMPOTENCY_KEY
from mpp_sdk.conformance.flexoffers import (
    CONTRACT,
    OFFER,
    draft,
    find,
    listed,
    offered,
    record,
    results,
)
from mpp_sdk.conformance.held import moment_of
from mpp_sdk.conformance.refusals import expect_bad_request, expect_named
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_MOST = 10_000
_AT_ONCE = 6
_UNIQUE = (
    "Keep the answer with its Idempotency-Key in the transaction that keeps the flex-offers, and "
    "have the database refuse the key a second time."
)


@case(
    "FLEXOFFER-OFFER-01",
    "A flex-offer gets an id and a state, and is read as it was offered",
    why="What is scheduled, measured and paid for is what the platform has, not what was meant.",
    contract=CONTRACT,
)
def offered_and_read(subject: Subject) -> str:
    profile = {
        "slices": [
            {"lower": -1.25, "upper": 2.5, "price": "0.03"},
            {"lower": 0, "upper": 4.001, "duration": 3, "maxPower": 10, "options": [0, 4.001]},
        ],
        "total": {"lower": 0, "upper": 6},
    }
    wanted = draft(subject, profiles=[profile], default={"energies": [0.5, 4.001]}, currency="EUR")
    found = record(subject, offered(subject, wanted))
    subject.expect(
        _same(wanted, found.get("offer")),
        f"What was offered is read otherwise: {found.get('offer')}.",
        advice="Give a flex-offer back as it was sent.",
    )
    subject.expect(
        bool(found.get("history")) and found["history"][0].get("kind") == "OFFERED",
        "The history of a flex-offer that is read does not begin with OFFERED.",
    )
    return "It was read as it was offered, with its history."


@case(
    "FLEXOFFER-OFFER-02",
    "Each of many flex-offers gets its result, in the order in which they were sent",
    why="By its place alone the offering party knows which of its devices an id is of.",
    contract=CONTRACT,
)
def many(subject: Subject) -> str:
    drafts = [draft(subject) for _ in range(5)]
    told = results(subject, drafts)
    ids = [str(one.get("id")) for one in told]
    subject.expect(len(set(ids)) == len(drafts), "Two flex-offers have one id.")
    for wanted, one in zip(drafts, ids, strict=True):
        offer = record(subject, one).get("offer") or {}
        subject.expect(
            offer.get("offeredBy") == wanted["offeredBy"],
            "The id in a result is of another flex-offer than the one at its place.",
        )
    [alone] = results(subject, [draft(subject)])
    subject.expect("id" in alone, "An array of one has a result without an id.")
    return f"{len(drafts)} were read by their ids, and an array of one was taken."


@case(
    "FLEXOFFER-OFFER-03",
    "One flex-offer that is wrong does not lose the others, and what is wrong is named",
    why="An aggregator sends thousands of households' flex-offers at once; one has a mistake.",
    contract=CONTRACT,
)
def one_is_wrong(subject: Subject) -> str:
    unknown = draft(subject) | {"conformanceKit": 1}
    unnamed = {name: one for name, one in draft(subject).items() if name != "offeredBy"}
    order = draft(subject, default={"energies": [2.5, 9]})
    wrong: dict[int, tuple[Any, str]] = {
        1: (unknown, "/conformanceKit"),
        2: (unnamed, "/offeredBy"),
        4: ("no flex-offer", ""),
        5: (order, "/default/energies/1"),
    }
    sent = [wrong[at][0] if at in wrong else draft(subject) for at in range(7)]
    told = results(subject, sent)
    for at, one in enumerate(told):
        if at not in wrong:
            subject.expect(
                "id" in one and not one.get("errors"),
                f"The flex-offer at place {at} is right, and was lost with those that are wrong.",
                advice="Check each by itself, and keep those that are right.",
            )
            continue
        pointers = [str(error.get("pointer")) for error in one.get("errors", ())]
        subject.expect(
            "id" not in one and wrong[at][1] in pointers,
            f"The errors of the flex-offer at place {at} name {', '.join(pointers) or 'nothing'}, "
            f"not {wrong[at][1] or 'the whole'}.",
            advice="Name the field with a pointer into the flex-offer, not into the array.",
        )
    return f"{len(sent) - len(wrong)} were taken beside {len(wrong)} that are wrong."


@case(
    "FLEXOFFER-OFFER-04",
    "A flex-offer that is sent alone and is wrong is refused with 400",
    why="Whoever sends one looks at the status, and would believe that it was taken.",
    contract=CONTRACT,
)
def alone_and_wrong(subject: Subject) -> str:
    answer = subject.call(OFFER, body=draft(subject, default={"energies": [2.5, 9]}))
    expect_named(subject, answer, "/default/energies/1", "is above what the slice allows")
    return "It was answered 400."


@case(
    "FLEXOFFER-OFFER-05",
    "10,000 flex-offers are taken at once, none and 10,001 are refused",
    why="The contract promises that many; with fewer, a large portfolio comes too late.",
    contract=CONTRACT,
)
def as_many_as_there_may_be(subject: Subject) -> str:
    empty = {**draft(subject), "offeredBy": ""}  # so that nothing is left of them
    told = results(subject, [empty] * _MOST)
    subject.expect(all(one.get("errors") for one in told), "A flex-offer without a name was taken.")
    for sent, what in ([empty] * (_MOST + 1), "there are 10,001"), ([], "there is none"):
        expect_bad_request(subject, subject.call(OFFER, body=sent), what)
    return f"{_MOST} had a result each."


@case(
    "FLEXOFFER-ONCE-01",
    "Flex-offers that come again under their Idempotency-Key are offered once",
    why="A lost answer is asked for again; twice offered, a car would be charged twice.",
    contract=CONTRACT,
)
def once(subject: Subject) -> str:
    drafts = [draft(subject) for _ in range(3)]
    key = {IDEMPOTENCY_KEY: str(new_id())}
    first, again = results(subject, drafts, **key), results(subject, drafts, **key)
    subject.expect(first == again, "The second answer is not the first.", advice=_UNIQUE)
    return _expect_once(subject, [one["offeredBy"] for one in drafts])


@case(
    "FLEXOFFER-ONCE-02",
    "Flex-offers that come several times at the same moment are offered once",
    why="A client that has lost patience sends again while the first call is under way.",
    contract=CONTRACT,
)
def at_once(subject: Subject) -> str:
    wanted = draft(subject)
    key = {IDEMPOTENCY_KEY: str(new_id())}
    answers = subject.together([lambda: subject.call(OFFER, body=wanted, headers=key)] * _AT_ONCE)
    for answer in answers:
        subject.expect_status(answer, 200, 409)
    return _expect_once(subject, [wanted["offeredBy"]])


@case(
    "FLEXOFFER-RESTART-01",
    "After a restart the flex-offers are there, and known by their Idempotency-Key",
    why="What is kept in memory alone is forgotten with every new release, with its schedule.",
    contract=CONTRACT,
)
def after_a_restart(subject: Subject) -> str:
    wanted, key = draft(subject), {IDEMPOTENCY_KEY: str(new_id())}
    before = offered(subject, wanted, **key)
    subject.restart()
    subject.expect(
        find(listed(subject), before) is not None, "After the restart the list has lost one."
    )
    after = offered(subject, wanted, **key)
    subject.expect(after == before, "After the restart the same call offers anew.", advice=_UNIQUE)
    return "It was there, and not offered anew."


def _expect_once(subject: Subject, names: list[str]) -> str:
    held = [(one.get("offer") or {}).get("offeredBy") for one in listed(subject)]
    for name in names:
        subject.expect(
            held.count(name) == 1,
            f"A flex-offer that was sent under one Idempotency-Key is held {held.count(name)} "
            "times.",
            advice=_UNIQUE,
        )
    return f"{len(names)} were offered once each."


def _same(sent: object, held: object) -> bool:
    """Return whether a value is held as it was sent, in whatever offset and spelling of numbers."""
    if isinstance(sent, dict) and isinstance(held, dict):
        return all(name in held and _same(one, held[name]) for name, one in sent.items())
    if isinstance(sent, list) and isinstance(held, list):
        return len(sent) == len(held) and all(map(_same, sent, held))
    if isinstance(sent, str) and isinstance(held, str):
        return sent == held or moment_of(sent) == moment_of(held) is not None
    return sent == held
