"""What this platform holds and sends again, for a marketplace that compares after a restore."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from mpp_sdk import clock
from mpp_sdk.auth import OutboundKey
from mpp_sdk.contracts.eu_mp.models import (
    AcknowledgementOutcome,
    AgreedTerms,
    CompanyReference,
    ConfirmedService,
    HeldEvent,
    HeldEventKind,
    HeldEventPage,
    HeldServiceOffer,
    HeldServiceOfferPage,
    HeldServiceOfferState,
    NotificationReplay,
    NotificationReplayOrder,
    PlatformRole,
)
from mpp_sdk.errors import InvalidInput, Unavailable
from mpp_sdk.inbox import POINTS_REQUESTED
from mpp_sdk.notifications.notifier import LANE
from mpp_sdk.outbox.resending import delivered_events, queue_again
from mpp_sdk.secrets import hash_secret
from mpp_sdk.state.tables import OUTBOX_TABLES, EventRow, SubscriptionRow
from mpp_sdk.transactions import Transactions

_AT_ONCE = 500
_KINDS = {
    "CONFIRMED": HeldEventKind.SERVICE_OFFER_CONFIRMED,
    "CANCELED": HeldEventKind.SERVICE_OFFER_CANCELED,
    "EXPIRED": HeldEventKind.SERVICE_OFFER_CANCELED,
    "SUSPENDED": HeldEventKind.SERVICE_OFFER_SUSPENDED,
    "ACTIVE": HeldEventKind.SERVICE_OFFER_RESUMED,
    POINTS_REQUESTED: HeldEventKind.POINTS_OF_DELIVERY_REQUESTED,
}


class Held:
    """Reads the inbox and the subscriptions, and queues notifications again."""

    def __init__(
        self,
        transactions: Transactions,
        key: OutboundKey,
        retention: timedelta,
        wake: Callable[[], None],
    ) -> None:
        self._transactions = transactions
        self._key = key
        self._retention = retention
        self._wake = wake

    def events(self, since: datetime, limit: int, cursor: str | None) -> HeldEventPage:
        """Return a page of the events that were received, by their ids. Raises InvalidInput."""
        query = (
            select(EventRow)
            .where(EventRow.occurred_at >= since)
            .order_by(EventRow.event_id)
            .limit(limit + 1)
        )
        if cursor is not None:
            query = query.where(EventRow.event_id > _decode(cursor))
        with self._transactions.reading() as session:
            rows = session.scalars(query).all()
        page = rows[:limit]
        return HeldEventPage(
            items=[_event(row) for row in page],
            next_cursor=str(page[-1].event_id) if len(rows) > limit else None,
        )

    def service_offers(self, limit: int, cursor: str | None) -> HeldServiceOfferPage:
        """Return a page of the subscriptions, by their ids. Raises InvalidInput."""
        query = select(SubscriptionRow).order_by(SubscriptionRow.id).limit(limit + 1)
        if cursor is not None:
            query = query.where(SubscriptionRow.id > _decode(cursor))
        with self._transactions.reading() as session:
            rows = session.scalars(query).all()
        page = rows[:limit]
        return HeldServiceOfferPage(
            items=[_service_offer(row) for row in page],
            next_cursor=str(page[-1].id) if len(rows) > limit else None,
        )

    def replay_notifications(self, order: NotificationReplayOrder) -> NotificationReplay:
        """Queue a part of what was acknowledged since a moment again. Raises InvalidInput."""
        after = None if order.cursor is None else _decode(order.cursor)
        with self._transactions() as session:
            connection = session.connection()
            found = delivered_events(
                connection,
                OUTBOX_TABLES,
                LANE,
                finished_from=order.since,
                after=after,
                limit=_AT_ONCE,
            )
            queued = queue_again(connection, OUTBOX_TABLES, found)
            self._transactions.after_commit(self._wake)
        return NotificationReplay(
            queued=len(queued),
            next_cursor=str(found[-1]) if len(found) == _AT_ONCE else None,
            kept_since=clock.now() - self._retention,
            api_key_hash=self._presented(),
        )

    def _presented(self) -> str | None:
        try:
            return hash_secret(self._key.current())
        except Unavailable:  # it has none, and will say so when it tries to send
            return None


def _event(row: EventRow) -> HeldEvent:
    return HeldEvent(
        event_id=row.event_id,
        kind=_KINDS[row.told_state],
        platform_role=PlatformRole(row.role),
        subscription_id=row.subscription_id,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        outcome=AcknowledgementOutcome(row.outcome),
    )


def _service_offer(row: SubscriptionRow) -> HeldServiceOffer:
    details = row.details
    return HeldServiceOffer(
        subscription_id=row.id,
        platform_role=PlatformRole(row.role),
        state=HeldServiceOfferState(row.state),
        state_since=row.state_since,
        reason=row.reason,
        confirmed_at=details["occurredAt"],
        supersedes=details.get("supersedes"),
        service=ConfirmedService.model_validate(details["service"]),
        provider=CompanyReference.model_validate(details["provider"]),
        requester=CompanyReference.model_validate(details["requester"]),
        terms=AgreedTerms.model_validate(details["terms"]),
    )


def _decode(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError as error:
        raise InvalidInput.field("cursor", "cursor", "It is no cursor of this list.") from error
