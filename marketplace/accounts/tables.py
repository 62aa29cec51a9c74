"""The tables of people, their sessions, and what is on its way to them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.accounts.domain import LinkKind, MailState, PersonRole, PersonState
from marketplace.core.database import Base, Versioned
from mpp_sdk.ids import new_id

_SHA256_HEX = 64
_EMAIL = 254
_NAME = 200
_HERE = text("state = 'ACTIVE'")


class Person(Versioned, Base):
    """Somebody who signs in: for one company, or, as an operator, for none.

    email_proven_at is when a link that was sent to the address, or the provider of the identity,
    last showed that it is the person's own. totp_step is the last time step whose code was taken.
    """

    __tablename__ = "person"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    market_player_id: Mapped[UUID | None] = mapped_column(ForeignKey("market_player.id"))
    email: Mapped[str] = mapped_column(String(_EMAIL))
    email_key: Mapped[str] = mapped_column(String(_EMAIL))
    email_proven_at: Mapped[datetime | None]
    name: Mapped[str] = mapped_column(String(_NAME))
    held_roles: Mapped[str] = mapped_column(String(100))  # separated by spaces, as in a scope
    state: Mapped[PersonState]
    password_hash: Mapped[str | None] = mapped_column(String(200))
    encrypted_totp_secret: Mapped[str | None] = mapped_column(Text)
    totp_confirmed_at: Mapped[datetime | None]
    totp_step: Mapped[int | None] = mapped_column(BigInteger)
    locale: Mapped[str | None] = mapped_column(String(10))
    time_zone: Mapped[str | None] = mapped_column(String(64))
    oidc_issuer: Mapped[str | None] = mapped_column(String(500))
    oidc_subject: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime]
    last_signed_in_at: Mapped[datetime | None]

    __table_args__ = (
        # An address belongs to one person at a time.
        Index(
            "uq_person_email_key",
            "email_key",
            unique=True,
            sqlite_where=_HERE,
            postgresql_where=_HERE,
        ),
        Index(
            "uq_person_oidc",
            "oidc_issuer",
            "oidc_subject",
            unique=True,
            sqlite_where=_HERE,
            postgresql_where=_HERE,
        ),
        Index(None, "market_player_id", "id"),
    )

    @property
    def roles(self) -> frozenset[PersonRole]:
        """The roles that the person holds."""
        return frozenset(PersonRole(role) for role in self.held_roles.split())

    @roles.setter
    def roles(self, roles: frozenset[PersonRole]) -> None:
        self.held_roles = " ".join(sorted(roles))

    @property
    def has_second_factor(self) -> bool:
        """Whether a code is asked for after the password."""
        return self.totp_confirmed_at is not None


class RecoveryCode(Base):
    """A code that takes the place of the second factor once, stored hashed."""

    __tablename__ = "recovery_code"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    code_hash: Mapped[str] = mapped_column(String(_SHA256_HEX))

    __table_args__ = (UniqueConstraint("person_id", "code_hash"),)


class WebSession(Base):
    """A browser in which somebody is signed in. It ends by being deleted, or with its time."""

    __tablename__ = "web_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(_SHA256_HEX), unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    second_factor_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(String(200))
    agent: Mapped[str] = mapped_column(String(200))


class Link(Base):
    """What somebody may do once, with a token that is stored hashed."""

    __tablename__ = "person_link"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[LinkKind]
    token_hash: Mapped[str] = mapped_column(String(_SHA256_HEX), unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class Invitation(Base):
    """An invitation to become one of a company's people, or an operator when there is no company.

    used_at is when it was accepted or taken back.
    """

    __tablename__ = "invitation"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(_SHA256_HEX), unique=True)
    market_player_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("market_player.id"), index=True
    )
    email: Mapped[str] = mapped_column(String(_EMAIL))
    email_key: Mapped[str] = mapped_column(String(_EMAIL), index=True)
    name: Mapped[str] = mapped_column(String(_NAME))
    held_roles: Mapped[str] = mapped_column(String(100))
    invited_by: Mapped[str] = mapped_column(String(_NAME))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]

    @property
    def roles(self) -> frozenset[PersonRole]:
        """The roles that the invited person will hold."""
        return frozenset(PersonRole(role) for role in self.held_roles.split())


class GuessCount(Base):
    """How often was guessed wrong in a row, at what is named by a hash.

    An address that nobody has counts like any other, so that none can be told apart by it.
    """

    __tablename__ = "guess_count"

    key_hash: Mapped[str] = mapped_column(String(_SHA256_HEX), primary_key=True)
    failures: Mapped[int]
    locked_until: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(index=True)


class Mail(Base):
    """A mail on its way. Its text, which may hold a link, is encrypted, and gone once it is sent.

    next_attempt_at is when a QUEUED one is tried; after expires_at its link is of no use.
    """

    __tablename__ = "mail"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    state: Mapped[MailState]
    recipient: Mapped[str] = mapped_column(String(_EMAIL))
    subject: Mapped[str] = mapped_column(String(500))
    encrypted_text: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index(None, "state", "next_attempt_at"), Index(None, "finished_at"))
