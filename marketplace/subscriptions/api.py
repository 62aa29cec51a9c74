"""Negotiations and subscriptions over HTTP."""

from collections.abc import Sequence
from uuid import UUID

from marketplace.core.etag import etag
from marketplace.delivery.domain import PlatformRole as Role
from marketplace.identity import access
from marketplace.identity.company import references
from marketplace.subscriptions import negotiation, service, tables
from marketplace.subscriptions.domain import OfferState as StateOfOffer
from marketplace.subscriptions.negotiation import Negotiation
from marketplace.subscriptions.repository import NegotiationFilter
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    CounterProposal,
    Offer,
    OfferDraft,
    OfferPage,
    OfferState,
    Period,
    PlatformRole,
    ServiceRequest,
    ServiceRequestDraft,
    ServiceRequestPage,
    ServiceRequestState,
    Subscription,
    SubscriptionPage,
    SubscriptionState,
)
from mpp_sdk.web.call import Reply, current_call


def request_service(body: ServiceRequestDraft) -> Reply:
    """Request a service."""
    made = negotiation.request_service(body)
    return _created(
        f"/service-requests/{made.request.id}", _requests([made])[0], etag(made.request)
    )


def list_service_requests(
    limit: int = 50,
    cursor: str | None = None,
    state: ServiceRequestState | None = None,
    platform_role: PlatformRole | None = None,
    service_id: UUID | None = None,
) -> ServiceRequestPage:
    """List service requests."""
    page = negotiation.list_requests(_wanted(state, platform_role, service_id), limit, cursor)
    return ServiceRequestPage(items=_requests(page.items), next_cursor=page.next_cursor)


def read_service_request(service_request_id: UUID) -> Reply:
    """Read a service request."""
    return _request_reply(negotiation.read_request(service_request_id))


def make_offer(service_request_id: UUID, body: OfferDraft) -> Reply:
    """Make or revise an offer."""
    made = negotiation.make_offer(service_request_id, body)
    path = f"/service-requests/{service_request_id}/offers/{made.id}"
    return _created(path, _offer(made), etag(made))


def list_offers(
    service_request_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    state: OfferState | None = None,
) -> OfferPage:
    """List the offers of a request."""
    wanted = None if state is None else StateOfOffer(state.value)
    page = negotiation.list_offers(service_request_id, wanted, limit, cursor)
    return OfferPage(items=[_offer(row) for row in page.items], next_cursor=page.next_cursor)


def read_offer(service_request_id: UUID, offer_id: UUID) -> Reply:
    """Read an offer."""
    return _offer_reply(negotiation.read_offer(service_request_id, offer_id))


def accept_offer(service_request_id: UUID, offer_id: UUID, if_match: str | None = None) -> Reply:
    """Accept an offer."""
    row = negotiation.accept_offer(service_request_id, offer_id, if_match)
    return _created(f"/subscriptions/{row.id}", _subscriptions([row])[0], etag(row))


