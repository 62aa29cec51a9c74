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
    inspect,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.catalogue.domain import VersionState
from marketplace.core.database import Base, Versioned
from marketplace.core.model_column import ModelColumn
from mpp_sdk.contracts.marketplace.models import (
    ApiDocumentFormat,
    Area,
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
    """A version of a service. What can be filtered by has a column beside the description.

    The area is apart from the rest of the description, so that lists are light.
    """

    __tablename__ = "service_version"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("service.id"))
    number: Mapped[int]
    provider_id: Mapped[UUID] = mapped_column(index=True)
    state: Mapped[VersionState]
    state_reason: Mapped[str | None] = mapped_column(Text)
    described: Mapped[ServiceDescription] = mapped_column(
        "description", ModelColumn(ServiceDescription)
    )
    area: Mapped[Area | None] = mapped_column(ModelColumn(Area), deferred=True)
    # The words of its name, to sort by; NULL until a job has written it, in rows of version 0.2.
    name_key: Mapped[str | None] = mapped_column(String(200))
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
    api_document: Mapped["ApiDocument | None"] = relationship(cascade="all, delete-orphan")

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
        # All that a search counts by, so that the descriptions need not be read for it.
        Index(
            "ix_service_version_choices",
            "service_id",
            "number",
            "state",
            "category",
            "provider_role",
            "data_standard",
            "consent_required",
            "id",
        ),
        Index(
            "ix_service_version_unnamed",
            "id",
            sqlite_where=text("name_key IS NULL"),
            postgresql_where=text("name_key IS NULL"),
        ),
    )

    @property
    def description(self) -> ServiceDescription:
        """The description; with its area where the version was read by itself, not in a list."""
        if "area" in inspect(self).unloaded or self.area is None:
            return self.described
        return self.described.model_copy(update={"area": self.area})


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


class ApiDocument(Base):
    """The provider's own OpenAPI document of a version; apart, so that lists are light.

    text is as it was written, document the same as JSON with its aliases resolved. title, openapi
    (the version of the specification) and sha256 (of the text) say what it is.
    """

    __tablename__ = "service_api_document"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("service_version.id"), primary_key=True)
    format: Mapped[ApiDocumentFormat]
    text: Mapped[str] = mapped_column(Text)
    document: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(String(200))
    openapi: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64))
    updated_at: Mapped[datetime]


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
