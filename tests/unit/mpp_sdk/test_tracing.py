"""What traces cost and hold: nothing while they are off, and never more than names and ids."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mpp_sdk import tracing
from mpp_sdk.readiness import Readiness
from mpp_sdk.web.health import health_routes
from mpp_sdk.web.server import BackgroundServer, compose

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


def test_while_traces_are_off_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys, mpp_sdk.platform, marketplace.cli; from mpp_sdk import tracing;"
        "tracing.configure('x'); print(any(n.startswith('opentelemetry') for n in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
    assert tracing.on_request([(b"traceparent", CALLER.encode())]) is None
    assert tracing.parent() is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "true")],
)
def test_they_can_be_switched_off_beside_an_endpoint(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    tracing.configure("x")
    assert tracing.parent() is None
    assert tracing.on_request([]) is None


def test_an_exporter_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(tracing.TracingError, match="zipkin"):
        tracing.configure("x")


def test_what_is_stored_continues_the_trace_of_the_caller(spans: InMemorySpanExporter) -> None:
    request = tracing.on_request([(b"Traceparent", CALLER.encode())])
    assert request is not None
    with tracing.span("commit"):
        stored = tracing.parent()
    request.end("POST /x", 200, {})
    assert tracing.parent() is None
    with tracing.sending("deliver x", stored):
        sent = tracing.parent()

    by_name = {span.name: span for span in spans.get_finished_spans()}
    assert {_trace(span) for span in by_name.values()} == {CALLER.split("-")[1]}
    assert stored is not None
    assert sent is not None
    assert _parent(by_name["deliver x"]) == stored.split("-")[2]
    assert _parent(by_name["commit"]) == _id(by_name["POST /x"])
    assert sent.split("-")[2] == _id(by_name["deliver x"])


@pytest.mark.parametrize("given", ["", "x", "00-0-0-0", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_trace_context_that_is_none_begins_a_new_trace(
    spans: InMemorySpanExporter, given: str
) -> None:
    request = tracing.on_request([(b"traceparent", given.encode())])
    assert request is not None
    request.end("GET /x", 500, {})
    [span] = spans.get_finished_spans()
    assert span.parent is None
    assert not span.status.is_ok


def test_a_span_holds_no_path_no_query_and_no_header(spans: InMemorySpanExporter) -> None:
    with BackgroundServer(compose([], health_routes(Readiness()))) as url:
        requests.get(f"{url}/healthz?key=hunter2", headers={"X-API-Key": "hunter2"}, timeout=10)
        requests.get(f"{url}/hunter2", timeout=10)
    assert len(spans.get_finished_spans()) == 2
    for span in spans.get_finished_spans():
        assert "hunter2" not in span.to_json()
        assert span.name == "HTTP"


def _trace(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def _id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def _parent(span: ReadableSpan) -> str:
    assert span.parent is not None
    return f"{span.parent.span_id:016x}"
