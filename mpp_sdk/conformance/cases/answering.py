"""Whether right calls are answered as the contract lists."""

import re

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.features import (
    has_bodies,
    ignores_properties,
    may_be_missing,
    schema_of_one,
    takes_json,
)
from mpp_sdk.conformance.refusals import expect_problem
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.samples import with_unknown_properties
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.web.contract import Operation

_DEPENDS_ON_STATE = frozenset({403, 409, 410})
_UNHEARD_OF = "/conformance-kit"


@case(
    "CALL-READ-01",
    "Every operation that reads answers a right call with 200",
    why="Whoever built a client from the contract calls it so.",
    harmless=True,
)
def reading_operations_answer(subject: Subject) -> str:
    return _answered(subject, [one for one in subject.operations() if one.method == "GET"])


@case(
    "CALL-WRITE-01",
    "Every operation that writes answers a right call as the contract lists",
    why="Whoever built a client from the contract calls it so.",
)
def writing_operations_answer(subject: Subject) -> str:
    return _answered(subject, [one for one in subject.operations() if one.method != "GET"])


@case(
    "CALL-UNKNOWN-01",
    "Properties that the contract does not know are ignored where it does not forbid them",
    why="A later version adds properties; whoever refuses them stops working on that day.",
    where=ignores_properties,
)
def unknown_properties(subject: Subject) -> str:
    tried = 0
    for operation in _with_json(subject):
        sample = subject.sample(operation)
        schema = schema_of_one(subject.contract, operation)
        body = with_unknown_properties(subject.contract, schema, sample.body, "conformanceKit")
        if body == sample.body:
            continue
        tried += 1
        answer = subject.call(operation, sample, body=body)
        subject.expect(
            _is_right(operation, answer),
            f"{answer} with properties that the contract does not know.",
            advice="Ignore properties that you do not know, at every level of the body.",
            exchange=answer,
        )
    return f"{tried} operations ignored what they do not know."


@case(
    "CALL-CHARSET-01",
    "A body is read in UTF-8, and a media type may say so",
    why="Many clients send `application/json; charset=utf-8`, and names have letters beyond ASCII.",
    harmless=True,
    where=has_bodies,
)
def charset_is_taken(subject: Subject) -> str:
    operations = _with_json(subject)
    for operation in operations:
        for media_type in ("application/json; charset=utf-8", "application/json;charset=UTF-8"):
            answer = subject.call(operation, body={}, headers={"Content-Type": media_type})
            subject.expect(
                answer.status == 400,
                f"{answer} for an empty object in {media_type}, not 400.",
                advice="Compare the media type without its parameters.",
                exchange=answer,
            )
    return f"{len(operations)} operations read it."


@case(
    "CALL-LATER-01",
    "What the contract does not know is answered 404 as a problem document",
    why="Clients of a later version ask for what is not there yet, and must be able to tell.",
    harmless=True,
)
def unknown_paths(subject: Subject) -> str:
    base = subject.contract.base_path
    paths = [base + _UNHEARD_OF, f"{base}{_UNHEARD_OF}/a/b"]
    paths += [
        f"{base}{one.path}{_UNHEARD_OF}"
        for one in subject.operations()
        if "{" not in one.path and not _has(subject, one.path + _UNHEARD_OF)
    ]
    for path in paths:
        answer = subject.send("GET", path, headers=subject.key_header())
        expect_problem(subject, answer, 404, "to a path that the contract does not have")
    return f"{len(paths)} unknown paths answered 404."


def _has(subject: Subject, path: str) -> bool:
    """Return whether the contract has a path, as one whose parts vary perhaps."""
    templates = (re.sub(r"\{[^}]*\}", "[^/]+", one.path) for one in subject.contract.operations)
    return any(re.fullmatch(one, path) for one in templates)


def _with_json(subject: Subject) -> list[Operation]:
    return [one for one in subject.operations() if takes_json(one)]


def _answered(subject: Subject, operations: list[Operation]) -> str:
    for operation in operations:
        answer = subject.call(operation)
        subject.keep_issued_key(answer)
        subject.expect(
            _is_right(operation, answer),
            f"{answer}, not {operation.success_status}, to a call that is right.",
            exchange=answer,
        )
    return f"{len(operations)} operations answered."


def _is_right(operation: Operation, answer: Exchange) -> bool:
    """Return whether an answer is one of success, or one that a state may be the reason of."""
    by_state = answer.status in _DEPENDS_ON_STATE and str(answer.status) in operation.statuses
    missing = answer.status == 404 and may_be_missing(operation)
    return answer.status == operation.success_status or by_state or missing
