"""Binds plain functions to a contract: the application that serves it."""

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

import anyio
import anyio.to_thread
from connexion import AsyncApp
from connexion.resolver import Resolver
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.web.call import (
    JSON,
    Authenticator,
    Call,
    Edge,
    GroupingEdge,
    Reply,
    Waiting,
    enter_call,
)
from mpp_sdk.web.contract import Contract, ContractError, Operation, Parameter
from mpp_sdk.web.exchange import Exchange
from mpp_sdk.web.frame import Frame
from mpp_sdk.web.limits import NO_LIMITS, CallLimits
from mpp_sdk.web.routing import AnsweringMiddleware, AuthenticationMiddleware, RoutingMiddleware
from mpp_sdk.web.streaming import StreamReply
from mpp_sdk.web.strict_json import escape
from mpp_sdk.web.validation import DEFAULT_LIMIT, Validators

Resolve = Callable[[str], Callable[..., object]]
"""Gives the function for an operation id. Raises LookupError or AttributeError for none."""

DEFAULT_THREADS = 16
"""How many handlers of one contract run at a time, unless a server is told otherwise."""


class BoundContract:
    """An ASGI application that serves one contract at one base path."""

    def __init__(
        self, contract: Contract, base_path: str, app: ASGIApp, limiter: anyio.CapacityLimiter
    ) -> None:
        self.contract = contract
        self.base_path = base_path
        self._app = app
        self._limiter = limiter

    @property
    def busy_threads(self) -> int:
        """How many of its threads are at work now."""
        return int(self._limiter.borrowed_tokens)

    @property
    def threads(self) -> int:
        """How many threads it may use."""
        return int(self._limiter.total_tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    async def prepare(self) -> None:
        """Build connexion's layers now; it would build them while the first caller waits."""
        messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

        async def receive() -> MutableMapping[str, Any]:
            return next(messages)

        async def send(_: MutableMapping[str, Any]) -> None:
            """Take no notice."""

        await self._app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)


def bind(
    contract: Contract,
    resolve: Resolve,
    *,
    edge: Edge,
    authenticator: Authenticator,
    base_path: str | None = None,
    body_limit: int = DEFAULT_LIMIT,
    threads: int = DEFAULT_THREADS,
    limits: CallLimits = NO_LIMITS,
) -> BoundContract:
    """Return the application that answers each operation of a contract with a function.

    base_path is the contract's own unless one is given. The functions are plain ones and run in at
    most `threads` worker threads. Contracts of one server share its limits. Raises ContractError
    when a function is missing or does not fit.
    """
    path = (contract.base_path if base_path is None else base_path).rstrip("/")
    limiter = anyio.CapacityLimiter(threads)
    endpoints = {
        operation.operation_id: _Endpoint(
            contract, operation, _function(contract, operation, resolve), edge, limiter
        )
        for operation in contract.operations
    }
    app = AsyncApp(
        __name__,
        middlewares=[
            functools.partial(RoutingMiddleware, contract=contract, base_path=path),
            functools.partial(
                AuthenticationMiddleware,
                authenticator=authenticator,
                limiter=limiter,
                limits=limits,
            ),
            functools.partial(
                AnsweringMiddleware,
                validators=Validators(contract, body_limit),
                endpoints={name: endpoint.answer for name, endpoint in endpoints.items()},
            ),
        ],
    )
    app.add_api(
        json.loads(json.dumps(contract.document)),  # connexion writes into what it is given
        base_path=path,
        resolver=Resolver(lambda operation_id: _answered_before),
    )
    return BoundContract(contract, path, Frame(app), limiter)


async def _answered_before() -> None:
    """Stand where connexion wants a function: AnsweringMiddleware answers before it is called."""
    raise RuntimeError("A request went past the layer that answers it")


def methods_of(handler: object) -> Resolve:
    """Return the resolver that answers each operation with the handler's method of its name."""

    def resolve(operation_id: str) -> Callable[..., object]:
        method: Callable[..., object] = getattr(handler, operation_id.rpartition(".")[2])
        return method

    return resolve


def _function(contract: Contract, operation: Operation, resolve: Resolve) -> Callable[..., object]:
    try:
        function = resolve(operation.operation_id)
    except (LookupError, AttributeError, ImportError) as error:
        raise ContractError(
            f"{contract.name}: nothing handles {operation.operation_id} ({error})"
        ) from error
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise ContractError(
            f"{contract.name}: the handler of {operation.operation_id} must be a plain function"
        )
    return function


@dataclass(frozen=True)
class _Argument:
    """One argument of a handler and how its value is made."""

    name: str
    adapter: TypeAdapter[Any]
    is_body: bool


