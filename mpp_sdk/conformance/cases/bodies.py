"""Whether bodies are held against their schemas, and read as JSON that cannot be misunderstood."""

import json

from mpp_sdk.conformance.features import (
    forbids_properties,
    has_bodies,
    takes_json,
    takes_many,
)
from mpp_sdk.conformance.refusals import expect_bad_request, expect_named, expect_problem
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.samples import Break
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.web.contract import Operation

_ARRAY = "it is an array"
_LEVELS = 20_000
_TOO_LARGE = 17 * 1024 * 1024
"""More than the contracts let a server read."""


@case(
    "BODY-FIELD-01",
    "A body without a field that is required is refused, and the field is named",
    why="What is missing is guessed otherwise, and the sender never learns what to mend.",
    where=has_bodies,
)
def missing_fields(subject: Subject) -> str:
    return _refused(subject, "missing")


@case(
    "BODY-FIELD-02",
    "A field of another type, or null, is refused and named",
    why="What one platform turns into text another one stores as a number: they differ from then.",
    where=has_bodies,
)
def wrong_types(subject: Subject) -> str:
    return _refused(subject, "type")


@case(
    "BODY-FIELD-03",
    "A field of a wrong format, value or size is refused and named",
    why="A moment without offset, or a state that nobody knows, is not found until it has done "
    "harm.",
    where=has_bodies,
)
def wrong_values(subject: Subject) -> str:
    return _refused(subject, "value")


@case(
    "BODY-FIELD-04",
    "A property that the contract forbids is refused and named",
    why="A property spelt wrongly would be lost without a word.",
    where=forbids_properties,
)
def forbidden_properties(subject: Subject) -> str:
    return _refused(subject, "unknown")


@case(
    "BODY-JSON-01",
    "What is not JSON in UTF-8 is refused with 400",
    why="A server that fails over it answers 500, and the sender tries again for ever.",
    harmless=True,
    where=has_bodies,
)
def not_json(subject: Subject) -> str:
    return _unreadable(
        subject,
        {
            "it is empty": b"",
            "it is no JSON": b"eventId=1",
            "it ends in the middle": b'{"eventId": "0197c2d4',
            "it is two values": b"{} {}",
            "it is not UTF-8": b'{"reason": "\xff\xfe"}',
            "it is UTF-16": '{"reason": "none"}'.encode("utf-16"),
            "it ends with a comma": b'{"reason": "none",}',
        },
    )


@case(
    "BODY-JSON-02",
    "JSON that readers understand differently is refused with 400",
    why="Of a key that is there twice one reader takes the first, another the last.",
    where=has_bodies,
)
def ambiguous_json(subject: Subject) -> str:
    operations = _operations(subject)
    for operation in operations:
        whole = subject.sample(operation).body
        name = next(iter(whole))
        text = json.dumps(whole)
        first = f"{{{json.dumps(name)}:{json.dumps(whole[name])},{text[1:]}"
        for what, body in (
            (f"the key {name} is there twice", first),
            ("it holds NaN", f'{{"conformanceKit":NaN,{text[1:]}'),
            ("it holds Infinity", f'{{"conformanceKit":-Infinity,{text[1:]}'),
        ):
            answer = subject.call(operation, body=body.encode())
            expect_bad_request(subject, answer, what)
    return f"{len(operations)} operations refused it."


@case(
    "BODY-JSON-03",
    "A body that is no object, or is nested without end, is refused with 400",
    why="A reader that follows every level runs out of stack, and takes the server with it.",
    harmless=True,
    where=has_bodies,
)
def other_shapes(subject: Subject) -> str:
    return _unreadable(
        subject,
        {
            _ARRAY: b"[{}]",
            "it is a text": b'"text"',
            "it is a number": b"17",
            "it is null": b"null",
            "it is an array in 20,000 others": b"[" * _LEVELS + b"]" * _LEVELS,
            "it is an object in 20,000 others": b'{"a":' * _LEVELS + b"1" + b"}" * _LEVELS,
        },
    )


@case(
    "BODY-SIZE-01",
    "A body of 17 MiB is refused with 413",
    why="A server that reads whatever comes is filled up by one sender.",
    harmless=True,
    where=has_bodies,
)
def too_large(subject: Subject) -> str:
    operations = [one for one in _operations(subject) if "413" in one.statuses]
    body = b'{"conformanceKit":"' + b"x" * _TOO_LARGE + b'"}'
    for operation in operations:
        answer = subject.call(operation, body=body)
        expect_problem(subject, answer, 413, "to a body of 17 MiB")
    return f"{len(operations)} operations refused it."


@case(
    "BODY-TYPE-01",
    "A body of another media type, or of none, is refused with 415",
    why="What is read as JSON whatever it says is read wrongly some day.",
    harmless=True,
    where=has_bodies,
)
def other_media_types(subject: Subject) -> str:
    operations = [one for one in _operations(subject) if "415" in one.statuses]
    for operation in operations:
        for media_type in ("text/plain", "application/xml", None):
            answer = subject.call(operation, body={}, headers={"Content-Type": media_type})
            expect_problem(subject, answer, 415, f"to a body of {media_type or 'no media type'}")
    return f"{len(operations)} operations refused it."


def _operations(subject: Subject) -> list[Operation]:
    return [one for one in subject.operations() if takes_json(one)]


def _refused(subject: Subject, kind: str) -> str:
    tried = 0
    for operation in _operations(subject):
        for broken in _breaks(subject, operation, kind):
            tried += 1
            answer = subject.call(operation, body=broken.body)
            expect_named(subject, answer, broken.pointer, broken.what)
    return f"{tried} bodies were refused."


def _breaks(subject: Subject, operation: Operation, kind: str) -> list[Break]:
    return [one for one in subject.breaks(operation) if one.kind == kind]


def _unreadable(subject: Subject, bodies: dict[str, bytes]) -> str:
    operations = _operations(subject)
    for operation in operations:
        for what, body in bodies.items():
            if what == _ARRAY and takes_many(subject.contract, operation):
                continue
            answer = subject.call(operation, body=body)
            expect_bad_request(subject, answer, what)
    return f"{len(bodies)} bodies were refused by {len(operations)} operations."
