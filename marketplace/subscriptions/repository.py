"""Every query of negotiations and subscriptions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, TextClause, func, or_, select, text, true
from sqlalchemy.orm import Session

from marketplace.core.given import select_given
from marketplace.core.paging import Key, Page, paginate
from marketplace.delivery.domain import PlatformRole
from marketplace.subscriptions.domain import (
    ENDED,
    OfferState,
    RequestSort,
    RequestState,
    SubscriptionSort,
    SubscriptionState,
)
from marketplace.subscriptions.listeners import Agreement
from marketplace.subscriptions.tables import Offer, ServiceRequest, Subscription

T = TypeVar("T", ServiceRequest, Subscription)

_AGREEMENT = (
    Subscription.id,
    Subscription.provider_id,
    Subscription.requester_id,
    Subscription.service_name,
    Subscription.state,
    Subscription.state_since,
    Subscription.active_since,
    Subscription.consent_required,
    Subscription.interim_status_interval,
)


@dataclass(frozen=True)
class NegotiationFilter:
    """Which requests or subscriptions are asked for; what is None does not restrict.

    viewer is the market player that asks, None an operator; role is the viewer's in them. states
    are several of which each is as good; expires_before is for requests alone.
    """

    viewer: UUID | None
    state: str | None = None
    role: PlatformRole | None = None
    service_id: UUID | None = None
    states: tuple[str, ...] = ()
    expires_before: datetime | None = None


def request(session: Session, request_id: UUID, *, lock: bool = False) -> ServiceRequest | None:
    """Return a request; locked, nobody else changes it or its offers until the end."""
    statement = select(ServiceRequest).where(ServiceRequest.id == request_id)
    return session.scalar(_locked(statement) if lock else statement)


def requests(
    session: Session,
    wanted: NegotiationFilter,
    limit: int,
    cursor: str | None,
    sort: RequestSort = RequestSort.NEWEST,
) -> Page[ServiceRequest]:
    """Return a page of requests; of those that expire first, only what is under way."""
    first = [Key(ServiceRequest.expires_at)] if sort is RequestSort.EXPIRING else []
    until = wanted.expires_before
    soon: list[ColumnElement[bool] | TextClause] = []
    if until is not None:
        soon.append(ServiceRequest.expires_at < until)
    if sort is RequestSort.EXPIRING:  # as its index has it, word by word
        soon.append(text("service_request.state IN ('REQUESTED', 'OFFERED')"))
    return _negotiations(session, ServiceRequest, wanted, first, limit, cursor, *soon)


def expired_requests(session: Session, moment: datetime, limit: int) -> Sequence[ServiceRequest]:
    """Return requests that nobody answered in time, locked, those of others left out."""
    return session.scalars(
        select(ServiceRequest)
        .where(
            ServiceRequest.state.in_((RequestState.REQUESTED, RequestState.OFFERED)),
            ServiceRequest.expires_at <= moment,
        )
        .order_by(ServiceRequest.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def open_requests_of(session: Session, market_player_id: UUID) -> Sequence[ServiceRequest]:
    """Return the requests under way in which a market player takes part, locked."""
    return session.scalars(
        _locked(
            select(ServiceRequest)
            .where(
                ServiceRequest.state.in_((RequestState.REQUESTED, RequestState.OFFERED)),
                _takes_part(ServiceRequest, market_player_id),
            )
            .order_by(ServiceRequest.id)
        )
    ).all()


def offer(session: Session, request_id: UUID, offer_id: UUID) -> Offer | None:
    """Return an offer of a request."""
    return session.scalar(select(Offer).where(Offer.request_id == request_id, Offer.id == offer_id))


def open_offer(session: Session, request_id: UUID) -> Offer | None:
    """Return the open offer of a request."""
    return session.scalar(
        select(Offer).where(Offer.request_id == request_id, Offer.state == OfferState.OPEN)
    )


def current_offers(session: Session, request_ids: Sequence[UUID]) -> dict[UUID, Offer]:
    """Return the last offer of each request that has one."""
    last = (
        select(Offer.request_id, func.max(Offer.revision).label("revision"))
        .where(Offer.request_id.in_(request_ids))
        .group_by(Offer.request_id)
        .subquery()
    )
    rows = session.scalars(
        select(Offer).join(
            last,
            (Offer.request_id == last.c.request_id) & (Offer.revision == last.c.revision),
        )
    )
    return {row.request_id: row for row in rows}


def last_revision(session: Session, request_id: UUID) -> int:
    """Return the number of the last offer of a request, 0 when there is none."""
    found = session.scalar(select(func.max(Offer.revision)).where(Offer.request_id == request_id))
    return found or 0


def offers(
    session: Session, request_id: UUID, state: OfferState | None, limit: int, cursor: str | None
) -> Page[Offer]:
    """Return a page of the offers of a request, the newest first."""
    statement = select(Offer).where(Offer.request_id == request_id)
    if state is not None:
        statement = statement.where(Offer.state == state)
    order = [Key(Offer.revision, descending=True)]
    return paginate(session, statement, order, limit, cursor, bound_to=(request_id, state))


def subscription(
    session: Session, subscription_id: UUID, *, lock: bool = False
) -> Subscription | None:
    """Return a subscription; locked, nobody else changes it until the end."""
    statement = select(Subscription).where(Subscription.id == subscription_id)
    return session.scalar(_locked(statement) if lock else statement)


def agreements(session: Session, ids: Iterable[UUID]) -> dict[UUID, Agreement]:
    """Return subscriptions by their ids, locked: nobody else changes them until the end.

    They are locked in the order of their ids, as everywhere, so that no two wait for each other.
    """
    rows = select_given(session, _AGREEMENT, Subscription, ("id",), set(ids), lock=True)
    return {row.id: Agreement(*row) for row in rows}


def subscription_ids_by_request(session: Session, request_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the subscription that came of each request, where one did."""
    rows = session.execute(
        select(Subscription.request_id, Subscription.id).where(
            Subscription.request_id.in_(request_ids)
        )
    )
    return {request_id: subscription_id for request_id, subscription_id in rows}  # noqa: C416 - dict() of rows has no types


