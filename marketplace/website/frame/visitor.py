"""Whoever looks at a page: found by the session cookie, once for each request."""

from flask import g, request, session

from marketplace.accounts import signing_in
from marketplace.accounts.signing_in import Origin, SignedIn
from mpp_sdk.errors import Unauthenticated

TOKEN = "session"  # noqa: S105 - a name, not a token
"""Under which name the cookie holds the token of the session."""

_LONGEST_AGENT = 200


def look_up_visitor() -> None:
    """Find out who looks at this page; it runs in a unit of work of its own."""
    token = session.get(TOKEN)
    g.visitor = signing_in.signed_in(token) if token else None


def visitor() -> SignedIn | None:
    """Return who is signed in; None when nobody is."""
    found: SignedIn | None = g.get("visitor")
    return found


def require_visitor() -> SignedIn:
    """Return who is signed in. Raises Unauthenticated, upon which the sign-in page is shown."""
    found = visitor()
    if found is None:
        raise Unauthenticated("Sign in first.")
    return found


def session_token() -> str | None:
    """Return the token of the session that the cookie names."""
    token: str | None = session.get(TOKEN)
    return token


def enter(token: str) -> None:
    """Have the answer carry a new session; nothing of the cookie before it stays.

    A cookie that somebody else has planted is worth nothing afterwards.
    """
    session.clear()
    session[TOKEN] = token


def leave() -> None:
    """Have the answer carry no session any more."""
    session.clear()


def origin() -> Origin:
    """Return where this request comes from, for people who look at their sessions."""
    agent = request.headers.get("User-Agent", "")[:_LONGEST_AGENT]
    return Origin(address=request.environ["flexagora.address"], agent=agent)
