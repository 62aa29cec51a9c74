"""What companies do with their services, and what others find."""

from uuid import UUID

from marketplace.catalogue import repository
from marketplace.catalogue.area import check_area
from marketplace.catalogue.domain import (
    VERSION,
    ServiceSort,
    VersionState,
    current_version,
)
from marketplace.catalogue.repository import ServiceFilter
from marketplace.catalogue.tables import Service, ServiceVersion
from marketplace.catalogue.terms import check_price, interval
from marketplace.core import audit
from marketplace.core.etag import check_if_match
from marketplace.core.paging import Page
from marketplace.core.unit_of_work import current_session
from marketplace.identity import access
from marketplace.identity import service as identity
from marketplace.identity.domain import AccessRole
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import ServiceDescription
from mpp_sdk.errors import Conflict, Forbidden, InvalidInput, NotFound
from mpp_sdk.ids import new_id

BATCH = 100
"""How many rows a job changes in one unit of work."""


def create_service(description: ServiceDescription) -> ServiceVersion:
    """Return version 1 of a new service, a DRAFT that only its provider sees."""
    provider_id = access.require_market_player()
    access.require_role(AccessRole.PROVIDER)
    _check(description, provider_id)
    service = Service(id=new_id(), provider_id=provider_id, last_number=0)
    current_session().add(service)
    return _draft(service, description)


def create_version(service_id: UUID, description: ServiceDescription) -> ServiceVersion:
    """Return the next version of a service, a DRAFT."""
    service = _own_service(service_id)
    _check(description, service.provider_id)
    return _draft(service, description)


def edit_version(
    service_id: UUID, number: int, description: ServiceDescription, if_match: str | None
) -> ServiceVersion:
    """Return a draft with a new description. Raises IllegalTransition when it is no draft."""
    _, row = _own_version(service_id, number)
    check_if_match(row, if_match)
    VERSION.after(row.state, "edit")
    _check(description, row.provider_id)
    repository.describe(current_session(), row, description)
    row.updated_at = now()
    record_edit(row)
    return row


def delete_version(service_id: UUID, number: int, if_match: str | None) -> None:
    """Delete a draft, and its service when nothing else is left of it."""
    service, row = _own_version(service_id, number)
    check_if_match(row, if_match)
    VERSION.after(row.state, "delete")
    session = current_session()
    _record(row, "delete", row.state, gone=True)
    repository.delete(session, row)
    if repository.version_states(session, service_id):
        _point(service)
    else:
        session.delete(service)


def publish(service_id: UUID, number: int, if_match: str | None) -> ServiceVersion:
    """Return a version that was a draft, PUBLISHED.

    The version that was published before becomes DEPRECATED. Raises Conflict for a draft older than
    a version that was published already.
    """
    access.require_active_player(AccessRole.PROVIDER)
    service, row = _own_version(service_id, number)
    check_if_match(row, if_match, required=False)
    state = VERSION.after(row.state, "publish")
    session = current_session()
    states = repository.version_states(session, service_id)
    newer = [n for n, s in states.items() if n > number and s is not VersionState.DRAFT]
    if newer:
        raise Conflict(
            f"Version {max(newer)} has been published already. Draft a new version instead."
        )
    _check(row.description, row.provider_id)
    before = repository.published_version(session, service_id)
    if before is not None:
        _move(before, "deprecate", f"Version {number} was published.")
        session.flush()  # one version at most is published, whenever the database looks
    row.published_at = now()
    _move_to(row, "publish", state, None)
    _point(service)
    return row


def deprecate(service_id: UUID, number: int, reason: str, if_match: str | None) -> ServiceVersion:
    """Return a published version, DEPRECATED: it takes no new requests."""
    service, row = _own_version(service_id, number)
    check_if_match(row, if_match, required=False)
    _move(row, "deprecate", reason)
    _point(service)
    return row


def withdraw(service_id: UUID, number: int, reason: str, if_match: str | None) -> ServiceVersion:
    """Return a version, WITHDRAWN by its provider or an operator. Its subscriptions go on."""
    service, row = _own_version(service_id, number, operators_too=True)
    check_if_match(row, if_match, required=False)
    _move(row, "withdraw", reason)
    _point(service)
    return row


def withdraw_all_of(market_player_id: UUID, reason: str) -> None:
    """Withdraw every published and deprecated version of a market player that has left."""
    session = current_session()
    for row in repository.open_versions_of(session, market_player_id):
        service = _service(row.service_id, lock=True)
        _move(row, "withdraw", reason)
        _point(service)


def read_service(service_id: UUID) -> ServiceVersion:
    """Return the version that stands for a service, as far as the caller may see it."""
    service = _service(service_id)
    own = access.is_operator_or_party(service.provider_id)
    number = service.current_number if own else service.open_number
    if number is None:
        raise NotFound.entity("service", service_id)
    return read_version(service_id, number)


def read_version(service_id: UUID, number: int) -> ServiceVersion:
    """Return a version of a service; a draft only to its provider and operators."""
    access.current_principal()
    row = repository.version(current_session(), service_id, number)
    if row is None:
        raise NotFound.entity("version of a service", f"{service_id}/{number}")
    if row.state is VersionState.DRAFT:
        access.require_operator_or_party(
            "version of a service", f"{service_id}/{number}", row.provider_id
        )
    return row