def withdraw_offer(
    service_request_id: UUID, offer_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Withdraw an offer."""
    return _offer_reply(
        negotiation.withdraw_offer(service_request_id, offer_id, body.reason, if_match)
    )


def counter_offer(
    service_request_id: UUID, body: CounterProposal, if_match: str | None = None
) -> Reply:
    """Counter an offer."""
    return _request_reply(negotiation.counter_offer(service_request_id, body, if_match))


def reject_service_request(
    service_request_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Reject a request or its offer."""
    return _request_reply(negotiation.reject_request(service_request_id, body.reason, if_match))


def withdraw_service_request(
    service_request_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Withdraw a request."""
    return _request_reply(negotiation.withdraw_request(service_request_id, body.reason, if_match))


def list_subscriptions(
    limit: int = 50,
    cursor: str | None = None,
    state: SubscriptionState | None = None,
    platform_role: PlatformRole | None = None,
    service_id: UUID | None = None,
) -> SubscriptionPage:
    """List subscriptions."""
    page = service.list_subscriptions(_wanted(state, platform_role, service_id), limit, cursor)
    return SubscriptionPage(items=_subscriptions(page.items), next_cursor=page.next_cursor)


def read_subscription(subscription_id: UUID) -> Reply:
    """Read a subscription."""
    return _subscription_reply(service.read_subscription(subscription_id))


def cancel_subscription(
    subscription_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Cancel a subscription."""
    return _subscription_reply(service.cancel_subscription(subscription_id, body.reason, if_match))


def suspend_subscription(
    subscription_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Suspend a subscription."""
    return _subscription_reply(service.suspend_subscription(subscription_id, body.reason, if_match))


def resume_subscription(
    subscription_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Resume a suspended subscription."""
    return _subscription_reply(service.resume_subscription(subscription_id, body.reason, if_match))


def _wanted(
    state: ServiceRequestState | SubscriptionState | None,
    platform_role: PlatformRole | None,
    service_id: UUID | None,
) -> NegotiationFilter:
    return NegotiationFilter(
        viewer=access.visible_to(),
        state=None if state is None else state.value,
        role=None if platform_role is None else Role(platform_role.value),
        service_id=service_id,
    )


def _created(path: str, body: ServiceRequest | Offer | Subscription, version: str) -> Reply:
    location = current_call().contract.base_path + path
    return Reply(body, headers={"ETag": version, "Location": location})


def _request_reply(found: Negotiation) -> Reply:
    return Reply(_requests([found])[0], headers={"ETag": etag(found.request)})


def _offer_reply(row: tables.Offer) -> Reply:
    return Reply(_offer(row), headers={"ETag": etag(row)})


def _subscription_reply(row: tables.Subscription) -> Reply:
    return Reply(_subscriptions([row])[0], headers={"ETag": etag(row)})


def _requests(found: Sequence[Negotiation]) -> list[ServiceRequest]:
    rows = [one.request for one in found]
    companies = references({key for row in rows for key in (row.provider_id, row.requester_id)})
    return [
        ServiceRequest(
            service_request_id=one.request.id,
            service_id=one.request.service_id,
            service_version=one.request.service_number,
            service_name=one.request.service_name,
            provider=companies[one.request.provider_id],
            requester=companies[one.request.requester_id],
            state=ServiceRequestState(one.request.state.value),
            message=one.request.message,
            expected_pods=one.request.expected_pods,
            counter_proposal=one.request.counter_proposal,
            reason=one.request.reason,
            current_offer=None if one.current_offer is None else _offer(one.current_offer),
            subscription_id=one.subscription_id,
            supersedes=one.request.supersedes,
            created_at=one.request.created_at,
            updated_at=one.request.updated_at,
            expires_at=one.request.expires_at,
        )
        for one in found
    ]


def _offer(row: tables.Offer) -> Offer:
    return Offer(
        offer_id=row.id,
        service_request_id=row.request_id,
        revision=row.revision,
        state=OfferState(row.state.value),
        terms=row.terms,
        price=row.price,
        validity=Period(start=row.validity_start, end=row.validity_end),
        interim_status_interval=row.interim_status_interval,
        valid_until=row.valid_until,
        reason=row.reason,
        created_at=row.created_at,
    )


def _subscriptions(rows: Sequence[tables.Subscription]) -> list[Subscription]:
    companies = references({key for row in rows for key in (row.provider_id, row.requester_id)})
    return [
        Subscription(
            subscription_id=row.id,
            service_request_id=row.request_id,
            service_id=row.service_id,
            service_version=row.service_number,
            service_name=row.service_name,
            consent_required=row.consent_required,
            provider=companies[row.provider_id],
            requester=companies[row.requester_id],
            state=SubscriptionState(row.state.value),
            reason=row.reason,
            acknowledged_by=[PlatformRole(role.value) for role in row.acknowledged_by],
            terms=row.terms,
            price=row.price,
            validity=Period(start=row.validity_start, end=row.validity_end),
            interim_status_interval=row.interim_status_interval,
            supersedes=row.supersedes,
            superseded_by=row.superseded_by,
            created_at=row.created_at,
            activated_at=row.activated_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]
