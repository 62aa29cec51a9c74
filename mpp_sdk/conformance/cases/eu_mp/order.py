"""Whether what happened last holds, in whatever order it arrives."""

from mpp_sdk.conformance.held import held_offer
from mpp_sdk.conformance.offers import offer
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

_CONTRACT = "eu-mp"


@case(
    "EU-MP-ORDER-01",
    "A resumption that is older than the present suspension is SUPERSEDED",
    why="Data would flow under a subscription that the operator has suspended.",
    contract=_CONTRACT,
)
def older_resumption(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        made.tell(made.suspended(20))
        made.tell(made.resumed(10), "SUPERSEDED")
        made.expect_state("SUSPENDED")
    return "The older resumption changed nothing."


@case(
    "EU-MP-ORDER-02",
    "A suspension that is older than the last resumption is SUPERSEDED",
    why="The data exchange would stand still, and nobody would know why.",
    contract=_CONTRACT,
)
def older_suspension(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        made.tell(made.suspended(10))
        made.tell(made.resumed(30))
        made.tell(made.suspended(20), "SUPERSEDED")
        made.expect_state("ACTIVE")
    return "The older suspension changed nothing."


@case(
    "EU-MP-ORDER-03",
    "A cancelation that overtakes its confirmation ends the subscription for good",
    why="The confirmation that comes after it would open a data exchange that nobody ends.",
    contract=_CONTRACT,
)
def canceled_first(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.canceled(10))
        made.tell(made.confirmed(0), "SUPERSEDED")
        held = held_offer(subject, made.id)
        if held:  # one that has never begun need not be listed
            made.expect_state("CANCELED")
    return "The confirmation was SUPERSEDED."


@case(
    "EU-MP-ORDER-04",
    "An end is final: nothing that comes after it changes the subscription",
    why="Data that flows after a cancelation has no agreement behind it.",
    contract=_CONTRACT,
)
def after_the_end(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        made.tell(made.canceled(10, reason="The first end."))
        for event in (
            made.resumed(20),
            made.suspended(30),
            made.canceled(40, state="EXPIRED", reason="The second end."),
        ):
            made.tell(event, "SUPERSEDED")
        held = made.expect_state("CANCELED")
        if "reason" in held:
            subject.expect(
                held["reason"] == "The first end.",
                "What came after the end has replaced its reason.",
                advice="Change nothing of a subscription that has ended.",
            )
    return "Three events after the end were SUPERSEDED."


@case(
    "EU-MP-ORDER-05",
    "An end is applied whenever it comes, also when something newer has arrived before it",
    why="A subscription that was canceled would live on because a later suspension was faster.",
    contract=_CONTRACT,
)
def late_end(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        made.tell(made.suspended(30))
        made.tell(made.canceled(20))
        made.expect_state("CANCELED")
    return "An end that happened before the last suspension was applied."


@case(
    "EU-MP-ORDER-06",
    "A suspension that overtakes its confirmation suspends",
    why="The confirmation would let data flow that was stopped before it began.",
    contract=_CONTRACT,
)
def suspended_first(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.suspended(10), "APPLIED", "SUPERSEDED")
        made.tell(made.confirmed(0), "APPLIED", "SUPERSEDED")
        made.expect_state("SUSPENDED")
        made.tell(made.resumed(20))
        made.expect_state("ACTIVE")
    return "It was suspended, and resumed later."


@case(
    "EU-MP-ORDER-07",
    "All that overtakes the confirmation is put in order when that comes",
    why="After an outage everything that waited arrives together, in any order.",
    contract=_CONTRACT,
)
def everything_first(subject: Subject) -> str:
    with offer(subject) as made:
        for event in (made.resumed(20), made.suspended(30), made.resumed(10)):
            made.tell(event, "APPLIED", "SUPERSEDED")
        made.tell(made.confirmed(0), "APPLIED", "SUPERSEDED")
        made.expect_state("SUSPENDED")
        made.tell(made.resumed(25), "SUPERSEDED")
        made.tell(made.resumed(40))
        made.expect_state("ACTIVE")
    return "The newest of three that came first held."


@case(
    "EU-MP-ORDER-08",
    "Subscriptions do not wait for each other, nor are they compared",
    why="One subscription with a newer event would make all others look old.",
    contract=_CONTRACT,
)
def others_do_not_matter(subject: Subject) -> str:
    with offer(subject) as one, offer(subject) as other:
        one.tell(one.confirmed(50))
        one.tell(one.suspended(60))
        other.tell(other.confirmed(0))
        other.tell(other.suspended(10))
        other.tell(other.resumed(20))
        one.expect_state("SUSPENDED")
        other.expect_state("ACTIVE")
    return "Older events of another subscription were applied."
