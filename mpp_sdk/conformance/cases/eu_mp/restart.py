"""Whether a platform is the same after a restart. It is restarted once for all of these cases."""

from dataclasses import dataclass

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.held import held_events, held_offer
from mpp_sdk.conformance.offers import Event, Offer, demand_offered, offer
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_CONTRACT = "eu-mp"
_DURABLE = "Write it to the database before the answer is given, and read it from there."


@dataclass(frozen=True)
class _Before:
    """What was done before the restart."""

    suspended: Offer
    canceled: Offer
    early: Offer
    events: tuple[tuple[Offer, Event], ...]
    old_key: str
    idempotency_key: str
    issued: Exchange


def _restarted(subject: Subject) -> _Before:
    """Return what was done before the restart, which happens once in a run."""
    return subject.once("eu-mp restart", lambda: _restart(subject))


def _restart(subject: Subject) -> _Before:
    suspended, canceled, early = Offer(subject), Offer(subject, "provider"), Offer(subject)
    told = (
        (suspended, suspended.confirmed(0)),
        (suspended, suspended.suspended(20)),
        (canceled, canceled.confirmed(0)),
        (canceled, canceled.canceled(10)),
        (early, early.canceled(10)),
    )
    for made, event in told:
        made.tell(event)
    old_key, idempotency_key = subject.credentials.api_key, str(new_id())
    issued = subject.call("refresh_api_key", headers={"Idempotency-Key": idempotency_key})
    subject.demand(issued.status == 200, f"{issued}, not 200.", exchange=issued)
    subject.restart()
    return _Before(suspended, canceled, early, told, old_key, idempotency_key, issued)


@case(
    "EU-MP-RESTART-01",
    "After a restart, events that were acknowledged are DUPLICATE",
    why="An inbox that lives in memory applies everything twice after each deployment.",
    contract=_CONTRACT,
)
def inbox(subject: Subject) -> str:
    before = _restarted(subject)
    for made, event in before.events:
        made.tell(event, "DUPLICATE")
    return f"{len(before.events)} events were known."


@case(
    "EU-MP-RESTART-02",
    "After a restart, subscriptions are in the states that they were in",
    why="A suspended subscription that wakes up active gives data that it may not give.",
    contract=_CONTRACT,
)
def states(subject: Subject) -> str:
    before = _restarted(subject)
    before.suspended.tell(before.suspended.resumed(10), "SUPERSEDED")
    before.suspended.expect_state("SUSPENDED")
    before.canceled.tell(before.canceled.resumed(20), "SUPERSEDED")
    before.canceled.expect_state("CANCELED")
    before.early.tell(before.early.confirmed(0), "SUPERSEDED")
    if held_offer(subject, before.early.id):
        before.early.expect_state("CANCELED")
    before.suspended.tell(before.suspended.canceled(30))
    return "A suspension and two ends had stayed, one of them of what was not yet confirmed."


@case(
    "EU-MP-RESTART-03",
    "After a restart, the keys are the same: the old one, and one that was just issued",
    why="A key that is lost locks the marketplace out until people meet.",
    contract=_CONTRACT,
)
def keys(subject: Subject) -> str:
    before = _restarted(subject)
    for key, which in (
        (before.old_key, "the key from before"),
        (before.issued.fields()["apiKey"], "the key that was issued just before"),
    ):
        answer = subject.call("test_connection", api_key=key)
        if subject.expect_status(answer, 200, advice=_DURABLE):
            subject.use_api_key(key)
        else:
            subject.note(f"After the restart, {which} is refused.", advice=_DURABLE)
    return "Both keys were let in."


@case(
    "EU-MP-RESTART-04",
    "After a restart, the same Idempotency-Key gets the same new key",
    why="A platform that dies while it answers is the likeliest way to lose an answer.",
    contract=_CONTRACT,
)
def idempotent_answers(subject: Subject) -> str:
    before = _restarted(subject)
    again = subject.call("refresh_api_key", headers={"Idempotency-Key": before.idempotency_key})
    subject.demand(again.status == 200, f"{again}, not 200.", exchange=again)
    subject.expect(
        again.fields().get("apiKey") == before.issued.fields()["apiKey"],
        "After the restart, the same Idempotency-Key got another key.",
        advice=_DURABLE,
        exchange=again,
    )
    return "The answer was kept."


@case(
    "EU-MP-RESTART-05",
    "After a restart, what is held is listed as before",
    why="A restore begins with a restart: what is not told then is taken for lost.",
    contract=_CONTRACT,
)
def lists(subject: Subject) -> str:
    demand_offered(subject, "list_held_events")
    before = _restarted(subject)
    for made, event in before.events:
        held = held_events(subject, made.began, made.id) or []
        subject.expect(
            str(event.id) in [str(one.get("eventId")).lower() for one in held],
            f"After the restart, the event {event.id} is not listed.",
            advice=_DURABLE,
        )
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        made.expect_state("ACTIVE")
    return f"{len(before.events)} events were listed, and a new subscription was taken."
