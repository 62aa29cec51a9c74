from datetime import timedelta

from marketplace.delivery.domain import PlatformRole
from marketplace.subscriptions import negotiation, service
from marketplace.subscriptions.domain import RequestSort, SubscriptionSort
from marketplace.subscriptions.repository import NegotiationFilter
from mpp_sdk import clock
from tests.unit.marketplace.market import DAY, OPERATOR, Company, Market


def test_requests_come_newest_first_or_those_that_expire_first(
    market: Market, provider: Company, requester: Company
) -> None:
    asked = [market.requested(requester, market.published(provider)) for _ in range(3)]
    moment = clock.now()
    market.offered(provider, asked[0], validUntil=moment + 2 * DAY)
    market.offered(provider, asked[2], validUntil=moment + timedelta(hours=1))

    def listed(wanted: NegotiationFilter, sort: RequestSort = RequestSort.NEWEST) -> list[int]:
        seen, cursor = [], None
        while True:
            page = market.call(provider, negotiation.list_requests, wanted, 1, cursor, sort)
            seen += [asked.index(one.request.id) for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return seen

    mine = NegotiationFilter(provider.id)
    assert listed(mine) == [2, 1, 0]
    assert listed(mine, RequestSort.EXPIRING) == [2, 0, 1]
    assert listed(NegotiationFilter(provider.id, states=("OFFERED", "REJECTED"))) == [2, 0]
    soon = NegotiationFilter(
        provider.id,
        states=("OFFERED",),
        role=PlatformRole.PROVIDER,
        expires_before=moment + DAY,
    )
    assert listed(soon, RequestSort.EXPIRING) == [2]
    assert market.call(provider, negotiation.count_requests) == {
        PlatformRole.PROVIDER: {"REQUESTED": 1, "OFFERED": 2},
        PlatformRole.REQUESTER: {},
    }
    assert market.call(OPERATOR, negotiation.count_requests) == {
        None: {"REQUESTED": 1, "OFFERED": 2}
    }


def test_subscriptions_come_newest_first_or_those_that_changed_last(
    market: Market, provider: Company, requester: Company, stranger: Company
) -> None:
    made = [market.subscribed(provider, requester, market.published(provider)) for _ in range(3)]
    market.call(OPERATOR, service.suspend_subscription, made[0], "Review.", None)
    market.call(OPERATOR, service.cancel_subscription, made[1], "Enough.", None)

    def listed(wanted: NegotiationFilter, sort: SubscriptionSort) -> list[int]:
        page = market.call(requester, service.list_subscriptions, wanted, 9, None, sort)
        return [made.index(row.id) for row in page.items]

    mine = NegotiationFilter(requester.id)
    assert listed(mine, SubscriptionSort.NEWEST) == [2, 1, 0]
    assert listed(mine, SubscriptionSort.CHANGED) == [1, 0, 2]
    running = NegotiationFilter(requester.id, states=("ACTIVE", "SUSPENDED"))
    assert listed(running, SubscriptionSort.CHANGED) == [0, 2]
    counts = {"ACTIVE": 1, "SUSPENDED": 1, "CANCELED": 1}
    assert market.call(requester, service.count_subscriptions) == {
        PlatformRole.PROVIDER: {},
        PlatformRole.REQUESTER: counts,
    }
    assert market.call(OPERATOR, service.count_subscriptions) == {None: counts}
    none: dict[str, int] = {}
    assert market.call(stranger, service.count_subscriptions) == dict.fromkeys(PlatformRole, none)
