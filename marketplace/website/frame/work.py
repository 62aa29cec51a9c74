"""Has each page done in one unit of work, and what a form asks for done once."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from flask import Response, current_app, g, request

from marketplace.core.edge import MarketplaceEdge
from marketplace.website.frame import visitor
from mpp_sdk.ids import new_id
from mpp_sdk.web.call import Principal, Reply

ONCE = "once"
"""The field of a form by which a second press of its button is known."""

EDGE = "flexagora_edge"
"""Under which name a site keeps the edge that its pages are done at."""

T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])

_LONGEST_KEY = 128
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITES = "flexagora_writes"
_ENTERED = "flexagora-session"
_NOT_ASKED_FOR = frozenset({ONCE, "csrf_token"})


@dataclass(frozen=True)
class PageCall:
    """A page that somebody asks for, or a form that somebody has sent, as the edge sees it."""

    principal: Principal | None
    method: str
    correlation_id: str
    operation_key: str
    idempotency_key: str | None
    fingerprint: str

    @property
    def subject(self) -> str:
        """Who asks; empty for somebody unknown."""
        return self.principal.subject if self.principal else ""


def once() -> str:
    """Return a new value for the hidden field of a form."""
    return str(new_id())


def writes(view: View) -> View:
    """Mark a view of GET that writes all the same, since others send people there by a link."""
    setattr(view, _WRITES, True)
    return view


def carry_out(edge: MarketplaceEdge, view: Callable[[], Response]) -> Response:
    """Return the answer of a view, once its unit of work is committed.

    The second of two forms with the same `once` gets the answer of the first one.
    """
    call = _call()
    answers: list[Response] = []

    def read() -> Reply:
        answers.append(view())
        return Reply()

    if call.method in _READING or call.idempotency_key is None:
        edge(call, read)
        return answers[0]

    def proceed() -> Reply:
        response = view()
        headers = dict(response.headers)
        entered = g.pop("entered", None)
        if entered is not None:
            headers[_ENTERED] = entered
        return Reply(response.get_data(), response.status_code, headers, response.content_type)

    reply = edge(call, proceed)
    headers = dict(reply.headers)
    entered = headers.pop(_ENTERED, None)
    if entered is not None:
        visitor.enter(entered)
    body = reply.body if isinstance(reply.body, bytes) else b""
    return Response(body, reply.status, headers)


def enter_after(token: str) -> None:
    """Have the answer to this form, and to a second press of its button, carry a new session."""
    g.entered = token
    visitor.enter(token)


def reading() -> Callable[[Callable[[], T]], T]:
    """Return what runs a function in a read-only unit of work of its own, as this visitor.

    It is for what is read while the answer is on its way.
    """
    edge: MarketplaceEdge = current_app.extensions[EDGE]
    call = replace(_call(), method="GET")

    def run(function: Callable[[], T]) -> T:
        found: list[T] = []

        def proceed() -> Reply:
            found.append(function())
            return Reply()

        edge(call, proceed)
        return found[0]

    return run


def _call() -> PageCall:
    view = current_app.view_functions.get(request.endpoint or "")
    method = "POST" if getattr(view, _WRITES, False) else request.method
    someone = visitor.visitor()
    key = request.form.get(ONCE, "") if request.method not in _READING else ""
    return PageCall(
        principal=someone.principal if someone else None,
        method=method,
        correlation_id=request.environ["flexagora.correlation_id"],
        operation_key=f"website:{request.endpoint}"[:_LONGEST_KEY],
        idempotency_key=key[:_LONGEST_KEY] or None,
        fingerprint=_fingerprint() if key else "",
    )


def _fingerprint() -> str:
    """Return what tells one form from another. It is stored, and a form may hold a password."""
    key = str(current_app.secret_key).encode()
    digest = hmac.new(key, request.path.encode(), hashlib.sha256)
    for name, values in sorted(request.form.lists()):
        if name not in _NOT_ASKED_FOR:
            digest.update(repr((name, values)).encode())
    for name, file in sorted(request.files.items(multi=True)):
        content = file.stream.read()
        file.stream.seek(0)
        digest.update(repr((name, hashlib.sha256(content).hexdigest())).encode())
    return digest.hexdigest()
