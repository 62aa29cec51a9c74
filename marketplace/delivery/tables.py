"""The tables of the delivery queue."""

from marketplace.core.database import Base
from mpp_sdk.outbox import OutboxTables, ReplayTables

OUTBOX = OutboxTables.define(Base.metadata, partitioned=True)
REPLAYS = ReplayTables.define(Base.metadata)
