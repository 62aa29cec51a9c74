"""The tables of market players, platforms and credentials."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.core.database import Base, Versioned
from marketplace.identity.domain import (
    CredentialKind,
    KeyLife,
    MarketPlayerRole,
    MarketPlayerState,
)
from marketplace.identity.speaking import LONGEST_VERSION
from mpp_sdk.ids import new_id

_SHA256_HEX = 64
_REGISTERED = text("state <> 'DEREGISTERED'")


class MarketPlayer(Versioned, Base):
    """A company in the register."""

    __tablename__ = "market_player"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    country: Mapped[str] = mapped_column(String(2))
    eic_code: Mapped[str | None] = mapped_column(String(16))
    contact_email: Mapped[str] = mapped_column(String(200))
    website: Mapped[str | None] = mapped_column(String(500))
    state: Mapped[MarketPlayerState] = mapped_column(index=True)
    state_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]  # an edit of roles alone must raise the version too

    held_roles: Mapped[list["HeldRole"]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="HeldRole.role"
    )

    # An EIC code belongs to one company at a time.
    __table_args__ = (
        Index(
            "uq_market_player_eic_code",
            "eic_code",
            unique=True,
            sqlite_where=_REGISTERED,
            postgresql_where=_REGISTERED,
        ),
    )

    @property
    def roles(self) -> list[MarketPlayerRole]:
        """The roles that it holds in the market."""
        return [held.role for held in self.held_roles]


class HeldRole(Base):
    """A role that a market player holds."""

    __tablename__ = "market_player_role"

    market_player_id: Mapped[UUID] = mapped_column(ForeignKey("market_player.id"), primary_key=True)
    role: Mapped[MarketPlayerRole] = mapped_column(primary_key=True)


class Platform(Versioned, Base):
    """The connection settings of a market player's platform, as the company states them.

    contract_version is that of the EU-MP contract which the platform said last that it speaks, at
    contract_version_at. next_version_ask_at is when it is asked again; None is now.
    """

    __tablename__ = "platform"

    market_player_id: Mapped[UUID] = mapped_column(ForeignKey("market_player.id"), primary_key=True)
    base_url: Mapped[str] = mapped_column(String(500))
    updated_at: Mapped[datetime]
    # What the platform says of itself is no edit: it is written past the version of the row.
    contract_version: Mapped[str | None] = mapped_column(String(LONGEST_VERSION))
    contract_version_at: Mapped[datetime | None]
    next_version_ask_at: Mapped[datetime | None] = mapped_column(index=True)


class PlatformKey(Base):
    """The API key that the marketplace presents to a platform.

    refresh_id is the Idempotency-Key of a refresh that is under way. next_refresh_at is when the
    refresh job looks at it again.
    """

    __tablename__ = "platform_key"

    market_player_id: Mapped[UUID] = mapped_column(
        ForeignKey("platform.market_player_id"), primary_key=True
    )
    encrypted_key: Mapped[str] = mapped_column(Text)
    obtained_at: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    refresh_id: Mapped[UUID | None]
    next_refresh_at: Mapped[datetime] = mapped_column(index=True)
    failures: Mapped[int] = mapped_column(default=0)


class SigningSecret(Base):
    """A secret with which the marketplace signs what it sends to a platform."""

    __tablename__ = "signing_secret"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    market_player_id: Mapped[UUID] = mapped_column(
        ForeignKey("platform.market_player_id"), index=True
    )
    encrypted_secret: Mapped[str] = mapped_column(Text)
    ends_at: Mapped[datetime | None]


class IntegrationTest(Base):
    """The result of an integration set-up test; `steps` as the contract has them."""

    __tablename__ = "integration_test"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    market_player_id: Mapped[UUID] = mapped_column(ForeignKey("market_player.id"))
    passed: Mapped[bool]
    started_at: Mapped[datetime]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON)

    __table_args__ = (Index(None, "market_player_id", "id"),)


class Credential(Base):
    """A credential of a market player, or of an operator (who has no market player)."""

    __tablename__ = "credential"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    market_player_id: Mapped[UUID | None] = mapped_column(ForeignKey("market_player.id"))
    kind: Mapped[CredentialKind]
    label: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(100))  # roles, separated by spaces (RFC 6749, 3.3)
    client_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    secret_hash: Mapped[str | None] = mapped_column(String(_SHA256_HEX))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    market_player: Mapped[MarketPlayer | None] = relationship(lazy="raise")

    __table_args__ = (Index(None, "market_player_id", "id"),)


class ApiKey(Base):
    """One of the keys of an API key credential, of which a refresh makes another.

    expires_at is when it ends if nothing else ends it; ends_at is when it does end.
    """

    __tablename__ = "api_key"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    credential_id: Mapped[UUID] = mapped_column(ForeignKey("credential.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(_SHA256_HEX), unique=True)
    valid_from: Mapped[datetime]
    expires_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    first_used_at: Mapped[datetime | None]
    superseded: Mapped[bool] = mapped_column(default=False)

    credential: Mapped[Credential] = relationship(lazy="raise")

    @property
    def life(self) -> KeyLife:
        """The life of the key, for the rules."""
        return KeyLife(self.valid_from, self.ends_at, self.first_used_at, bool(self.superseded))

    def apply(self, life: KeyLife) -> None:
        """Take over what the rules made of the key's life."""
        self.ends_at = life.ends_at
        self.first_used_at = life.first_used_at
        self.superseded = life.superseded


class AccessToken(Base):
    """An OAuth 2 access token, stored hashed."""

    __tablename__ = "access_token"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    credential_id: Mapped[UUID] = mapped_column(ForeignKey("credential.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(_SHA256_HEX))
    scope: Mapped[str] = mapped_column(String(100))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    credential: Mapped[Credential] = relationship(lazy="raise")

    __table_args__ = (UniqueConstraint("token_hash"),)
