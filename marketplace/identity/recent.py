"""Whom this process has let in during the last moments, so that it need not ask the database."""

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from marketplace.core.environment import Environment, current_environment
from marketplace.core.unit_of_work import after_commit
from marketplace.identity.access import MarketplacePrincipal

REMEMBERED_S = 2.0
"""For how long a credential is taken as it was. What another process changes about it, or about
its company, is seen after this time at the latest; what this process changes, at once."""

_RENEWED_S = 1.5
"""After this time one caller asks the database anew, while the others need not wait for it."""

_MOST = 10_000

Key = tuple[str, str]
"""A scheme and the hash of what was presented."""


@dataclass(frozen=True)
class _Entry:
    """A principal, and the instants from which it is renewed and no longer taken as it was."""

    principal: MarketplacePrincipal
    until: float
    renewed_from: float
    ends_at: datetime


class Recent:
    """The principals of credentials, by their hashes, each for a moment."""

    def __init__(self) -> None:
        self.version = 0
        self._entries: dict[Key, _Entry] = {}
        self._changing = threading.Lock()

    def get(self, key: Key, moment: datetime) -> MarketplacePrincipal | None:
        """Return the principal that is remembered, None for none or one whose key has ended.

        It is None, too, for the one caller who is to ask anew before all have to.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        instant = monotonic()
        if instant >= entry.until or moment >= entry.ends_at:
            return None
        if instant >= entry.renewed_from:
            with self._changing:
                if self._entries.get(key) is entry:
                    self._entries[key] = replace(entry, renewed_from=entry.until)
                    return None
        return entry.principal

    def put(
        self, key: Key, principal: MarketplacePrincipal, ends_at: datetime, version: int
    ) -> None:
        """Remember a principal that was read while `version` was the present one.

        What was forgotten meanwhile stays so: what was read may be older than the change.
        """
        with self._changing:
            if version != self.version:
                return
            if len(self._entries) >= _MOST:
                self._entries.clear()
            read = monotonic()
            self._entries[key] = _Entry(principal, read + REMEMBERED_S, read + _RENEWED_S, ends_at)

    def clear(self) -> None:
        """Forget everybody."""
        with self._changing:
            self.version += 1
            self._entries.clear()


_recent: WeakKeyDictionary[Engine, Recent] = WeakKeyDictionary()
_making = threading.Lock()


def recent_of(environment: Environment) -> Recent:
    """Return whom this process remembers of an environment's database."""
    with _making:
        return _recent.setdefault(environment.engine, Recent())


def forget_recent() -> None:
    """Forget everybody once this unit of work, which changes what is remembered, is committed."""
    after_commit(recent_of(current_environment()).clear)
