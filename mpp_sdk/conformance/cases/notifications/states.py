"""Whether each notification is applied and means what the contract says."""

from mpp_sdk.conformance.notices import CONTRACT, Told
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject

_ODD_PODS = ("A", "1", "a.b_c:d-e", "Z" * 60, "18X0000-1.:_z")


@case(
    "NOTIFICATIONS-STATE-01",
    "Every state of a consent is taken",
    why="A state that is refused holds up everything that the platform has to tell after it.",
    contract=CONTRACT,
)
def every_consent(subject: Subject) -> str:
    rounds = (
        ("REQUESTED", "GRANTED", "WITHDRAWN"),
        ("REQUESTED", "GRANTED", "EXPIRED"),
        ("REQUESTED", "DENIED"),
        ("REQUESTED", "TIMED_OUT"),
    )
    for states in rounds:
        told = Told(subject)
        for second, state in enumerate(states):
            told.tell(told.consent(state, second, reason="As the customer wishes."))
    return f"Consents went {len(rounds)} ways."


@case(
    "NOTIFICATIONS-STATE-02",
    "Every state of an activation is taken",
    why="A state that is refused holds up everything that the platform has to tell after it.",
    contract=CONTRACT,
)
def every_activation(subject: Subject) -> str:
    told = Told(subject)
    told.grant()
    for second, state in enumerate(("REQUESTED", "ACTIVE", "SUSPENDED", "ACTIVE", "ENDED"), 1):
        told.tell(told.activation(state, second))
    return "An activation went from REQUESTED to ENDED."


@case(
    "NOTIFICATIONS-STATE-03",
    "Every interim status is taken",
    why="A status that is refused is missed, and people are called out for nothing.",
    contract=CONTRACT,
)
def every_status(subject: Subject) -> str:
    told = Told(subject)
    begun = subject.now()
    statuses = ("OPERATIONAL", "DEGRADED", "UNAVAILABLE", "OPERATIONAL")
    counts = (0, 3, 100_000_000, 3)
    for second, (status, pods) in enumerate(zip(statuses, counts, strict=True)):
        notice = told.interim(status, (begun - told.began).total_seconds() + second / 1000)
        told.tell(notice.changed(activePods=pods, detail="Readings of the last hour are late."))
    return f"{len(statuses)} statuses were taken."


@case(
    "NOTIFICATIONS-STATE-04",
    "What is told of one point of delivery says nothing of another one",
    why="Ids that differ in a letter's case or in a sign are different meters of different people.",
    contract=CONTRACT,
)
def odd_pods(subject: Subject) -> str:
    run = Told(subject).pod_id[-12:]
    for number, odd in enumerate(_ODD_PODS):
        told = Told(
            subject, f"{odd}{run}"[-60:] if len(odd) < 48 else f"{odd[:-14]}{run}{number:02}"
        )
        told.grant()
        told.expect_consent(1)
    small = Told(subject, f"kit.{run.lower()}")
    small.grant()
    for other in (f"KIT.{run.lower()}", f"kit-{run.lower()}", f"kit.{run.lower()}0"):
        Told(subject, other).expect_no_consent(1)
    return f"{len(_ODD_PODS)} ids of every kind were taken, and told apart."


@case(
    "NOTIFICATIONS-STATE-05",
    "A reason of 1,000 characters in any script is taken",
    why="People's reasons are in their own words; a text that is refused stops the data's record.",
    contract=CONTRACT,
)
def any_words(subject: Subject) -> str:
    texts = (
        "\N{SNOWMAN}" * 1000,
        "\N{GRINNING FACE}" * 1000,
        "مسحوب",
        "a\u0301\u200d\u2028 'x'; --",
    )
    for text in texts:
        told = Told(subject)
        told.tell(told.consent("DENIED", 0, reason=text))
    return f"{len(texts)} reasons were taken."
