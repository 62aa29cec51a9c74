"""Make room for what running the marketplace in production needs.

Nothing that version 0.1 reads or writes is taken away or renamed, and what is new has a default:
its processes go on working on this schema while those of this version start beside them.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CHANGED = ("outbox_attempt", "outbox_event", "outbox_lane")
"""The tables of before that this changes, or that something new refers to."""


def lock_changed() -> None:
    """Get every lock that this needs at once, or give way.

    Processes work on these tables. Nothing here waits for a lock later on, while it holds others:
    so no call of theirs is ever the victim of a deadlock, which is looked for after a second.
    """
    if op.get_context().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = '800ms'")
        op.execute(f"LOCK TABLE {', '.join(CHANGED)} IN ACCESS EXCLUSIVE MODE")
        op.execute("SET LOCAL statement_timeout = 0")


def _lane_columns() -> list[sa.Column[Any]]:
    position = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return [
        sa.Column("mode", sa.String(length=16), server_default="RUNNING", nullable=False),
        sa.Column("drain_until", position, nullable=True),
        sa.Column("max_concurrency", sa.Integer(), nullable=True),
        sa.Column("max_per_second", sa.Float(), nullable=True),
        sa.Column("paced_until", sa.DateTime(timezone=True), nullable=True),
    ]


def _create_replays() -> None:
    position = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "outbox_replay",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("states", sa.String(length=60), nullable=False),
        sa.Column("lane", sa.String(length=200), nullable=True),
        sa.Column("ordering_key", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason_contains", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_position", position, nullable=False),
        sa.Column("last_position", position, nullable=False),
        sa.Column("cursor", position, nullable=False),
        sa.Column("replayed", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("advanced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_replay"),
    )
    op.create_index("ix_outbox_replay_state_id", "outbox_replay", ["state", "id"])
    op.create_index("ix_outbox_replay_lane_id", "outbox_replay", ["lane", "id"])
    op.create_table(
        "outbox_replay_skipped",
        sa.Column("replay_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["replay_id"], ["outbox_replay.id"], name="fk_outbox_replay_skipped_replay_id"
        ),
        sa.PrimaryKeyConstraint("replay_id", "event_id", name="pk_outbox_replay_skipped"),
    )
    op.create_index(
        "ix_outbox_event_dead",
        "outbox_event",
        ["position"],
        postgresql_where=sa.text("state = 'DEAD'"),
        sqlite_where=sa.text("state = 'DEAD'"),
    )


def upgrade() -> None:
    lock_changed()
    compatibility = op.create_table(
        "schema_compatibility",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("oldest_revision", sa.String(length=32), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_schema_compatibility_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schema_compatibility")),
    )
    op.bulk_insert(compatibility, [{"id": 1, "oldest_revision": "0001"}])
    _create_recovery()
    for column in _lane_columns():
        op.add_column("outbox_lane", column)
    op.add_column("outbox_event", sa.Column("trace_parent", sa.String(length=55), nullable=True))
    _create_replays()
    _partition_attempts()


def downgrade() -> None:
    _gather_attempts()
    op.drop_index("ix_outbox_event_dead", "outbox_event")
    for table in (
        "outbox_replay_skipped",
        "outbox_replay",
        "resynchronisation_platform",
        "resynchronisation_finding",
        "resynchronisation_copy",
        "resynchronisation",
        "restoration",
    ):
        op.drop_table(table)
    op.drop_column("outbox_event", "trace_parent")
    for column in reversed(_lane_columns()):
        op.drop_column("outbox_lane", column.name)
    op.drop_table("schema_compatibility")


def _create_recovery() -> None:
    """Create the tables of restorations and of re-synchronisations with the platforms."""
    op.create_table(
        "restoration",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("backup_taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("product_version", sa.String(length=60), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("release_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restoration")),
    )
    op.create_index(
        "ix_restoration_holding",
        "restoration",
        ["id"],
        unique=False,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "resynchronisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resynchronisation")),
    )
    op.create_table(
        "resynchronisation_copy",
        sa.Column("resynchronisation_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("market_player_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("offer", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["resynchronisation_id"],
            ["resynchronisation.id"],
            name=op.f("fk_resynchronisation_copy_resynchronisation_id"),
        ),
        sa.PrimaryKeyConstraint(
            "resynchronisation_id",
            "subscription_id",
            "market_player_id",
            name=op.f("pk_resynchronisation_copy"),
        ),
    )
    op.create_table(
        "resynchronisation_finding",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resynchronisation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "EVENT_UNKNOWN",
                "SUBSCRIPTION_RECONSTRUCTED",
                "SUBSCRIPTION_ENDED",
                "SUBSCRIPTION_UNKNOWN",
                "SUBSCRIPTION_MISSING",
                "STATE_CONFLICT",
                "TERMS_CONFLICT",
                "NOTIFICATIONS_FORGOTTEN",
                "KEY_UNKNOWN",
                "NOT_REACHED",
                "NOT_SUPPORTED",
                name="findingkind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "outcome",
            sa.Enum(
                "RESTORED",
                "NOTED",
                "OPEN",
                name="findingoutcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("market_player_id", sa.Uuid(), nullable=True),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["resynchronisation_id"],
            ["resynchronisation.id"],
            name=op.f("fk_resynchronisation_finding_resynchronisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resynchronisation_finding")),
    )
    op.create_index(
        op.f("ix_resynchronisation_finding_resynchronisation_id_id"),
        "resynchronisation_finding",
        ["resynchronisation_id", "id"],
        unique=False,
    )
    op.create_table(
        "resynchronisation_platform",
        sa.Column("resynchronisation_id", sa.Uuid(), nullable=False),
        sa.Column("market_player_id", sa.Uuid(), nullable=False),
        sa.Column(
            "step",
            sa.Enum(
                "EVENTS",
                "SUBSCRIPTIONS",
                "NOTIFICATIONS",
                "DONE",
                "NOT_REACHED",
                "NOT_SUPPORTED",
                name="step",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cursor", sa.String(length=512), nullable=True),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("events_held", sa.Integer(), nullable=False),
        sa.Column("events_delivered", sa.Integer(), nullable=False),
        sa.Column("events_queued_again", sa.Integer(), nullable=False),
        sa.Column("events_unknown", sa.Integer(), nullable=False),
        sa.Column("subscriptions_held", sa.Integer(), nullable=False),
        sa.Column("notifications_sent_again", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["resynchronisation_id"],
            ["resynchronisation.id"],
            name=op.f("fk_resynchronisation_platform_resynchronisation_id"),
        ),
        sa.PrimaryKeyConstraint(
            "resynchronisation_id", "market_player_id", name=op.f("pk_resynchronisation_platform")
        ),
    )


_ATTEMPT = """
    event_id {uuid} NOT NULL,
    number INTEGER NOT NULL,
    started_at {moment} NOT NULL,
    duration_ms INTEGER NOT NULL,
    status INTEGER,
    error TEXT,
    response_body TEXT,
    resulting_state VARCHAR(16) NOT NULL,
    CONSTRAINT pk_outbox_attempt PRIMARY KEY ({key})
