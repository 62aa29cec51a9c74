"""The catalogue over HTTP."""

from collections.abc import Sequence
from uuid import UUID

from marketplace.catalogue import api_documents, service, tables
from marketplace.catalogue.api_documents import DocumentOfVersion
from marketplace.catalogue.domain import VersionState
from marketplace.catalogue.repository import ServiceFilter
from marketplace.core.etag import etag
from marketplace.core.paging import Page
from marketplace.identity import access
from marketplace.identity.company import references
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    ApiDocument,
    ApiDocumentText,
    CompanyReference,
    DataStandard,
    MarketPlayerRole,
    ServiceCategory,
    ServiceDescription,
    ServicePage,
    ServiceState,
    ServiceVersion,
)
from mpp_sdk.web.call import Reply, current_call


def list_services(
    limit: int = 50,
    cursor: str | None = None,
    q: str | None = None,
    category: ServiceCategory | None = None,
    country: str | None = None,
    area: str | None = None,
    provider_role: MarketPlayerRole | None = None,
    data_standard: DataStandard | None = None,
    consent_required: bool | None = None,
    state: ServiceState | None = None,
    provider_id: UUID | None = None,
) -> ServicePage:
    """Find services."""
    wanted = ServiceFilter(
        viewer=access.visible_to(),
        text=q,
        category=category,
        country=country,
        area=area,
        provider_role=provider_role,
        data_standard=data_standard,
        consent_required=consent_required,
        state=None if state is None else VersionState(state.value),
        provider_id=provider_id,
    )
    return _page(service.list_services(wanted, limit, cursor))


def create_service(body: ServiceDescription) -> Reply:
    """Draft a new service."""
    return _created(service.create_service(body))


def read_service(service_id: UUID) -> Reply:
    """Read a service."""
    return _reply(service.read_service(service_id))


def list_service_versions(
    service_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    state: ServiceState | None = None,
) -> ServicePage:
    """List the versions of a service."""
    wanted = None if state is None else VersionState(state.value)
    return _page(service.list_versions(service_id, wanted, limit, cursor))


def create_service_version(service_id: UUID, body: ServiceDescription) -> Reply:
    """Draft a new version of a service."""
    return _created(service.create_version(service_id, body))


def read_service_version(service_id: UUID, version: int) -> Reply:
    """Read a version of a service."""
    return _reply(service.read_version(service_id, version))


def edit_service_version(
    service_id: UUID, version: int, body: ServiceDescription, if_match: str | None = None
) -> Reply:
    """Edit a draft."""
    return _reply(service.edit_version(service_id, version, body, if_match))


def delete_service_version(service_id: UUID, version: int, if_match: str | None = None) -> None:
    """Delete a draft."""
    service.delete_version(service_id, version, if_match)


def publish_service_version(service_id: UUID, version: int, if_match: str | None = None) -> Reply:
    """Publish a draft."""
    return _reply(service.publish(service_id, version, if_match))


def deprecate_service_version(
    service_id: UUID, version: int, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Deprecate a published version."""
    return _reply(service.deprecate(service_id, version, body.reason, if_match))


def withdraw_service_version(
    service_id: UUID, version: int, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Withdraw a version."""
    return _reply(service.withdraw(service_id, version, body.reason, if_match))


def read_api_document(service_id: UUID, version: int) -> Reply:
    """Read the provider's own OpenAPI document."""
    return _document(api_documents.read_api_document(service_id, version))


def write_api_document(
    service_id: UUID, version: int, body: ApiDocumentText, if_match: str | None = None
) -> Reply:
    """Write the provider's own OpenAPI document."""
    return _document(api_documents.write_api_document(service_id, version, body.text, if_match))


def delete_api_document(service_id: UUID, version: int, if_match: str | None = None) -> None:
    """Take the provider's own OpenAPI document away."""
    api_documents.delete_api_document(service_id, version, if_match)


def _document(found: DocumentOfVersion) -> Reply:
    row = found.document
    body = ApiDocument(
        title=row.title,
        openapi=row.openapi,
        format=row.format,
        sha256=row.sha256,
        text=row.text,
        updated_at=row.updated_at,
    )
    return Reply(body, headers={"ETag": etag(found.version)})


def _page(page: Page[tables.ServiceVersion]) -> ServicePage:
    return ServicePage(items=_versions(page.items), next_cursor=page.next_cursor)


def _reply(row: tables.ServiceVersion) -> Reply:
    return Reply(_versions([row])[0], headers={"ETag": etag(row)})


def _created(row: tables.ServiceVersion) -> Reply:
    path = f"/services/{row.service_id}/versions/{row.number}"
    location = current_call().contract.base_path + path
    return Reply(_versions([row])[0], headers={"ETag": etag(row), "Location": location})


def _versions(rows: Sequence[tables.ServiceVersion]) -> list[ServiceVersion]:
    companies = references(row.provider_id for row in rows)
    return [_version(row, companies[row.provider_id]) for row in rows]


def _version(row: tables.ServiceVersion, provider: CompanyReference) -> ServiceVersion:
    return ServiceVersion(
        service_id=row.service_id,
        version=row.number,
        state=ServiceState(row.state.value),
        state_reason=row.state_reason,
        provider=provider,
        description=row.description,
        created_at=row.created_at,
        published_at=row.published_at,
        updated_at=row.updated_at,
    )
