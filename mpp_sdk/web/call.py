"""A call as handlers and edges see it, and what they answer."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel

from mpp_sdk.web.contract import Contract, Operation

JSON = "application/json"


@dataclass(frozen=True)
class Principal:
    """Who calls: the id and the name of its credential's owner, and the roles that it holds."""

    subject: str
    name: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Call:
    """One authenticated and validated call.

    headers has lower-case names. fingerprint is the same for two calls that ask for the same: it
    covers method, path, query, If-Match and body. media_type is what the answer should be in.
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
    """Make a call the current one in this context."""
    _current.set(call)