def list_services(
    wanted: ServiceFilter, limit: int, cursor: str | None, sort: ServiceSort | None = None
) -> Page[ServiceVersion]:
    """Return a page of the services that the caller may see; the filter's viewer is the caller.

    Without a sort the newest come first or, with a text, the best matches.
    """
    return repository.find(current_session(), wanted, limit, cursor, sort)


def name_versions() -> int:
    """Have versions of before be sorted by their names, at most BATCH; return how many."""
    session = current_session()
    rows = repository.unnamed(session, BATCH)
    for version_id, description in rows:
        repository.name_version(session, version_id, description.name)
    return len(rows)


def list_versions(
    service_id: UUID, state: VersionState | None, limit: int, cursor: str | None
) -> Page[ServiceVersion]:
    """Return a page of the versions of a service, the newest first; drafts only to their owner."""
    service = _service(service_id)
    own = access.is_operator_or_party(service.provider_id)
    if not own and service.open_number is None:
        raise NotFound.entity("service", service_id)
    return repository.versions(
        current_session(), service_id, with_drafts=own, state=state, limit=limit, cursor=cursor
    )


def requestable_version(service_id: UUID) -> ServiceVersion:
    """Return the published version of a service, for a request by the caller.

    Raises NotFound when the caller cannot see the service, and IllegalTransition when it takes no
    requests.
    """
    seen = read_service(service_id)
    VERSION.after(seen.state, "request")
    return seen


def version_of_subscription(service_id: UUID, number: int) -> ServiceVersion:
    """Return the version that a request or subscription is about, whatever became of it since."""
    row = repository.version(current_session(), service_id, number)
    if row is None:
        raise NotFound.entity("version of a service", f"{service_id}/{number}")
    return row


def _service(service_id: UUID, *, lock: bool = False) -> Service:
    service = repository.service(current_session(), service_id, lock=lock)
    if service is None:
        raise NotFound.entity("service", service_id)
    return service


def _own_service(service_id: UUID, *, operators_too: bool = False) -> Service:
    principal = access.current_principal()
    service = _service(service_id, lock=True)
    if principal.market_player_id == service.provider_id:
        access.require_role(AccessRole.PROVIDER)
        return service
    if principal.is_operator:
        if operators_too:
            return service
    elif service.open_number is None:
        raise NotFound.entity("service", service_id)
    raise Forbidden("Only its provider changes a service.")


def own_version(service_id: UUID, number: int, *, lock: bool) -> ServiceVersion:
    """Return a version of a service of the caller, the service locked if asked for.

    Raises NotFound, and Forbidden when the service is another's.
    """
    if lock:
        return _own_version(service_id, number)[1]
    row = read_version(service_id, number)
    if access.current_principal().market_player_id != row.provider_id:
        raise Forbidden("Only its provider changes a service.")
    return row


def record_edit(row: ServiceVersion) -> None:
    """Write down that a draft was edited."""
    _record(row, "edit", row.state)


def _own_version(
    service_id: UUID, number: int, *, operators_too: bool = False
) -> tuple[Service, ServiceVersion]:
    service = _own_service(service_id, operators_too=operators_too)
    row = repository.version(current_session(), service_id, number)
    if row is None:
        raise NotFound.entity("version of a service", f"{service_id}/{number}")
    return service, row


def _check(description: ServiceDescription, provider_id: UUID) -> None:
    check_price(description.price)
    interval(description.interim_status_interval, "/interimStatusInterval")
    for pointer, duration in (
        ("/resolution", description.resolution),
        ("/delay", description.delay),
    ):
        if duration is not None:
            interval(duration, pointer)
    if description.area is not None:
        check_area(description.area)
    held = identity.companies([provider_id])[provider_id].roles
    if description.provider_role.value not in {role.value for role in held}:
        raise InvalidInput.field(
            "/providerRole",
            "roleHeld",
            f"The market player does not hold the role {description.provider_role.value}.",
        )


def _draft(service: Service, description: ServiceDescription) -> ServiceVersion:
    session = current_session()
    service.last_number += 1
    session.flush()
    moment = now()
    row = ServiceVersion(
        id=new_id(),
        service_id=service.id,
        number=service.last_number,
        provider_id=service.provider_id,
        state=VersionState.DRAFT,
        created_at=moment,
        updated_at=moment,
    )
    repository.describe(session, row, description)
    session.add(row)
    session.flush()
    _record(row, "draft", None)
    _point(service)
    return row


def _move(row: ServiceVersion, action: str, reason: str | None) -> None:
    _move_to(row, action, VERSION.after(row.state, action), reason)


def _move_to(row: ServiceVersion, action: str, state: VersionState, reason: str | None) -> None:
    before, row.state, row.state_reason, row.updated_at = row.state, state, reason, now()
    _record(row, action, before)


def _point(service: Service) -> None:
    session = current_session()
    session.flush()
    states = repository.version_states(session, service.id)
    service.current_number = current_version(states, with_drafts=True)
    service.open_number = current_version(states, with_drafts=False)


def _record(
    row: ServiceVersion, action: str, before: VersionState | None, *, gone: bool = False
) -> None:
    audit.record(
        "ServiceVersion",
        row.id,
        action,
        from_state=before,
        to_state=None if gone else row.state,
        reason=row.state_reason,
        provider_id=row.provider_id,
    )
