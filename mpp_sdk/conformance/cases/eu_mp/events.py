"""Whether each event is taken, in each role, and what is told of it is what happened."""

from mpp_sdk.conformance.held import held_events, same_id
from mpp_sdk.conformance.offers import (
    KINDS,
    REQUEST_PODS,
    Event,
    Offer,
    demand_offered,
    offer,
    tell,
)
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

_CONTRACT = "eu-mp"
_FUTURE = "Answer 409 to what is to happen more than five minutes from now, and record nothing."


@case(
    "EU-MP-EVENT-01",
    "A requester's platform applies a subscription's confirmation, suspension, resumption and end",
    why="Half of the companies of a market take part as requesters.",
    contract=_CONTRACT,
)
def as_requester(subject: Subject) -> str:
    return _whole_life(subject, "requester")


@case(
    "EU-MP-EVENT-02",
    "A provider's platform applies a subscription's confirmation, suspension, resumption and end",
    why="A company that publishes a service is a provider by the same platform.",
    contract=_CONTRACT,
)
def as_provider(subject: Subject) -> str:
    return _whole_life(subject, "provider")


def _whole_life(subject: Subject, role: str) -> str:
    with offer(subject, role) as made:
        for event, state in (
            (made.confirmed(0), "ACTIVE"),
            (made.suspended(10), "SUSPENDED"),
            (made.resumed(20), "ACTIVE"),
            (made.canceled(30), "CANCELED"),
        ):
            made.tell(event)
            held = made.expect_state(state)
            if held:
                subject.expect(
                    held.get("platformRole") == role,
                    f"GET /service-offers says the role {held.get('platformRole')}, not {role}.",
                    advice="Take the role from the path of the confirmation.",
                )
    return f"Four events were applied as {role}."


@case(
    "EU-MP-EVENT-03",
    "A subscription whose validity is over is EXPIRED, not canceled",
    why="Nobody has canceled it: people would look for who did.",
    contract=_CONTRACT,
)
def expired(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        made.tell(made.canceled(10, state="EXPIRED"))
        made.expect_state("EXPIRED")
    return "An expiry was applied."


@case(
    "EU-MP-EVENT-04",
    "Points of delivery that people add at the marketplace are taken",
    why="Otherwise people add points of delivery of which nobody ever hears.",
    contract=_CONTRACT,
)
def points_of_delivery(subject: Subject) -> str:
    demand_offered(subject, REQUEST_PODS)
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        made.tell(made.points_requested(10, ["ES0021000000000001JN"]))
        made.tell(made.points_requested(20, ["ES0021000000000001JN", "ES0021000000000002JS"]))
        made.expect_state("ACTIVE")
    return "Points of delivery were taken, one of them twice."


@case(
    "EU-MP-EVENT-05",
    "An event for the other role than the one that the platform has is refused with 409",
    why="A platform that takes both roles of a subscription would give itself its own data.",
    contract=_CONTRACT,
)
def other_role(subject: Subject) -> str:
    with offer(subject, "provider") as made:
        made.tell(made.confirmed(0))
        stranger = Offer(subject, "requester")
        stranger.id = made.id
        for event in (stranger.suspended(10), stranger.canceled(20), stranger.confirmed(30)):
            answer = tell(subject, event)
            subject.expect_status(
                answer, 409, advice="Compare the role of the path with that of the confirmation."
            )
        held = made.expect_state("ACTIVE")
        if held:
            subject.expect(
                held.get("platformRole") == "provider",
                "An event for the other role has changed the role.",
                advice="Record nothing of an event that is refused.",
            )
    return "Three events for the other role were answered 409."


@case(
    "EU-MP-EVENT-06",
    "What is to happen more than five minutes from now is refused with 409, and taken later",
    why="One of the clocks is wrong; an event from the future would make all others look old.",
    contract=_CONTRACT,
)
def from_the_future(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        event = made.suspended(3600 + 900)
        subject.expect_status(tell(subject, event), 409, advice=_FUTURE)
        made.expect_state("ACTIVE")
        made.tell(event.changed(occurredAt=made.at(3600).isoformat()))
        made.expect_state("SUSPENDED")
    return "It was answered 409, and the same event APPLIED once the clocks agreed."


@case(
    "EU-MP-EVENT-07",
    "What happens by a clock that is a little ahead is taken",
    why="Clocks differ by seconds; refusing for that would hold up every subscription.",
    contract=_CONTRACT,
)
def a_little_ahead(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(3600 + 60))
        made.tell(made.canceled(3600 + 120))
        made.expect_state("CANCELED")
    return "Events of one and two minutes ahead were applied."


@case(
    "EU-MP-EVENT-08",
    "What happened long ago is taken",
    why="An event waits for 75 hours and longer while a platform is away, and is still true.",
    contract=_CONTRACT,
)
def from_long_ago(subject: Subject) -> str:
    year = 365 * 24 * 3600
    with offer(subject) as made:
        made.tell(made.confirmed(-2 * year))
        made.tell(made.suspended(-year))
        made.expect_state("SUSPENDED")
    return "Events of one and two years ago were applied."


@case(
    "EU-MP-EVENT-09",
    "A subscription that supersedes another one stands beside it until that has ended",
    why="Terms change by a new subscription: with both gone or both active, data stops or doubles.",
    contract=_CONTRACT,
)
def superseding(subject: Subject) -> str:
    with offer(subject) as old, offer(subject) as new:
        old.tell(old.confirmed(0))
        new.tell(new.confirmed(10, supersedes=str(old.id)))
        old.expect_state("ACTIVE")
        old.tell(old.canceled(20, supersededBy=str(new.id)))
        old.expect_state("CANCELED")
        held = new.expect_state("ACTIVE")
        if held:
            subject.expect(
                same_id(held.get("supersedes"), old.id),
                "GET /service-offers does not say which subscription this one supersedes.",
                advice="Keep `supersedes` of the confirmation.",
            )
    return "The old one was ended and the new one is ACTIVE."


@case(
    "EU-MP-EVENT-10",
    "Each event is told as what it was: its kind, role, subscription, moment and outcome",
    why="After a restore the marketplace compares by it what was lost on which side.",
    contract=_CONTRACT,
)
def told_as_it_was(subject: Subject) -> str:
    demand_offered(subject, "list_held_events")
    with offer(subject) as made:
        events = [made.confirmed(0), made.suspended(10), made.resumed(20), made.canceled(30)]
        if subject.offers(subject.operation(REQUEST_PODS)):
            events.insert(1, made.points_requested(5, ["ES0021000000000001JN"]))
        for event in events:
            made.tell(event)
        held = held_events(subject, made.began, made.id) or []
    for event in events:
        told = [one for one in held if same_id(one.get("eventId"), event.id)]
        if subject.expect(
            len(told) == 1,
            f"GET /events lists the event {KINDS[event.operation]} {len(told)} times.",
            advice="List every event that was received, once.",
        ):
            _expect_as_told(subject, event, told[0])
    return f"{len(events)} events are listed as they were told."


def _expect_as_told(subject: Subject, event: Event, told: object) -> None:
    expected = {
        "kind": KINDS[event.operation],
        "platformRole": event.role,
        "outcome": "APPLIED",
    }
    found = {name: told.get(name) for name in expected} if isinstance(told, dict) else {}
    subject.expect(
        found == expected,
        f"GET /events tells of {expected} as {found}.",
        advice="Keep what the event was, not what the subscription has become.",
    )
