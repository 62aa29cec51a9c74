"""How a client says who it is: the headers that authenticate a call."""

from collections.abc import Awaitable, Callable, Mapping

Auth = Callable[[], Mapping[str, str]]
"""Gives the headers that authenticate a call, asked anew for each try."""

AsyncAuth = Callable[[], Mapping[str, str] | Awaitable[Mapping[str, str]]]
"""As `Auth`, for an event loop: what it gives may be awaited. It must not block."""


def api_key(key: str) -> Auth:
    """Return the authentication by an API key."""
    return lambda: {"X-API-Key": key}


def bearer(token: Callable[[], str]) -> Auth:
    """Return the authentication by a bearer token, asked for anew for each try."""
    return lambda: {"Authorization": f"Bearer {token()}"}


def no_auth() -> Mapping[str, str]:
    """Return no headers: the operation needs no authentication."""
    return {}
