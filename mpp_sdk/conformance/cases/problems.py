"""Whether every refusal is a problem document that helps, and gives nothing away."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.secrets import new_secret
from mpp_sdk.web.contract import Operation

_TRACES = re.compile(
    r"Traceback \(most recent|File \"[^\"]+\", line|\bat [\w.$]+\([\w.]+:\d+\)|"
    r"\bat [^\n]*\(?/[^\n]*:\d+:\d+|Exception in thread|java\.lang\.|node_modules|site-packages|"
    r"org\.springframework|SQLSTATE|sqlite3\.|psycopg|sqlalchemy|\.py\b|/usr/|/home/|/app/",
)


@case(
    "PROBLEM-DOCUMENT-01",
    "Every refusal is a whole problem document (RFC 9457)",
    why="Software decides by the document what to do next, and people read in it what went wrong.",
    harmless=True,
)
def whole(subject: Subject) -> str:
    refusals = list(_refusals(subject))
    for refusal in refusals:
        for fault in subject.answers.problem_faults(refusal):
            subject.note(f"{refusal}: {fault}", exchange=refusal)
        _expect_words(subject, refusal)
    return f"{len(refusals)} refusals were whole."


@case(
    "PROBLEM-LEAK-01",
    "No refusal shows keys, stack traces or what the server runs on",
    why="Refusals are logged and passed on; what is in them is known to everybody.",
    harmless=True,
)
def nothing_given_away(subject: Subject) -> str:
    wrong_key = new_secret("fxk")
    secrets = {subject.credentials.api_key, wrong_key, *subject.credentials.signing_secrets}
    refusals = [*_refusals(subject), *_provoked(subject, wrong_key)]
    for refusal in refusals:
        text = refusal.body.decode("utf-8", "replace")
        subject.expect(
            not any(secret in text for secret in secrets),
            f"{refusal} with a key in its text.",
            advice="Never repeat a credential, not even a wrong one.",
            exchange=refusal,
        )
        trace = _TRACES.search(text)
        subject.expect(
            trace is None,
            f"{refusal} with {trace and trace[0]!r} in its text.",
            advice="Write the exception to the log; answer with a problem document of your own.",
            exchange=refusal,
        )
    return f"{len(refusals)} refusals gave nothing away."


def _refusals(subject: Subject) -> Iterator[Exchange]:
    """Return a refusal of each kind that harms nothing."""
    base = subject.contract.base_path
    yield subject.send("GET", f"{base}/conformance-kit", headers=subject.key_header())
    for operation in subject.operations():
        address = subject.sample(operation).address(base + operation.path)
        yield subject.send(_untaken(subject, operation), address, headers=subject.key_header())
        if operation.security:
            sample = subject.sample(operation)
            body: object = None if sample.body is None else {}
            yield subject.call(operation, sample, body=body, api_key=None)
        if operation.body_media_types:
            yield subject.call(operation, body={})
            yield subject.call(operation, body=b"{")
            yield subject.call(operation, body={}, headers={"Content-Type": "text/plain"})
        for parameter in operation.parameters:
            if parameter.place == "query":
                yield subject.call(operation, query={parameter.name: "not, this"})


def _untaken(subject: Subject, operation: Operation) -> str:
    """Return a method that the path of an operation does not take."""
    taken = {one.method for one in subject.contract.operations if one.path == operation.path}
    return next(one for one in ("DELETE", "PATCH") if one not in taken)


def _provoked(subject: Subject, wrong_key: str) -> Iterator[Exchange]:
    """Return answers to what programs fail over that were not written for it."""
    base = subject.contract.base_path
    headers = subject.key_header()
    for text in ("%00", "%FF%FE", "..%2f..%2fetc%2fpasswd", "'%20OR%201=1--"):
        yield subject.send("GET", f"{base}/{text}", headers=headers)
    for operation in subject.operations():
        sample = subject.sample(operation)
        empty: object = None if sample.body is None else {}
        yield subject.call(operation, sample, body=empty, api_key=wrong_key)
        for parameter in operation.parameters:
            if parameter.place == "query":
                for value in ("\x00", "\ud7ff", "9" * 400, "-1e999"):
                    yield subject.call(operation, query={parameter.name: value})
        if operation.body_media_types:
            for body in (b'{"\\u0000": "\\ud800"}', b"9" * 5_000, b"[" * 5_000):
                yield subject.call(operation, body=body)


def _expect_words(subject: Subject, refusal: Exchange) -> None:
    told = refusal.fields()
    for name in ("title", "detail"):
        text = told.get(name)
        if isinstance(text, str):
            subject.expect(
                bool(text.strip()), f"{refusal} with an empty `{name}`.", exchange=refusal
            )
    instance = told.get("instance")
    if isinstance(instance, str):
        subject.expect(
            urlsplit(instance).path == urlsplit(refusal.request.path).path,
            f"{refusal} with the `instance` {instance}, which is not the path that was called.",
            exchange=refusal,
        )
