"""What happened under a subscription, as one list: transitions, messages to platforms, statuses."""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from marketplace.core import audit
from marketplace.core.audit import AuditEntry, AuditFilter
from marketplace.core.paging import Page
from marketplace.core.unit_of_work import current_session
from marketplace.delivery import service as delivery
from marketplace.identity import access
from marketplace.monitoring import repository
from marketplace.monitoring.tables import InterimStatus
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.errors import InvalidInput
from mpp_sdk.outbox import Event

OF_PODS = frozenset({"PointOfDelivery", "Consent", "Activation"})
"""The kinds of entries that are about single points of delivery; there can be very many."""

_TOLD_OTHERWISE = frozenset({"Delivery"})  # by the delivery itself, which says more
_AUDIT, _DELIVERY, _STATUS = 2, 1, 0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_MILLISECOND = 1_000
_FAR_AWAY = 250_000_000_000 * 1_000_000


@dataclass(frozen=True)
class Happening:
    """One thing that happened: a transition, a message to a platform or an interim status."""

    occurred_at: datetime
    what: AuditEntry | Event | InterimStatus


@dataclass(frozen=True, order=True)
class _Place:
    """Where something is in the list: its microsecond, then its source, then its id."""

    microsecond: int
    source: int
    id: UUID


def read_timeline(
    subscription_id: UUID, limit: int, cursor: str | None, *, with_pods: bool = True
) -> Page[Happening]:
    """Return a page of what happened under a subscription of the caller, the newest first.

    Messages are those that the caller may see: to its own platform; all of them for operators. It
    costs a query for each source, however much there is. Raises NotFound, and InvalidInput for a
    cursor of another list.
    """
    subscriptions.visible_agreement(subscription_id)
    after = None if cursor is None else _decode(cursor, subscription_id)
    found = [
        *_entries(subscription_id, limit + 1, after, with_pods=with_pods),
        *_deliveries(subscription_id, limit + 1, after),
        *_statuses(subscription_id, limit + 1, after),
    ]
    found.sort(key=lambda pair: pair[0], reverse=True)
    page = [happening for _, happening in found[:limit]]
    if len(found) <= limit:
        return Page(page)
    return Page(page, _encode(found[limit - 1][0], subscription_id))


def _entries(
    subscription_id: UUID, limit: int, after: _Place | None, *, with_pods: bool
) -> Iterator[tuple[_Place, Happening]]:
    wanted = AuditFilter(visible_to=access.visible_to(), subscription_id=subscription_id)
    rows = audit.newest(
        current_session(),
        wanted,
        limit,
        before=_id_before(after, _AUDIT),
        without=_TOLD_OTHERWISE if with_pods else _TOLD_OTHERWISE | OF_PODS,
    )
    for row in rows:
        yield _Place(_microsecond_of(row.id), _AUDIT, row.id), Happening(row.recorded_at, row)


def _deliveries(
    subscription_id: UUID, limit: int, after: _Place | None
) -> Iterator[tuple[_Place, Happening]]:
    before = _id_before(after, _DELIVERY)
    for event in delivery.newest_of_subscription(subscription_id, limit, before):
        place = _Place(_microsecond_of(event.event_id), _DELIVERY, event.event_id)
        yield place, Happening(event.created_at, event)


def _statuses(
    subscription_id: UUID, limit: int, after: _Place | None
) -> Iterator[tuple[_Place, Happening]]:
    moment = event_id = None
    if after is not None:
        moment = _EPOCH + after.microsecond * _TICK
        if after.source == _STATUS:
            event_id = after.id
        else:  # what has the same microsecond comes after what other sources have
            moment += _TICK
    session = current_session()
    for row in repository.statuses_before(session, subscription_id, limit, moment, event_id):
        microsecond = (row.occurred_at - _EPOCH) // _TICK
        yield _Place(microsecond, _STATUS, row.event_id), Happening(row.occurred_at, row)


def _id_before(after: _Place | None, source: int) -> UUID | None:
    """Return the id that is beyond the next ones of a source whose ids grow with the time."""
    if after is None:
        return None
    if after.source == source:
        return after.id
    millisecond = after.microsecond // _MILLISECOND
    if source < after.source or after.microsecond % _MILLISECOND:
        millisecond += 1
    return UUID(int=millisecond << 80)


def _microsecond_of(identifier: UUID) -> int:
    """Return when an id (UUIDv7) was made."""
    return (identifier.int >> 80) * _MILLISECOND


def _encode(place: _Place, subscription_id: UUID) -> str:
    parts = [str(subscription_id), place.microsecond, place.source, str(place.id)]
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _decode(cursor: str, subscription_id: UUID) -> _Place:
    try:
        raw = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        of, microsecond, source, identifier = json.loads(raw)
        place = _Place(int(microsecond), int(source), UUID(identifier))
        if of != str(subscription_id) or place.source not in (_AUDIT, _DELIVERY, _STATUS):
            raise ValueError("another list")
        if not 0 <= place.microsecond < _FAR_AWAY:
            raise ValueError("no moment")
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidInput.field(
            "cursor", "cursor", "The cursor is not one that this list gave out. Begin without it."
        ) from error
    return place
