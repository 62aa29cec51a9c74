"""Whether the key can be changed without a failed call, whatever gets lost on the way."""

from collections.abc import Mapping
from typing import Any

from mpp_sdk.conformance.held import moment_of
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import LIVE, Subject
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import new_secret

_CONTRACT = "eu-mp"
_ROTATIONS = 6
_KEEP = "Keep the answer by its Idempotency-Key, and give it again."
_OVERLAP = "Let the old key live until the new one is used, or the overlap ends."


def _refresh(
    subject: Subject, idempotency_key: str | None = None, api_key: object = LIVE
) -> Mapping[str, Any]:
    """Return the answer to the question for a new key; what is no answer ends the case."""
    answer = subject.call(
        "refresh_api_key",
        headers={"Idempotency-Key": idempotency_key or str(new_id())},
        api_key=api_key,
    )
    subject.demand(
        answer.status == 200 and isinstance(answer.fields().get("apiKey"), str),
        f"{answer}, not 200 with a key.",
        advice="Issue a key whenever the marketplace asks with one that is valid.",
        exchange=answer,
    )
    return answer.fields()


def _works(subject: Subject, api_key: str, which: str, advice: str) -> bool:
    """Note a key that is refused; return whether it works."""
    answer = subject.call("test_connection", api_key=api_key)
    return subject.expect(
        answer.status == 200, f"{answer} with {which}, not 200.", advice=advice, exchange=answer
    )


def _go_on_with(subject: Subject, issued: Mapping[str, Any]) -> None:
    """Use a new key, and from here on only that."""
    if _works(subject, issued["apiKey"], "the new key", "Let a new key in as soon as it is given."):
        subject.use_api_key(issued["apiKey"])


@case(
    "EU-MP-KEY-01",
    "A new key is issued, is another one, and works at once",
    why="The first key went through people's hands, and the marketplace replaces it at once.",
    contract=_CONTRACT,
)
def works_at_once(subject: Subject) -> str:
    before = subject.credentials.api_key
    issued = _refresh(subject)
    subject.expect(
        issued["apiKey"] != before,
        "The new key is the one that it is to replace.",
        advice="Make a new key from at least 128 random bits.",
    )
    _go_on_with(subject, issued)
    for operation in subject.operations():
        if operation.method == "GET":
            answer = subject.call(operation)
            subject.expect_status(answer, 200, advice="Check the key in the same way everywhere.")
    return "The new key works; the kit goes on with it."


@case(
    "EU-MP-KEY-02",
    "The old key works until the new one is used",
    why="Calls that are on their way, or wait to be tried again, carry the old key.",
    contract=_CONTRACT,
)
def old_one_meanwhile(subject: Subject) -> str:
    before = subject.credentials.api_key
    issued = _refresh(subject)
    for _ in range(3):
        _works(subject, before, "the old key, before the new one was used", _OVERLAP)
    _go_on_with(subject, issued)
    return "The old key worked until the new one was used."


@case(
    "EU-MP-KEY-03",
    "When the answer is lost, the same Idempotency-Key gets the same new key again",
    why="A new key that nobody has read locks the marketplace out for good.",
    contract=_CONTRACT,
)
def lost_answer(subject: Subject) -> str:
    before, repeated = subject.credentials.api_key, str(new_id())
    request = subject.prepared("refresh_api_key", headers={"Idempotency-Key": repeated})
    with subject.wire() as wire:
        wire.send(wire.head(request))
        wire.first_line(subject.target.timeout.total_seconds())
        wire.cut()
    _works(subject, before, "the old key, after a lost answer", _OVERLAP)
    first, second = _refresh(subject, repeated), _refresh(subject, repeated)
    subject.expect(
        first == second, "The same Idempotency-Key got two different answers.", advice=_KEEP
    )
    _go_on_with(subject, first)
    return "The answer was lost, and was given twice more."


@case(
    "EU-MP-KEY-04",
    "Another Idempotency-Key gets another key, also when they differ in one letter's case",
    why="Given an old answer, the marketplace would go on with a key that ends too early.",
    contract=_CONTRACT,
)
def another_question(subject: Subject) -> str:
    asked = f"{new_id()}-a"
    issued = [_refresh(subject, one) for one in (asked, asked[:-1] + "A", asked + "a")]
    keys = {one["apiKey"] for one in issued}
    subject.expect(
        len(keys) == len(issued),
        f"{len(issued)} Idempotency-Keys got {len(keys)} keys.",
        advice="Compare an Idempotency-Key whole, letter by letter.",
    )
    _go_on_with(subject, issued[-1])
    return f"{len(issued)} Idempotency-Keys got as many keys."


