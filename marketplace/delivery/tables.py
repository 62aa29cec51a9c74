"""The tables of the delivery queue."""

from marketplace.core.database import Base
from mpp_sdk.outbox import OutboxTables

OUTBOX = OutboxTables.define(Base.metadata)
