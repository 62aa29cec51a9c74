"""Whether an event is applied once, however often it comes."""

from functools import partial

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.held import held_events, held_offer, same_id
from mpp_sdk.conformance.offers import Event, Offer, demand_offered, demand_outcome, offer, tell
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

_CONTRACT = "eu-mp"
_AT_ONCE = 6
_UNIQUE = "Have the database refuse a second row with the same event id, in the same transaction."


@case(
    "EU-MP-ONCE-01",
    "An event that comes again is acknowledged as DUPLICATE",
    why="An acknowledgement that is lost brings every event twice.",
    contract=_CONTRACT,
)
def again(subject: Subject) -> str:
    with offer(subject) as made:
        events = [made.confirmed(0), made.suspended(10), made.resumed(20), made.canceled(30)]
        for event in events:
            made.tell(event)
            made.tell(event, "DUPLICATE")
            made.tell(event, "DUPLICATE")
    return "Four events came three times each."


@case(
    "EU-MP-ONCE-02",
    "An event that comes again later changes nothing",
    why="A platform that only says DUPLICATE brings an ended subscription back to life.",
    contract=_CONTRACT,
)
def later_again(subject: Subject) -> str:
    demand_offered(subject, "list_held_service_offers")
    with offer(subject) as made:
        confirmed, suspended, resumed = made.confirmed(0), made.suspended(10), made.resumed(20)
        made.tell(confirmed)
        made.tell(suspended)
        made.tell(confirmed, "DUPLICATE")
        made.expect_state("SUSPENDED")
        made.tell(resumed)
        made.tell(suspended, "DUPLICATE")
        made.expect_state("ACTIVE")
        made.tell(made.canceled(30))
        for event in (confirmed, suspended, resumed):
            made.tell(event, "DUPLICATE")
        made.expect_state("CANCELED")
    return "Repeated events left the state as it was."


@case(
    "EU-MP-ONCE-03",
    "An event that arrives several times at the same moment is applied once",
    why="Two senders that each believe the other dead send the same event at once.",
    contract=_CONTRACT,
)
def at_once(subject: Subject) -> str:
    with offer(subject) as made:
        for event in (made.confirmed(0), made.suspended(10)):
            calls = [partial(tell, subject, event)] * _AT_ONCE
            _expect_one_applied(subject, event, subject.together(calls))
        made.expect_state("SUSPENDED")
        _expect_listed_once(subject, made)
    return f"Of {_AT_ONCE} at once, one was applied."


def _expect_one_applied(subject: Subject, event: Event, answers: list[Exchange]) -> None:
    for answer in answers:
        demand_outcome(subject, answer, event, "APPLIED", "DUPLICATE")
    applied = sum(answer.fields()["outcome"] == "APPLIED" for answer in answers)
    subject.expect(
        applied == 1,
        f"Of {len(answers)} at once, {applied} were answered APPLIED.",
        advice=_UNIQUE,
    )


def _expect_listed_once(subject: Subject, made: Offer) -> None:
    held = held_events(subject, made.began, made.id)
    ids = [str(one.get("eventId")).lower() for one in held or ()]
    subject.expect(
        len(ids) == len(set(ids)),
        "GET /events lists an event twice.",
        advice=_UNIQUE,
    )


@case(
    "EU-MP-ONCE-04",
    "An event whose acknowledgement was lost is DUPLICATE when it comes again",
    why="Networks fail after the work is done and before it is known: this is the usual case.",
    contract=_CONTRACT,
)
def lost_answer(subject: Subject) -> str:
    with offer(subject) as made:
        for event in (made.confirmed(0), made.suspended(10)):
            request = subject.prepared(
                event.operation, path={"platformRole": event.role}, body=dict(event.body)
            )
            with subject.wire() as wire:
                wire.send(wire.head(request) + (request.body or b""))
                first = wire.first_line(subject.target.timeout.total_seconds())
                wire.cut()
            subject.demand(
                " 200 " in f"{first} ",
                f"{request.method} {request.path} was answered {first or 'nothing'}, not 200.",
                advice="Acknowledge every event that the contract allows.",
            )
            made.tell(event, "DUPLICATE")
        made.expect_state("SUSPENDED")
        _expect_listed_once(subject, made)
    return "Connections were cut before the acknowledgement was read."


@case(
    "EU-MP-ONCE-05",
    "Another body under an event id that is known changes nothing",
    why="The id says which event it is; a second body for it would rewrite what has happened.",
    contract=_CONTRACT,
)
def other_body(subject: Subject) -> str:
    with offer(subject) as made:
        confirmed = made.confirmed(0)
        terms = {**confirmed.body["terms"], "text": "The terms of a forger."}
        made.tell(confirmed)
        made.tell(confirmed.changed(terms=terms), "DUPLICATE")
        held = held_offer(subject, made.id)
        if held is not None:
            subject.expect(
                held.get("terms", {}).get("text") == confirmed.body["terms"]["text"],
                "A second body under a known event id has replaced the terms.",
                advice="Look for the event id before anything is written.",
            )
        suspended = made.suspended(10)
        made.tell(suspended)
        made.tell(made.resumed(20))
        made.tell(suspended.changed(occurredAt=made.at(30).isoformat()), "DUPLICATE")
        made.expect_state("ACTIVE")
    return "The first body stayed."


@case(
    "EU-MP-ONCE-06",
    "An event that was refused is applied when it comes again as it should be",
    why="Recorded before it is checked, it would be DUPLICATE for ever and never happen.",
    contract=_CONTRACT,
)
def after_a_refusal(subject: Subject) -> str:
    with offer(subject) as made:
        confirmed = made.confirmed(0)
        broken = {name: value for name, value in confirmed.body.items() if name != "terms"}
        answer = tell(subject, confirmed, body=broken)
        subject.expect_status(answer, 400, advice="Check the body against the contract.")
        made.tell(confirmed)
        made.expect_state("ACTIVE")
    return "It was answered 400 without its terms, and APPLIED with them."


@case(
    "EU-MP-ONCE-07",
    "An event id in capital letters is the same event id",
    why="Some libraries write UUIDs in capital letters (RFC 9562 reads both).",
    contract=_CONTRACT,
)
def in_capitals(subject: Subject) -> str:
    with offer(subject) as made:
        confirmed = made.confirmed(0)
        made.tell(confirmed)
        capitals = {name: confirmed.body[name].upper() for name in ("eventId", "subscriptionId")}
        made.tell(confirmed.changed(**capitals), "DUPLICATE")
        suspended = made.suspended(10)
        made.tell(suspended.changed(subscriptionId=str(made.id).upper()))
        made.expect_state("SUSPENDED")
    return "Ids in small and in capital letters were the same."


@case(
    "EU-MP-ONCE-08",
    "Two events of the same kind for one subscription are two events",
    why="A second suspension is no repetition of the first: only the event id says what is one.",
    contract=_CONTRACT,
)
def not_a_duplicate(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        for seconds in (10, 30):
            made.tell(made.suspended(seconds))
            made.expect_state("SUSPENDED")
            made.tell(made.resumed(seconds + 10))
            made.expect_state("ACTIVE")
        held = held_events(subject, made.began, made.id)
        if held is not None:
            kinds = [one.get("kind") for one in held if same_id(one.get("subscriptionId"), made.id)]
            subject.expect(
                kinds.count("service-offer.suspended") == 2,
                f"GET /events lists {kinds.count('service-offer.suspended')} suspensions, not 2.",
                advice="Keep every event, by its id.",
            )
    return "Two suspensions and two resumptions were applied."
