"""Applies each event of the marketplace once, whether it comes twice, late or out of order."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import (
    AcknowledgementOutcome,
    PlatformRole,
    PointsOfDeliveryRequested,
    ServiceOfferCanceled,
    ServiceOfferChanged,
    ServiceOfferConfirmed,
)
from mpp_sdk.errors import Conflict, FieldError
from mpp_sdk.state.activations import Activations
from mpp_sdk.state.domain import ENDED_SUBSCRIPTION, SubscriptionState
from mpp_sdk.state.requested import RequestedPods
from mpp_sdk.state.subscriptions import Subscription, Subscriptions, to_subscription
from mpp_sdk.state.tables import EventRow, SubscriptionRow
from mpp_sdk.transactions import Transactions

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the marketplace's clock may be ahead of this platform's."""

_CONFIRMED = "CONFIRMED"
POINTS_REQUESTED = "PODS_REQUESTED"
"""What a row of the inbox says was told by an event that changes no state."""


class SubscriptionCallbacks(Protocol):
    """What an integrator does about an event, in the transaction that records it."""

    def on_subscription_confirmed(self, subscription: Subscription) -> None:
        """A subscription is confirmed."""

    def on_subscription_canceled(self, subscription: Subscription) -> None:
        """A subscription was canceled or has expired."""

    def on_subscription_suspended(self, subscription: Subscription) -> None:
        """A subscription is suspended."""

    def on_subscription_resumed(self, subscription: Subscription) -> None:
        """A suspended subscription is active again."""

    def on_points_of_delivery_added(self, subscription_id: UUID, pod_ids: Sequence[str]) -> None:
        """Somebody of the company has added points of delivery to ask the provider for."""


