"""How a requester and a provider come to a subscription."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.catalogue import service as catalogue
from marketplace.catalogue.domain import OPEN as OPEN_VERSIONS
from marketplace.catalogue.terms import check_price, interval
from marketplace.core import audit
from marketplace.core.environment import current_environment
from marketplace.core.etag import check_if_match
from marketplace.core.paging import Page
from marketplace.core.unit_of_work import current_session
from marketplace.delivery.domain import PlatformRole
from marketplace.identity import access
from marketplace.identity import service as identity
from marketplace.identity.domain import AccessRole, MarketPlayerState
from marketplace.subscriptions import repository, service
from marketplace.subscriptions.domain import (
    ENDED,
    OFFER,
    REQUEST,
    OfferState,
    RequestSort,
    RequestState,
    SubscriptionState,
    check_deadline,
    check_period,
)
from marketplace.subscriptions.repository import NegotiationFilter
from marketplace.subscriptions.tables import Offer, ServiceRequest, Subscription
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import CounterProposal, OfferDraft, ServiceRequestDraft
from mpp_sdk.errors import Conflict, Forbidden, IllegalTransition, NotFound
from mpp_sdk.ids import new_id

_KIND = "service request"
_NOT_IN_TIME = "Nobody answered in time."


@dataclass(frozen=True)
class Negotiation:
    """A request with its last offer and the subscription that came of it, if there are any."""

    request: ServiceRequest
    current_offer: Offer | None
    subscription_id: UUID | None


def request_service(draft: ServiceRequestDraft) -> Negotiation:
    """Return a new request for the published version of a service.

    Raises NotFound for a service that the caller cannot see, IllegalTransition for one that takes
    no requests, Conflict for the caller's own, Forbidden when it is not meant for the caller.
    """
    requester_id = access.require_active_player(AccessRole.REQUESTER)
    version = catalogue.requestable_version(draft.service_id)
    if version.provider_id == requester_id:
        raise Conflict("A company cannot subscribe to its own service.")
    _require_partner_active(version.provider_id, "provider")
    wanted = version.description.requester_roles
    if wanted and not set(wanted) & set(identity.companies([requester_id])[requester_id].roles):
        roles = ", ".join(role.value for role in wanted)
        raise Forbidden(f"This service is offered to market players with the role {roles}.")
    if draft.supersedes is not None:
        _check_superseded(draft.supersedes, requester_id, draft.service_id)
    moment = now()
    row = ServiceRequest(
        id=new_id(),
        service_id=version.service_id,
        service_number=version.number,
        service_name=version.description.name,
        provider_id=version.provider_id,
        requester_id=requester_id,
        state=RequestState.REQUESTED,
        message=draft.message,
        expected_pods=draft.expected_pods,
        supersedes=draft.supersedes,
        created_at=moment,
        updated_at=moment,
        expires_at=_request_deadline(moment),
    )
    session = current_session()
    session.add(row)
    session.flush()
    _record(row, "request", None, draft.message)
    return Negotiation(row, None, None)


def count_requests() -> dict[PlatformRole | None, dict[str, int]]:
    """Return how many requests of the caller are in each state, for each role it has in them.

    For operators all, under None.
    """
    return repository.count_states(current_session(), ServiceRequest, access.visible_to())


def list_requests(
    wanted: NegotiationFilter,
    limit: int,
    cursor: str | None,
    sort: RequestSort = RequestSort.NEWEST,
) -> Page[Negotiation]:
    """Return a page of requests; the filter's viewer is the caller.

    Of those that expire first only what is under way is listed. An offer ends with its request:
    those about to expire are OFFERED and expire soon.
    """
    session = current_session()
    page = repository.requests(session, wanted, limit, cursor, sort)
    ids = [row.id for row in page.items]
    offers = repository.current_offers(session, ids)
    made = repository.subscription_ids_by_request(session, ids)
    return page.map(lambda row: Negotiation(row, offers.get(row.id), made.get(row.id)))


def read_request(request_id: UUID) -> Negotiation:
    """Return a request of the caller, or any for operators. Raises NotFound."""
    return _negotiation(_visible(request_id))


def list_offers(
    request_id: UUID, state: OfferState | None, limit: int, cursor: str | None
) -> Page[Offer]:
    """Return a page of the offers of a request, the newest first."""
    _visible(request_id)
    return repository.offers(current_session(), request_id, state, limit, cursor)


def read_offer(request_id: UUID, offer_id: UUID) -> Offer:
    """Return a revision of the offer to a request."""
    _visible(request_id)
    return _offer(request_id, offer_id)


def make_offer(request_id: UUID, draft: OfferDraft) -> Offer:
    """Return a new offer; the one that was open until now is superseded."""
    access.require_active_player(AccessRole.PROVIDER)
    row = _locked(request_id)
    _require_provider(row)
    state = _step(row, "offer")
    _check_version(row)
    moment = now()
    check_price(draft.price)
    interval(draft.interim_status_interval, "/interimStatusInterval")
    check_period(draft.validity.start, draft.validity.end, "/validity")
    check_deadline(draft.validity.end, moment, "/validity/end")
    check_deadline(draft.valid_until, moment, "/validUntil")
    _close_open_offer(row, "supersede", "The provider revised its offer.")
    session = current_session()
    offer = Offer(
        id=new_id(),
        request_id=row.id,
        revision=repository.last_revision(session, row.id) + 1,
        state=OfferState.OPEN,
        terms=draft.terms,
        price=draft.price,
        validity_start=draft.validity.start,
        validity_end=draft.validity.end,
        interim_status_interval=draft.interim_status_interval,
        valid_until=draft.valid_until,
        created_at=moment,
    )
    session.add(offer)
    session.flush()
    _record_offer(row, offer, "offer", None)
    _move(row, "offer", state, None, expires_at=draft.valid_until)
    return offer


def withdraw_offer(request_id: UUID, offer_id: UUID, reason: str, if_match: str | None) -> Offer:
    """Return an open offer, WITHDRAWN by its provider; its request is REQUESTED again."""
    row = _locked(request_id)
    _require_provider(row)
    offer = _offer(request_id, offer_id)
    check_if_match(offer, if_match, required=False)
    OFFER.after(offer.state, "withdraw")
    state = _step(row, "withdraw_offer")
    _close(row, offer, "withdraw", reason)
    _move(row, "withdraw_offer", state, reason, expires_at=_request_deadline(now()))
    return offer


def counter_offer(request_id: UUID, proposal: CounterProposal, if_match: str | None) -> Negotiation:
    """Return the request, REQUESTED again with what the requester would rather have."""
    access.require_active_player(AccessRole.REQUESTER)
    row = _locked(request_id)
    _require_requester(row)
    check_if_match(row, if_match, required=False)
    state = _step(row, "counter")
    if proposal.price is not None:
        check_price(proposal.price)
    if proposal.validity is not None:
        check_period(proposal.validity.start, proposal.validity.end, "/validity")
    _close_open_offer(row, "supersede", "The requester asked for other terms.")
    row.message = proposal.message
    row.counter_proposal = proposal
    _move(row, "counter", state, proposal.message, expires_at=_request_deadline(now()))
    return _negotiation(row)


def accept_offer(request_id: UUID, offer_id: UUID, if_match: str | None) -> Subscription:
    """Return the PENDING subscription that an open offer becomes; both platforms are told.

    Raises IllegalTransition when the offer is not open, Conflict when its time is over, a platform
    has no connection settings, or the provider takes no part in the market now.
    """
    access.require_active_player(AccessRole.REQUESTER)
    row = _locked(request_id)
    _require_requester(row)
    offer = _offer(request_id, offer_id)
    check_if_match(offer, if_match, required=False)
    OFFER.after(offer.state, "accept")
    state = _step(row, "accept")
    _check_version(row)
    moment = now()
    if offer.validity_end is not None and offer.validity_end <= moment:
        raise Conflict("The validity that was offered is over. Ask the provider for another offer.")
    _require_partner_active(row.provider_id, "provider")
    for company_id, name in ((row.requester_id, "requester"), (row.provider_id, "provider")):
        if identity.platform_base_url(company_id) is None:
            raise Conflict(
                f"The {name}'s platform has no connection settings, so that it could not be told. "
                f"The {name} must state them first."
            )
    if row.supersedes is not None:
        _check_superseded(row.supersedes, row.requester_id, row.service_id, besides=row.id)
    _close(row, offer, "accept", None)
    _move(row, "accept", state, None)
    version = catalogue.version_of_subscription(row.service_id, row.service_number)
    subscription = Subscription(
        id=new_id(),
        request_id=row.id,
        service_id=row.service_id,
        service_number=row.service_number,
        service_name=row.service_name,
        category=version.category,
        data_standard=version.data_standard,
        consent_required=version.consent_required,
        provider_id=row.provider_id,
        requester_id=row.requester_id,
        state=SubscriptionState.PENDING,
        holds=[],
        terms=offer.terms,
        price=offer.price,
        validity_start=offer.validity_start,
        validity_end=offer.validity_end,
        interim_status_interval=offer.interim_status_interval,
        supersedes=row.supersedes,
        created_at=moment,
        state_since=moment,
        updated_at=moment,
    )
    service.start(subscription)
    return subscription


def reject_request(request_id: UUID, reason: str, if_match: str | None) -> Negotiation:
    """Return the request, REJECTED: by its provider, or by the requester when there is an offer."""
    row = _locked(request_id)
    access.require_role_in_deal(row.provider_id, row.requester_id)
    if access.require_market_player() == row.provider_id:
        return _finish(row, "reject", reason, if_match, offer_action="withdraw")
    if row.state is RequestState.REQUESTED:
        raise IllegalTransition(
            "ServiceRequest without an offer", row.state, "reject", ["withdraw"]
        )
    return _finish(row, "reject", reason, if_match, offer_action="reject")


def withdraw_request(request_id: UUID, reason: str, if_match: str | None) -> Negotiation:
    """Return the request, WITHDRAWN by its requester."""
    row = _locked(request_id)
    _require_requester(row)
    return _finish(row, "withdraw", reason, if_match, offer_action="reject")


def expire_due_requests() -> int:
    """Expire requests that nobody answered in time, at most service.BATCH; return how many."""
    rows = repository.expired_requests(current_session(), now(), service.BATCH)
    for row in rows:
        _close_open_offer(row, "expire", _NOT_IN_TIME)
        _move(row, "expire", REQUEST.after(row.state, "expire"), _NOT_IN_TIME)
    return len(rows)


def end_requests_of(market_player_id: UUID, reason: str) -> None:
    """End the requests under way of a market player that has left."""
    for row in repository.open_requests_of(current_session(), market_player_id):
        action = "reject" if row.provider_id == market_player_id else "withdraw"
        _close_open_offer(row, "withdraw" if action == "reject" else "reject", reason)
        _move(row, action, REQUEST.after(row.state, action), reason)


def _visible(request_id: UUID, *, lock: bool = False) -> ServiceRequest:
    access.current_principal()
    row = repository.request(current_session(), request_id, lock=lock)
    if row is None:
        raise NotFound.entity(_KIND, request_id)
    access.require_operator_or_party(_KIND, request_id, row.provider_id, row.requester_id)
    return row


def _locked(request_id: UUID) -> ServiceRequest:
    return _visible(request_id, lock=True)


def _negotiation(row: ServiceRequest) -> Negotiation:
    session = current_session()
    session.flush()
    offers = repository.current_offers(session, [row.id])
    made = repository.subscription_ids_by_request(session, [row.id])
    return Negotiation(row, offers.get(row.id), made.get(row.id))


def _offer(request_id: UUID, offer_id: UUID) -> Offer:
    offer = repository.offer(current_session(), request_id, offer_id)
    if offer is None:
        raise NotFound.entity("offer", offer_id)
    return offer


def _require_provider(row: ServiceRequest) -> None:
    if access.require_market_player() != row.provider_id:
        raise Forbidden("This is done by the provider of the service.")
    access.require_role(AccessRole.PROVIDER)


def _require_requester(row: ServiceRequest) -> None:
    if access.require_market_player() != row.requester_id:
        raise Forbidden("This is done by the company that made the request.")
    access.require_role(AccessRole.REQUESTER)


def _require_partner_active(market_player_id: UUID, name: str) -> None:
    state = identity.player_state(market_player_id)
    if state is not MarketPlayerState.ACTIVE:
        raise Conflict(f"The {name} is {state.value} and takes no part in the market now.")


def _check_version(row: ServiceRequest) -> None:
    version = catalogue.version_of_subscription(row.service_id, row.service_number)
    if version.state not in OPEN_VERSIONS:
        raise Conflict(f"Version {version.number} of the service is {version.state.value}.")


def _check_superseded(
    subscription_id: UUID, requester_id: UUID, service_id: UUID, *, besides: UUID | None = None
) -> None:
    """Raise unless new terms may be asked for a subscription (by one request at a time)."""
    session = current_session()
    found = repository.subscription(session, subscription_id, lock=True)
    if found is None or found.requester_id != requester_id:
        raise NotFound.entity("subscription", subscription_id)
    if found.service_id != service_id:
        raise Conflict("New terms are asked for the service that the subscription is about.")
    if found.state in ENDED:
        raise Conflict(
            f"The subscription is {found.state.value}: there is nothing to replace. Make a request "
            "without it."
        )
    if repository.running_successor(session, subscription_id) is not None:
        raise Conflict("Another subscription is about to replace this one.")
    if repository.open_successor_request(session, subscription_id, besides) is not None:
        raise Conflict("New terms for this subscription are being negotiated already.")


def _request_deadline(moment: datetime) -> datetime:
    return moment + current_environment().settings.request_validity


def _step(row: ServiceRequest, action: str) -> RequestState:
    """Return the state that an action leads to. Raises when it is too late or not allowed."""
    state = REQUEST.after(row.state, action)
    if row.expires_at <= now():
        raise Conflict(f"The time of this request was over at {row.expires_at.isoformat()}.")
    return state


def _finish(
    row: ServiceRequest, action: str, reason: str, if_match: str | None, *, offer_action: str
) -> Negotiation:
    check_if_match(row, if_match, required=False)
    state = REQUEST.after(row.state, action)
    _close_open_offer(row, offer_action, reason)
    _move(row, action, state, reason)
    return _negotiation(row)


def _close_open_offer(row: ServiceRequest, action: str, reason: str) -> None:
    offer = repository.open_offer(current_session(), row.id)
    if offer is not None:
        _close(row, offer, action, reason)


def _close(row: ServiceRequest, offer: Offer, action: str, reason: str | None) -> None:
    before = offer.state
    offer.state = OFFER.after(before, action)
    offer.reason = reason
    current_session().flush()  # one offer at most is open, whenever the database looks
    _record_offer(row, offer, action, before)


def _move(
    row: ServiceRequest,
    action: str,
    state: RequestState,
    reason: str | None,
    *,
    expires_at: datetime | None = None,
) -> None:
    before = row.state
    row.state = state
    row.reason = reason if REQUEST.is_final(state) else None
    row.updated_at = now()
    row.expires_at = expires_at or row.expires_at
    _record(row, action, before, reason)


def _record(
    row: ServiceRequest, action: str, before: RequestState | None, reason: str | None
) -> None:
    audit.record(
        "ServiceRequest",
        row.id,
        action,
        from_state=before,
        to_state=row.state,
        reason=reason,
        provider_id=row.provider_id,
        requester_id=row.requester_id,
    )


def _record_offer(
    row: ServiceRequest, offer: Offer, action: str, before: OfferState | None
) -> None:
    audit.record(
        "Offer",
        offer.id,
        action,
        from_state=before,
        to_state=offer.state,
        reason=offer.reason,
        provider_id=row.provider_id,
        requester_id=row.requester_id,
    )
