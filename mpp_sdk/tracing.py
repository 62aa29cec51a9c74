"""Traces of OpenTelemetry, from process to process and across the queue.

They are off unless the standard variables ask for them: OTEL_TRACES_EXPORTER, or an endpoint in
OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. While they are off, nothing of
OpenTelemetry is imported, and each function here is a comparison with None.

Spans hold names of operations, states and ids, and the host that a call goes to; never headers,
bodies, queries, or addresses of who calls.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from mpp_sdk.errors import FlexagoraError

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

HEADER = "traceparent"
"""The header of W3C Trace Context."""

_HEADER_BYTES = HEADER.encode()
_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_OFF = "OTEL_SDK_DISABLED"

Attributes = Mapping[str, str | int | bool | None]


class TracingError(FlexagoraError):
    """The variables ask for what there is not."""

    title = "Traces cannot be exported"


class RequestTrace(Protocol):
    """The span of a request that is being answered."""

    def end(self, name: str, status: int | None, attributes: Attributes) -> None:
        """End the span under the name of its operation, with the status that was answered."""


class CallTrace(Protocol):
    """The span of a call that is being made."""

    def end(self, status: int | None, failed: str | None, repeats: int) -> None:
        """Say how it ended: the last status, what went wrong, and how often it was sent again."""


class Tracing(Protocol):
    """What makes spans, when traces are on."""

    def request(self, given: str | None) -> RequestTrace:
        """Return a new span for a request, the child of what its `traceparent` names."""

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[None]:
        """Run a block in a span of the present trace, if there is one."""

    def continued(
        self, name: str, stored: str | None, attributes: Attributes, *, sends: bool
    ) -> AbstractContextManager[None]:
        """Run a block in a span that continues a stored one; sends: it calls another process."""

    def calling(
        self, name: str, attributes: Attributes
    ) -> AbstractContextManager["CallTrace | None"]:
        """Run a block that makes a call in a span, of the present trace or of a new one."""

    def parent(self) -> str | None:
        """Return the present span as a `traceparent`."""


_tracing: Tracing | None = None


def configure(service: str) -> None:
    """Begin to trace if the variables ask for it; service is the name unless they give another.

    Raises TracingError for an exporter that there is not, ModuleNotFoundError when the extra
    `telemetry` is not installed.
    """
    exporter = os.environ.get(_EXPORTER, "").strip().lower()
    if os.environ.get(_OFF, "").strip().lower() == "true" or exporter == "none":
        return
    if not exporter and not any(os.environ.get(name) for name in _ENDPOINTS):
        return
    from mpp_sdk import telemetry  # an extra of its own

    use(telemetry.exporting(service, exporter or "otlp"))


def use(provider: "TracerProvider | None") -> None:
    """Trace with a provider of one's own; with None, not at all."""
    global _tracing
    if provider is None:
        _tracing = None
        return
    from mpp_sdk import telemetry

    _tracing = telemetry.OpenTelemetry(provider)


def on_request(headers: Iterable[tuple[bytes, bytes]]) -> RequestTrace | None:
    """Return the span of a new request, to be ended; None while traces are off."""
    if _tracing is None:
        return None
    given = next((value for name, value in headers if name.lower() == _HEADER_BYTES), None)
    return _tracing.request(None if given is None else given.decode("latin-1"))


def span(name: str, **attributes: str | int | bool | None) -> AbstractContextManager[None]:
    """Run a block in a span of the present trace, if there is one."""
    return _NOTHING if _tracing is None else _tracing.span(name, attributes)


def sending(
    name: str, stored: str | None, **attributes: str | int | bool | None
) -> AbstractContextManager[None]:
    """Run a block that sends what was stored with a `traceparent`, in a span that continues it."""
    return (
        _NOTHING if _tracing is None else _tracing.continued(name, stored, attributes, sends=True)
    )


def continued(name: str, stored: str | None) -> AbstractContextManager[None]:
    """Run a block in a span that continues what was stored with a `traceparent`."""
    return _NOTHING if _tracing is None else _tracing.continued(name, stored, {}, sends=False)


def calling(name: str, attributes: Attributes) -> AbstractContextManager[CallTrace | None]:
    """Run a block that makes a call in a span, of the present trace or of a new one.

    The span is to be told how the call ended; there is none while traces are off.
    """
    return _NOTHING if _tracing is None else _tracing.calling(name, attributes)


def parent() -> str | None:
    """Return the `traceparent` to store with an event or to send with a call, if there is one."""
    return None if _tracing is None else _tracing.parent()


def parent_of(stored: str | None) -> str | None:
    """Return the `traceparent` to send with what was stored with one: the present span's, or it."""
    return parent() or stored


def trace_id() -> str | None:
    """Return the id of the present trace, 32 hexadecimal digits."""
    present = parent()
    return None if present is None else trace_id_of(present)


def trace_id_of(trace_parent: str) -> str | None:
    """Return the trace that a `traceparent` belongs to; None for something else."""
    parts = trace_parent.split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None


_NOTHING: AbstractContextManager[None] = nullcontext()