def subscriptions(
    session: Session,
    wanted: NegotiationFilter,
    limit: int,
    cursor: str | None,
    sort: SubscriptionSort = SubscriptionSort.NEWEST,
) -> Page[Subscription]:
    """Return a page of subscriptions."""
    changed = sort is SubscriptionSort.CHANGED
    first = [Key(Subscription.state_since, descending=True)] if changed else []
    return _negotiations(session, Subscription, wanted, first, limit, cursor)


def count_states(
    session: Session, kind: type[ServiceRequest | Subscription], viewer: UUID | None
) -> dict[PlatformRole | None, dict[str, int]]:
    """Return how many are in each state, by the role of the viewer; for None all, by no role."""
    parties: dict[PlatformRole | None, ColumnElement[bool]] = {None: true()}
    if viewer is not None:
        parties = {
            PlatformRole.PROVIDER: kind.provider_id == viewer,
            PlatformRole.REQUESTER: kind.requester_id == viewer,
        }
    return {
        role: {
            state.value: count
            for state, count in session.execute(
                select(kind.state, func.count()).where(condition).group_by(kind.state)
            )
        }
        for role, condition in parties.items()
    }


def subscriptions_by_id(session: Session, ids: Sequence[UUID]) -> dict[UUID, Subscription]:
    """Return the subscriptions with these ids."""
    rows = session.scalars(select(Subscription).where(Subscription.id.in_(ids)))
    return {row.id: row for row in rows}


def expired_subscriptions(session: Session, moment: datetime, limit: int) -> Sequence[Subscription]:
    """Return subscriptions whose validity is over, locked, those of others left out."""
    return session.scalars(
        select(Subscription)
        .where(Subscription.state.not_in(ENDED), Subscription.validity_end <= moment)
        .order_by(Subscription.validity_end)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def running_subscriptions_of(session: Session, market_player_id: UUID) -> Sequence[Subscription]:
    """Return the subscriptions that have not ended of a market player, locked."""
    return session.scalars(
        _locked(
            select(Subscription)
            .where(Subscription.state.not_in(ENDED), _takes_part(Subscription, market_player_id))
            .order_by(Subscription.id)
        )
    ).all()


def running_successor(session: Session, subscription_id: UUID) -> Subscription | None:
    """Return the subscription that is to replace another and has not ended."""
    return session.scalar(
        select(Subscription).where(
            Subscription.supersedes == subscription_id, Subscription.state.not_in(ENDED)
        )
    )


def open_successor_request(
    session: Session, subscription_id: UUID, besides: UUID | None
) -> ServiceRequest | None:
    """Return a request under way for new terms of a subscription, other than a given one."""
    statement = select(ServiceRequest).where(
        ServiceRequest.supersedes == subscription_id,
        ServiceRequest.state.in_((RequestState.REQUESTED, RequestState.OFFERED)),
    )
    if besides is not None:
        statement = statement.where(ServiceRequest.id != besides)
    return session.scalar(statement.limit(1))


def _locked(statement: Select[T]) -> Select[T]:
    return statement.with_for_update().execution_options(populate_existing=True)


def _takes_part(
    kind: type[ServiceRequest | Subscription], market_player_id: UUID
) -> ColumnElement[bool]:
    return or_(kind.provider_id == market_player_id, kind.requester_id == market_player_id)


def _negotiations(
    session: Session,
    kind: type[T],
    wanted: NegotiationFilter,
    first: Sequence[Key],
    limit: int,
    cursor: str | None,
    *conditions: ColumnElement[bool] | TextClause,
) -> Page[T]:
    statement = select(kind).where(*conditions)
    if wanted.viewer is not None:
        if wanted.role is PlatformRole.PROVIDER:
            statement = statement.where(kind.provider_id == wanted.viewer)
        elif wanted.role is PlatformRole.REQUESTER:
            statement = statement.where(kind.requester_id == wanted.viewer)
        else:
            statement = statement.where(_takes_part(kind, wanted.viewer))
    if wanted.state is not None:
        statement = statement.where(kind.state == wanted.state)
    if wanted.service_id is not None:
        statement = statement.where(kind.service_id == wanted.service_id)
    if wanted.states:
        statement = statement.where(kind.state.in_(wanted.states))
    keys = [*first, Key(kind.id, descending=True)]
    return paginate(session, statement, keys, limit, cursor, bound_to=wanted)


def requests_by_state(connection: Connection) -> dict[RequestState, int]:
    """Return how many requests are in each state."""
    rows = connection.execute(
        select(ServiceRequest.state, func.count()).group_by(ServiceRequest.state)
    )
    return dict.fromkeys(RequestState, 0) | {row[0]: row[1] for row in rows}


def subscriptions_by_state(connection: Connection) -> dict[SubscriptionState, int]:
    """Return how many subscriptions are in each state."""
    rows = connection.execute(select(Subscription.state, func.count()).group_by(Subscription.state))
    return dict.fromkeys(SubscriptionState, 0) | {row[0]: row[1] for row in rows}
