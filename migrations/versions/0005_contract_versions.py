"""Make room for the version of the EU-MP contract that each platform speaks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CHANGED = ("platform",)
"""The table of before that this changes."""


def lock_changed() -> None:
    """Get every lock that this needs at once, or give way, as 0002 does."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = '800ms'")
        op.execute(f"LOCK TABLE {', '.join(CHANGED)} IN ACCESS EXCLUSIVE MODE")
        op.execute("SET LOCAL statement_timeout = 0")


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("contract_version", sa.String(length=30), nullable=True),
        sa.Column("contract_version_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_version_ask_at", sa.DateTime(timezone=True), nullable=True),
    ]


def upgrade() -> None:
    lock_changed()
    for column in _columns():
        op.add_column("platform", column)
    op.create_index("ix_platform_next_version_ask_at", "platform", ["next_version_ask_at"])


def downgrade() -> None:
    op.drop_index("ix_platform_next_version_ask_at", "platform")
    for column in _columns():
        op.drop_column("platform", column.name)
