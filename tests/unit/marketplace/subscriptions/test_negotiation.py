from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from marketplace.catalogue import service as catalogue
from marketplace.delivery.domain import PlatformRole
from marketplace.identity import service as identity
from marketplace.identity.domain import MarketPlayerRole, MarketPlayerState
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.domain import OfferState, RequestState
from marketplace.subscriptions.negotiation import Negotiation
from marketplace.subscriptions.repository import NegotiationFilter
from mpp_sdk import clock
from mpp_sdk.contracts.marketplace.models import CounterProposal, ServiceRequestDraft
from mpp_sdk.errors import (
    Conflict,
    Forbidden,
    IllegalTransition,
    InvalidInput,
    NotFound,
    PreconditionFailed,
)
from mpp_sdk.ids import new_id
from tests.unit.marketplace.market import (
    DAY,
    OPERATOR,
    Company,
    Market,
    description,
    offer_draft,
    set_clock,
)


def request(market: Market, request_id: object) -> Negotiation:
    return market.call(OPERATOR, negotiation.read_request, request_id)


def test_from_request_to_confirmation(
    market: Market, provider: Company, requester: Company
) -> None:
    request_id = market.requested(requester, market.published(provider), message="Please")
    first = market.offered(provider, request_id)
    market.countered(requester, request_id)
    seen = request(market, request_id)
    assert seen.request.state is RequestState.REQUESTED
    assert seen.request.message == "Cheaper, please."
    assert seen.request.counter_proposal == CounterProposal(message="Cheaper, please.")
    second = market.offered(provider, request_id)
    third = market.offered(provider, request_id, terms="Our last word.")
    made = market.call(requester, negotiation.accept_offer, request_id, third, None)
    seen = request(market, request_id)
    assert seen.request.state is RequestState.CONFIRMED
    assert seen.subscription_id == made.id
    assert made.terms == "Our last word."
    states = {
        offer_id: market.call(provider, negotiation.read_offer, request_id, offer_id).state
        for offer_id in (first, second, third)
    }
    assert list(states.values()) == [
        OfferState.SUPERSEDED,
        OfferState.SUPERSEDED,
        OfferState.ACCEPTED,
    ]
    assert market.trail("ServiceRequest") == [
        ("request", None, "REQUESTED"),
        ("offer", "REQUESTED", "OFFERED"),
        ("counter", "OFFERED", "REQUESTED"),
        ("offer", "REQUESTED", "OFFERED"),
        ("offer", "OFFERED", "OFFERED"),
        ("accept", "OFFERED", "CONFIRMED"),
    ]
    assert [step[0] for step in market.trail("Offer")] == [
        "offer",
        "supersede",
        "offer",
        "supersede",
        "offer",
        "accept",
    ]


def test_a_withdrawn_offer_leaves_the_request_open(
    market: Market, provider: Company, requester: Company
) -> None:
    request_id = market.requested(requester, market.published(provider))
    offer_id = market.offered(provider, request_id)
    offer = market.call(
        provider, negotiation.withdraw_offer, request_id, offer_id, "A mistake.", None
    )
    assert (offer.state, offer.reason) == (OfferState.WITHDRAWN, "A mistake.")
    assert request(market, request_id).request.state is RequestState.REQUESTED
    with pytest.raises(IllegalTransition):
        market.call(requester, negotiation.accept_offer, request_id, offer_id, None)


def test_a_superseded_offer_cannot_be_accepted(
    market: Market, provider: Company, requester: Company
) -> None:
    request_id = market.requested(requester, market.published(provider))
    first = market.offered(provider, request_id)
    market.offered(provider, request_id)
    with pytest.raises(IllegalTransition) as caught:
        market.call(requester, negotiation.accept_offer, request_id, first, None)
    assert caught.value.state == "SUPERSEDED"


@pytest.mark.parametrize(
    ("offered", "by", "action", "request_state", "offer_state"),
    [
        (False, "provider", negotiation.reject_request, "REJECTED", None),
        (True, "provider", negotiation.reject_request, "REJECTED", "WITHDRAWN"),
        (True, "requester", negotiation.reject_request, "REJECTED", "REJECTED"),
        (False, "requester", negotiation.withdraw_request, "WITHDRAWN", None),
        (True, "requester", negotiation.withdraw_request, "WITHDRAWN", "REJECTED"),
    ],
)
def test_the_ends_of_a_request(
    market: Market,
    provider: Company,
    requester: Company,
    offered: bool,
    by: str,
    action: Callable[..., Negotiation],
    request_state: str,
    offer_state: str | None,
) -> None:
    request_id = market.requested(requester, market.published(provider))
    if offered:
        market.offered(provider, request_id)
    actor = provider if by == "provider" else requester
    ended = market.call(actor, action, request_id, "No.", None)
    assert (ended.request.state, ended.request.reason) == (request_state, "No.")
    assert (ended.current_offer.state if ended.current_offer else None) == offer_state
    with pytest.raises(IllegalTransition):
        market.offered(provider, request_id)


