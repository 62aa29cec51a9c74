"""Finds the operation of a request, and who is calling it, before anything is validated."""

import re
from collections.abc import Awaitable, Callable, Mapping

import anyio
import anyio.to_thread
from connexion.middleware.abstract import SpecMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mpp_sdk.errors import Forbidden, InvalidInput, Unauthenticated
from mpp_sdk.web.call import Authenticator, Principal, RememberingAuthenticator
from mpp_sdk.web.contract import Contract, Operation
from mpp_sdk.web.exchange import Exchange, exchange_of, read_headers
from mpp_sdk.web.limits import CallLimits
from mpp_sdk.web.problems import MethodNotAllowed, no_such_path
from mpp_sdk.web.validation import Validators, decode_component

Endpoint = Callable[[Exchange, str], Awaitable[Response]]
"""Answers a request that was checked; given its exchange and its query as it was sent."""

_TEMPLATE_PART = re.compile(r"\{([^}]+)\}")


class Routes:
    """The paths of a contract below its base path."""

    def __init__(self, contract: Contract, base_path: str) -> None:
        self._base_path = base_path
        self._paths: dict[str, dict[str, Operation]] = {}
        for operation in contract.operations:
            self._paths.setdefault(operation.path, {})[operation.method] = operation
        # A path written out goes before one with a parameter in the same place, whatever the
        # method (OpenAPI 3.0.3, "Path Templating Matching").
        self._patterns = [
            (_pattern(path), self._paths[path]) for path in sorted(self._paths, key=_specificity)
        ]

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """Return the operation and its path values, percent-encoded as they came.

        A HEAD is answered as the GET it goes with. Raises NotFound and MethodNotAllowed.
        """
        below = path.removeprefix(self._base_path)
        for pattern, methods in self._patterns:
            found = pattern.fullmatch(below)
            if found is None:
                continue
            operation = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
            if operation is None:
                raise MethodNotAllowed(method, tuple(sorted(_allowed(methods))))
            return operation, found.groupdict()
        raise no_such_path()


def _allowed(methods: Mapping[str, Operation]) -> set[str]:
    return {*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())


def _pattern(path: str) -> re.Pattern[str]:
    parts = []
    for part in path.split("/"):
        names = _TEMPLATE_PART.findall(part)
        text = re.escape(part)
        for name in names:
            text = text.replace(re.escape("{" + name + "}"), f"(?P<{_group(name)}>[^/]+)")
        parts.append(text)
    return re.compile("/".join(parts))


def _group(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _specificity(path: str) -> list[bool]:
    return ["{" in part for part in path.split("/")]


class RoutingMiddleware(SpecMiddleware):  # type: ignore[misc]  # connexion ships no types
    """Takes the place of connexion's own, which cannot answer a 405 with a complete `Allow`,
    decodes %2F before it splits the path, and turns a malformed integer into a 404.
    """

    def __init__(self, app: ASGIApp, *, contract: Contract, base_path: str) -> None:
        self._app = app
        self._contract = contract
        self._base_path = base_path
        self._routes = Routes(contract, base_path)

    def add_api(self, specification: object, **_: object) -> None:
        """Take nothing: the routes come from the contract."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the operation in the exchange and pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        exchange.contract = self._contract
        try:
            operation, values = self._routes.find(exchange.method, exchange.path)
        except MethodNotAllowed as error:
            if exchange.method != "OPTIONS":
                raise
            await Response(None, 204, {"Allow": ", ".join(error.allowed)})(scope, receive, send)
            return
        exchange.operation = operation
        read_headers(exchange, scope)
        exchange.event_id = exchange.headers.get("webhook-id", "")[:128] or None
        for parameter in operation.parameters:
            if parameter.place == "path":
                exchange.path_values[parameter.name] = values[_group(parameter.name)]
        await self._app(scope, receive, send)


class AuthenticationMiddleware:
    """Lets in who proves to be somebody that the contract lets in: 401 and 403 before any 400."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        limiter: anyio.CapacityLimiter,
        limits: CallLimits,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._limiter = limiter
        self._limits = limits
        self._remembered: Callable[[str, str], Principal | None] = (
            authenticator.remembered
            if isinstance(authenticator, RememberingAuthenticator)
            else lambda scheme, credential: None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the principal in the exchange and pass the request on."""
        if scope["type"] == "http":
            exchange = exchange_of(scope)
            if exchange.operation is not None:
                await self._admit(exchange, exchange.operation, scope)
            _decode_path_values(exchange)
        await self._app(scope, receive, send)

    async def _admit(self, exchange: Exchange, operation: Operation, scope: Scope) -> None:
        peer = scope.get("client")
        address = self._limits.enter(operation, peer[0] if peer else None, exchange.headers)
        if not operation.security:
            return
        scheme, credential = _credential(exchange, operation)
        exchange.scheme = scheme
        self._limits.before_check(address, credential)
        principal = self._remembered(scheme, credential)
        if principal is None:
            principal = await self._check(address, scheme, credential)
        exchange.principal = principal
        self._limits.succeeded(principal.subject, credential)
        if not operation.admits(scheme, principal.roles):
            raise Forbidden(f"This needs the role {' or '.join(sorted(operation.roles))}.")

    async def _check(self, address: str, scheme: str, credential: str) -> Principal:
        try:
            return await anyio.to_thread.run_sync(
                self._authenticator.authenticate, scheme, credential, limiter=self._limiter
            )
        except Unauthenticated:
            self._limits.failed(address, credential)
            raise


def _credential(exchange: Exchange, operation: Operation) -> tuple[str, str]:
    """Return the scheme and the credential that a request presents.

    Raises Unauthenticated when it presents none of those that the operation takes.
    """
    sent = exchange.header_values
    keys, authorizations = sent.get("x-api-key", []), sent.get("authorization", [])
    if len(keys) > 1 or len(authorizations) > 1:
        raise Unauthenticated("The credential is there twice.")
    if keys and "apiKey" in operation.schemes:
        return "apiKey", keys[0].strip()
    if authorizations:
        kind, _, credential = authorizations[0].strip().partition(" ")
        for scheme, expected in (("oauth2", "bearer"), ("bearer", "bearer"), ("basic", "basic")):
            if scheme in operation.schemes and kind.lower() == expected and credential.strip():
                return scheme, credential.strip()
    raise Unauthenticated(f"Present {' or '.join(sorted(map(_way, operation.schemes)))}.")


def _way(scheme: str) -> str:
    return {"apiKey": "an API key in X-API-Key", "basic": "a name and secret by HTTP Basic"}.get(
        scheme, "a bearer token in Authorization"
    )


class AnsweringMiddleware:
    """Checks and answers what was let in, so that connexion does nothing of it a second time."""

    def __init__(
        self, app: ASGIApp, *, validators: Validators, endpoints: Mapping[str, Endpoint]
    ) -> None:
        self._app = app
        self._validators = validators
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer of the request's operation."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        await self._validators.check(exchange, scope, receive)
        if exchange.operation is None:
            raise RuntimeError("Answers are given after routing")
        query = str(scope.get("query_string", b"").decode("latin-1"))
        response = await self._endpoints[exchange.operation.operation_id](exchange, query)
        await response(scope, receive, send)


def _decode_path_values(exchange: Exchange) -> None:
    for name, raw in exchange.path_values.items():
        text = decode_component(raw.encode("latin-1"))
        if text is None:
            detail = "The path must be UTF-8 without the NUL character."
            raise InvalidInput.field(name, "characters", detail)
        exchange.path_values[name] = text