@case(
    "EU-MP-KEY-05",
    "Two new keys whose answers are both lost lock nobody out",
    why="Who asks anew after a lost answer still has the old key only.",
    contract=_CONTRACT,
)
def two_lost_answers(subject: Subject) -> str:
    before = subject.credentials.api_key
    _refresh(subject)
    _refresh(subject)
    _works(subject, before, "the old key, after two new ones that nobody has used", _OVERLAP)
    _go_on_with(subject, _refresh(subject))
    return "The old key worked beside two that nobody had used; a third replaced it."


@case(
    "EU-MP-KEY-06",
    "A new key is valid from now on, for longer than the old one beside it, and long enough",
    why="The marketplace refreshes by these moments; a key that ends before stops all events.",
    contract=_CONTRACT,
)
def validity(subject: Subject) -> str:
    issued = _refresh(subject)
    now = subject.now()
    since, until, overlap = (
        moment_of(issued.get(name)) for name in ("validFrom", "validUntil", "previousKeyValidUntil")
    )
    _go_on_with(subject, issued)
    if since is None or until is None or overlap is None:
        return "The moments could not be read."
    apart = abs(now - since).total_seconds()
    subject.expect(
        since <= now or apart < 300,
        f"It is valid from {since.isoformat()} on only.",
        advice="Let a new key in at once: validFrom is the moment of its issue.",
    )
    subject.expect(
        until > now,
        f"Its end, {until.isoformat()}, is over.",
        advice="validUntil lies in the future, by weeks.",
    )
    subject.expect(
        now < overlap < until,
        f"The old key's end, {overlap.isoformat()}, is not between now and the new one's end.",
        advice="previousKeyValidUntil is the end of the overlap: now and some hours.",
    )
    return f"Valid until {until.isoformat()}, the old one until {overlap.isoformat()}."


@case(
    "EU-MP-KEY-07",
    "The same question at the same moment gets one key",
    why="Two processes that both refresh would each throw the other's key away.",
    contract=_CONTRACT,
)
def at_once(subject: Subject) -> str:
    repeated = str(new_id())
    issued = subject.together([lambda: _refresh(subject, repeated)] * 4)
    keys = {one["apiKey"] for one in issued}
    subject.expect(
        len(keys) == 1,
        f"One Idempotency-Key got {len(keys)} keys at the same moment.",
        advice="Claim the Idempotency-Key in the transaction that issues the key.",
    )
    _go_on_with(subject, issued[0])
    return "Four questions at once got one key."


@case(
    "EU-MP-KEY-08",
    "The key can be changed again and again",
    why="It is changed all its life; what works once may fail when there are old keys.",
    contract=_CONTRACT,
)
def many_times(subject: Subject) -> str:
    keys = [subject.credentials.api_key]
    for _ in range(_ROTATIONS):
        issued = _refresh(subject)
        _go_on_with(subject, issued)
        keys.append(issued["apiKey"])
    subject.expect(
        len(set(keys)) == len(keys),
        "A key came that had been issued before.",
        advice="Make every key from new random bits.",
    )
    return f"It was changed {_ROTATIONS} times."


@case(
    "EU-MP-KEY-09",
    "While a key is being changed, a key that was never issued is refused",
    why="With two keys to compare, it is easy to compare with none.",
    contract=_CONTRACT,
)
def strangers_meanwhile(subject: Subject) -> str:
    issued = _refresh(subject)
    new, old = issued["apiKey"], subject.credentials.api_key
    half = len(new) // 2
    strangers = (new_secret("fxk"), new[:half] + new_secret("x")[: len(new) - half], old + new)
    for key in strangers:
        answer = subject.call("test_connection", api_key=key)
        subject.expect(
            answer.status == 401,
            f"{answer} with a key that was never issued, not 401.",
            advice="Compare the whole key, in constant time, with each that is valid.",
            exchange=answer,
        )
    _go_on_with(subject, issued)
    return f"{len(strangers)} keys were answered 401."


@case(
    "EU-MP-KEY-10",
    "Asked again with the new key, the same Idempotency-Key still gets that key",
    why="A marketplace that dies between using a key and noting so asks once more.",
    contract=_CONTRACT,
)
def again_with_the_new(subject: Subject) -> str:
    repeated = str(new_id())
    issued = _refresh(subject, repeated)
    _go_on_with(subject, issued)
    again = _refresh(subject, repeated)
    subject.expect(
        again["apiKey"] == issued["apiKey"],
        "After its first use, the same Idempotency-Key got another key.",
        advice=_KEEP,
    )
    return "The same key was given again."
