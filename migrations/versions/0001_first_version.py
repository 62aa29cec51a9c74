"""Create every table of the first version."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit_entry", "consent_notice", "activation_notice", "interim_status")


def protect(table: str, dialect: str) -> list[str]:
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()",
    ]


def unprotect(table: str, dialect: str) -> list[str]:
    if dialect == "sqlite":
        return [f"DROP TRIGGER {table}_no_{verb}" for verb in ("update", "delete")]
    return [
        f"DROP TRIGGER {table}_no_change ON {table}",
        f"DROP FUNCTION {table}_append_only()",
    ]


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_subject", sa.String(length=200), nullable=False),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("entity_kind", sa.String(length=60), nullable=False),
        sa.Column("entity_id", sa.String(length=120), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("from_state", sa.String(length=60), nullable=True),
        sa.Column("to_state", sa.String(length=60), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("requester_id", sa.Uuid(), nullable=True),
        sa.Column("market_player_id", sa.Uuid(), nullable=True),
        sa.Column("correlation_id", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index(
        op.f("ix_audit_entry_entity_id_id"), "audit_entry", ["entity_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_audit_entry_market_player_id_id"),
        "audit_entry",
        ["market_player_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_audit_entry_provider_id_id"), "audit_entry", ["provider_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_audit_entry_requester_id_id"), "audit_entry", ["requester_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_audit_entry_subscription_id_id"),
        "audit_entry",
        ["subscription_id", "id"],
        unique=False,
    )
    op.create_table(
        "idempotent_reply",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", "operation", "key", name=op.f("pk_idempotent_reply")),
    )
    op.create_index(
        op.f("ix_idempotent_reply_created_at"), "idempotent_reply", ["created_at"], unique=False
    )
    op.create_table(
        "market_player",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("eic_code", sa.String(length=16), nullable=True),
        sa.Column("contact_email", sa.String(length=200), nullable=False),
        sa.Column("website", sa.String(length=500), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "PENDING",
                "ACTIVE",
                "SUSPENDED",
                "DEREGISTERED",
                name="marketplayerstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_player")),
    )
    op.create_index(op.f("ix_market_player_state"), "market_player", ["state"], unique=False)
    op.create_index(
        "uq_market_player_eic_code",
        "market_player",
        ["eic_code"],
        unique=True,
        sqlite_where=sa.text("state <> 'DEREGISTERED'"),
        postgresql_where=sa.text("state <> 'DEREGISTERED'"),
    )
    op.create_table(
        "outbox_arrival",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("lane", sa.String(length=200), nullable=False),
        sa.Column("ordering_key", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_arrival")),
    )
    op.create_table(
        "outbox_event",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.String(length=200), nullable=False),
        sa.Column("ordering_key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("encrypted_secrets", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.String(length=200), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dead_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox_event")),
    )
    op.create_index(
        "ix_outbox_event_lane_event_id", "outbox_event", ["lane", "event_id"], unique=False
    )
    op.create_index(
        "ix_outbox_event_sendable",
        "outbox_event",
        ["lane", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_outbox_event_state_event_id", "outbox_event", ["state", "event_id"], unique=False
    )
    op.create_index(
        "ix_outbox_event_unfinished",
        "outbox_event",
        ["lane", "ordering_key", "position"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
        sqlite_where=sa.text("finished_at IS NULL"),
    )
    op.create_index("uq_outbox_event_event_id", "outbox_event", ["event_id"], unique=True)
    op.create_table(
        "outbox_lane",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_owner", sa.String(length=200), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("breaker_state", sa.String(length=16), nullable=False),
        sa.Column("consecutive_failures", sa.Integer(), nullable=False),
        sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_outbox_lane")),
    )
    op.create_index("ix_outbox_lane_due_at", "outbox_lane", ["due_at"], unique=False)
    op.create_table(
        "service",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("current_number", sa.Integer(), nullable=True),
        sa.Column("open_number", sa.Integer(), nullable=True),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service")),
    )
    op.create_index(op.f("ix_service_provider_id"), "service", ["provider_id"], unique=False)
    op.create_table(
        "service_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("service_number", sa.Integer(), nullable=False),
        sa.Column("service_name", sa.String(length=200), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "REQUESTED",
                "OFFERED",
                "CONFIRMED",
                "REJECTED",
                "WITHDRAWN",
                "EXPIRED",
                name="requeststate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("expected_pods", sa.Integer(), nullable=True),
        sa.Column("counter_proposal", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("supersedes", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_request")),
    )
    op.create_index(
        op.f("ix_service_request_provider_id_id"),
        "service_request",
        ["provider_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_service_request_requester_id_id"),
        "service_request",
        ["requester_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_service_request_service_id"), "service_request", ["service_id"], unique=False
    )
    op.create_index(
        op.f("ix_service_request_state_expires_at"),
        "service_request",
        ["state", "expires_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_service_request_supersedes"), "service_request", ["supersedes"], unique=False
    )
    op.create_table(
        "credential",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("market_player_id", sa.Uuid(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "API_KEY",
                "OAUTH2_CLIENT",
                name="credentialkind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=True),
        sa.Column("secret_hash", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["market_player_id"], ["market_player.id"], name=op.f("fk_credential_market_player_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
        sa.UniqueConstraint("client_id", name=op.f("uq_credential_client_id")),
    )
    op.create_index(
        op.f("ix_credential_market_player_id_id"),
        "credential",
        ["market_player_id", "id"],
        unique=False,
    )
    op.create_table(
        "integration_test",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("market_player_id", sa.Uuid(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["market_player_id"],
            ["market_player.id"],
            name=op.f("fk_integration_test_market_player_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integration_test")),
    )
    op.create_index(
        op.f("ix_integration_test_market_player_id_id"),
        "integration_test",
        ["market_player_id", "id"],
        unique=False,
    )
    op.create_table(
        "market_player_role",
        sa.Column("market_player_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "DSO",
                "TSO",
                "AGGREGATOR",
                "RETAILER",
                "BRP",
                "METERED_DATA_OPERATOR",
                "ESCO",
                name="marketplayerrole",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["market_player_id"],
            ["market_player.id"],
            name=op.f("fk_market_player_role_market_player_id"),
        ),
        sa.PrimaryKeyConstraint("market_player_id", "role", name=op.f("pk_market_player_role")),
    )
    op.create_table(
        "offer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "OPEN",
                "SUPERSEDED",
                "WITHDRAWN",
                "ACCEPTED",
                "REJECTED",
                "EXPIRED",
                name="offerstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("price", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("validity_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("validity_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("interim_status_interval", sa.String(length=40), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["service_request.id"], name=op.f("fk_offer_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
        sa.UniqueConstraint("request_id", "revision", name=op.f("uq_offer_request_id_revision")),
    )
    op.create_index(
        "uq_offer_open",
        "offer",
        ["request_id"],
        unique=True,
        sqlite_where=sa.text("state = 'OPEN'"),
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.create_table(
        "outbox_attempt",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.Column("resulting_state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["outbox_event.event_id"], name="fk_outbox_attempt_event_id"
        ),
        sa.PrimaryKeyConstraint("event_id", "number", name=op.f("pk_outbox_attempt")),
    )
    op.create_table(
        "platform",
        sa.Column("market_player_id", sa.Uuid(), nullable=False),
        sa.Column("base_url", sa.String(length=500), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["market_player_id"], ["market_player.id"], name=op.f("fk_platform_market_player_id")
        ),
        sa.PrimaryKeyConstraint("market_player_id", name=op.f("pk_platform")),
    )
    op.create_table(
        "service_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "DRAFT",
                "PUBLISHED",
                "DEPRECATED",
                "WITHDRAWN",
                name="versionstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("description", sa.JSON(none_as_null=True), nullable=False),
        sa.Column(
            "category",
            sa.Enum(
                "METERING_DATA",
                "FLEXIBILITY_OFFERS",
                "FLEXIBILITY_MARKET",
                "FORECASTS",
                "GRID_DATA",
                "TARIFFS",
                "ASSET_DATA",
                "OTHER",
                name="servicecategory",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "provider_role",
            sa.Enum(
                "DSO",
                "TSO",
                "AGGREGATOR",
                "RETAILER",
                "BRP",
                "METERED_DATA_OPERATOR",
                "ESCO",
                name="marketplayerrole",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "data_standard",
            sa.Enum(
                "CIM_IEC_62325",
                "CIM_IEC_61968_9",
                "FLEX_OFFER",
                "USEF",
                "UFTP",
                "OPENADR",
                "OTHER",
                name="datastandard",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("consent_required", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name=op.f("fk_service_version_service_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_version")),
        sa.UniqueConstraint(
            "service_id", "number", name=op.f("uq_service_version_service_id_number")
        ),
    )
    op.create_index(
        op.f("ix_service_version_category"), "service_version", ["category"], unique=False
    )
    op.create_index(
        op.f("ix_service_version_provider_id"), "service_version", ["provider_id"], unique=False
    )
    op.create_index(
        "uq_service_version_published",
        "service_version",
        ["service_id"],
        unique=True,
        sqlite_where=sa.text("state = 'PUBLISHED'"),
        postgresql_where=sa.text("state = 'PUBLISHED'"),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("service_number", sa.Integer(), nullable=False),
        sa.Column("service_name", sa.String(length=200), nullable=False),
        sa.Column(
            "category",
            sa.Enum(
                "METERING_DATA",
                "FLEXIBILITY_OFFERS",
                "FLEXIBILITY_MARKET",
                "FORECASTS",
                "GRID_DATA",
                "TARIFFS",
                "ASSET_DATA",
                "OTHER",
                name="servicecategory",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "data_standard",
            sa.Enum(
                "CIM_IEC_62325",
                "CIM_IEC_61968_9",
                "FLEX_OFFER",
                "USEF",
                "UFTP",
                "OPENADR",
                "OTHER",
                name="datastandard",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("consent_required", sa.Boolean(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "PENDING",
                "ACTIVE",
                "SUSPENDED",
                "CANCELED",
                "EXPIRED",
                name="subscriptionstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("holds", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("provider_acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requester_acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("price", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("validity_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("validity_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("interim_status_interval", sa.String(length=40), nullable=False),
        sa.Column("supersedes", sa.Uuid(), nullable=True),
        sa.Column("superseded_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["service_request.id"], name=op.f("fk_subscription_request_id")
        ),
        sa.ForeignKeyConstraint(
            ["superseded_by"], ["subscription.id"], name=op.f("fk_subscription_superseded_by")
        ),
        sa.ForeignKeyConstraint(
            ["supersedes"], ["subscription.id"], name=op.f("fk_subscription_supersedes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint("request_id", name=op.f("uq_subscription_request_id")),
    )
    op.create_index(
        op.f("ix_subscription_provider_id_id"), "subscription", ["provider_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_subscription_requester_id_id"),
        "subscription",
        ["requester_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_subscription_service_id"), "subscription", ["service_id"], unique=False
    )
    op.create_index(
        op.f("ix_subscription_state_validity_end"),
        "subscription",
        ["state", "validity_end"],
        unique=False,
    )
    op.create_index(
        op.f("ix_subscription_supersedes"), "subscription", ["supersedes"], unique=False
    )
    op.create_table(
        "access_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credential.id"], name=op.f("fk_access_token_credential_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_access_token_token_hash")),
    )
    op.create_index(
        op.f("ix_access_token_credential_id"), "access_token", ["credential_id"], unique=False
    )
    op.create_index(
        op.f("ix_access_token_expires_at"), "access_token", ["expires_at"], unique=False
    )
    op.create_table(
        "activation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("pod_id", sa.String(length=60), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "REQUESTED",
                "ACTIVE",
                "SUSPENDED",
                "ENDED",
                name="activationstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("derived", sa.Boolean(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_activation_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activation")),
        sa.UniqueConstraint(
            "subscription_id", "pod_id", name=op.f("uq_activation_subscription_id_pod_id")
        ),
    )
    op.create_table(
        "activation_notice",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("pod_id", sa.String(length=60), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "REQUESTED",
                "ACTIVE",
                "SUSPENDED",
                "ENDED",
                name="activationstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "APPLIED",
                "DUPLICATE",
                "SUPERSEDED",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_activation_notice_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("subscription_id", "event_id", name=op.f("pk_activation_notice")),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.Uuid(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credential.id"], name=op.f("fk_api_key_credential_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
    )
    op.create_index(op.f("ix_api_key_credential_id"), "api_key", ["credential_id"], unique=False)
    op.create_index(op.f("ix_api_key_ends_at"), "api_key", ["ends_at"], unique=False)
    op.create_table(
        "consent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("pod_id", sa.String(length=60), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "REQUESTED",
                "GRANTED",
                "DENIED",
                "TIMED_OUT",
                "WITHDRAWN",
                "EXPIRED",
                name="consentstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("derived", sa.Boolean(), nullable=False),
        sa.Column("validity_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("validity_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_consent_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
        sa.UniqueConstraint(
            "subscription_id", "pod_id", name=op.f("uq_consent_subscription_id_pod_id")
        ),
    )
    op.create_index(
        op.f("ix_consent_state_validity_end"), "consent", ["state", "validity_end"], unique=False
    )
    op.create_table(
        "consent_notice",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("pod_id", sa.String(length=60), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "REQUESTED",
                "GRANTED",
                "DENIED",
                "TIMED_OUT",
                "WITHDRAWN",
                "EXPIRED",
                name="consentstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("validity_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("validity_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "APPLIED",
                "DUPLICATE",
                "SUPERSEDED",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_consent_notice_subscription_id")
        ),
        sa.PrimaryKeyConstraint("subscription_id", "event_id", name=op.f("pk_consent_notice")),
    )
    op.create_table(
        "interim_status",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "OPERATIONAL",
                "DEGRADED",
                "UNAVAILABLE",
                name="servicestatus",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("active_pods", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "APPLIED",
                "DUPLICATE",
                "SUPERSEDED",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_interim_status_subscription_id")
        ),
        sa.PrimaryKeyConstraint("subscription_id", "event_id", name=op.f("pk_interim_status")),
    )
    op.create_index(
        op.f("ix_interim_status_subscription_id_occurred_at_event_id"),
        "interim_status",
        ["subscription_id", "occurred_at", "event_id"],
        unique=False,
    )
    op.create_table(
        "interim_watch",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("interval", sa.String(length=40), nullable=False),
        sa.Column("active_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("overdue_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_interim_watch_subscription_id")
        ),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_interim_watch")),
    )
    op.create_index(
        op.f("ix_interim_watch_overdue_from_subscription_id"),
        "interim_watch",
        ["overdue_from", "subscription_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_interim_watch_provider_id_overdue_from"),
        "interim_watch",
        ["provider_id", "overdue_from"],
        unique=False,
    )
    op.create_index(
        op.f("ix_interim_watch_requester_id_overdue_from"),
        "interim_watch",
        ["requester_id", "overdue_from"],
        unique=False,
    )
    op.create_table(
        "platform_key",
        sa.Column("market_player_id", sa.Uuid(), nullable=False),
        sa.Column("encrypted_key", sa.Text(), nullable=False),
        sa.Column("obtained_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refresh_id", sa.Uuid(), nullable=True),
        sa.Column("next_refresh_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["market_player_id"],
            ["platform.market_player_id"],
            name=op.f("fk_platform_key_market_player_id"),
        ),
        sa.PrimaryKeyConstraint("market_player_id", name=op.f("pk_platform_key")),
    )
    op.create_index(
        op.f("ix_platform_key_next_refresh_at"), "platform_key", ["next_refresh_at"], unique=False
    )
    op.create_table(
        "point_of_delivery",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("pod_id", sa.String(length=60), nullable=False),
        sa.Column(
            "consent",
            sa.Enum(
                "REQUESTED",
                "GRANTED",
                "DENIED",
                "TIMED_OUT",
                "WITHDRAWN",
                "EXPIRED",
                name="consentstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("consent_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consent_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "activation",
            sa.Enum(
                "REQUESTED",
                "ACTIVE",
                "SUSPENDED",
                "ENDED",
                name="activationstate",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_point_of_delivery_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("subscription_id", "pod_id", name=op.f("pk_point_of_delivery")),
    )
    op.create_table(
        "service_area",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("area", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["service_version.id"], name=op.f("fk_service_area_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "area", name=op.f("pk_service_area")),
    )
    op.create_index(op.f("ix_service_area_area"), "service_area", ["area"], unique=False)
    op.create_table(
        "service_country",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["service_version.id"], name=op.f("fk_service_country_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "country", name=op.f("pk_service_country")),
    )
    op.create_index(
        op.f("ix_service_country_country"), "service_country", ["country"], unique=False
    )
    op.create_table(
        "service_search",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column(
            "document", sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=True
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["service_version.id"], name=op.f("fk_service_search_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_search")),
        sa.UniqueConstraint("version_id", name=op.f("uq_service_search_version_id")),
    )
    op.create_index(
        op.f("ix_service_search_document"),
        "service_search",
        ["document"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_table(
        "signing_secret",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("market_player_id", sa.Uuid(), nullable=False),
        sa.Column("encrypted_secret", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["market_player_id"],
            ["platform.market_player_id"],
            name=op.f("fk_signing_secret_market_player_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_secret")),
    )
    op.create_index(
        op.f("ix_signing_secret_market_player_id"),
        "signing_secret",
        ["market_player_id"],
        unique=False,
    )

    dialect = op.get_context().dialect.name
    for table in APPEND_ONLY:
        for statement in protect(table, dialect):
            op.execute(statement)
    if dialect == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE fts_service USING fts5"
            "(name, summary, details, terms, prefix='2 3')"
        )


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    if dialect == "sqlite":
        op.execute("DROP TABLE fts_service")
    for table in APPEND_ONLY:
        for statement in unprotect(table, dialect):
            op.execute(statement)
    op.drop_index(op.f("ix_signing_secret_market_player_id"), table_name="signing_secret")
    op.drop_table("signing_secret")
    op.drop_index(
        op.f("ix_service_search_document"), table_name="service_search", postgresql_using="gin"
    )
    op.drop_table("service_search")
    op.drop_index(op.f("ix_service_country_country"), table_name="service_country")
    op.drop_table("service_country")
    op.drop_index(op.f("ix_service_area_area"), table_name="service_area")
    op.drop_table("service_area")
    op.drop_table("point_of_delivery")
    op.drop_index(op.f("ix_platform_key_next_refresh_at"), table_name="platform_key")
    op.drop_table("platform_key")
    op.drop_index(op.f("ix_interim_watch_requester_id_overdue_from"), table_name="interim_watch")
    op.drop_index(op.f("ix_interim_watch_provider_id_overdue_from"), table_name="interim_watch")
    op.drop_index(op.f("ix_interim_watch_overdue_from_subscription_id"), table_name="interim_watch")
    op.drop_table("interim_watch")
    op.drop_index(
        op.f("ix_interim_status_subscription_id_occurred_at_event_id"), table_name="interim_status"
    )
    op.drop_table("interim_status")
    op.drop_table("consent_notice")
    op.drop_index(op.f("ix_consent_state_validity_end"), table_name="consent")
    op.drop_table("consent")
    op.drop_index(op.f("ix_api_key_ends_at"), table_name="api_key")
    op.drop_index(op.f("ix_api_key_credential_id"), table_name="api_key")
    op.drop_table("api_key")
    op.drop_table("activation_notice")
    op.drop_table("activation")
    op.drop_index(op.f("ix_access_token_expires_at"), table_name="access_token")
    op.drop_index(op.f("ix_access_token_credential_id"), table_name="access_token")
    op.drop_table("access_token")
    op.drop_index(op.f("ix_subscription_supersedes"), table_name="subscription")
    op.drop_index(op.f("ix_subscription_state_validity_end"), table_name="subscription")
    op.drop_index(op.f("ix_subscription_service_id"), table_name="subscription")
    op.drop_index(op.f("ix_subscription_requester_id_id"), table_name="subscription")
    op.drop_index(op.f("ix_subscription_provider_id_id"), table_name="subscription")
    op.drop_table("subscription")
    op.drop_index(
        "uq_service_version_published",
        table_name="service_version",
        sqlite_where=sa.text("state = 'PUBLISHED'"),
        postgresql_where=sa.text("state = 'PUBLISHED'"),
    )
    op.drop_index(op.f("ix_service_version_provider_id"), table_name="service_version")
    op.drop_index(op.f("ix_service_version_category"), table_name="service_version")
    op.drop_table("service_version")
    op.drop_table("platform")
    op.drop_table("outbox_attempt")
    op.drop_index(
        "uq_offer_open",
        table_name="offer",
        sqlite_where=sa.text("state = 'OPEN'"),
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.drop_table("offer")
    op.drop_table("market_player_role")
    op.drop_index(op.f("ix_integration_test_market_player_id_id"), table_name="integration_test")
    op.drop_table("integration_test")
    op.drop_index(op.f("ix_credential_market_player_id_id"), table_name="credential")
    op.drop_table("credential")
    op.drop_index(op.f("ix_service_request_supersedes"), table_name="service_request")
    op.drop_index(op.f("ix_service_request_state_expires_at"), table_name="service_request")
    op.drop_index(op.f("ix_service_request_service_id"), table_name="service_request")
    op.drop_index(op.f("ix_service_request_requester_id_id"), table_name="service_request")
    op.drop_index(op.f("ix_service_request_provider_id_id"), table_name="service_request")
    op.drop_table("service_request")
    op.drop_index(op.f("ix_service_provider_id"), table_name="service")
    op.drop_table("service")
    op.drop_index("ix_outbox_lane_due_at", table_name="outbox_lane")
    op.drop_table("outbox_lane")
    op.drop_index("uq_outbox_event_event_id", table_name="outbox_event")
    op.drop_index(
        "ix_outbox_event_unfinished",
        table_name="outbox_event",
        postgresql_where=sa.text("finished_at IS NULL"),
        sqlite_where=sa.text("finished_at IS NULL"),
    )
    op.drop_index("ix_outbox_event_state_event_id", table_name="outbox_event")
    op.drop_index(
        "ix_outbox_event_sendable",
        table_name="outbox_event",
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.drop_index("ix_outbox_event_lane_event_id", table_name="outbox_event")
    op.drop_table("outbox_event")
    op.drop_table("outbox_arrival")
    op.drop_index(
        "uq_market_player_eic_code",
        table_name="market_player",
        sqlite_where=sa.text("state <> 'DEREGISTERED'"),
        postgresql_where=sa.text("state <> 'DEREGISTERED'"),
    )
    op.drop_index(op.f("ix_market_player_state"), table_name="market_player")
    op.drop_table("market_player")
    op.drop_index(op.f("ix_idempotent_reply_created_at"), table_name="idempotent_reply")
    op.drop_table("idempotent_reply")
    op.drop_index(op.f("ix_audit_entry_subscription_id_id"), table_name="audit_entry")
    op.drop_index(op.f("ix_audit_entry_requester_id_id"), table_name="audit_entry")
    op.drop_index(op.f("ix_audit_entry_provider_id_id"), table_name="audit_entry")
    op.drop_index(op.f("ix_audit_entry_market_player_id_id"), table_name="audit_entry")
    op.drop_index(op.f("ix_audit_entry_entity_id_id"), table_name="audit_entry")
    op.drop_table("audit_entry")
