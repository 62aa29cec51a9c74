"""Identifiers that sort by the time at which they were made."""

from uuid import UUID

import uuid6


def new_id() -> UUID:
    """Return a new UUID version 7 (RFC 9562), later than those made before."""
    return UUID(int=uuid6.uuid7().int)
