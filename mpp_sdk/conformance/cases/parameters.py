"""Whether parameters and headers are held against the contract."""

from mpp_sdk.conformance.features import has_path_parameters, has_queries
from mpp_sdk.conformance.refusals import expect_named
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.samples import BadValue, bad_values
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.web.contract import Operation

_PART = {"path": "path", "query": "query", "header": "headers"}
"""What a sample calls the place of a parameter."""


@case(
    "PARAMETER-QUERY-01",
    "A query parameter that is missing or breaks its rule is refused and named",
    why="A page size or a period that is silently mended gives others data they did not ask for.",
    harmless=True,
    where=has_queries,
)
def query_parameters(subject: Subject) -> str:
    return _refused(subject, "query")


@case(
    "PARAMETER-HEADER-01",
    "A header that breaks its rule is refused and named",
    why="A key of idempotency that is cut off makes two requests one.",
)
def headers(subject: Subject) -> str:
    return _refused(subject, "header")


@case(
    "PARAMETER-PATH-01",
    "A part of the path that breaks its rule is refused",
    why="What reaches a database as it came is how servers are broken into.",
    where=has_path_parameters,
)
def path_parameters(subject: Subject) -> str:
    return _refused(subject, "path")


def _refused(subject: Subject, place: str) -> str:
    tried = 0
    for operation in subject.operations():
        for bad in bad_values(operation):
            if bad.parameter.place == place:
                _try(subject, operation, bad)
                tried += 1
    return f"{tried} values were refused."


def _try(subject: Subject, operation: Operation, bad: BadValue) -> None:
    parameter = bad.parameter
    wrong = {_PART[parameter.place]: {parameter.name: bad.value}}
    answer = subject.call(operation, subject.sample(operation).changed(**wrong))
    subject.keep_issued_key(answer)
    if parameter.place == "path" and answer.status == 404 and "404" in operation.statuses:
        return  # what cannot be an id is nobody's
    expect_named(subject, answer, parameter.name, bad.what)
