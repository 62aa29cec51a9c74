"""Both guarded clients behind one function, so that one table of tests holds for both."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mpp_sdk.transport import AddressPolicy, GuardedClient, GuardedSession, HttpAnswer

NO_PRIVATE = AddressPolicy(allow_http=True)
LOCAL = AddressPolicy(allow_private=True, allow_http=True)


@dataclass
class Calls:
    """Calls by one client, one after the other, with the status and body of each, or its error."""

    policy: AddressPolicy = LOCAL
    trusted: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


Caller = Callable[[Calls, list[str]], list[HttpAnswer | Exception]]


def by_session(calls: Calls, urls: list[str]) -> list[HttpAnswer | Exception]:
    """Return what becomes of calls by the client for threads."""
    found: list[HttpAnswer | Exception] = []
    with GuardedSession(calls.policy, **calls.options) as session:
        if calls.trusted is not None:
            session.verify = calls.trusted
        for url in urls:
            try:
                got = session.post(url, data=b"{}")
                found.append(HttpAnswer(got.status_code, got.headers, got.content))
            except Exception as error:
                found.append(error)
    return found


def by_client(calls: Calls, urls: list[str]) -> list[HttpAnswer | Exception]:
    """Return what becomes of calls by the client for an event loop."""
    options = dict(calls.options)
    if calls.trusted is not None:
        options["tls"] = ssl.create_default_context(cafile=calls.trusted)

    async def one(client: GuardedClient, url: str) -> HttpAnswer | Exception:
        try:
            return await client.request("POST", url, data=b"{}")
        except Exception as error:
            return error

    async def all_of_them() -> list[HttpAnswer | Exception]:
        async with GuardedClient(calls.policy, **options) as client:
            return [await one(client, url) for url in urls]

    return asyncio.run(all_of_them())