def test_there_is_nothing_to_reject_for_a_requester_without_an_offer(
    market: Market, provider: Company, requester: Company
) -> None:
    request_id = market.requested(requester, market.published(provider))
    with pytest.raises(IllegalTransition) as caught:
        market.call(requester, negotiation.reject_request, request_id, "No.", None)
    assert caught.value.allowed == ("withdraw",)


def test_each_company_does_its_own_part(
    market: Market, provider: Company, requester: Company
) -> None:
    request_id = market.requested(requester, market.published(provider))
    with pytest.raises(Forbidden):
        market.offered(requester, request_id)
    offer_id = market.offered(provider, request_id)
    for mine in (
        lambda: market.call(provider, negotiation.accept_offer, request_id, offer_id, None),
        lambda: market.countered(provider, request_id),
        lambda: market.call(provider, negotiation.withdraw_request, request_id, "x", None),
        lambda: market.call(requester, negotiation.withdraw_offer, request_id, offer_id, "x", None),
        lambda: market.call(OPERATOR, negotiation.reject_request, request_id, "x", None),
    ):
        with pytest.raises(Forbidden):
            mine()


def test_another_company_finds_nothing(
    market: Market, provider: Company, requester: Company, stranger: Company
) -> None:
    request_id = market.requested(requester, market.published(provider))
    offer_id = market.offered(provider, request_id)
    for look in (
        lambda: market.call(stranger, negotiation.read_request, request_id),
        lambda: market.call(stranger, negotiation.list_offers, request_id, None, 9, None),
        lambda: market.call(stranger, negotiation.read_offer, request_id, offer_id),
        lambda: market.call(stranger, negotiation.accept_offer, request_id, offer_id, None),
        lambda: market.offered(stranger, request_id),
        lambda: market.countered(stranger, request_id),
        lambda: market.call(stranger, negotiation.reject_request, request_id, "x", None),
        lambda: market.call(stranger, negotiation.withdraw_request, request_id, "x", None),
        lambda: market.call(stranger, negotiation.withdraw_offer, request_id, offer_id, "x", None),
    ):
        with pytest.raises(NotFound):
            look()
    wanted = NegotiationFilter(stranger.id)
    assert market.call(stranger, negotiation.list_requests, wanted, 9, None).items == []


def test_an_offer_belongs_to_its_request(
    market: Market, provider: Company, requester: Company, stranger: Company
) -> None:
    service_id = market.published(provider)
    theirs = market.requested(requester, service_id)
    offer_id = market.offered(provider, theirs)
    own = market.requested(stranger, service_id)
    with pytest.raises(NotFound):
        market.call(stranger, negotiation.accept_offer, own, offer_id, None)
    with pytest.raises(NotFound):
        market.call(stranger, negotiation.read_offer, own, offer_id)


def test_who_may_request(market: Market, provider: Company, requester: Company) -> None:
    service_id = market.published(provider, requesterRoles=["TSO", "AGGREGATOR"])
    with pytest.raises(Forbidden, match="TSO, AGGREGATOR"):
        market.requested(requester, service_id)
    market.requested(market.company("Agg", MarketPlayerRole.AGGREGATOR), service_id)
    with pytest.raises(Conflict, match="its own"):
        market.requested(provider, service_id)
    newcomer = market.company("New", MarketPlayerRole.TSO, state=MarketPlayerState.PENDING)
    with pytest.raises(Forbidden, match="PENDING"):
        market.requested(newcomer, service_id)


def test_what_may_be_requested(market: Market, provider: Company, requester: Company) -> None:
    with pytest.raises(NotFound):
        market.requested(requester, new_id())
    with pytest.raises(NotFound):
        market.requested(requester, market.draft(provider))
    service_id = market.published(provider)
    market.call(provider, catalogue.deprecate, service_id, 1, "Old.", None)
    with pytest.raises(IllegalTransition) as caught:
        market.requested(requester, service_id)
    assert caught.value.state == "DEPRECATED"


