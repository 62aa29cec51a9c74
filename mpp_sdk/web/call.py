"""A call as handlers and edges see it, and what they answer."""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from mpp_sdk import correlation
from mpp_sdk.web.contract import Contract, Operation

JSON = "application/json"


@dataclass(frozen=True)
class Principal:
    """Who calls: the id and the name of its credential's owner, and the roles that it holds."""

    subject: str
    name: str
    roles: frozenset[str] = frozenset()


class Repeatable(Protocol):
    """What a caller may ask for again under the same key, and must then not be done again.

    subject is who asks, operation_key what is asked for. fingerprint is the same for two that ask
    for the same.
    """

    @property
    def subject(self) -> str:
        """Who asks; empty for somebody unknown."""

    @property
    def operation_key(self) -> str:
        """What is asked for."""

    @property
    def idempotency_key(self) -> str | None:
        """The key; None when it may be done as often as it is asked for."""

    @property
    def fingerprint(self) -> str:
        """What two that ask for the same have in common."""


class Calling(Repeatable, Protocol):
    """Whoever wants something done: what an edge must know of a call or of a page's form."""

    @property
    def principal(self) -> Principal | None:
        """Who is behind it; None for somebody unknown."""

    @property
    def method(self) -> str:
        """The HTTP method."""

    @property
    def correlation_id(self) -> str:
        """What ties together all that came of it."""


@dataclass(frozen=True)
class Call:
    """One authenticated and validated call.

    headers has lower-case names. With an idempotency_key there is a fingerprint, the same for two
    calls that ask for the same: it covers method, path, query, If-Match and body. media_type is
    what the answer should be in.
    """

    contract: Contract
    operation: Operation
    principal: Principal | None
    headers: Mapping[str, str]
    method: str
    path: str
    query: str
    body: bytes
    correlation_id: str
    fingerprint: str
    media_type: str = JSON
    idempotency_key: str | None = None
    if_match: str | None = None
    event_id: str | None = None

    @property
    def subject(self) -> str:
        """Who calls; empty for somebody unknown."""
        return self.principal.subject if self.principal else ""

    @property
    def operation_key(self) -> str:
        """The operation, told apart from those of other contracts."""
        return f"{self.contract.name}:{self.operation.operation_id}"


@dataclass(frozen=True)
class Reply:
    """An answer with a status or headers of its own. Without a status it is the contract's.

    The body is a model, or bytes in the media type that is given (JSON when none is).
    """

    body: BaseModel | bytes | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None


class Proceed(Protocol):
    """Runs the handler."""

    def __call__(self) -> Reply:
        """Return the handler's answer, with its status set and its body in bytes."""


class Edge(Protocol):
    """What surrounds every handler of a contract, in the handler's own thread.

    The place for the unit of work, idempotency, and rules about the caller.
    """

    def __call__(self, call: Call, proceed: Proceed) -> Reply:
        """Return the answer to a call, usually that of `proceed`."""


@dataclass(frozen=True)
class Waiting:
    """A call that waits to be carried out with others, in the context in which it came."""

    call: Call
    arguments: Mapping[str, Any]
    proceed: Proceed
    context: Context = field(default_factory=copy_context)


@runtime_checkable
class GroupingEdge(Protocol):
    """An edge that carries out the calls of some handlers many at a time."""

    def group(
        self, function: Callable[..., object]
    ) -> "Callable[[Waiting], Awaitable[Reply]] | None":
        """Return what takes the calls of a handler; None when they are carried out one by one.

        It is called, and must be awaited, on the event loop. It raises what the call fails with.
        """


@runtime_checkable
class RememberingAuthenticator(Protocol):
    """An authenticator that knows for a moment whom it has just let in."""

    def remembered(self, scheme: str, credential: str) -> Principal | None:
        """Return whose credential this is, without waiting for anything; None when not known."""


class Authenticator(Protocol):
    """Knows credentials. It runs in a worker thread."""

    def authenticate(self, scheme: str, credential: str) -> Principal:
        """Return whose credential this is.

        scheme is `apiKey`, `oauth2`, `basic` or `bearer`; credential is the key, the token, or what
        follows `Basic`. Raises Unauthenticated when it is unknown, expired or revoked.
        """


def no_edge(call: Call, proceed: Proceed) -> Reply:
    """Return the handler's answer as it is."""
    return proceed()


_current: ContextVar[Call] = ContextVar("flexagora_call")


def current_call() -> Call:
    """Return the call that this handler is answering. Raises LookupError outside of one."""
    return _current.get()


def enter_call(call: Call) -> None:
    """Make a call the current one in this context, and have what follows belong to it."""
    _current.set(call)
    correlation.enter(call.correlation_id, call.event_id)
