"""Every query of the catalogue."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVarTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.orm import Session, undefer

from marketplace.catalogue.domain import OPEN, ServiceSort, VersionState, fold, search_words
from marketplace.catalogue.tables import (
    ApiDocument,
    Service,
    ServiceArea,
    ServiceCountry,
    ServiceSearch,
    ServiceVersion,
)
from marketplace.core.paging import Key, Page, paginate
from mpp_sdk.contracts.marketplace.models import (
    DataStandard,
    MarketPlayerRole,
    ServiceCategory,
    ServiceDescription,
)

Ts = TypeVarTuple("Ts")
_NAME_LENGTH = 200
_BY_NAME = [Key(func.coalesce(ServiceVersion.name_key, ""))]
_NEWEST_FIRST = [Key(ServiceVersion.id, descending=True)]
# How much a word counts in the name, the summary, the details and the terms.
_WEIGHTS = (1.0, 0.4, 0.2, 0.1)
_LABELS = "ABCD"
# tsvector holds positions up to here; later words are found all the same.
_LAST_POSITION = 16383


@dataclass(frozen=True)
class ServiceFilter:
    """Which services are asked for; what is None does not restrict.

    viewer is the market player that asks, None an operator, who sees everybody's drafts.
    """

    viewer: UUID | None
    text: str | None = None
    category: ServiceCategory | None = None
    country: str | None = None
    area: str | None = None
    provider_role: MarketPlayerRole | None = None
    data_standard: DataStandard | None = None
    consent_required: bool | None = None
    state: VersionState | None = None
    provider_id: UUID | None = None


def service(session: Session, service_id: UUID, *, lock: bool = False) -> Service | None:
    """Return a service; locked, nobody else changes it or its versions until the end."""
    statement = select(Service).where(Service.id == service_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalar(statement)


def version(session: Session, service_id: UUID, number: int) -> ServiceVersion | None:
    """Return a version of a service."""
    return session.scalar(
        select(ServiceVersion)
        .where(ServiceVersion.service_id == service_id, ServiceVersion.number == number)
        .options(undefer(ServiceVersion.area))
    )


def has_api_document(session: Session, version_id: UUID) -> bool:
    """Return whether a version has a document."""
    found = select(ApiDocument.version_id).where(ApiDocument.version_id == version_id)
    return session.scalar(found) is not None


def version_states(session: Session, service_id: UUID) -> dict[int, VersionState]:
    """Return the state of every version of a service."""
    rows = session.execute(
        select(ServiceVersion.number, ServiceVersion.state).where(
            ServiceVersion.service_id == service_id
        )
    )
    return {number: state for number, state in rows}  # noqa: C416 - dict() of rows has no types


def published_version(session: Session, service_id: UUID) -> ServiceVersion | None:
    """Return the published version of a service."""
    return session.scalar(
        select(ServiceVersion).where(
            ServiceVersion.service_id == service_id,
            ServiceVersion.state == VersionState.PUBLISHED,
        )
    )


def open_versions_of(session: Session, provider_id: UUID) -> Sequence[ServiceVersion]:
    """Return the published and deprecated versions of a provider."""
    return session.scalars(
        select(ServiceVersion).where(
            ServiceVersion.provider_id == provider_id, ServiceVersion.state.in_(OPEN)
        )
    ).all()


def versions(
    session: Session,
    service_id: UUID,
    *,
    with_drafts: bool,
    state: VersionState | None,
    limit: int,
    cursor: str | None,
) -> Page[ServiceVersion]:
    """Return a page of the versions of a service, the newest first."""
    statement = select(ServiceVersion).where(ServiceVersion.service_id == service_id)
    if not with_drafts:
        statement = statement.where(ServiceVersion.state != VersionState.DRAFT)
    if state is not None:
        statement = statement.where(ServiceVersion.state == state)
    return paginate(
        session,
        statement,
        [Key(ServiceVersion.number, descending=True)],
        limit,
        cursor,
        bound_to=(service_id, with_drafts, state),
    )


def find(
    session: Session,
    wanted: ServiceFilter,
    limit: int,
    cursor: str | None,
    sort: ServiceSort | None = None,
) -> Page[ServiceVersion]:
    """Return a page of current versions: the newest first or, with a text, the best matches."""
    statement = select(ServiceVersion).join(Service, Service.id == ServiceVersion.service_id)
    statement = statement.where(_current(wanted.viewer), *_conditions(wanted))
    keys = [*_BY_NAME, *_NEWEST_FIRST] if sort is ServiceSort.NAME else _NEWEST_FIRST
    if wanted.text is None:
        return paginate(session, statement, keys, limit, cursor, bound_to=wanted)
    words = search_words(wanted.text)
    if not words:  # nothing but punctuation: there is nothing to find
        return Page([])
    statement, rank = _matching(session, statement, words)
    if sort in (None, ServiceSort.RELEVANCE):
        keys = [Key(rank, descending=True), *_NEWEST_FIRST]
    return paginate(session, statement, keys, limit, cursor, bound_to=wanted)


def count_by_choices(session: Session, wanted: ServiceFilter) -> Sequence[Sequence[Any]]:
    """Return how many current versions have the same category, role, standard and consent.

    These four of the filter do not restrict.
    """
    anything = replace(
        wanted, category=None, provider_role=None, data_standard=None, consent_required=None
    )
    columns = (
        ServiceVersion.category,
        ServiceVersion.provider_role,
        ServiceVersion.data_standard,
        ServiceVersion.consent_required,
    )
    return _counted(session, select(*columns, func.count()).group_by(*columns), anything)


def count_by_country(session: Session, wanted: ServiceFilter) -> dict[str, int]:
    """Return how many current versions are offered in each country, the most frequent first."""
    country = ServiceCountry.country
    statement = (
        select(country, func.count())
        .select_from(ServiceVersion)
        .join(ServiceCountry, ServiceCountry.version_id == ServiceVersion.id)
        .group_by(country)
        .order_by(func.count().desc(), country)
    )
    return dict(tuple(row) for row in _counted(session, statement, replace(wanted, country=None)))


def _counted(
    session: Session, statement: Select[*tuple[Any, ...]], wanted: ServiceFilter
) -> Sequence[Sequence[Any]]:
    statement = statement.join(Service, Service.id == ServiceVersion.service_id)
    statement = statement.where(_current(wanted.viewer), *_conditions(wanted))
    if wanted.text is not None:
        words = search_words(wanted.text)
        if not words:
            return []
        statement, _ = _matching(session, statement, words)
    return session.execute(statement).all()


def unnamed(session: Session, limit: int) -> Sequence[tuple[UUID, ServiceDescription]]:
    """Return versions that cannot be sorted by name yet."""
    rows = session.execute(
        select(ServiceVersion.id, ServiceVersion.described)
        .where(ServiceVersion.name_key.is_(None))
        .limit(limit)
    )
    return [(key, described) for key, described in rows]


def name_version(session: Session, version_id: UUID, name: str) -> None:
    """Have a version sorted by its name; it is no other version because of that."""
    session.execute(
        update(ServiceVersion)
        .where(ServiceVersion.id == version_id)
        .values(name_key=_name_key(name), version=ServiceVersion.version)
        .execution_options(synchronize_session=False)
    )


def _name_key(name: str) -> str:
    return " ".join(fold(name))[:_NAME_LENGTH]


def _current(viewer: UUID | None) -> ColumnElement[bool]:
    own = ServiceVersion.number == Service.current_number
    if viewer is None:
        return own
    return or_(
        and_(Service.provider_id == viewer, own),
        and_(
            Service.provider_id != viewer,
            ServiceVersion.number == Service.open_number,
            ServiceVersion.state.in_(OPEN),
        ),
    )


def _conditions(wanted: ServiceFilter) -> Iterable[ColumnElement[bool]]:
    equal = (
        (ServiceVersion.category, wanted.category),
        (ServiceVersion.provider_role, wanted.provider_role),
        (ServiceVersion.data_standard, wanted.data_standard),
        (ServiceVersion.consent_required, wanted.consent_required),
        (ServiceVersion.state, wanted.state),
        (ServiceVersion.provider_id, wanted.provider_id),
    )
    for column, value in equal:
        if value is not None:
            yield column == value
    if wanted.country is not None:
        yield ServiceVersion.countries.any(ServiceCountry.country == wanted.country)
    if wanted.area is not None:
        yield ServiceVersion.areas.any(ServiceArea.area == wanted.area)


def _matching(
    session: Session, statement: Select[*Ts], words: Sequence[str]
) -> tuple[Select[*Ts], ColumnElement[int]]:
    """Return the statement restricted to versions with every word, and their rank."""
    if session.get_bind().dialect.name == "postgresql":
        query = cast(" & ".join(f"'{word}':*" for word in words), TSQUERY)
        least_first = ",".join(str(weight) for weight in reversed(_WEIGHTS))
        weights: ColumnElement[Any] = literal_column(f"'{{{least_first}}}'::float4[]")
        document = type_coerce(ServiceSearch.document, TSVECTOR)
        rank = cast(func.ts_rank(weights, document, query) * 1_000_000, BigInteger)
        return (
            statement.join(ServiceSearch, ServiceSearch.version_id == ServiceVersion.id).where(
                document.bool_op("@@")(query)
            ),
            rank,
        )
    # Materialised, because bm25() only works where the index itself is read.
    matches = (
        text(
            "SELECT rowid AS id, CAST(-1e6 * bm25(fts_service, :a, :b, :c, :d) AS INTEGER) AS rank "
            "FROM fts_service WHERE fts_service MATCH :words"
        )
        .bindparams(
            *(bindparam(name, weight) for name, weight in zip("abcd", _WEIGHTS, strict=True)),
            words=" ".join(f'"{word}"*' for word in words),
        )
        .columns(id=Integer, rank=Integer)
        .cte("matches")
        .prefix_with("MATERIALIZED")
    )
    return (
        statement.join(ServiceSearch, ServiceSearch.version_id == ServiceVersion.id).join(
            matches, matches.c.id == ServiceSearch.id
        ),
        matches.c.rank,
    )


def describe(session: Session, row: ServiceVersion, description: ServiceDescription) -> None:
    """Write a description into a version, its filter columns and its full text."""
    row.described = description.model_copy(update={"area": None})
    row.area = description.area
    row.name_key = _name_key(description.name)
    row.category = description.category
    row.provider_role = description.provider_role
    row.data_standard = description.data_standard
    row.consent_required = description.consent_required
    _replace_all(row.countries, "country", ServiceCountry, set(description.countries))
    _replace_all(row.areas, "area", ServiceArea, set(description.areas or ()))
    _index(session, row, description)


def delete(session: Session, row: ServiceVersion) -> None:
    """Delete a version and its full text."""
    if row.search_entry is not None:
        _unindex(session, row.search_entry)
    session.delete(row)
    session.flush()


def _replace_all(
    rows: list[Any], attribute: str, kind: type[ServiceCountry | ServiceArea], values: set[str]
) -> None:
    present = {getattr(row, attribute) for row in rows}
    rows[:] = [row for row in rows if getattr(row, attribute) in values]
    rows.extend(kind(**{attribute: value}) for value in sorted(values - present))


def _index(session: Session, row: ServiceVersion, description: ServiceDescription) -> None:
    texts = (description.name, description.summary, description.details or "", description.terms)
    words = [fold(part) for part in texts]
    if row.search_entry is None:
        row.search_entry = ServiceSearch()
    if session.get_bind().dialect.name == "postgresql":
        row.search_entry.document = _tsvector(words)
        return
    session.flush()
    _unindex(session, row.search_entry)
    session.execute(
        text(
            "INSERT INTO fts_service (rowid, name, summary, details, terms) "
            "VALUES (:id, :name, :summary, :details, :terms)"
        ),
        {
            "id": row.search_entry.id,
            **dict(
                zip(
                    ("name", "summary", "details", "terms"),
                    (" ".join(part) for part in words),
                    strict=True,
                )
            ),
        },
    )


def _unindex(session: Session, entry: ServiceSearch) -> None:
    if session.get_bind().dialect.name != "postgresql":
        session.execute(text("DELETE FROM fts_service WHERE rowid = :id"), {"id": entry.id})


def _tsvector(parts: Sequence[Sequence[str]]) -> str:
    """Return the literal of a tsvector, so that PostgreSQL's own idea of a word plays no part."""
    positions: dict[str, list[str]] = {}
    place = 0
    for label, words in zip(_LABELS, parts, strict=True):
        for word in words:
            place = min(place + 1, _LAST_POSITION)
            found = positions.setdefault(word, [])
            if len(found) < 255:  # PostgreSQL keeps no more of one word
                found.append(f"{place}{label}")
    return " ".join(f"'{word}':{','.join(found)}" for word, found in positions.items())
