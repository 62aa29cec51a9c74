"""The server under test, as a case sees it: calls, each held against the contract."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from mpp_sdk import clock, webhooks
from mpp_sdk.conformance.answers import Answers
from mpp_sdk.conformance.exchange import Exchange, Request
from mpp_sdk.conformance.features import is_stream, schema_of_one
from mpp_sdk.conformance.model import CaseEnds, Finding, NotShown
from mpp_sdk.conformance.restarting import CannotRestart, Restarter
from mpp_sdk.conformance.samples import Break, Sample, breaks, sample_of
from mpp_sdk.conformance.target import Credentials, Target
from mpp_sdk.conformance.wire import Wire, connected
from mpp_sdk.ids import new_id
from mpp_sdk.transport import GuardedSession, TransportError
from mpp_sdk.web.contract import Contract, Operation

_JSON = "application/json"
_LEFT_OUT = (404, 405, 501)
_LARGEST_ANSWER = 64 * 1024 * 1024
_AT_ONCE = 20
_PATIENCE_S = 120.0
"""How long the kit waits in all for a server that says 429 with one call."""

Made = TypeVar("Made")

LIVE = object()
"""Stands for the key that is valid now, where a case could present another one."""


class Subject:
    """A server that is tried.

    `credentials` change as keys are rotated. `findings` are what the present case has noted.
    """

    def __init__(
        self, target: Target, contract: Contract, restarter: Restarter | None = None
    ) -> None:
        self.target = target
        self.contract = contract
        self.credentials: Credentials = target.credentials
        self.findings: list[Finding] = []
        self.spoken_version: str | None = None
        """What the server says that it speaks, once it has said so."""
        self.answers = Answers(contract)
        self._restarter: Restarter = restarter or CannotRestart()
        self._offered: dict[str, bool] = {}
        self._once: dict[str, Any] = {}
        self._streams = {
            contract.base_path + one.path for one in contract.operations if is_stream(one)
        }
        self._ends_at = time.monotonic() + target.bounds.seconds if target.bounds else math.inf
        self._session = GuardedSession(
            target.policy,
            total_seconds=target.timeout.total_seconds(),
            max_response_bytes=_LARGEST_ANSWER,
            connections_per_host=_AT_ONCE,
        )

    # ---- what a case calls

    def operation(self, name: str) -> Operation:
        """Return an operation by its name (`test_connection`)."""
        return next(one for one in self.contract.operations if one.name == name)

    def operations(self) -> list[Operation]:
        """Return the operations that this server offers, or some of each kind for one in use."""
        offered = (one for one in self.contract.operations if self.offers(one))
        bounds = self.target.bounds
        return list(offered) if bounds is None else _of_each_kind(offered, bounds.each_kind)

    def offers(self, operation: Operation) -> bool:
        """Return whether the server offers an operation.

        What the contract lets a server leave out is left out where it answers 404, 405 or 501.
        """
        if not operation.optional:
            return True
        if operation.operation_id not in self._offered:
            made = self.sample(operation).changed(body=None)
            answer = self.send(
                operation.method,
                made.address(self.contract.base_path + operation.path),
                headers=self._headers(operation, made, LIVE),
            )
            self._offered[operation.operation_id] = answer.status not in _LEFT_OUT
        return self._offered[operation.operation_id]

    def sample(self, operation: Operation) -> Sample:
        """Return a call of an operation that is right in every way, made for this server."""
        return sample_of(self.contract, operation, self.target)

    def breaks(self, operation: Operation) -> Iterator[Break]:
        """Return bodies of an operation that break one rule of the contract each."""
        schema = schema_of_one(self.contract, operation)
        return breaks(self.contract, schema, self.sample(operation).body)

    def call(
        self,
        operation: Operation | str,
        sample: Sample | None = None,
        *,
        api_key: object = LIVE,
        **changes: Any,
    ) -> Exchange:
        """Return the answer to a call of the contract, after holding it against the contract.

        Without a sample, or with changes to one (`body`, `query`, `path`, `headers`), the rest is
        as in the contract's example. api_key None sends none. An event is signed unless its headers
        carry a signature, or the secrets are not known.
        """
        wanted = self.operation(operation) if isinstance(operation, str) else operation
        request = self.prepared(wanted, sample, api_key=api_key, **changes)
        exchange = self.send(
            request.method,
            request.path,
            body=request.body,
            headers=request.headers,
            operation=wanted,
        )
        self.judge(exchange)
        return exchange

    def prepared(
        self,
        operation: Operation | str,
        sample: Sample | None = None,
        *,
        api_key: object = LIVE,
        **changes: Any,
    ) -> Request:
        """Return what `call` would send, for a case that sends it in its own way."""
        wanted = self.operation(operation) if isinstance(operation, str) else operation
        made = (sample or self.sample(wanted)).changed(**changes)
        return Request(
            wanted.method,
            made.address(self.contract.base_path + wanted.path),
            self._headers(wanted, made, api_key),
            made.content(),
        )

    def judge(self, exchange: Exchange) -> None:
        """Note in what an answer breaks the contract."""
        for fault in self.answers.faults(exchange):
            self.note(fault, exchange=exchange)

    @contextmanager
    def wire(self) -> Iterator[Wire]:
        """Give a connection to write HTTP on by the byte.

        What breaks while the block uses it is noted, and ends the case.
        """
        try:
            with connected(self.target) as wire:
                yield wire
        except OSError as error:
            self.note(f"The connection broke: {error or type(error).__name__}.")
            raise CaseEnds from error

    def together(self, calls: Sequence[Callable[[], Made]]) -> list[Made]:
        """Return what calls that are made at the same time give, in their order."""
        with ThreadPoolExecutor(min(len(calls), _AT_ONCE)) as pool:
            return [one.result() for one in [pool.submit(call) for call in calls]]

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """Return what `make` gave when it was asked for by this name first, in this run."""
        if name not in self._once:
            self._once[name] = make()
        made: Made = self._once[name]
        return made

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        operation: Operation | None = None,
    ) -> Exchange:
        """Return the answer to any call, whatever it is; path includes the contract's base path.

        A server that asks to wait (429) is asked again when it says. Raises CaseEnds, with what
        happened noted, when no answer comes, and NotShown when the bounds of the run are met.
        """
        until = time.monotonic() + _PATIENCE_S
        while True:
            exchange = self._sent_once(method, path, body, dict(headers or {}), operation)
            if exchange.status == 429 and self.target.bounds is not None:
                raise NotShown("The server takes no more calls for now (429).")
            wait_s = _seconds(exchange.headers.get("retry-after"))
            if exchange.status != 429 or wait_s is None or time.monotonic() + wait_s > until:
                return exchange
            time.sleep(wait_s)

    def expect(
        self,
        holds: bool,
        detail: str,
        *,
        advice: str | None = None,
        exchange: Exchange | None = None,
    ) -> bool:
        """Note what is wrong unless it holds; return whether it does."""
        if not holds:
            self.note(detail, advice=advice, exchange=exchange)
        return holds

    def demand(
        self,
        holds: bool,
        detail: str,
        *,
        advice: str | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        """Note what is wrong unless it holds, and end the case, which has nothing more to try."""
        if not self.expect(holds, detail, advice=advice, exchange=exchange):
            raise CaseEnds

    def expect_status(self, exchange: Exchange, *allowed: int, advice: str | None = None) -> bool:
        """Note an answer whose status is none of those allowed; return whether it is one."""
        return self.expect(
            exchange.status in allowed,
            f"{exchange}, not {' or '.join(map(str, allowed))}.",
            advice=advice,
            exchange=exchange,
        )

    def note(
        self, detail: str, *, advice: str | None = None, exchange: Exchange | None = None
    ) -> None:
        """Note something that breaks the contract."""
        self.findings.append(Finding(detail, advice, exchange))

    def now(self) -> datetime:
        """Return the present moment, by the kit's clock."""
        return clock.now()

    def restart(self) -> None:
        """Have the server restarted and return once it answers. Raises NotShown if nobody can."""
        self._restarter.restart()

    def use_api_key(self, api_key: str) -> None:
        """Present another key from here on."""
        self.credentials = self.credentials.with_api_key(api_key)

    def keep_issued_key(self, answer: Exchange) -> None:
        """Go on with the key that an answer issued, where it did."""
        issued = answer.fields().get("apiKey")
        if answer.status == 200 and isinstance(issued, str):
            self.use_api_key(issued)

    def key_header(self) -> dict[str, str]:
        """Return what authenticates a call that is none of the contract's."""
        return {"X-API-Key": self.credentials.api_key}

    # ---- inside

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _headers(self, operation: Operation, sample: Sample, api_key: object) -> dict[str, str]:
        key = self.credentials.api_key if api_key is LIVE else api_key
        headers = {"Accept": f"{_JSON}, application/problem+json"}
        if isinstance(key, str) and operation.security:
            headers["X-API-Key"] = key
        content = sample.content()
        if content is not None:
            headers["Content-Type"] = _JSON
            if is_signed(operation) and self.credentials.signing_secrets:
                headers |= self._signature(sample, content)
        for name, value in sample.headers.items():  # which may take one away, too
            headers = {one: held for one, held in headers.items() if one.lower() != name.lower()}
            if value is not None:
                headers[name] = value
        return headers

    def _signature(self, sample: Sample, content: bytes) -> dict[str, str]:
        body = sample.body if isinstance(sample.body, dict) else {}
        event_id = str(body.get("eventId", new_id()))
        return webhooks.sign(event_id, self.now(), content, self.credentials.signing_secrets)

    def _sent_once(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        operation: Operation | None,
    ) -> Exchange:
        request = Request(method, path, headers, body)
        started = time.monotonic()
        left = self._ends_at - started
        if left <= 0:
            raise NotShown("The time for the whole test was over.")
        if method == "GET" and path.partition("?")[0] in self._streams:
            return self._beginning(request, operation)
        try:
            response = self._session.request(
                method,
                self.target.base_url.rstrip("/") + path,
                data=body,
                headers=headers,
                timeout=min(self.target.timeout.total_seconds(), left),
            )
        except TransportError as error:
            if time.monotonic() >= self._ends_at:
                raise NotShown("The time for the whole test was over.") from error
            self.note(f"{method} {path} got no answer: {error.detail}")
            raise CaseEnds from error
        return Exchange(
            operation,
            request,
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            response.content,
            time.monotonic() - started,
        )

    def _beginning(self, request: Request, operation: Operation | None) -> Exchange:
        """Return the answer to a call whose answer may have no end: its head, and what is there."""
        with self.wire() as wire:
            wire.send(wire.head(request))
            answer = wire.begin(request)
            first = answer.piece() if answer.goes_on else answer.exchange.body
        return replace(answer.exchange, body=first, operation=operation)


def is_signed(operation: Operation) -> bool:
    """Return whether calls of an operation carry a signature."""
    return any(
        parameter.name.lower() == webhooks.SIGNATURE_HEADER for parameter in operation.parameters
    )


def _of_each_kind(operations: Iterable[Operation], most: int) -> list[Operation]:
    kinds: Counter[tuple[object, ...]] = Counter()
    chosen = []
    for one in operations:
        paged = any(parameter.name == "cursor" for parameter in one.parameters)
        kind = (one.method, bool(one.body_media_types), paged)
        kinds[kind] += 1
        if kinds[kind] <= most:
            chosen.append(one)
    return chosen


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdigit() else None


@contextmanager
def opened(
    target: Target, contract: Contract, restarter: Restarter | None = None
) -> Iterator[Subject]:
    """Give a subject whose connections are closed when the block ends."""
    subject = Subject(target, contract, restarter)
    try:
        yield subject
    finally:
        subject.close()
