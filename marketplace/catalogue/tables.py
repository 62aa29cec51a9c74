"""The tables of the catalogue."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    DDL,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.catalogue.domain import VersionState
from marketplace.core.database import Base, Versioned
from marketplace.core.model_column import ModelColumn
from mpp_sdk.contracts.marketplace.models import (
    DataStandard,
    MarketPlayerRole,
    ServiceCategory,
    ServiceDescription,
)
from mpp_sdk.ids import new_id


class Service(Versioned, Base):
    """A service. It is all in its versions; current_number and open_number say which stands for it.

    current_number is what its provider sees first, open_number what everybody else does.
    """

    __tablename__ = "service"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider_id: Mapped[UUID] = mapped_column(index=True)
    current_number: Mapped[int | None]
    open_number: Mapped[int | None]
    last_number: Mapped[int]


class ServiceVersion(Versioned, Base):
    """A version of a service. What can be filtered by has a column beside the description."""

    __tablename__ = "service_version"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("service.id"))
    number: Mapped[int]
    provider_id: Mapped[UUID] = mapped_column(index=True)
    state: Mapped[VersionState]
    state_reason: Mapped[str | None] = mapped_column(Text)
    description: Mapped[ServiceDescription] = mapped_column(ModelColumn(ServiceDescription))
    category: Mapped[ServiceCategory] = mapped_column(index=True)
    provider_role: Mapped[MarketPlayerRole]
    data_standard: Mapped[DataStandard]
    consent_required: Mapped[bool]
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]

    countries: Mapped[list["ServiceCountry"]] = relationship(cascade="all, delete-orphan")
    areas: Mapped[list["ServiceArea"]] = relationship(cascade="all, delete-orphan")
    search_entry: Mapped["ServiceSearch | None"] = relationship(cascade="all, delete-orphan")

    __table_args__ = (
        UniqueConstraint("service_id", "number"),
        # Whatever two calls do at the same time, one version at most is published.
        Index(
            "uq_service_version_published",
            "service_id",
            unique=True,
            sqlite_where=text("state = 'PUBLISHED'"),
            postgresql_where=text("state = 'PUBLISHED'"),
        ),
    )


class ServiceCountry(Base):
    """A country in which a version is offered."""

    __tablename__ = "service_country"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("service_version.id"), primary_key=True)
    country: Mapped[str] = mapped_column(String(2), primary_key=True, index=True)


class ServiceArea(Base):
    """An area in which a version is offered."""

    __tablename__ = "service_area"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("service_version.id"), primary_key=True)
    area: Mapped[str] = mapped_column(String(60), primary_key=True, index=True)


class ServiceSearch(Base):
    """The full text of a version.

    On PostgreSQL the document is here; on SQLite it is in the virtual table `fts_service`, in the
    row of the same number.
    """

    __tablename__ = "service_search"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    version_id: Mapped[UUID] = mapped_column(ForeignKey("service_version.id"), unique=True)
    document: Mapped[str | None] = mapped_column(Text().with_variant(TSVECTOR, "postgresql"))

    __table_args__ = (Index(None, "document", postgresql_using="gin"),)


CREATE_FULL_TEXT = (
    "CREATE VIRTUAL TABLE fts_service USING fts5(name, summary, details, terms, prefix='2 3')"
)
"""Makes SQLite's full-text index, in `metadata.create_all` and in the migration."""

DROP_FULL_TEXT = "DROP TABLE fts_service"

_search_table = Base.metadata.tables[ServiceSearch.__tablename__]
for _moment, _statement in (
    ("after_create", CREATE_FULL_TEXT),
    ("before_drop", DROP_FULL_TEXT),
):
    event.listen(
        _search_table,
        _moment,
        DDL(_statement).execute_if(dialect="sqlite"),  # type: ignore[no-untyped-call] # DDL's constructor has no annotations
    )
