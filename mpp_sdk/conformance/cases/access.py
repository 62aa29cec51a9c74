"""Who is let in: cases of every contract that authenticates its callers."""

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.secrets import new_secret

_ADVICE = "Check the key of X-API-Key before anything else, in constant time, for every operation."


@case(
    "ACCESS-KEY-01",
    "A call without a key is refused",
    why="What anybody may call, anybody can stop: a forged cancelation ends somebody's data.",
    harmless=True,
)
def without_a_key(subject: Subject) -> str:
    return _refused(subject, None, "without a key")


@case(
    "ACCESS-KEY-02",
    "A key that was never issued is refused",
    why="A key that is not compared protects nothing.",
    harmless=True,
)
def another_key(subject: Subject) -> str:
    return _refused(subject, new_secret("fxk"), "with a key that was never issued")


@case(
    "ACCESS-KEY-03",
    "A key that resembles a right one is refused",
    why="A comparison that stops early, or of the beginning alone, lets a key be guessed by parts.",
    harmless=True,
)
def nearly_the_key(subject: Subject) -> str:
    live = subject.credentials.api_key
    _refused(subject, live[:-1], "with the key without its last character")
    _refused(subject, live + "0", "with the key and a character more")
    return _refused(subject, live.swapcase(), "with the key in other case")


def _refused(subject: Subject, api_key: str | None, how: str) -> str:
    """Note each operation that does anything but refuse; a body, where one is due, is empty."""
    secured = [one for one in subject.operations() if one.security]
    for operation in secured:
        sample = subject.sample(operation)
        if sample.body is not None:
            sample = sample.changed(body={})  # nothing that could be carried out
        answer: Exchange = subject.call(operation, sample, api_key=api_key)
        subject.expect(
            answer.status == 401, f"{answer} {how}, not 401.", advice=_ADVICE, exchange=answer
        )
    return f"{len(secured)} operations answered 401."