class _Arguments:
    """Makes the arguments of a handler from what the contract lets through."""

    def __init__(self, operation: Operation, function: Callable[..., object]) -> None:
        self._operation = operation
        declared = inspect.signature(function).parameters
        hints = get_type_hints(function, include_extras=True)
        given = {parameter.argument: parameter for parameter in operation.parameters}
        needed = {name for name, p in given.items() if p.place != "header"}
        if operation.body_media_types:
            needed.add("body")
        known = {*given, *needed}
        self._check_signature(declared, needed, known, set(hints))
        self._arguments = [
            _Argument(name, TypeAdapter(hints[name]), name == "body")
            for name in declared
            if name in known
        ]

    def _check_signature(
        self,
        declared: Mapping[str, inspect.Parameter],
        needed: set[str],
        known: set[str],
        annotated: set[str],
    ) -> None:
        missing = needed - set(declared)
        surplus = {
            name
            for name, parameter in declared.items()
            if name not in known and parameter.default is inspect.Parameter.empty
        }
        wrong = [f"lacks {name}" for name in sorted(missing)]
        wrong += [f"has {name}, which the contract does not give" for name in sorted(surplus)]
        wrong += [
            f"has {name} without a type" for name in sorted(known & set(declared) - annotated)
        ]
        if wrong:
            raise ContractError(
                f"The handler of {self._operation.operation_id} {' and '.join(wrong)}"
            )

    def make(self, exchange: Exchange) -> dict[str, Any]:
        """Return the arguments. Raises InvalidInput for a value that its type does not take."""
        made: dict[str, Any] = {}
        errors: list[FieldError] = []
        for argument in self._arguments:
            if argument.is_body:
                if exchange.document is None and not self._operation.body_required:
                    continue
                value = exchange.document
            elif argument.name in exchange.arguments:
                value = exchange.arguments[argument.name]
            else:
                continue
            try:
                made[argument.name] = argument.adapter.validate_python(value)
            except ValidationError as error:
                errors.extend(self._field_errors(argument, error))
        if errors:
            raise InvalidInput("The request breaks a rule of the contract.", errors)
        return made

    def _field_errors(self, argument: _Argument, error: ValidationError) -> list[FieldError]:
        prefix = "" if argument.is_body else _wire_name(self._operation, argument.name)
        return [
            FieldError(
                prefix + "".join(f"/{escape(part)}" for part in each["loc"]),
                each["type"],
                each["msg"],
            )
            for each in error.errors(include_url=False, include_input=False, include_context=False)
        ]


def _wire_name(operation: Operation, argument: str) -> str:
    names: list[Parameter] = [p for p in operation.parameters if p.argument == argument]
    return names[0].name if names else argument


class _Endpoint:
    """Answers one operation: in a worker thread, the edge around the handler."""

    def __init__(
        self,
        contract: Contract,
        operation: Operation,
        function: Callable[..., object],
        edge: Edge,
        limiter: anyio.CapacityLimiter,
    ) -> None:
        self._contract = contract
        self._operation = operation
        self._function = function
        self._arguments = _Arguments(operation, function)
        self._edge = edge
        self._limiter = limiter
        self._group = edge.group(function) if isinstance(edge, GroupingEdge) else None

    async def answer(self, exchange: Exchange, query: str) -> Response:
        """Return the answer to a request that was checked."""
        if self._group is not None:
            waiting = self._waiting(exchange, query)
            return self._response(await self._group(waiting), exchange)
        return await anyio.to_thread.run_sync(self._run, exchange, query, limiter=self._limiter)

    def _run(self, exchange: Exchange, query: str) -> Response:
        waiting = self._waiting(exchange, query)
        return self._response(self._edge(waiting.call, waiting.proceed), exchange)

    def _waiting(self, exchange: Exchange, query: str) -> Waiting:
        call = self._call(exchange, query)
        arguments = self._arguments.make(exchange)
        enter_call(call)

        def proceed() -> Reply:
            return self._rendered(self._function(**arguments), exchange)

        return Waiting(call, arguments, proceed)

    def _response(self, result: Reply, exchange: Exchange) -> Response:
        if isinstance(result, StreamReply):
            exchange.streams = True
            return result.response()
        reply = self._rendered(result, exchange)
        headers = dict(reply.headers)
        if reply.body is not None:
            headers["Content-Type"] = reply.media_type or JSON
        body = reply.body if isinstance(reply.body, bytes) else None
        return Response(body, reply.status or self._operation.success_status, headers)

    def _call(self, exchange: Exchange, query: str) -> Call:
        key = exchange.arguments.get("idempotency_key")
        event_id = exchange.event_id
        if isinstance(exchange.document, dict) and event_id is None:
            event_id = str(exchange.document.get("eventId", "")) or None
            exchange.event_id = event_id
        return Call(
            contract=self._contract,
            operation=self._operation,
            principal=exchange.principal,
            headers=exchange.headers,
            method=exchange.method,
            path=exchange.path,
            query=query,
            body=exchange.body,
            correlation_id=exchange.correlation_id,
            fingerprint="" if key is None else _fingerprint(exchange, query),
            media_type=exchange.media_type,
            idempotency_key=key,
            if_match=exchange.arguments.get("if_match"),
            event_id=event_id,
        )

    def _rendered(self, result: object, exchange: Exchange) -> Reply:
        """Return what a handler gave as a reply with its status set and its body in bytes."""
        if result is None or isinstance(result, BaseModel):
            result = Reply(result)
        if isinstance(result, StreamReply):
            return result
        if not isinstance(result, Reply):
            raise TypeError(
                f"The handler of {self._operation.operation_id} returned a {type(result).__name__}"
            )
        status = result.status or self._operation.success_status
        body = result.body
        if isinstance(body, BaseModel):
            body = body.model_dump_json(by_alias=True, exclude_none=True).encode()
        expected = self._operation.success_media_types and status == self._operation.success_status
        if body is None and expected:
            raise TypeError(f"The handler of {self._operation.operation_id} returned nothing")
        media_type = None if body is None else result.media_type or exchange.media_type
        return replace(result, body=body, status=status, media_type=media_type)


def _fingerprint(exchange: Exchange, query: str) -> str:
    """Return what two requests for the same have in common, however their JSON is laid out."""
    body = exchange.body
    if exchange.document is not None:
        body = json.dumps(exchange.document, sort_keys=True, separators=(",", ":")).encode()
    parts = (
        exchange.method.encode(),
        exchange.path.encode("latin-1"),
        "&".join(sorted(query.split("&"))).encode("latin-1"),
        exchange.headers.get("if-match", "").encode("latin-1"),
        hashlib.sha256(body).digest(),
    )
    return hashlib.sha256(b"\n".join(parts)).hexdigest()
