from uuid import UUID

import pytest

from marketplace.identity.access import MarketplacePrincipal
from marketplace.monitoring import requesting, service
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.errors import Forbidden, IllegalTransition, NotFound
from tests.unit.marketplace.market import OPERATOR, Caller, Company, Market

ADDED = "points-of-delivery.requested"


@pytest.fixture
def made(market: Market, provider: Company, requester: Company) -> UUID:
    return market.subscribed(provider, requester, market.published(provider))


def add(market: Market, caller: Caller, subscription_id: UUID, *pods: str) -> requesting.Added:
    return market.call(caller, requesting.request_points_of_delivery, subscription_id, pods)


def view(market: Market, made: UUID) -> list[tuple[str, bool, str | None, str | None]]:
    page = market.call(OPERATOR, service.list_points_of_delivery, made, None, None, 50, None)
    return [
        (row.pod_id, row.requested_at is not None, row.consent, row.activation)
        for row in page.items
    ]


def test_new_ones_are_seen_and_the_requesters_platform_is_told(
    market: Market, provider: Company, requester: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED", pod="THERE")
    result = add(market, requester, made, "B", "THERE", "A")
    assert (result.added, result.already_there) == (["B", "A"], ["THERE"])
    kind, path, payload = market.events(made)[-1]
    assert (kind, path) == (ADDED, "/points-of-delivery/requested/requester")
    assert payload["podIds"] == ["B", "A"]
    assert (payload["eventId"], payload["subscriptionId"]) == (str(result.event_id), str(made))
    assert view(market, made) == [
        ("A", True, None, None),
        ("B", True, None, None),
        ("THERE", False, "GRANTED", None),
    ]
    assert market.trail("PointOfDelivery") == [("request", None, None)] * 2


def test_what_is_there_changes_nothing_and_tells_nobody(
    market: Market, requester: Company, made: UUID
) -> None:
    add(market, requester, made, "A")
    before = market.events(made)
    again = add(market, requester, made, "A")
    assert (again.added, again.already_there, again.event_id) == ([], ["A"], None)
    assert market.events(made) == before
    assert len(market.trail("PointOfDelivery")) == 1


def test_what_becomes_of_it_is_seen_beside_when_it_was_added(
    market: Market, provider: Company, requester: Company, made: UUID
) -> None:
    add(market, requester, made, "A")
    market.consent(provider, made, "GRANTED", pod="A")
    market.activation(provider, made, "ACTIVE", pod="A")
    assert view(market, made) == [("A", True, "GRANTED", "ACTIVE")]


def test_a_subscription_of_which_platforms_have_not_heard_takes_them(
    market: Market, provider: Company, requester: Company
) -> None:
    made = market.pending(provider, requester, market.published(provider))
    assert add(market, requester, made, "A").added == ["A"]


def test_only_its_requester_adds_them(
    market: Market, provider: Company, requester: Company, stranger: Company, made: UUID
) -> None:
    with pytest.raises(NotFound):
        add(market, stranger, made, "A")
    for other in (provider, OPERATOR):
        with pytest.raises(Forbidden):
            add(market, other, made, "A")
    reader = MarketplacePrincipal(
        "credential:p", "P", frozenset({"provider"}), None, requester.id, None
    )
    with pytest.raises(Forbidden, match="role requester"):
        add(market, reader, made, "A")
    assert view(market, made) == []


@pytest.mark.parametrize(
    "end", [subscriptions.cancel_subscription, subscriptions.suspend_subscription]
)
def test_one_that_does_not_run_takes_none(
    market: Market, requester: Company, made: UUID, end: object
) -> None:
    assert callable(end)
    market.call(OPERATOR, end, made, "Enough.", None)
    with pytest.raises(IllegalTransition, match="add points of delivery"):
        add(market, requester, made, "A")
