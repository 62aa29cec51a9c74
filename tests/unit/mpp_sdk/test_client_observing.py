"""What a user sees of calls: hooks, the log, spans; none of it with a secret."""

import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from mpp_sdk import correlation, tracing
from mpp_sdk.client import (
    Answer,
    Attempt,
    CallFailed,
    ConnectionFailed,
    Hooks,
    NotFoundProblem,
    RetryPolicy,
    UnexpectedAnswer,
    api_key,
)
from mpp_sdk.logs import fields_of
from tests.unit.mpp_sdk.calling import (
    AVAILABLE,
    BOTH,
    Calls,
    breaking_off,
    document,
    header,
    problem,
    scripted,
)

SECRET = "fxk_this_is_the_secret_of_the_caller"
QUICK = RetryPolicy(first_wait_s=0.01)
SUBSCRIPTION = UUID("0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90")

pytestmark = pytest.mark.parametrize("call", BOTH)


class Told:
    """Remembers what the hooks were told, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self.attempts: list[Attempt] = []
        self.hooks = Hooks(
            before_send=self._sending,
            after_answer=lambda one, answer: self._add("answer", one.number, answer.status),
            on_retry=lambda one, error, wait_s: self._add(
                "retry", one.number, type(error).__name__, wait_s > 0
            ),
            on_error=lambda one, error: self._add("error", one.number, type(error).__name__),
        )

    def _add(self, *event: object) -> None:
        self.events.append(event)

    def _sending(self, attempt: Attempt) -> None:
        self._add("send", attempt.number)
        attempt.headers["X-Own"] = f"try-{attempt.number}"
        self.attempts.append(attempt)


def test_hooks_are_told_everything_in_order(call: Calls) -> None:
    told = Told()
    with scripted(breaking_off, problem(503), document(AVAILABLE)) as server:
        call(
            "eu-mp",
            f"{server.url}eu-mp/v1",
            "test_connection",
            retries=QUICK,
            hooks=told.hooks,
            auth=api_key(SECRET),
        )
    assert told.events == [
        ("send", 1),
        ("retry", 1, "ConnectionFailed", True),
        ("send", 2),
        ("answer", 2, 503),
        ("retry", 2, "UnavailableProblem", True),
        ("send", 3),
        ("answer", 3, 200),
    ]
    assert [header(one, "X-Own") for one in server.requests] == ["try-1", "try-2", "try-3"]
    assert {(one.method, one.route) for one in told.attempts} == {("GET", "/eu-mp/v1/test")}
    assert SECRET not in repr(told.attempts)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(404), NotFoundProblem),
        (breaking_off, ConnectionFailed),
        (document({}), UnexpectedAnswer),
    ],
    ids=["refused", "no answer", "unexpected"],
)
def test_a_call_that_fails_tells_on_error_once(
    call: Calls, answer: Any, error: type[CallFailed]
) -> None:
    told = Told()
    with scripted(answer) as server, pytest.raises(error):
        call("eu-mp", server.url, "test_connection", retries=QUICK, hooks=told.hooks)
    assert [one for one in told.events if one[0] == "error"] == [
        ("error", len(server.requests), error.__name__)
    ]
    assert told.events[-1][0] == "error"


@pytest.mark.parametrize("name", ["before_send", "after_answer", "on_retry", "on_error"])
def test_what_a_hook_raises_goes_to_the_caller(call: Calls, name: str) -> None:
    def fail(*_: object) -> None:
        raise LookupError("of the hook")

    hooks = Hooks(**{name: fail})
    with scripted(problem(503)) as server, pytest.raises(LookupError, match="of the hook"):
        call("eu-mp", server.url, "test_connection", retries=QUICK, hooks=hooks)


def test_all_tries_carry_one_correlation_id(call: Calls) -> None:
    with scripted(problem(503), document(AVAILABLE)) as server:
        call("eu-mp", server.url, "test_connection", retries=QUICK)
        with correlation.correlated("the-work-under-way"):
            call("eu-mp", server.url, "test_connection")
    first, second, third = [header(one, correlation.HEADER) for one in server.requests]
    assert first == second
    assert UUID(first).version == 7
    assert third == "the-work-under-way"


def test_the_log_tells_answers_and_repeated_tries_without_secrets(
    call: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "flexagora.client")
    with scripted(problem(503, SECRET), document({"items": []})) as server:
        call(
            "metering",
            f"{server.url}metering/v1",
            "list_points_of_delivery",
            SUBSCRIPTION,
            retries=QUICK,
            auth=api_key(SECRET),
        )
    records = [one for one in caplog.records if one.name == "flexagora.client"]
    route = "/metering/v1/subscriptions/{subscriptionId}/points-of-delivery"
    assert [one.levelname for one in records] == ["DEBUG", "WARNING", "DEBUG"]
    assert [one.getMessage().rpartition(" Trying")[0] or one.getMessage() for one in records] == [
        f"GET {route}, try 1: answered 503",
        f"GET {route}, try 1: failed: It answered 503.",
        f"GET {route}, try 2: answered 200",
    ]
    sent = header(server.requests[0], correlation.HEADER)
    for one in records:
        told = fields_of(one)
        assert told["correlationId"] == getattr(one, "correlation_id") == sent  # noqa: B009
        assert told["server"] == "127.0.0.1"
        assert isinstance(told["durationMs"], int)
        assert SECRET not in str(one.__dict__)
        assert str(SUBSCRIPTION) not in str(one.__dict__)
    assert [fields_of(one)["status"] for one in records] == [503, 503, 200]


def test_a_failed_connection_stands_in_the_log(
    call: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "flexagora.client")
    with scripted(breaking_off) as server, pytest.raises(ConnectionFailed):
        call("eu-mp", server.url, "test_connection", retries=RetryPolicy(2, 0.01))
    said = [one.getMessage() for one in caplog.records if one.name == "flexagora.client"]
    assert said[0].startswith("GET /test, try 1: failed: The connection failed")
    assert said[1:] == ["GET /test, try 2: failed: ConnectionFailed"]


# --------------------------------------------------------------------------------- spans


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


def only(spans: InMemorySpanExporter) -> ReadableSpan:
    [span] = spans.get_finished_spans()
    return span


def test_a_call_is_a_span_of_its_own_whose_context_is_sent(
    call: Calls, spans: InMemorySpanExporter
) -> None:
    with scripted(problem(503), document(AVAILABLE)) as server:
        call("eu-mp", f"{server.url}eu-mp/v1", "test_connection", retries=QUICK)
    span = only(spans)
    assert (span.name, span.kind) == ("GET /eu-mp/v1/test", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/eu-mp/v1/test",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "http.response.status_code": 200,
        "http.request.resend_count": 1,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.context is not None
    trace, own, flags = span.context.trace_id, span.context.span_id, span.context.trace_flags
    sent = f"00-{trace:032x}-{own:016x}-{flags:02x}"
    assert {header(one, "traceparent") for one in server.requests} == {sent}


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        (problem(404, SECRET), 404, "404"),
        (breaking_off, None, "ConnectionFailed"),
        (document({"status": SECRET}), 200, "UnexpectedAnswer"),
    ],
    ids=["refused", "no answer", "unexpected"],
)
def test_a_failed_call_is_a_failed_span_without_what_was_said(
    call: Calls, spans: InMemorySpanExporter, answer: Any, status: int | None, kind: str
) -> None:
    with scripted(answer) as server, pytest.raises(CallFailed):
        call(
            "metering",
            server.url,
            "list_points_of_delivery",
            SUBSCRIPTION,
            retries=RetryPolicy(1),
            auth=api_key(SECRET),
        )
    span = only(spans)
    attributes = dict(span.attributes or {})
    assert attributes.get("http.response.status_code") == status
    assert attributes["error.type"] == kind
    assert span.status.status_code is StatusCode.ERROR
    assert SECRET not in span.to_json()
    assert str(SUBSCRIPTION) not in span.to_json()
    assert "limit" not in span.to_json()


def test_a_span_belongs_to_the_work_under_way(call: Calls, spans: InMemorySpanExporter) -> None:
    request = tracing.on_request([])
    assert request is not None
    with scripted(document(AVAILABLE)) as server:
        call("eu-mp", server.url, "test_connection")
    request.end("POST /x", 200, {})
    inner, outer = spans.get_finished_spans()
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id


def test_an_answer_of_a_hook_is_as_it_came(call: Calls) -> None:
    answers: list[Answer[bytes]] = []
    hooks = Hooks(after_answer=lambda _, answer: answers.append(answer))
    with scripted(document(AVAILABLE, "200 OK", "ETag: 7")) as server:
        call("eu-mp", server.url, "test_connection", hooks=hooks)
    [answer] = answers
    assert (answer.status, answer.etag, answer.media_type) == (200, "7", "application/json")
