"""Let pages find what they show by an index; each is built while processes work on its table."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHANGED: tuple[str, ...] = ()
"""No lock is held that stands in anybody's way."""

INDEXES = (
    ("ix_audit_entry_entity_kind_id", "audit_entry", ["entity_kind", "id"]),
    ("ix_audit_entry_actor_subject_id", "audit_entry", ["actor_subject", "id"]),
    ("ix_audit_entry_action_id", "audit_entry", ["action", "id"]),
    ("ix_interim_status_received_at", "interim_status", ["received_at"]),
    (
        "ix_point_of_delivery_states",
        "point_of_delivery",
        ["subscription_id", "consent", "activation"],
    ),
    ("ix_subscription_state_since_id", "subscription", ["state_since", "id"]),
    ("ix_service_request_open", "service_request", ["expires_at", "id"]),
    (
        "ix_service_version_choices",
        "service_version",
        [
            "service_id",
            "number",
            "state",
            "category",
            "provider_role",
            "data_standard",
            "consent_required",
            "id",
        ],
    ),
    ("ix_outbox_event_ordering_key", "outbox_event", ["ordering_key", "event_id"]),
    ("ix_outbox_event_kind", "outbox_event", ["kind", "event_id"]),
)


WHERE = {"ix_service_request_open": "state IN ('REQUESTED', 'OFFERED')"}
"""Which rows an index has that has not all."""


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        for name, table, columns in INDEXES:
            op.create_index(name, table, columns, sqlite_where=_where(name))
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        for name, table, columns in INDEXES:
            _drop_invalid(name)
            op.create_index(
                name,
                table,
                columns,
                if_not_exists=True,
                postgresql_concurrently=True,
                postgresql_where=_where(name),
            )
        op.execute("SET lock_timeout = '500ms'")


def downgrade() -> None:
    for name, table, _ in reversed(INDEXES):
        op.drop_index(name, table)


def _where(name: str) -> sa.TextClause | None:
    return sa.text(WHERE[name]) if name in WHERE else None


def _drop_invalid(name: str) -> None:
    """Take away what an interrupted build has left."""
    left = sa.text(
        "SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE relname = :name AND NOT indisvalid"
    )
    if op.get_bind().execute(left, {"name": name}).scalar() is not None:
        op.execute(f"DROP INDEX CONCURRENTLY {name}")