"""
_TYPES = {
    "postgresql": {"uuid": "UUID", "moment": "TIMESTAMP WITH TIME ZONE"},
    "sqlite": {"uuid": "CHAR(32)", "moment": "DATETIME"},
}
_OF_EVENT = (
    ", CONSTRAINT fk_outbox_attempt_event_id"
    " FOREIGN KEY (event_id) REFERENCES outbox_event (event_id)"
)


def _partition_attempts() -> None:
    """Have attempts go without their events, on PostgreSQL a day at a time.

    What is there becomes one partition, as it is: nothing is copied, an index alone is made anew.
    """
    dialect = op.get_context().dialect.name
    body = _ATTEMPT.format(**_TYPES[dialect], key="event_id, number, started_at")
    if dialect == "sqlite":
        _copy_attempts(body)
        return
    op.execute("ALTER TABLE outbox_attempt DROP CONSTRAINT fk_outbox_attempt_event_id")
    op.execute("ALTER TABLE outbox_attempt DROP CONSTRAINT pk_outbox_attempt")
    op.execute("ALTER TABLE outbox_attempt RENAME TO outbox_attempt_before")
    op.execute(f"CREATE TABLE outbox_attempt ({body}) PARTITION BY RANGE (started_at)")
    op.execute("CREATE TABLE outbox_attempt_default PARTITION OF outbox_attempt DEFAULT")
    last = sa.text("SELECT max(started_at) FROM outbox_attempt_before")
    newest = op.get_bind().execute(last).scalar_one()
    if newest is None:
        op.execute("DROP TABLE outbox_attempt_before")
        return
    end = max(newest, datetime.now(UTC)).astimezone(UTC).date() + timedelta(days=1)
    name = f"outbox_attempt_until_{end:%Y%m%d}"
    op.execute(f"ALTER TABLE outbox_attempt_before RENAME TO {name}")
    op.execute(
        f"ALTER TABLE outbox_attempt ATTACH PARTITION {name}"
        f" FOR VALUES FROM (MINVALUE) TO ('{end} 00:00:00+00')"
    )


def _gather_attempts() -> None:
    """Put the attempts of events that are still there into a plain table again."""
    dialect = op.get_context().dialect.name
    _copy_attempts(_ATTEMPT.format(**_TYPES[dialect], key="event_id, number") + _OF_EVENT)


def _copy_attempts(body: str) -> None:
    columns = "event_id, number, started_at, duration_ms, status, error, response_body"
    columns += ", resulting_state"
    op.execute("ALTER TABLE outbox_attempt RENAME TO outbox_attempt_before")
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE outbox_attempt_before DROP CONSTRAINT pk_outbox_attempt")
    op.execute(f"CREATE TABLE outbox_attempt ({body})")
    op.execute(
        f"INSERT INTO outbox_attempt ({columns}) SELECT {columns} FROM outbox_attempt_before"  # noqa: S608
        " WHERE event_id IN (SELECT event_id FROM outbox_event)"
    )
    op.execute("DROP TABLE outbox_attempt_before")
