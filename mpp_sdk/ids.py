"""Identifiers that sort by the time at which they were made."""

from datetime import datetime
from itertools import count
from uuid import UUID

import uuid6

from mpp_sdk import clock

_made_up = count()


def new_id() -> UUID:
    """Return a new UUID version 7 (RFC 9562), later than those made before."""
    moment = clock.stopped_at()
    if moment is None:
        return UUID(int=uuid6.uuid7().int)
    return UUID(int=first_id_of(moment).int + next(_made_up))


def first_id_of(moment: datetime) -> UUID:
    """Return the least UUID version 7 that can be made at a moment."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62)
