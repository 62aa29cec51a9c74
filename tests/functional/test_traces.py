"""One call is followed through every process that it makes work: by its correlation id in the logs
of all of them, and as one trace of OpenTelemetry.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider

from examples.demo.companies import wait_until
from examples.demo.processes import ServerProcess, free_port
from mpp_sdk import tracing
from mpp_sdk.contracts.marketplace.models import SubscriptionState
from mpp_sdk.correlation import correlated
from tests.functional.marketplace import (
    Marketplace,
    Platform,
    negotiate,
    publish,
    until_state,
)

CORRELATION_ID = "the-first-request"
SECRETS = ("X-API-Key", "whsec_", "fxs_", "fxt_", "Bearer ")


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: str


@dataclass
class Collector:
    """Takes what processes export over OTLP."""

    spans: list[Span] = field(default_factory=list)
    url: str = ""

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    Span(
                        names["service.name"],
                        one.name,
                        one.trace_id.hex(),
                        one.span_id.hex(),
                        one.parent_span_id.hex(),
                        str(one.attributes),
                    )
                    for one in scope.spans
                ]

    def of(self, trace: str) -> list[Span]:
        return [span for span in list(self.spans) if span.trace == trace]


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            found.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def tracer() -> Iterator[None]:
    tracing.use(TracerProvider())
    yield
    tracing.use(None)


def test_a_call_is_found_in_every_process_that_it_made_work(
    on_postgresql: Marketplace, collector: Collector, tracer: None, tmp_path: Path
) -> None:
    exporting = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    marketplace = on_postgresql
    worker_port = free_port()
    worker = ServerProcess(
        "The worker",
        ["marketplace", "deliver"],
        worker_port,
        {
            **marketplace.environment,
            **exporting,
            "OTEL_SERVICE_NAME": "worker",
            "FLEXAGORA_OPERATIONS_PORT": str(worker_port),
        },
        tmp_path / "worker.log",
    )
    marketplace.start(FLEXAGORA_DELIVER="false", OTEL_SERVICE_NAME="web", **exporting)
    try:
        worker.start()
        provider, requester = marketplace.provider(), marketplace.requester()
        for platform, name in ((provider, "provider"), (requester, "requester")):
            _run(platform, {**exporting, "OTEL_SERVICE_NAME": name})
        offer = negotiate(requester.company, provider.company, publish(provider.company))

        with correlated(CORRELATION_ID), tracing.continued("the requester", None):
            trace = tracing.trace_id()
            accepted = requester.company.client.accept_offer(
                offer.service_request_id, offer.offer_id
            )
        assert trace is not None
        assert accepted.headers["X-Correlation-ID"] == CORRELATION_ID
        until_state(requester.company, accepted.body.subscription_id, SubscriptionState.ACTIVE, 120)
        spans = wait_until("The whole trace", lambda: _complete(collector, trace), 120)
        wait_until("The logs", lambda: _in_all_logs(tmp_path), 120)
    finally:
        worker.stop()

    _check_spans(spans)
    text = "".join(file.read_text() for file in tmp_path.glob("*.log"))
    assert not [secret for secret in SECRETS if secret in text]


def _run(platform: Platform, environment: dict[str, str]) -> None:
    platform.environment |= environment
    platform.process = platform.with_module("mpp_sdk")
    platform.process.start()


ROOT = ("web", "POST /api/v1/service-requests/{serviceRequestId}/offers/{offerId}/accept")
"""The requester's own span is in this process and was not exported."""

EXPECTED = {
    ROOT,
    ("web", "commit"),
    ("worker", "deliver service-offer.confirmed"),
    ("provider", "POST /eu-mp/v1/service-offer/confirmed/{platformRole}"),
    ("requester", "POST /eu-mp/v1/service-offer/confirmed/{platformRole}"),
    ("requester", "job _ask"),
    ("provider", "POST /metering/v1/subscriptions/{subscriptionId}/points-of-delivery"),
    ("provider", "deliver service.consent"),
    ("web", "POST /notifications/v1/service/consent"),
}
"""From the requester's call to the notification of a consent that followed from it."""


def _complete(collector: Collector, trace: str) -> list[Span] | None:
    """Return the spans once all have come, and those that they hang from: each process tells its
    own when it is ready to."""
    spans = collector.of(trace)
    ids = {span.id for span in spans}
    roots = {(span.service, span.name) for span in spans if span.parent not in ids}
    seen = {(span.service, span.name) for span in spans}
    return spans if seen >= EXPECTED and roots == {ROOT} else None


def _check_spans(spans: list[Span]) -> None:
    assert not [secret for span in spans for secret in SECRETS if secret in span.attributes]


LOGS = {
    "marketplace.access.jsonl",
    "worker.log",
    "Provider.access.jsonl",
    "Provider.log",
    "Requester.access.jsonl",
}


def _in_all_logs(folder: Path) -> bool:
    """Return whether each log has the first request, and a consent has come back for it."""
    found: set[str] = set()
    paths: set[str] = set()
    for file in [*folder.glob("*.log"), *folder.glob("*.jsonl")]:
        for line in file.read_text().splitlines():
            if not line.startswith("{") or not line.endswith("}"):
                continue
            entry = json.loads(line)
            if entry.get("correlationId") == CORRELATION_ID:
                found.add(file.name)
                paths.add(entry.get("path", ""))
    return found >= LOGS and "/notifications/v1/service/consent" in paths
