"""Consents of customers. Every change tells the marketplace; a lost consent stops the data."""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from mpp_sdk.contracts.notifications.models import ConsentState
from mpp_sdk.errors import Conflict, IllegalTransition, InvalidInput
from mpp_sdk.state.activations import Activations
from mpp_sdk.state.domain import CONSENT, ENDED_SUBSCRIPTION, Validity
from mpp_sdk.state.pods import Notifier, SubscribedPod, find_pod, to_pod, touch
from mpp_sdk.state.subscriptions import find_subscription, to_subscription
from mpp_sdk.state.tables import PodRow
from mpp_sdk.transactions import Transactions, hold

_BATCH = 100


class Consents:
    """Records what customers say: a change, what follows and what is told are one transaction."""

    def __init__(
        self, transactions: Transactions, activations: Activations, notifier: Notifier
    ) -> None:
        self._transactions = transactions
        self._activations = activations
        self._notifier = notifier

    def request(self, subscription_id: UUID, pod_ids: Sequence[str]) -> Sequence[SubscribedPod]:
        """Begin the consent process of the points of delivery that are new; return the new ones.

        Where the service needs no consent, their activation is REQUESTED right away. Raises
        Conflict unless the subscription is ACTIVE and in its agreed period.
        """
        with self._transactions() as session:
            subscription = find_subscription(session, subscription_id, lock=True)
            if not to_subscription(subscription).is_running():
                raise Conflict(
                    f"The subscription is {subscription.state}, or not in its agreed period."
                )
            known = _known(session, subscription_id, pod_ids)
            new = [pod_id for pod_id in dict.fromkeys(pod_ids) if pod_id not in known]
            consent_required = to_subscription(subscription).service.consent_required
            return [
                self._begin(
                    session,
                    PodRow(subscription_id=subscription_id, pod_id=pod_id),
                    consent_required,
                )
                for pod_id in new
            ]

    def ask_again(self, subscription_id: UUID, pod_id: str) -> SubscribedPod:
        """Begin a new round after a consent was denied, withdrawn, timed out or expired.

        It is the provider's decision: a requester that repeats its request asks nobody twice.
        Raises Conflict where the service needs no consent or the subscription is over,
        IllegalTransition.
        """
        with self._transactions() as session:
            row = self._lock(session, subscription_id, pod_id, running=True)
            if row.consent is None:
                raise Conflict("The service needs no consent for this point of delivery.")
            return self._move(session, row, "request", None)

    def grant(
        self, subscription_id: UUID, pod_id: str, validity: Validity | None = None
    ) -> SubscribedPod:
        """Record that the customer consents, and that the activation is to follow.

        Readings are given within the validity only; without one there is no bound. Raises
        InvalidInput for a period that ends before it starts, Conflict when the subscription is
        over, IllegalTransition.
        """
        if validity is not None and validity.end is not None and validity.end <= validity.start:
            raise InvalidInput.field(
                "/validity/end", "endAfterStart", "The end of the period is not after its start."
            )
        with self._transactions() as session:
            row = self._lock(session, subscription_id, pod_id, running=True)
            row.consent_start = validity.start if validity else None
            row.consent_end = validity.end if validity else None
            self._move(session, row, "grant", None)
            return self._activations.move(session, row, "request", None)

    def deny(self, subscription_id: UUID, pod_id: str, reason: str | None = None) -> SubscribedPod:
        """Record that the customer refuses. Raises IllegalTransition."""
        return self._change(subscription_id, pod_id, "deny", reason)

    def withdraw(
        self, subscription_id: UUID, pod_id: str, reason: str | None = None
    ) -> SubscribedPod:
        """Record that the customer takes the consent back; the activation ends at once.

        Raises IllegalTransition.
        """
        return self._change(subscription_id, pod_id, "withdraw", reason)

    def time_out(self, subscription_id: UUID, pod_id: str) -> SubscribedPod:
        """Record that the customer did not answer in time. Raises IllegalTransition."""
        return self._change(subscription_id, pod_id, "time_out", "The customer did not answer.")

    def expire_due(self, moment: datetime) -> int:
        """Expire the granted consents whose period is over; return how many there were."""
        due = select(PodRow.subscription_id, PodRow.pod_id).where(
            PodRow.consent == ConsentState.GRANTED, PodRow.consent_end <= moment
        )
        return self._for_each(due, "expire", "The consent's period is over.")

    def time_out_due(self, timeout: timedelta, moment: datetime) -> int:
        """Time out the consents that customers left unanswered; return how many there were."""
        due = select(PodRow.subscription_id, PodRow.pod_id).where(
            PodRow.consent == ConsentState.REQUESTED, PodRow.consent_since <= moment - timeout
        )
        return self._for_each(due, "time_out", "The customer did not answer.")

    def _begin(self, session: Session, row: PodRow, consent_required: bool) -> SubscribedPod:
        session.add(row)
        hold(session, (row.subscription_id, row.pod_id), row)
        if consent_required:
            return self._move(session, row, "request", None)
        return self._activations.move(session, row, "request", None)

    def _change(
        self, subscription_id: UUID, pod_id: str, action: str, reason: str | None
    ) -> SubscribedPod:
        with self._transactions() as session:
            row = self._lock(session, subscription_id, pod_id)
            return self._move(session, row, action, reason)

    def _move(
        self, session: Session, row: PodRow, action: str, reason: str | None
    ) -> SubscribedPod:
        before = None if row.consent is None else ConsentState(row.consent)
        row.consent = CONSENT.after(before, action)
        touch(row, reason)
        row.consent_since = row.updated_at
        self._notifier.consent_changed(session, to_pod(row))
        if before is ConsentState.GRANTED:
            ended = reason or f"The customer's consent is {row.consent}."
            self._activations.end_if_running(session, row, ended)
        return to_pod(row)

    def _for_each(self, due: Select[UUID, str], action: str, reason: str) -> int:
        with self._transactions.reading() as session:
            found = session.execute(due.limit(_BATCH)).all()
        count = 0
        for subscription_id, pod_id in found:
            # Somebody may have answered since: then there is nothing left to do here.
            with contextlib.suppress(IllegalTransition):
                self._change(subscription_id, pod_id, action, reason)
                count += 1
        return count

    @staticmethod
    def _lock(
        session: Session, subscription_id: UUID, pod_id: str, *, running: bool = False
    ) -> PodRow:
        subscription = find_subscription(session, subscription_id, lock=True)
        if running and subscription.state in ENDED_SUBSCRIPTION:
            raise Conflict(f"The subscription is {subscription.state}.")
        return find_pod(session, subscription_id, pod_id, lock=True)


def _known(session: Session, subscription_id: UUID, pod_ids: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(pod_ids), _BATCH):
        part = pod_ids[start : start + _BATCH]
        query = select(PodRow.pod_id).where(
            PodRow.subscription_id == subscription_id, PodRow.pod_id.in_(part)
        )
        known.update(session.scalars(query))
    return known
