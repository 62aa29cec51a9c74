"""Compares subscriptions with what the platforms hold of them, and restores what both agree on."""

from uuid import UUID

from sqlalchemy import or_, select

from marketplace.core.unit_of_work import current_session
from marketplace.delivery.domain import PlatformRole
from marketplace.identity import service as identity
from marketplace.subscriptions import repository, service
from marketplace.subscriptions.domain import ENDED, RequestState, SubscriptionState
from marketplace.subscriptions.events import service_of, terms_of
from marketplace.subscriptions.tables import ServiceRequest, Subscription
from mpp_sdk.clock import now
from mpp_sdk.contracts.eu_mp.models import HeldServiceOffer
from mpp_sdk.contracts.marketplace.models import DataStandard, Price, ServiceCategory
from mpp_sdk.ids import new_id


def find(subscription_id: UUID) -> Subscription | None:
    """Return a subscription, locked."""
    return repository.subscription(current_session(), subscription_id, lock=True)


def acknowledged_between(
    market_player_id: UUID, *, after: UUID | None, up_to: UUID | None
) -> list[UUID]:
    """Return the running subscriptions, of a range of ids, that a company's platform had."""
    query = select(Subscription).where(
        Subscription.state.not_in(ENDED),
        or_(
            (Subscription.provider_id == market_player_id)
            & Subscription.provider_acknowledged_at.is_not(None),
            (Subscription.requester_id == market_player_id)
            & Subscription.requester_acknowledged_at.is_not(None),
        ),
    )
    if after is not None:
        query = query.where(Subscription.id > after)
    if up_to is not None:
        query = query.where(Subscription.id <= up_to)
    return [row.id for row in current_session().scalars(query.order_by(Subscription.id))]


def party(offer: HeldServiceOffer, role: PlatformRole) -> UUID:
    """Return the company that has a role in a subscription, as a platform holds it."""
    company = offer.provider if role is PlatformRole.PROVIDER else offer.requester
    return company.market_player_id


def difference(row: Subscription, offer: HeldServiceOffer) -> str | None:
    """Return what a platform holds otherwise than this database, or None."""
    same = (
        ("the provider", row.provider_id, offer.provider.market_player_id),
        ("the requester", row.requester_id, offer.requester.market_player_id),
        ("the service", service_of(row), offer.service),
        ("the terms", terms_of(row), offer.terms),
    )
    return next((what for what, here, there in same if here != there), None)


def disagreement(one: HeldServiceOffer, other: HeldServiceOffer) -> str | None:
    """Return in what two platforms' copies of a subscription differ, or None."""
    same = (
        ("the provider", one.provider.market_player_id, other.provider.market_player_id),
        ("the requester", one.requester.market_player_id, other.requester.market_player_id),
        ("the service", one.service, other.service),
        ("the terms", one.terms, other.terms),
        ("the moment of its confirmation", one.confirmed_at, other.confirmed_at),
        ("the subscription that it replaces", one.supersedes, other.supersedes),
        ("its state", one.state, other.state),
    )
    return next((what for what, here, there in same if here != there), None)


def obstacle(offer: HeldServiceOffer) -> str | None:
    """Return why a subscription that both platforms agree on cannot be reconstructed, or None."""
    parties = {offer.provider.market_player_id, offer.requester.market_player_id}
    known = identity.companies(parties)
    if set(known) != parties or len(parties) != 2:
        return "a company of it is not in the register"
    replaced = offer.supersedes
    if replaced is not None and repository.subscription(current_session(), replaced) is None:
        return f"the subscription {replaced} that it replaces is not known"
    return None


def reconstruct(provider: HeldServiceOffer, requester: HeldServiceOffer, reason: str) -> None:
    """Make a subscription anew from the two platforms' copies, which must agree.

    It begins as ACTIVE, as it did, and then comes into the state that both hold.
    """
    moment = now()
    terms, described = provider.terms, provider.service
    common = {
        "service_id": described.service_id,
        "service_number": described.version,
        "service_name": described.name,
        "provider_id": provider.provider.market_player_id,
        "requester_id": provider.requester.market_player_id,
        "supersedes": provider.supersedes,
    }
    request = ServiceRequest(
        id=new_id(),
        state=RequestState.CONFIRMED,
        reason=reason,
        created_at=provider.confirmed_at,
        updated_at=moment,
        expires_at=provider.confirmed_at,
        **common,
    )
    session = current_session()
    session.add(request)
    session.flush()
    row = Subscription(
        id=provider.subscription_id,
        request_id=request.id,
        category=ServiceCategory(described.category.value),
        data_standard=DataStandard(described.data_standard.value),
        consent_required=described.consent_required,
        state=SubscriptionState.ACTIVE,
        holds=[],
        provider_acknowledged_at=moment,
        requester_acknowledged_at=moment,
        terms=terms.text,
        price=Price.model_validate(terms.price.model_dump()),
        validity_start=terms.validity.start,
        validity_end=terms.validity.end,
        interim_status_interval=terms.interim_status_interval,
        created_at=provider.confirmed_at,
        activated_at=provider.confirmed_at,
        active_since=provider.confirmed_at,
        state_since=provider.confirmed_at,
        updated_at=moment,
        **common,
    )
    service.reconstruct(row, reason)
    if SubscriptionState(provider.state.value) is not SubscriptionState.ACTIVE:
        become(row, provider, reason)
    if row.supersedes is not None:
        replaced = repository.subscription(session, row.supersedes, lock=True)
        if replaced is not None and replaced.superseded_by is None:
            replaced.superseded_by = row.id


def become(row: Subscription, offer: HeldServiceOffer, reason: str) -> None:
    """Bring a subscription into the state that both platforms hold, other than ACTIVE."""
    since = max(offer.state_since, row.state_since)
    state = SubscriptionState(offer.state.value)
    service.become_as_held(row, state, since, offer.reason or reason)
