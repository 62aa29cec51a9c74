"""What people do in the market needs the role in which their company takes part."""

from collections.abc import Callable
from uuid import UUID

import pytest

from marketplace.catalogue import service as catalogue
from marketplace.identity.access import MarketplacePrincipal
from marketplace.identity.domain import MarketPlayerState
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.contracts.marketplace.models import CounterProposal
from mpp_sdk.errors import Forbidden
from mpp_sdk.ids import new_id
from tests.unit.marketplace.market import Company, Market, description, offer_draft

WHY = "Because."


def person(company: Company, *roles: str) -> MarketplacePrincipal:
    return MarketplacePrincipal(
        "person:x",
        "Ana",
        frozenset(roles),
        market_player_id=company.id,
        player_state=MarketPlayerState.ACTIVE,
        person_id=new_id(),
        administers=not roles,
    )


Act = Callable[[], object]


def refused(market: Market, caller: MarketplacePrincipal, act: Act, role: str) -> None:
    with pytest.raises(Forbidden, match=f"role {role}; ask an administrator of your company"):
        market.call(caller, act)


def test_a_service_is_the_provider_s(market: Market, provider: Company) -> None:
    published, draft = market.published(provider), market.draft(provider)
    acts: tuple[Act, ...] = (
        lambda: catalogue.create_service(description()),
        lambda: catalogue.create_version(published, description()),
        lambda: catalogue.edit_version(draft, 1, description(), "*"),
        lambda: catalogue.delete_version(draft, 1, "*"),
        lambda: catalogue.publish(draft, 1, None),
        lambda: catalogue.deprecate(published, 1, WHY, None),
        lambda: catalogue.withdraw(published, 1, WHY, None),
    )
    for act in acts:
        refused(market, person(provider, "requester"), act, "provider")
        refused(market, person(provider), act, "provider")
    for act in acts[4:]:
        market.call(person(provider, "provider"), act)


def test_each_side_of_a_request_has_its_role(
    market: Market, provider: Company, requester: Company
) -> None:
    service_id = market.published(provider)
    request_id = market.requested(requester, service_id)
    offer_id = market.offered(provider, request_id)
    counter = CounterProposal(message="Cheaper.")
    of_provider: tuple[Act, ...] = (
        lambda: negotiation.make_offer(request_id, offer_draft()),
        lambda: negotiation.withdraw_offer(request_id, offer_id, WHY, None),
        lambda: negotiation.reject_request(request_id, WHY, None),
    )
    of_requester: tuple[Act, ...] = (
        lambda: negotiation.counter_offer(request_id, counter, None),
        lambda: negotiation.accept_offer(request_id, offer_id, None),
        lambda: negotiation.reject_request(request_id, WHY, None),
        lambda: negotiation.withdraw_request(request_id, WHY, None),
    )
    for act in of_provider:
        refused(market, person(provider, "requester"), act, "provider")
    for act in of_requester:
        refused(market, person(requester, "provider"), act, "requester")
    market.call(person(requester, "requester"), of_requester[2])


def test_each_side_of_a_subscription_has_its_role(
    market: Market, provider: Company, requester: Company
) -> None:
    def cancel(subscription_id: UUID) -> Act:
        return lambda: subscriptions.cancel_subscription(subscription_id, WHY, None)

    first, second = (
        market.subscribed(provider, requester, market.published(provider)) for _ in range(2)
    )
    hold: tuple[Act, ...] = (
        lambda: subscriptions.suspend_subscription(first, WHY, None),
        lambda: subscriptions.resume_subscription(first, WHY, None),
    )
    for act in (*hold, cancel(first)):
        refused(market, person(provider, "requester"), act, "provider")
    refused(market, person(requester, "provider"), cancel(first), "requester")
    for act in (*hold, cancel(first)):
        market.call(person(provider, "provider"), act)
    market.call(person(requester, "requester"), cancel(second))
