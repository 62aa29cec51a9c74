"""Whether a refusal is the one that a broken rule is due: status, problem document, field named."""

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.subject import Subject

_VALIDATE = "Check the request against the contract's schemas before anything is done with it."
_NAME = (
    "List each field in `errors` of the problem document: a JSON pointer into the body, or the "
    "name of the parameter or header."
)


def expect_bad_request(subject: Subject, answer: Exchange, what: str) -> bool:
    """Note anything but a 400 for a request of which `what` says how it is wrong."""
    return subject.expect(
        answer.status == 400,
        f"{answer}, not 400, though {what}.",
        advice=_VALIDATE,
        exchange=answer,
    )


def expect_named(subject: Subject, answer: Exchange, name: str, what: str) -> None:
    """Note anything but a 400 whose errors name a field or a parameter, or a part of it."""
    if not expect_bad_request(subject, answer, f"{name} {what}"):
        return
    errors = answer.fields().get("errors")
    listed = errors if isinstance(errors, list) else []
    named = [str(one.get("pointer")) for one in listed if isinstance(one, dict)]
    subject.expect(
        any(one == name or one.startswith(f"{name}/") for one in named),
        f"{answer} because {name} {what}, and `errors` names "
        f"{', '.join(named) if named else 'nothing'}.",
        advice=_NAME,
        exchange=answer,
    )


def expect_problem(subject: Subject, answer: Exchange, status: int, what: str) -> bool:
    """Note anything but a problem document with this status."""
    if not subject.expect(
        answer.status == status, f"{answer}, not {status}, {what}.", exchange=answer
    ):
        return False
    for fault in subject.answers.problem_faults(answer):
        subject.note(fault, exchange=answer)
    return True
