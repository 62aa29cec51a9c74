"""Metrics for Prometheus: what a process counts by itself, and what it looks up when it is asked.

Labels have few and known values: names from contracts, states, kinds of outcome. Never an id.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar, cast

import anyio.to_thread
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mpp_sdk.outbox.model import Claim, Sent
from mpp_sdk.outbox.policy import EventState, Verdict
from mpp_sdk.outbox.policy import Response as AnsweredByPlatform
from mpp_sdk.outbox.state import QueueState
from mpp_sdk.sampling import Sampled
from mpp_sdk.web.exchange import Exchange

disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations

CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The limits of the buckets for calls."""

ARRIVAL_SECONDS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    *(300, 900, 3600, 6 * 3600, 24 * 3600, 75 * 3600),
)
"""The limits of the buckets for the time from a commit to the acknowledgement of its event."""

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OLDEST_FIGURES_SECONDS = 60.0
_UNKNOWN = "none"
_WEBSITE = "website"
_USUAL_ATTEMPTS = (
    (EventState.DELIVERED, "2xx"),
    (EventState.RETRYING, "4xx"),
    (EventState.RETRYING, "5xx"),
    (EventState.RETRYING, _UNKNOWN),
    (EventState.DEAD, "4xx"),
    (EventState.DEAD, "5xx"),
    (EventState.DEAD, _UNKNOWN),
)

M = TypeVar("M")


@dataclass(frozen=True)
class Figure:
    """A number that was looked up, for each combination of its labels' values."""

    name: str
    documentation: str
    values: Mapping[tuple[str, ...], float]
    labels: tuple[str, ...] = ()

    @classmethod
    def single(cls, name: str, documentation: str, value: float) -> "Figure":
        """Return a figure without labels."""
        return cls(name, documentation, {(): value})


class Meters:
    """Every metric of one process, and what makes one set of them for each part of the program.

    namespace begins the name of each. A part defines a class that takes this object and makes its
    counters in it; `of` gives the one instance of it, made when it is first asked for.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.registry = CollectorRegistry()
        self._parts: dict[type[object], object] = {}
        self._lock = threading.RLock()

    def of(self, kind: "Callable[[Meters], M]") -> M:
        """Return this process's instance of a set of metrics."""
        key = cast(type[object], kind)
        part = self._parts.get(key)
        if part is None:
            with self._lock:
                part = self._parts.get(key)
                if part is None:
                    part = self._parts[key] = kind(self)
        return cast(M, part)

    def counter(self, name: str, documentation: str, *labels: str) -> Counter:
        """Return a new counter; Prometheus sees its name with `_total` at the end."""
        return Counter(
            name, documentation, labels, namespace=self.namespace, registry=self.registry
        )

    def gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        """Return a new gauge."""
        return Gauge(name, documentation, labels, namespace=self.namespace, registry=self.registry)

    def histogram(
        self, name: str, documentation: str, *labels: str, buckets: Sequence[float] = CALL_SECONDS
    ) -> Histogram:
        """Return a new histogram."""
        return Histogram(
            name,
            documentation,
            labels,
            namespace=self.namespace,
            registry=self.registry,
            buckets=buckets,
        )

    def figures(self, look_up: Callable[[], Iterable[Figure]]) -> None:
        """Have figures looked up whenever the metrics are asked for; it must be quick."""
        self.registry.register(_Figures(self.namespace, look_up))

    def sampled_figures(self, name: str, sampled: Sampled[list[Figure]]) -> None:
        """Show figures that are sampled, and how old they are; none that are over a minute old."""
        self.registry.register(_Figures(self.namespace, lambda: _of_sample(name, sampled)))

    def process_figures(self) -> None:
        """Show memory, CPU seconds and open files of this process, and its interpreter."""
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def route(self) -> Route:
        """Return `/metrics`, in the text format of Prometheus."""

        async def metrics(_: Request) -> Response:
            text = await anyio.to_thread.run_sync(generate_latest, self.registry)
            return Response(text, HTTPStatus.OK, media_type=_MEDIA_TYPE)

        return Route("/metrics", metrics)


