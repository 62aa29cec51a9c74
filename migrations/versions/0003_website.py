"""Make room for what the website needs.

Nothing that version 0.2 reads or writes is taken away or renamed, and what is new may be null or
has a default: its processes go on working on this schema while those of this version start.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHANGED = ("market_player", "point_of_delivery", "service_version")
"""The tables of before that this changes, or that something new refers to."""


def lock_changed() -> None:
    """Get every lock that this needs at once, or give way, as 0002 does."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = '800ms'")
        op.execute(f"LOCK TABLE {', '.join(CHANGED)} IN ACCESS EXCLUSIVE MODE")
        op.execute("SET LOCAL statement_timeout = 0")


def _point_of_delivery_columns() -> list[sa.Column[object]]:
    return [sa.Column("requested_at", sa.DateTime(timezone=True), nullable=True)]


def _create_api_documents() -> None:
    """The provider's own OpenAPI documents, apart from the versions, so that lists are light."""
    op.create_table(
        "service_api_document",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column(
            "format",
            sa.Enum(
                "YAML",
                "JSON",
                name="apidocumentformat",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("openapi", sa.String(length=20), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["service_version.id"],
            name=op.f("fk_service_api_document_version_id"),
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_service_api_document")),
    )


def _create_figures() -> None:
    """What was counted of each hour and day, for charts."""
    op.create_table(
        "figure_over_time",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "at", name=op.f("pk_figure_over_time")),
    )


def _create_people() -> None:
    """People, and what lets each of them in."""
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("market_player_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("email_proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("held_roles", sa.String(length=100), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "ACTIVE",
                "REMOVED",
                name="personstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("encrypted_totp_secret", sa.Text(), nullable=True),
        sa.Column("totp_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=True),
        sa.Column("locale", sa.String(length=10), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column("oidc_issuer", sa.String(length=500), nullable=True),
        sa.Column("oidc_subject", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_signed_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["market_player_id"], ["market_player.id"], name=op.f("fk_person_market_player_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_index(
        op.f("ix_person_market_player_id_id"), "person", ["market_player_id", "id"], unique=False
    )
    op.create_index(
        "uq_person_email_key",
        "person",
        ["email_key"],
        unique=True,
        sqlite_where=sa.text("state = 'ACTIVE'"),
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_index(
        "uq_person_oidc",
        "person",
        ["oidc_issuer", "oidc_subject"],
        unique=True,
        sqlite_where=sa.text("state = 'ACTIVE'"),
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_recovery_code_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint(
            "person_id", "code_hash", name=op.f("uq_recovery_code_person_id_code_hash")
        ),
    )
    op.create_table(
        "web_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("second_factor_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("agent", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_web_session_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_web_session_token_hash")),
    )
    op.create_index(op.f("ix_web_session_expires_at"), "web_session", ["expires_at"], unique=False)
    op.create_index(op.f("ix_web_session_person_id"), "web_session", ["person_id"], unique=False)
    op.create_table(
        "person_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "PASSWORD_RESET",
                "CHALLENGE",
                name="linkkind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_person_link_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_person_link_token_hash")),
    )
    op.create_index(op.f("ix_person_link_expires_at"), "person_link", ["expires_at"], unique=False)
    op.create_index(op.f("ix_person_link_person_id"), "person_link", ["person_id"], unique=False)


def _create_invitations() -> None:
    """Invitations, mails on their way, and how often was guessed wrong."""
    op.create_table(
        "invitation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("market_player_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("email_key", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("held_roles", sa.String(length=100), nullable=False),
        sa.Column("invited_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["market_player_id"], ["market_player.id"], name=op.f("fk_invitation_market_player_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    op.create_index(op.f("ix_invitation_email_key"), "invitation", ["email_key"], unique=False)
    op.create_index(op.f("ix_invitation_expires_at"), "invitation", ["expires_at"], unique=False)
    op.create_index(
        op.f("ix_invitation_market_player_id"), "invitation", ["market_player_id"], unique=False
    )
    op.create_table(
        "mail",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "QUEUED",
                "SENT",
                "FAILED",
                name="mailstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("encrypted_text", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
    )
    op.create_index(op.f("ix_mail_finished_at"), "mail", ["finished_at"], unique=False)
    op.create_index(
        op.f("ix_mail_state_next_attempt_at"), "mail", ["state", "next_attempt_at"], unique=False
    )
    op.create_table(
        "guess_count",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_guess_count")),
    )
    op.create_index(op.f("ix_guess_count_updated_at"), "guess_count", ["updated_at"], unique=False)


def upgrade() -> None:
    lock_changed()
    for column in _point_of_delivery_columns():
        op.add_column("point_of_delivery", column)
    op.add_column("service_version", sa.Column("name_key", sa.String(length=200), nullable=True))
    op.add_column("service_version", sa.Column("area", sa.JSON(none_as_null=True), nullable=True))
    op.create_index(
        "ix_service_version_unnamed",
        "service_version",
        ["id"],
        sqlite_where=sa.text("name_key IS NULL"),
        postgresql_where=sa.text("name_key IS NULL"),
    )
    _create_api_documents()
    _create_figures()
    _create_people()
    _create_invitations()


def downgrade() -> None:
    for table in (
        "guess_count",
        "mail",
        "invitation",
        "person_link",
        "web_session",
        "recovery_code",
        "person",
    ):
        op.drop_table(table)
    op.drop_table("figure_over_time")
    op.drop_table("service_api_document")
    op.drop_index("ix_service_version_unnamed", "service_version")
    op.drop_column("service_version", "area")
    op.drop_column("service_version", "name_key")
    for column in _point_of_delivery_columns():
        op.drop_column("point_of_delivery", column.name)