def test_nobody_negotiates_with_a_suspended_provider(
    market: Market, provider: Company, requester: Company
) -> None:
    service_id = market.published(provider)
    request_id = market.requested(requester, service_id)
    offer_id = market.offered(provider, request_id)
    market.call(OPERATOR, identity.suspend_market_player, provider.id, "Review.", None)
    with pytest.raises(Conflict, match="SUSPENDED"):
        market.requested(requester, service_id)
    with pytest.raises(Conflict, match="SUSPENDED"):
        market.call(requester, negotiation.accept_offer, request_id, offer_id, None)
    with pytest.raises(Forbidden):
        market.offered(provider, request_id)


def test_a_withdrawn_version_is_neither_offered_nor_accepted(
    market: Market, provider: Company, requester: Company
) -> None:
    service_id = market.published(provider)
    request_id = market.requested(requester, service_id)
    offer_id = market.offered(provider, request_id)
    market.call(provider, catalogue.create_version, service_id, description())
    market.call(provider, catalogue.publish, service_id, 2, None)
    second = market.offered(provider, request_id)  # deprecated, but negotiated before
    market.call(OPERATOR, catalogue.withdraw, service_id, 1, "Unlawful.", None)
    with pytest.raises(Conflict, match="WITHDRAWN"):
        market.call(requester, negotiation.accept_offer, request_id, second, None)
    with pytest.raises(Conflict, match="WITHDRAWN"):
        market.offered(provider, request_id)
    assert offer_id != second


@pytest.mark.parametrize("missing", ["provider", "requester"])
def test_without_connection_settings_there_is_no_subscription(market: Market, missing: str) -> None:
    seller = market.company("Seller", platform=missing != "provider")
    buyer = market.company("Buyer", platform=missing != "requester")
    request_id = market.requested(buyer, market.published(seller))
    offer_id = market.offered(seller, request_id)
    with pytest.raises(Conflict, match=f"{missing}'s platform has no connection settings"):
        market.call(buyer, negotiation.accept_offer, request_id, offer_id, None)
    assert request(market, request_id).request.state is RequestState.OFFERED
    market.state_platform(seller if missing == "provider" else buyer)
    market.call(buyer, negotiation.accept_offer, request_id, offer_id, None)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        (lambda now: {"validity": {"start": now + DAY, "end": now + DAY}}, "/validity/end"),
        (lambda now: {"validity": {"start": now - 2 * DAY, "end": now - DAY}}, "/validity/end"),
        (lambda now: {"validUntil": now - DAY}, "/validUntil"),
        (lambda now: {"interimStatusInterval": "PT0S"}, "/interimStatusInterval"),
        (lambda now: {"price": {"model": "PER_KWH"}}, "/price/amount"),
    ],
)
def test_an_offer_makes_sense(
    market: Market,
    provider: Company,
    requester: Company,
    changes: Callable[..., dict[str, object]],
    pointer: str,
) -> None:
    request_id = market.requested(requester, market.published(provider))
    with pytest.raises(InvalidInput) as caught:
        market.offered(provider, request_id, **changes(clock.now()))
    assert pointer in {error.pointer for error in caught.value.errors}