class HttpMeters:
    """The calls that a server has answered."""

    def __init__(self, meters: Meters) -> None:
        self._requests = meters.counter(
            "http_requests",
            "Calls answered, by contract, operation and status",
            *("contract", "operation", "status"),
        )
        self._duration = meters.histogram(
            "http_request_duration_seconds",
            "From the first byte of a call to its answer, by contract and operation",
            *("contract", "operation"),
        )
        # Looking a child up by its labels costs more than counting.
        self._children: dict[tuple[str | None, int | None], tuple[Any, Any]] = {}

    def answered(self, exchange: Exchange, seconds: float) -> None:
        """Count an answer."""
        operation = exchange.operation
        key = (operation.operation_id if operation else exchange.page, exchange.status)
        counters = self._children.get(key)
        if counters is None:
            counters = self._children[key] = self._child(exchange)
        counters[0].inc()
        counters[1].observe(seconds)

    def _child(self, exchange: Exchange) -> tuple[Any, Any]:
        contract = exchange.contract.name if exchange.contract else _UNKNOWN
        operation = exchange.operation.operation_id if exchange.operation else _UNKNOWN
        if exchange.page is not None:
            contract, operation = _WEBSITE, exchange.page
        status = str(exchange.status or _UNKNOWN)
        return (
            self._requests.labels(contract, operation, status),
            self._duration.labels(contract, operation),
        )


class OutboxMeters:
    """The attempts of this process to deliver events."""

    def __init__(self, meters: Meters) -> None:
        self._attempts = meters.counter(
            "delivery_attempts",
            "Attempts recorded, by what became of the event and by the class of the answer",
            *("outcome", "answer"),
        )
        for outcome, answer in _USUAL_ATTEMPTS:  # Prometheus sees no rise in what was not there
            self._attempts.labels(outcome, answer)
        self._duration = meters.histogram(
            "delivery_attempt_duration_seconds", "From the call to its answer", "answer"
        )
        self._latency = meters.histogram(
            "delivery_latency_seconds",
            "From the commit of an event to its acknowledgement",
            buckets=ARRIVAL_SECONDS,
        )
        self._claimed = meters.counter("delivery_claims", "Turns of a platform that were begun")

    def on_claim(self, claims: Sequence[Claim]) -> None:
        """Count lanes that were claimed."""
        self._claimed.inc(len(claims))

    def on_attempt(self, sent: Sent, verdict: Verdict) -> None:
        """Count an attempt."""
        answer = _UNKNOWN
        if isinstance(sent.answer, AnsweredByPlatform):
            answer = f"{sent.answer.status // 100}xx"
        seconds = sent.duration_ms / 1000
        self._attempts.labels(verdict.state, answer).inc()
        self._duration.labels(answer).observe(seconds)
        if verdict.state is EventState.DELIVERED:
            waited = (sent.started_at - sent.event.created_at).total_seconds()
            self._latency.observe(max(0.0, waited) + seconds)


def outbox_figures(state: QueueState, moment: datetime) -> list[Figure]:
    """Return how it stands with an outbox, as figures."""
    late = (moment - state.due_since).total_seconds() if state.due_since else 0.0
    return [
        Figure(
            "delivery_events",
            "Events that are not delivered, by state",
            {(name,): count for name, count in state.events.items()},
            ("state",),
        ),
        Figure(
            "delivery_oldest_event_age_seconds",
            "How long ago the oldest event in a state was written",
            {(name,): (moment - at).total_seconds() for name, at in state.oldest.items()},
            ("state",),
        ),
        Figure.single(
            "delivery_lag_seconds",
            "How long what is due has waited for a worker to take it",
            max(0.0, late),
        ),
        Figure(
            "delivery_lanes",
            "Platforms, by the state of their breaker",
            {(name,): count for name, count in state.lanes_by_breaker.items()},
            ("breaker",),
        ),
        Figure(
            "delivery_lane_modes",
            "Platforms, by whether their delivery is paused",
            {(name,): count for name, count in state.lanes_by_mode.items()},
            ("mode",),
        ),
    ]


class _Figures(Collector):
    """Gives what is looked up to the registry."""

    def __init__(self, namespace: str, look_up: Callable[[], Iterable[Figure]]) -> None:
        self._namespace = namespace
        self._look_up = look_up

    def collect(self) -> Iterable[Metric]:
        """Yield a family for each figure."""
        for figure in self._look_up():
            family = GaugeMetricFamily(
                f"{self._namespace}_{figure.name}", figure.documentation, labels=figure.labels
            )
            for labels, value in figure.values.items():
                family.add_metric(labels, value)
            yield family


def _of_sample(name: str, sampled: Sampled[list[Figure]]) -> Iterable[Figure]:
    sample = sampled.get()
    yield Figure.single(
        f"{name}_figures_up", "Whether the latest figures could be looked up", not sample.failed
    )
    if sample.value is None:
        return
    yield Figure.single(
        f"{name}_figures_age_seconds", "How old the latest figures are", sample.age_seconds
    )
    if sample.age_seconds <= _OLDEST_FIGURES_SECONDS:
        yield from sample.value
