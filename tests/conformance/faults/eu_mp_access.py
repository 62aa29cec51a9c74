"""Faults of who is let in at a platform."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from mpp_sdk.auth import InboundKeys, NewKey
from mpp_sdk.errors import Unauthenticated
from tests.conformance.altering import Answered, Asked, altering
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken


def remember_keys(broken: Broken) -> list[str]:
    """Return a list in which every key that the platform adopts or issues is noted."""
    keys: list[str] = []
    original: Callable[..., NewKey] = InboundKeys._add

    def add(self: InboundKeys, session: Session, key: str, moment: datetime) -> NewKey:
        keys.append(key)
        return original(self, session, key, moment)

    broken.patch.setattr(InboundKeys, "_add", add)
    return keys


def check_keys_by(broken: Broken, resembles: Callable[[str, str], bool]) -> None:
    """Have a key let in that resembles one that was issued."""
    keys = remember_keys(broken)

    def check(_: InboundKeys, presented: str) -> None:
        if not any(resembles(presented, key) for key in keys):
            raise Unauthenticated("The API key is unknown.")

    broken.patch.setattr(InboundKeys, "check", check)


def with_any_key(broken: Broken, wanted: Callable[[Asked], bool]) -> None:
    """Let in without a key what is wanted so."""
    keys = remember_keys(broken)

    def ask(asked: Asked) -> None:
        if "x-api-key" not in asked.headers and wanted(asked):
            asked.headers["x-api-key"] = keys[-1]

    broken.wrap(altering(ask))


@fault("Any key is taken.", caught_by=("ACCESS-KEY-02", "ACCESS-KEY-03"))
def takes_any_key(broken: Broken) -> None:
    broken.patch.setattr(InboundKeys, "check", lambda self, presented: None)


@fault("A call without a key is let in.", caught_by=("ACCESS-KEY-01", "EU-MP-SIGN-12"))
def needs_no_key(broken: Broken) -> None:
    with_any_key(broken, lambda asked: True)


@fault("The key is checked of calls that write only.", caught_by=("ACCESS-KEY-01",))
def reads_need_no_key(broken: Broken) -> None:
    with_any_key(broken, lambda asked: asked.method == "GET")


@fault("A signature stands for the key.", caught_by=("EU-MP-SIGN-12",))
def signature_instead_of_key(broken: Broken) -> None:
    with_any_key(broken, lambda asked: "webhook-signature" in asked.headers)


@fault("The first half of a key alone is compared.", caught_by=("ACCESS-KEY-03", "EU-MP-KEY-09"))
def compares_half_a_key(broken: Broken) -> None:
    def resembles(presented: str, key: str) -> bool:
        return presented[: len(key) // 2] == key[: len(key) // 2]

    check_keys_by(broken, resembles)


@fault("Keys are compared whatever the case of their letters.", caught_by=("ACCESS-KEY-03",))
def compares_keys_without_case(broken: Broken) -> None:
    check_keys_by(broken, lambda presented, key: presented.lower() == key.lower())


@fault("A refusal does not say how to authenticate.", caught_by=("ACCESS-KEY-01",))
def refuses_without_a_challenge(broken: Broken) -> None:
    def answer(_: Asked, given: Answered) -> None:
        given.headers.pop("www-authenticate", None)

    broken.wrap(altering(answer=answer))


@fault("A key that is unknown is answered 403.", caught_by=("ACCESS-KEY-01", "ACCESS-KEY-02"))
def refuses_with_403(broken: Broken) -> None:
    def answer(_: Asked, given: Answered) -> None:
        if given.status == 401:
            given.status = 403
            given.write(status=403)

    broken.wrap(altering(answer=answer))


@fault("A refusal is a page of HTML.", caught_by=("ACCESS-KEY-01", "ACCESS-KEY-02"))
def refuses_with_a_page(broken: Broken) -> None:
    def answer(_: Asked, given: Answered) -> None:
        if given.status >= 400:
            given.headers["content-type"] = "text/html"
            given.body = b"<h1>Unauthorized</h1>"

    broken.wrap(altering(answer=answer))


@fault("A problem document says another status than the answer.", caught_by=("ACCESS-KEY-01",))
def problem_says_another_status(broken: Broken) -> None:
    def answer(_: Asked, given: Answered) -> None:
        if given.status >= 400:
            given.write(status=given.status + 1)

    broken.wrap(altering(answer=answer))