class Inbox:
    """Receives events. The event, the state and what the integrator does are one transaction.

    Each raises Conflict for what is said to happen more than five minutes from now: one of the two
    clocks is wrong, and the event, which is sent again, can be taken once they agree.
    """

    def __init__(
        self,
        transactions: Transactions,
        subscriptions: Subscriptions,
        activations: Activations,
        requested: RequestedPods,
        callbacks: SubscriptionCallbacks,
    ) -> None:
        self._transactions = transactions
        self._subscriptions = subscriptions
        self._activations = activations
        self._requested = requested
        self._callbacks = callbacks

    def confirmed(self, role: PlatformRole, event: ServiceOfferConfirmed) -> AcknowledgementOutcome:
        """Record a confirmed subscription. Raises Conflict when this platform has it otherwise."""
        entry = _entry(event.event_id, event.subscription_id, role, event.occurred_at, _CONFIRMED)
        return self._once(entry, lambda session: self._confirm(session, role, event))

    def ended(self, role: PlatformRole, event: ServiceOfferCanceled) -> AcknowledgementOutcome:
        """Record that a subscription is over. Raises Conflict for one of another role."""
        return self._told(role, event, SubscriptionState(event.state))

    def suspended(self, role: PlatformRole, event: ServiceOfferChanged) -> AcknowledgementOutcome:
        """Record that a subscription is suspended. Raises Conflict for one of another role."""
        return self._told(role, event, SubscriptionState.SUSPENDED)

    def resumed(self, role: PlatformRole, event: ServiceOfferChanged) -> AcknowledgementOutcome:
        """Record that a subscription is active again. Raises Conflict for one of another role."""
        return self._told(role, event, SubscriptionState.ACTIVE)

    def points_requested(
        self, role: PlatformRole, event: PointsOfDeliveryRequested
    ) -> AcknowledgementOutcome:
        """Record points of delivery to ask the provider for.

        Raises Conflict unless this platform is the requester's.
        """
        if role is not PlatformRole.REQUESTER:
            raise Conflict("Only the requester's platform asks for points of delivery.")
        entry = _entry(
            event.event_id, event.subscription_id, role, event.occurred_at, POINTS_REQUESTED
        )
        return self._once(entry, lambda session: self._request(session, entry, event.pod_ids))

    def _request(
        self, session: Session, entry: EventRow, pod_ids: Sequence[str]
    ) -> AcknowledgementOutcome:
        row = session.get(SubscriptionRow, entry.subscription_id, with_for_update=True)
        if row is not None:  # else the confirmation is still to come, and they are asked for then
            _check_role(row.role, entry)
            if row.state in ENDED_SUBSCRIPTION:
                return AcknowledgementOutcome.SUPERSEDED
        self._requested.add(session, entry.subscription_id, pod_ids, entry.occurred_at)
        self._callbacks.on_points_of_delivery_added(entry.subscription_id, pod_ids)
        return AcknowledgementOutcome.APPLIED

    def _told(
        self,
        role: PlatformRole,
        event: ServiceOfferCanceled | ServiceOfferChanged,
        state: SubscriptionState,
    ) -> AcknowledgementOutcome:
        entry = _entry(event.event_id, event.subscription_id, role, event.occurred_at, state)
        entry.reason = event.reason
        return self._once(entry, lambda session: self._change(session, entry))

    def _once(
        self, entry: EventRow, apply: Callable[[Session], AcknowledgementOutcome]
    ) -> AcknowledgementOutcome:
        with self._transactions() as session:
            known = session.get(EventRow, entry.event_id)
            if known is not None:
                _check_role(known.role, entry)
                return AcknowledgementOutcome.DUPLICATE
            _check_occurred_at(entry)
            try:
                with session.begin_nested():
                    session.add(entry)
            except IntegrityError:  # the same event came twice at once
                return AcknowledgementOutcome.DUPLICATE
            outcome = apply(session)
            entry.outcome = outcome
            return outcome

    def _confirm(
        self, session: Session, role: PlatformRole, event: ServiceOfferConfirmed
    ) -> AcknowledgementOutcome:
        known = session.get(SubscriptionRow, event.subscription_id, with_for_update=True)
        if known is not None:
            if known.role != role:
                raise Conflict(f"This platform is the {known.role} of this subscription already.")
            return AcknowledgementOutcome.SUPERSEDED
        row = self._subscriptions.add(session, event, role)
        newest = _newest(session, row.id)
        if newest is not None:
            _set_state(row, newest)
        if row.state in ENDED_SUBSCRIPTION:
            return AcknowledgementOutcome.SUPERSEDED
        self._callbacks.on_subscription_confirmed(to_subscription(row))
        return AcknowledgementOutcome.APPLIED

    def _change(self, session: Session, entry: EventRow) -> AcknowledgementOutcome:
        row = session.get(SubscriptionRow, entry.subscription_id, with_for_update=True)
        if row is None:  # the confirmation is still to come, and will find this
            return AcknowledgementOutcome.APPLIED
        _check_role(row.role, entry)
        before = SubscriptionState(row.state)
        ends = entry.told_state in ENDED_SUBSCRIPTION
        if before in ENDED_SUBSCRIPTION or (entry.occurred_at < row.state_since and not ends):
            return AcknowledgementOutcome.SUPERSEDED
        _set_state(row, entry)
        if row.state != before:
            self._follow(session, row, entry.reason or "")
        return AcknowledgementOutcome.APPLIED

    def _follow(self, session: Session, row: SubscriptionRow, reason: str) -> None:
        subscription = to_subscription(row)
        match subscription.state:
            case SubscriptionState.SUSPENDED:
                self._activations.suspend_all(session, row, reason)
                self._callbacks.on_subscription_suspended(subscription)
            case SubscriptionState.ACTIVE:
                self._activations.resume_all(session, row, reason)
                self._callbacks.on_subscription_resumed(subscription)
            case SubscriptionState.CANCELED | SubscriptionState.EXPIRED:
                self._activations.end_all(session, row, reason)
                self._callbacks.on_subscription_canceled(subscription)


def _entry(
    event_id: UUID, subscription_id: UUID, role: PlatformRole, occurred_at: datetime, told: str
) -> EventRow:
    return EventRow(
        event_id=event_id,
        subscription_id=subscription_id,
        role=role,
        told_state=told,
        occurred_at=occurred_at,
        received_at=clock.now(),
        outcome=AcknowledgementOutcome.APPLIED,
    )


def _check_role(known: str, entry: EventRow) -> None:
    if known != entry.role:
        raise Conflict(f"This platform is the {known} of this subscription, not the {entry.role}.")


def _check_occurred_at(entry: EventRow) -> None:
    if entry.occurred_at > entry.received_at + CLOCK_TOLERANCE:
        said = f"It is {entry.received_at.isoformat()} here: one of the clocks is wrong."
        raise Conflict(said, [FieldError("/occurredAt", "notInTheFuture", said)])


def _newest(session: Session, subscription_id: UUID) -> EventRow | None:
    """Return what was last told of a subscription before its confirmation; an end is final."""
    told = session.scalars(
        select(EventRow)
        .where(
            EventRow.subscription_id == subscription_id,
            EventRow.told_state.not_in((_CONFIRMED, POINTS_REQUESTED)),
        )
        .order_by(EventRow.occurred_at.desc())
    ).all()
    ends = [event for event in told if event.told_state in ENDED_SUBSCRIPTION]
    return next(iter([*ends, *told]), None)


def _set_state(row: SubscriptionRow, event: EventRow) -> None:
    row.state = event.told_state
    row.state_since = event.occurred_at
    row.reason = event.reason
