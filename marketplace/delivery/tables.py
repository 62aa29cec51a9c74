"""The tables of the delivery queue."""

from sqlalchemy import Index

from marketplace.core.database import Base
from mpp_sdk.outbox import OutboxTables, ReplayTables

OUTBOX = OutboxTables.define(Base.metadata, partitioned=True)
REPLAYS = ReplayTables.define(Base.metadata)

# Which events there are of a subscription or of a kind: pages ask for it, platforms do not.
Index("ix_outbox_event_ordering_key", OUTBOX.event.c.ordering_key, OUTBOX.event.c.event_id)
Index("ix_outbox_event_kind", OUTBOX.event.c.kind, OUTBOX.event.c.event_id)
