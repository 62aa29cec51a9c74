"""Whether `Idempotency-Key` makes a repeated call safe, where an operation takes it with a body."""

from collections.abc import Iterator

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.features import (
    IDEMPOTENCY_KEY,
    has_repeatable_calls,
    has_several_repeatable_calls,
    is_repeatable,
)
from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.refusals import expect_problem
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.samples import Sample
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id
from mpp_sdk.web.contract import Operation

_ADVICE = (
    "Keep each answer of success with its Idempotency-Key, the caller, the operation and a hash of "
    "the request, in the transaction that does what was asked."
)


@case(
    "IDEMPOTENCY-REPEAT-01",
    "The same request with the same Idempotency-Key gets the first answer again",
    why="Whoever lost an answer asks again, and must not have done it twice.",
    where=has_repeatable_calls,
)
def repeated(subject: Subject) -> str:
    tried = 0
    for operation, sample in _calls(subject):
        first = _with_key(subject, operation, sample, key := str(new_id()))
        if first.status != operation.success_status:
            continue
        tried += 1
        again = _with_key(subject, operation, sample, key)
        subject.expect(
            (again.status, again.json()) == (first.status, first.json()),
            f"{again} and not as the first time, to a request repeated under its key.",
            advice=_ADVICE,
            exchange=again,
        )
    return _said(tried, "answered as the first time")


@case(
    "IDEMPOTENCY-OTHER-01",
    "Another request with an Idempotency-Key that was used is refused with 422",
    why="A client that uses a key twice by mistake believes that its second request was carried "
    "out.",
    where=has_repeatable_calls,
)
def other_request(subject: Subject) -> str:
    tried = 0
    for operation, sample in _calls(subject):
        first = _with_key(subject, operation, sample, key := str(new_id()))
        if first.status != operation.success_status:
            continue
        tried += 1
        another = _with_key(subject, operation, subject.sample(operation), key)
        expect_problem(subject, another, 422, f"to another request with the same {IDEMPOTENCY_KEY}")
    return _said(tried, "refused it")


@case(
    "IDEMPOTENCY-FAILED-01",
    "A request that failed may be repeated with its Idempotency-Key",
    why="A call that failed, mended and sent again under its key, would never be carried out.",
    where=has_repeatable_calls,
)
def after_a_failure(subject: Subject) -> str:
    tried = 0
    for operation, sample in _calls(subject):
        plain = subject.call(operation, subject.sample(operation))
        if plain.status != operation.success_status:
            continue
        tried += 1
        key = str(new_id())
        _with_key(subject, operation, sample.changed(body={}), key)
        mended = _with_key(subject, operation, sample, key)
        subject.expect(
            mended.status == operation.success_status,
            f"{mended}, not {operation.success_status}, under the key of a call that failed.",
            advice="Keep answers of success only.",
            exchange=mended,
        )
    return _said(tried, "took it")


@case(
    "IDEMPOTENCY-OPERATION-01",
    "Another operation may be called with the same Idempotency-Key",
    why="A client counts its keys for each operation by itself.",
    where=has_several_repeatable_calls,
)
def by_operation(subject: Subject) -> str:
    calls = list(_calls(subject))
    key = str(new_id())
    for operation, sample in calls:
        answer = _with_key(subject, operation, sample, key)
        subject.expect(
            answer.status != 422,
            f"{answer} with an {IDEMPOTENCY_KEY} that another operation was called with.",
            advice="Keys belong to a caller and an operation.",
            exchange=answer,
        )
    return f"{len(calls)} operations took the same key."


def _calls(subject: Subject) -> Iterator[tuple[Operation, Sample]]:
    """Return each operation that takes the header and a body, with a right call of it."""
    for operation in subject.operations():
        if is_repeatable(operation):
            yield operation, subject.sample(operation)


def _with_key(subject: Subject, operation: Operation, sample: Sample, key: str) -> Exchange:
    return subject.call(operation, sample, headers={IDEMPOTENCY_KEY: key})


def _said(tried: int, what: str) -> str:
    if not tried:
        raise NotShown("No call was answered with success, so none could be repeated.")
    return f"{tried} operations {what}."
