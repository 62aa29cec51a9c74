"""What becomes of a subscription."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.core import audit
from marketplace.core.etag import check_if_match
from marketplace.core.paging import Page
from marketplace.core.read_ahead import read_ahead, recall
from marketplace.core.unit_of_work import current_session
from marketplace.delivery.domain import PlatformRole
from marketplace.delivery.listeners import Notice
from marketplace.identity import access
from marketplace.identity import service as identity
from marketplace.identity.domain import AccessRole, MarketPlayerState
from marketplace.subscriptions import events, listeners, repository
from marketplace.subscriptions.domain import (
    ENDED,
    SUBSCRIPTION,
    TAKES_POINTS_OF_DELIVERY,
    Hold,
    Standing,
    SubscriptionSort,
    SubscriptionState,
    is_acknowledged,
    resume,
    suspend,
)
from marketplace.subscriptions.listeners import Agreement
from marketplace.subscriptions.repository import NegotiationFilter
from marketplace.subscriptions.tables import Subscription
from mpp_sdk.clock import now
from mpp_sdk.errors import Forbidden, IllegalTransition, NotFound

BATCH = 100
"""How many rows a job changes in one unit of work."""

_KIND = "subscription"
_TICK = timedelta(microseconds=1)
_BOTH = frozenset(PlatformRole)
_ALL_TOLD = "Both platforms have the service offer details."
_TO_HELD = {
    SubscriptionState.SUSPENDED: "suspend",
    SubscriptionState.CANCELED: "cancel",
    SubscriptionState.EXPIRED: "expire",
}
_OVER = "The agreed validity is over."


def list_subscriptions(
    wanted: NegotiationFilter,
    limit: int,
    cursor: str | None,
    sort: SubscriptionSort = SubscriptionSort.NEWEST,
) -> Page[Subscription]:
    """Return a page of subscriptions; the filter's viewer is the caller."""
    return repository.subscriptions(current_session(), wanted, limit, cursor, sort)


def count_subscriptions() -> dict[PlatformRole | None, dict[str, int]]:
    """Return how many subscriptions of the caller are in each state, for each role it has in them.

    For operators all, under None.
    """
    return repository.count_states(current_session(), Subscription, access.visible_to())


def read_subscription(subscription_id: UUID) -> Subscription:
    """Return a subscription of the caller, or any for operators. Raises NotFound."""
    return _visible(subscription_id, lock=False)


def cancel_subscription(subscription_id: UUID, reason: str, if_match: str | None) -> Subscription:
    """Return the subscription, CANCELED by either company or an operator. Both are told."""
    row = _visible(subscription_id, lock=True)
    access.require_role_in_deal(row.provider_id, row.requester_id)
    check_if_match(row, if_match, required=False)
    _end(row, "cancel", reason)
    return row


def suspend_subscription(subscription_id: UUID, reason: str, if_match: str | None) -> Subscription:
    """Return the subscription, SUSPENDED by its provider or an operator. Both are told."""
    row = _visible(subscription_id, lock=True)
    hold = _hold_of_caller(row)
    check_if_match(row, if_match, required=False)
    _stand(row, "suspend", suspend(row.standing, hold), reason)
    return row


def resume_subscription(subscription_id: UUID, reason: str, if_match: str | None) -> Subscription:
    """Return the subscription without the caller's suspension: ACTIVE, unless others hold it."""
    row = _visible(subscription_id, lock=True)
    hold = _hold_of_caller(row)
    check_if_match(row, if_match, required=False)
    _stand(row, "resume", resume(row.standing, hold), reason)
    return row


def start(row: Subscription) -> None:
    """Take up a subscription that was just made, PENDING, and tell both platforms."""
    session = current_session()
    session.add(row)
    session.flush()
    _record(row, "confirm", None, None)
    events.confirmed(row)


def reconstruct(row: Subscription, reason: str) -> None:
    """Take up a subscription that both platforms hold and this database has lost.

    Nobody is told: both platforms know.
    """
    session = current_session()
    session.add(row)
    session.flush()
    _record(row, "reconstruct", None, reason)
    listeners.tell(_agreement(row), reason)