def test_an_offer_whose_validity_passed_is_not_accepted(
    market: Market, provider: Company, requester: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = market.requested(requester, market.published(provider))
    moment = clock.now()
    validity = {"start": moment, "end": moment + timedelta(hours=1)}
    offer_id = market.offered(provider, request_id, validity=validity)
    set_clock(monkeypatch, moment + timedelta(hours=2))
    with pytest.raises(Conflict, match="validity"):
        market.call(requester, negotiation.accept_offer, request_id, offer_id, None)


def test_what_nobody_answers_expires(
    market: Market, provider: Company, requester: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    service_id = market.published(provider)
    untouched = market.requested(requester, service_id)
    offered = market.requested(requester, service_id)
    offer_id = market.offered(provider, offered)
    moment = clock.now()
    assert market.call(None, negotiation.expire_due_requests) == 0
    set_clock(monkeypatch, moment + 2 * DAY)
    with pytest.raises(Conflict, match="was over"):  # the job has not come by yet
        market.call(requester, negotiation.accept_offer, offered, offer_id, None)
    assert market.call(None, negotiation.expire_due_requests) == 1
    seen = request(market, offered)
    assert (seen.request.state, seen.request.reason) == ("EXPIRED", "Nobody answered in time.")
    assert seen.current_offer is not None
    assert seen.current_offer.state is OfferState.EXPIRED
    assert request(market, untouched).request.state is RequestState.REQUESTED
    set_clock(monkeypatch, moment + 31 * DAY)
    with pytest.raises(Conflict, match="was over"):
        market.offered(provider, untouched)
    assert market.call(None, negotiation.expire_due_requests) == 1
    assert market.call(None, negotiation.expire_due_requests) == 0


def test_if_match_protects_an_action(market: Market, provider: Company, requester: Company) -> None:
    request_id = market.requested(requester, market.published(provider))
    offer_id = market.offered(provider, request_id)
    for action in (
        lambda: market.call(requester, negotiation.accept_offer, request_id, offer_id, '"99"'),
        lambda: market.call(requester, negotiation.reject_request, request_id, "x", '"99"'),
        lambda: market.call(provider, negotiation.withdraw_offer, request_id, offer_id, "", '"9"'),
    ):
        with pytest.raises(PreconditionFailed):
            action()


def test_lists_are_filtered_and_paged(
    market: Market, provider: Company, requester: Company
) -> None:
    mine = market.published(provider)
    theirs = market.published(requester)
    sent = [market.requested(requester, mine) for _ in range(3)]
    received = market.requested(provider, theirs)
    market.offered(provider, sent[0])

    def ids(caller: Company, **wanted: object) -> list[UUID]:
        filter_ = NegotiationFilter(caller.id, **wanted)  # type: ignore[arg-type] # by name
        found: list[UUID] = []
        cursor = None
        while True:
            page = market.call(caller, negotiation.list_requests, filter_, 2, cursor)
            found += [one.request.id for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert ids(requester) == [received, *reversed(sent)]
    assert ids(requester, role=PlatformRole.PROVIDER) == [received]
    assert ids(requester, role=PlatformRole.REQUESTER) == [*reversed(sent)]
    assert ids(requester, state="OFFERED") == [sent[0]]
    assert ids(requester, service_id=theirs) == [received]


def test_a_player_that_leaves_ends_its_negotiations(
    market: Market, provider: Company, requester: Company, stranger: Company
) -> None:
    sold = market.requested(requester, market.published(provider))
    market.offered(provider, sold)
    bought = market.requested(provider, market.published(stranger))
    market.offered(stranger, bought)
    market.call(OPERATOR, identity.deregister_market_player, provider.id, "Gone.", None)
    assert request(market, sold).request.state is RequestState.REJECTED
    assert request(market, bought).request.state is RequestState.WITHDRAWN


def test_new_terms_are_asked_for_ones_own_running_subscription(
    market: Market, provider: Company, requester: Company, stranger: Company
) -> None:
    service_id = market.published(provider)
    other_service = market.published(provider)
    old = market.subscribed(provider, requester, service_id)
    with pytest.raises(NotFound):
        market.requested(stranger, service_id, supersedes=old)
    with pytest.raises(NotFound):
        market.requested(requester, service_id, supersedes=new_id())
    with pytest.raises(Conflict, match="New terms are asked for the service"):
        market.requested(requester, other_service, supersedes=old)
    first = market.requested(requester, service_id, supersedes=old)
    with pytest.raises(Conflict, match="being negotiated already"):
        market.requested(requester, service_id, supersedes=old)
    offer_id = market.offered(provider, first)
    market.call(requester, negotiation.accept_offer, first, offer_id, None)
    with pytest.raises(Conflict, match="about to replace"):
        market.requested(requester, service_id, supersedes=old)


def test_what_has_ended_is_not_replaced(
    market: Market, provider: Company, requester: Company
) -> None:
    service_id = market.published(provider)
    old = market.subscribed(provider, requester, service_id)
    request_id = market.requested(requester, service_id, supersedes=old)
    offer_id = market.offered(provider, request_id)
    market.call(requester, subscriptions.cancel_subscription, old, "Enough.", None)
    with pytest.raises(Conflict, match="nothing to replace"):
        market.call(requester, negotiation.accept_offer, request_id, offer_id, None)
    draft = ServiceRequestDraft(service_id=service_id, supersedes=old)
    with pytest.raises(Conflict, match="nothing to replace"):
        market.call(requester, negotiation.request_service, draft)


def test_an_unknown_request_is_not_found(market: Market, provider: Company) -> None:
    with pytest.raises(NotFound):
        market.call(provider, negotiation.make_offer, new_id(), offer_draft())
