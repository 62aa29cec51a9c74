"""The side of `mpp_sdk.tracing` that needs the extra `telemetry`: OpenTelemetry and its SDK."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
)
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import TracerProvider as AnyProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mpp_sdk.tracing import HEADER, Attributes, TracingError

_PROPAGATOR = TraceContextTextMapPropagator()
_NAMED_BY = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES")
_FAILED_FROM = 500


def exporting(service: str, exporter: str) -> TracerProvider:
    """Return a provider that exports as the variables say: over OTLP, or to the console.

    Raises TracingError for another exporter.
    """
    # The SDK reads its other variables by itself: sampler, batches, limits, endpoint, headers.
    given = os.environ.get(_NAMED_BY[0]) or "service.name=" in os.environ.get(_NAMED_BY[1], "")
    resource = Resource.create() if given else Resource.create({SERVICE_NAME: service})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(_exporter(exporter)))
    return provider


def _exporter(name: str) -> SpanExporter:
    match name:
        case "otlp":
            return OTLPSpanExporter()
        case "console":
            return ConsoleSpanExporter()
        case _:
            raise TracingError(
                f"OTEL_TRACES_EXPORTER is {name!r}; there are otlp (over HTTP), console and none."
            )


class OpenTelemetry:
    """Makes the spans of `mpp_sdk.tracing` with a provider."""

    def __init__(self, provider: AnyProvider) -> None:
        self._tracer = provider.get_tracer("flexagora")

    def request(self, given: str | None) -> "_RequestSpan":
        """Return a new span for a request."""
        return _RequestSpan(self._tracer, given)

    @contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[None]:
        """Run a block in a span, where it is part of a trace."""
        if self.parent() is None:
            yield
            return
        with self._tracer.start_as_current_span(name, attributes=_set(attributes)):
            yield

    @contextmanager
    def continued(
        self, name: str, stored: str | None, attributes: Attributes, *, sends: bool
    ) -> Iterator[None]:
        """Run a block in a span that continues a stored one."""
        with self._tracer.start_as_current_span(
            name,
            context=_continued(stored),
            kind=SpanKind.PRODUCER if sends else SpanKind.INTERNAL,
            attributes=_set(attributes),
        ):
            yield

    @contextmanager
    def calling(self, name: str, attributes: Attributes) -> Iterator["_CallSpan"]:
        """Run a block that makes a call in a span."""
        # An exception's text may quote what the other side answered: its kind is enough.
        with self._tracer.start_as_current_span(
            name,
            kind=SpanKind.CLIENT,
            attributes=_set(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield _CallSpan(span)

    def parent(self) -> str | None:
        """Return the present span as a `traceparent`."""
        present = get_current_span().get_span_context()
        if present is INVALID_SPAN_CONTEXT or not present.is_valid:
            return None
        return f"00-{present.trace_id:032x}-{present.span_id:016x}-{present.trace_flags:02x}"


class _RequestSpan:
    """The span of a request, current until it ends."""

    def __init__(self, tracer: Tracer, given: str | None) -> None:
        self._span: Span = tracer.start_span(
            "HTTP", context=_continued(given), kind=SpanKind.SERVER
        )
        self._token = context.attach(set_span_in_context(self._span))

    def end(self, name: str, status: int | None, attributes: Attributes) -> None:
        """End the span."""
        self._span.update_name(name)
        self._span.set_attributes(_set(attributes))
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if status is None or status >= _FAILED_FROM:
            self._span.set_status(StatusCode.ERROR)
        context.detach(self._token)
        self._span.end()


class _CallSpan:
    """The span of a call, current until its block ends."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self, status: int | None, failed: str | None, repeats: int) -> None:
        """Say how the call ended."""
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if repeats:
            self._span.set_attribute("http.request.resend_count", repeats)
        if failed is not None:
            self._span.set_attribute("error.type", failed)
            self._span.set_status(StatusCode.ERROR)


def _continued(parent: str | None) -> context.Context:
    carrier = {} if parent is None else {HEADER: parent}
    return _PROPAGATOR.extract(carrier, context.Context())


def _set(attributes: Attributes) -> dict[str, str | int | bool]:
    return {name: value for name, value in attributes.items() if value is not None}