def become_as_held(
    row: Subscription, state: SubscriptionState, since: datetime, reason: str
) -> None:
    """Bring a subscription into the state that both platforms hold. Nobody is told: both know.

    Who suspended it is not known any more: an operator resumes it. Raises IllegalTransition when
    nothing leads from its state to that one.
    """
    action = _TO_HELD[state]
    before = row.state
    row.state = SUBSCRIPTION.after(before, action)
    row.holds = [Hold.OPERATOR] if state is SubscriptionState.SUSPENDED else []
    row.reason = reason
    row.state_since = since
    row.updated_at = now()
    current_session().flush()
    _record(row, action, before, reason)
    listeners.tell(_agreement(row), reason)


def acknowledge(notice: Notice) -> None:
    """Note that a platform has the service offer details; with both it becomes ACTIVE."""
    session = current_session()
    subscription_id, role = notice.subscription_id, notice.platform_role
    seen = repository.subscription(session, subscription_id)
    if seen is None:
        raise NotFound.entity(_KIND, subscription_id)
    replaced = None
    if seen.supersedes is not None:  # the older one first, as everywhere, so that no two wait
        replaced = repository.subscription(session, seen.supersedes, lock=True)
    row = repository.subscription(session, subscription_id, lock=True)
    if row is None or role in row.acknowledged_by:
        return
    moment = now()
    if role is PlatformRole.PROVIDER:
        row.provider_acknowledged_at = moment
    else:
        row.requester_acknowledged_at = moment
    row.updated_at = moment
    if row.state is SubscriptionState.PENDING and is_acknowledged(set(row.acknowledged_by), _BOTH):
        _activate(row, replaced)


def expire_due_subscriptions() -> int:
    """Expire subscriptions whose validity is over, at most BATCH; return how many."""
    rows = repository.expired_subscriptions(current_session(), now(), BATCH)
    for row in rows:
        _end(row, "expire", _OVER)
    return len(rows)


def suspend_those_of(market_player_id: UUID, reason: str) -> None:
    """Suspend the subscriptions of a market player that was suspended.

    One that is still PENDING is suspended as soon as it becomes ACTIVE.
    """
    for row in repository.running_subscriptions_of(current_session(), market_player_id):
        hold = _hold_of_player(row, market_player_id)
        if row.state is not SubscriptionState.PENDING and hold not in row.standing.holds:
            _stand(row, "suspend", suspend(row.standing, hold), reason)


def resume_those_of(market_player_id: UUID, reason: str) -> None:
    """Resume the subscriptions that were suspended because their market player was."""
    for row in repository.running_subscriptions_of(current_session(), market_player_id):
        hold = _hold_of_player(row, market_player_id)
        if hold in row.standing.holds:
            _stand(row, "resume", resume(row.standing, hold), reason)


def cancel_those_of(market_player_id: UUID, reason: str) -> None:
    """Cancel the subscriptions of a market player that has left."""
    for row in repository.running_subscriptions_of(current_session(), market_player_id):
        _end(row, "cancel", reason)


def visible_agreement(subscription_id: UUID) -> Agreement:
    """Return a subscription of the caller, or any for operators. Raises NotFound."""
    return _agreement(_visible(subscription_id, lock=False))


def agreement_for_notification(subscription_id: UUID) -> Agreement:
    """Return a subscription whose provider is the caller, locked until the transaction ends.

    Raises NotFound when the caller takes no part in it, Forbidden when it is the requester.
    """
    market_player_id = access.require_market_player()
    session = current_session()
    agreement = recall(
        session,
        Agreement,
        subscription_id,
        lambda: repository.agreements(session, [subscription_id]).get(subscription_id),
    )
    if agreement is None:
        raise NotFound.entity(_KIND, subscription_id)
    access.require_operator_or_party(
        _KIND, subscription_id, agreement.provider_id, agreement.requester_id
    )
    if agreement.provider_id != market_player_id:
        raise Forbidden("Only the provider of a subscription sends notifications about it.")
    return agreement


def agreement_for_points_of_delivery(subscription_id: UUID) -> Agreement:
    """Return a subscription to which the caller, its requester, may add points of delivery, locked.

    Raises NotFound, Forbidden, and IllegalTransition when it is neither PENDING nor ACTIVE.
    """
    row = _visible(subscription_id, lock=True)
    if access.require_active_player(AccessRole.REQUESTER) != row.requester_id:
        raise Forbidden("Only the requester of a subscription adds points of delivery to it.")
    if row.state not in TAKES_POINTS_OF_DELIVERY:
        allowed = SUBSCRIPTION.allowed(row.state)
        raise IllegalTransition("Subscription", row.state, "add points of delivery", allowed)
    return _agreement(row)


