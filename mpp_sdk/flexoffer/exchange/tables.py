"""The tables in which a receiver of flex-offers keeps them and all that happens to them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
)

from mpp_sdk.database import UtcDateTime

METADATA = MetaData()

OFFERS = Table(
    "flexoffer",
    METADATA,
    Column("id", Uuid, primary_key=True),  # given here, so they sort by when they were offered
    Column("subscription_id", Uuid, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("document", Text, nullable=False),  # the JSON as it was offered
    Column("interval_s", Integer, nullable=False),
    Column("offered_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("accepted_at", UtcDateTime),
    Column("accept_before", UtcDateTime, nullable=False),
    Column("assign_before", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, index=True),  # when time alone moves it on
    Column("schedule", JSON(none_as_null=True)),
    Column("schedule_update", Integer, nullable=False),
    Column("schedule_begins_at", UtcDateTime),
    Column("measured_before", UtcDateTime),
    # From when until when its default or its schedule runs, whichever begins first and ends last.
    Column("begins_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("replaces", Uuid),
    Column("replaced_by", Uuid),
    Index("ix_flexoffer_subscription", "subscription_id", "state", "id"),
    Index("ix_flexoffer_running", "subscription_id", "begins_at"),
)

EVENTS = Table(
    "flexoffer_event",
    METADATA,
    Column("subscription_id", Uuid, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("flex_offer_id", Uuid, ForeignKey(OFFERS.c.id), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("schedule", JSON(none_as_null=True)),
    Column("replaced_by", Uuid),
    Column("occurred_at", UtcDateTime, nullable=False),
    Index("ix_flexoffer_event_time", "subscription_id", "occurred_at"),
)

STREAMS = Table(
    "flexoffer_stream",
    METADATA,
    Column("subscription_id", Uuid, primary_key=True),
    Column("newest", BigInteger, nullable=False),
)
"""The number of the newest event of each subscription.

Whoever adds events locks the row until its transaction ends. So they are committed in the order of
their numbers, and a reader that has seen one will never find another before it.
"""

MEASUREMENTS = Table(
    "flexoffer_measurement",
    METADATA,
    Column("flex_offer_id", Uuid, ForeignKey(OFFERS.c.id), primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("energy_wh", BigInteger, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
)

CORRECTIONS = Table(
    "flexoffer_correction",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("flex_offer_id", Uuid, ForeignKey(OFFERS.c.id), nullable=False, index=True),
    Column("start", UtcDateTime, nullable=False),
    Column("energy_wh", BigInteger, nullable=False),  # what was recorded before
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("corrected_at", UtcDateTime, nullable=False),
)

CONTRACTS = Table(
    "flexoffer_contract",
    METADATA,
    Column("subscription_id", Uuid, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)
