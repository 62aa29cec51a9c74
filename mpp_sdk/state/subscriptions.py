"""The subscriptions in which this platform takes part, as the marketplace told them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import (
    AgreedTerms,
    CompanyReference,
    ConfirmedService,
    PlatformRole,
    ServiceOfferConfirmed,
)
from mpp_sdk.errors import NotFound, Unavailable
from mpp_sdk.secrets import SecretBox, hash_secret
from mpp_sdk.state.domain import SubscriptionState, Validity
from mpp_sdk.state.tables import PodRow, SubscriptionRow
from mpp_sdk.transactions import Transactions, get_locked

_INTERIM_MARGIN = 0.9
_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


@dataclass(frozen=True)
class Subscription:
    """A subscription as this platform knows it.

    role is this platform's own. base_url, contract and contract_version say how the requester's
    platform reaches the provider's.
    """

    id: UUID
    role: PlatformRole
    state: SubscriptionState
    reason: str | None
    supersedes: UUID | None
    service: ConfirmedService
    provider: CompanyReference
    requester: CompanyReference
    terms: AgreedTerms
    base_url: str
    contract: str
    contract_version: str

    @property
    def counterpart(self) -> CompanyReference:
        """Return the company on the other side."""
        return self.requester if self.role is PlatformRole.PROVIDER else self.provider

    @property
    def validity(self) -> Validity:
        """Return the period that was agreed."""
        return Validity(self.terms.validity.start, self.terms.validity.end)

    @property
    def interim_status_interval(self) -> timedelta:
        """Return how often the provider promised an interim status."""
        return _DURATION.validate_python(self.terms.interim_status_interval)

    def is_running(self) -> bool:
        """Return whether it is ACTIVE and in its agreed period now."""
        return self.state is SubscriptionState.ACTIVE and self.validity.contains(clock.now())


class Subscriptions:
    """Finds subscriptions; the events of the marketplace are what changes them."""

    def __init__(self, transactions: Transactions, box: SecretBox) -> None:
        self._transactions = transactions
        self._box = box

    def get(self, subscription_id: UUID) -> Subscription:
        """Return a subscription. Raises NotFound."""
        with self._transactions.reading() as session:
            return to_subscription(find_subscription(session, subscription_id))

    def all(
        self, role: PlatformRole | None = None, state: SubscriptionState | None = None
    ) -> Sequence[Subscription]:
        """Return the subscriptions in the order of their ids, of one role and state if given."""
        query = select(SubscriptionRow).order_by(SubscriptionRow.id)
        if role is not None:
            query = query.where(SubscriptionRow.role == role)
        if state is not None:
            query = query.where(SubscriptionRow.state == state)
        with self._transactions.reading() as session:
            return [to_subscription(row) for row in session.scalars(query)]

    def with_key(self, key: str) -> Subscription | None:
        """Return the subscription that a requester's key belongs to; None when there is none."""
        query = select(SubscriptionRow).where(
            SubscriptionRow.key_hash == hash_secret(key),
            SubscriptionRow.role == PlatformRole.PROVIDER,
        )
        with self._transactions.reading() as session:
            row = session.scalars(query).first()
            return None if row is None else to_subscription(row)

    def key_for(self, subscription_id: UUID) -> str:
        """Return the key to present to the provider. Raises Unavailable for one of other roles."""
        with self._transactions.reading() as session:
            row = find_subscription(session, subscription_id)
        if row.encrypted_key is None:
            raise Unavailable("Only the requester's platform has the key of a subscription.")
        return self._box.decrypt(row.encrypted_key)

    def due_for_interim(self, moment: datetime) -> Sequence[UUID]:
        """Return the ACTIVE subscriptions whose interim status is due."""
        query = (
            select(SubscriptionRow.id)
            .where(
                SubscriptionRow.role == PlatformRole.PROVIDER,
                SubscriptionRow.state == SubscriptionState.ACTIVE,
                SubscriptionRow.next_interim_at <= moment,
            )
            .order_by(SubscriptionRow.next_interim_at)
        )
        with self._transactions.reading() as session:
            return session.scalars(query).all()

    def add(
        self, session: Session, event: ServiceOfferConfirmed, role: PlatformRole
    ) -> SubscriptionRow:
        """Return the new row of a confirmed subscription; a requester's key is kept encrypted."""
        details: dict[str, Any] = event.model_dump(mode="json", by_alias=True, exclude_none=True)
        key = details["b2b"].pop("apiKey")
        is_provider = role is PlatformRole.PROVIDER
        row = SubscriptionRow(
            id=event.subscription_id,
            role=role,
            state=SubscriptionState.ACTIVE,
            state_since=event.occurred_at,
            details=details,
            key_hash=hash_secret(key),
            encrypted_key=None if is_provider else self._box.encrypt(key),
        )
        if is_provider:
            row.next_interim_at = next_interim_at(to_subscription(row), clock.now())
        session.add(row)
        session.flush()
        return row


def next_interim_at(subscription: Subscription, moment: datetime) -> datetime:
    """Return when the interim status after one at a moment is due: a little before it is late."""
    return moment + subscription.interim_status_interval * _INTERIM_MARGIN


def find_subscription(
    session: Session, subscription_id: UUID, *, lock: bool = False
) -> SubscriptionRow:
    """Return the row of a subscription, locked until the transaction ends if asked for.

    Raises NotFound.
    """
    get = get_locked if lock else Session.get
    row = get(session, SubscriptionRow, subscription_id)
    if row is None:
        raise NotFound.entity("subscription", subscription_id)
    return row


def count_active_pods(session: Session, subscription_id: UUID) -> int:
    """Return for how many points of delivery the service is active."""
    return session.scalars(
        select(func.count()).where(
            PodRow.subscription_id == subscription_id, PodRow.activation == "ACTIVE"
        )
    ).one()


def to_subscription(row: SubscriptionRow) -> Subscription:
    """Return what a row says."""
    details = row.details
    supersedes = details.get("supersedes")
    return Subscription(
        id=row.id,
        role=PlatformRole(row.role),
        state=SubscriptionState(row.state),
        reason=row.reason,
        supersedes=UUID(supersedes) if supersedes else None,
        service=ConfirmedService.model_validate(details["service"]),
        provider=CompanyReference.model_validate(details["provider"]),
        requester=CompanyReference.model_validate(details["requester"]),
        terms=AgreedTerms.model_validate(details["terms"]),
        base_url=details["b2b"]["baseUrl"],
        contract=details["b2b"]["contract"],
        contract_version=details["b2b"]["contractVersion"],
    )