def read_ahead_agreements(ids: Collection[UUID]) -> None:
    """Lock and read the subscriptions that several notifications are about."""
    session = current_session()
    read_ahead(session, Agreement, ids, repository.agreements(session, ids))


def locked_agreement(subscription_id: UUID) -> Agreement:
    """Return a subscription, locked until the transaction ends, for a job. Raises NotFound."""
    row = repository.subscription(current_session(), subscription_id, lock=True)
    if row is None:
        raise NotFound.entity(_KIND, subscription_id)
    return _agreement(row)


def agreements(ids: Iterable[UUID]) -> dict[UUID, Agreement]:
    """Return subscriptions by their ids."""
    rows = repository.subscriptions_by_id(current_session(), list(ids))
    return {key: _agreement(row) for key, row in rows.items()}


def _visible(subscription_id: UUID, *, lock: bool) -> Subscription:
    access.current_principal()
    row = repository.subscription(current_session(), subscription_id, lock=lock)
    if row is None:
        raise NotFound.entity(_KIND, subscription_id)
    access.require_operator_or_party(_KIND, subscription_id, row.provider_id, row.requester_id)
    return row


def _hold_of_caller(row: Subscription) -> Hold:
    principal = access.current_principal()
    if principal.is_operator:
        return Hold.OPERATOR
    if principal.market_player_id != row.provider_id:
        raise Forbidden("A subscription is suspended and resumed by its provider or an operator.")
    access.require_role(AccessRole.PROVIDER)
    return Hold.PROVIDER


def _hold_of_player(row: Subscription, market_player_id: UUID) -> Hold:
    if market_player_id == row.provider_id:
        return Hold.PROVIDER_SUSPENDED
    return Hold.REQUESTER_SUSPENDED


def _activate(row: Subscription, replaced: Subscription | None) -> None:
    holds = frozenset[Hold]() if replaced is None else replaced.standing.holds
    _stand(row, "activate", Standing(SUBSCRIPTION.after(row.state, "activate")), _ALL_TOLD)
    if replaced is not None and replaced.state not in ENDED:
        replaced.superseded_by = row.id
        _end(replaced, "cancel", f"Replaced by subscription {row.id}.")
    for hold in sorted(holds):  # new terms are no way out of a suspension
        reason = f"The subscription that this one replaces was suspended ({hold.value})."
        _stand(row, "suspend", suspend(row.standing, hold), reason)
    for market_player_id in (row.provider_id, row.requester_id):
        hold = _hold_of_player(row, market_player_id)
        state = identity.player_state(market_player_id)
        if state is MarketPlayerState.SUSPENDED and hold not in row.standing.holds:
            reason = "A company of this subscription is suspended."
            _stand(row, "suspend", suspend(row.standing, hold), reason)


def _end(row: Subscription, action: str, reason: str) -> None:
    _stand(row, action, Standing(SUBSCRIPTION.after(row.state, action)), reason)


def _stand(row: Subscription, action: str, standing: Standing, reason: str) -> None:
    # Later than the last change, whatever this process's clock says: platforms go by it.
    before, moment = row.state, max(now(), row.state_since + _TICK)
    row.state = standing.state
    row.holds = sorted(standing.holds)
    row.updated_at = moment
    row.reason = None if standing.state is SubscriptionState.ACTIVE else reason
    if standing.state is not before:
        row.state_since = moment
    if standing.state is SubscriptionState.ACTIVE and before is not SubscriptionState.ACTIVE:
        row.active_since = moment
        row.activated_at = row.activated_at or moment
    _record(row, action, before, reason)
    if standing.state is not before:
        events.changed(row, before, reason, moment)
        listeners.tell(_agreement(row), reason)


def _record(
    row: Subscription, action: str, before: SubscriptionState | None, reason: str | None
) -> None:
    audit.record(
        "Subscription",
        row.id,
        action,
        from_state=before,
        to_state=row.state,
        reason=reason,
        occurred_at=row.updated_at,
        subscription_id=row.id,
        provider_id=row.provider_id,
        requester_id=row.requester_id,
    )


def _agreement(row: Subscription) -> Agreement:
    return Agreement(
        id=row.id,
        provider_id=row.provider_id,
        requester_id=row.requester_id,
        service_name=row.service_name,
        state=row.state,
        state_since=row.state_since,
        active_since=row.active_since,
        consent_required=row.consent_required,
        interim_status_interval=row.interim_status_interval,
    )
