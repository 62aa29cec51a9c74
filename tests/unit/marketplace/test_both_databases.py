"""The way of a subscription from draft to end, on both databases: locks, dates, enums, paging."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from marketplace.catalogue import service as catalogue
from marketplace.catalogue.repository import ServiceFilter
from marketplace.consents import service as consents
from marketplace.consents.domain import Validity
from marketplace.core.audit import AuditFilter
from marketplace.core.notices import Outcome
from marketplace.delivery.domain import PlatformRole
from marketplace.identity import service as identity
from marketplace.monitoring import service as monitoring
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.repository import NegotiationFilter
from mpp_sdk import clock
from mpp_sdk.database import open_database
from mpp_sdk.errors import Conflict
from mpp_sdk.ids import new_id
from tests.unit.marketplace.market import DAY, HOUR, OPERATOR, Market, description, set_clock


@pytest.fixture
def market(database_url: str, tmp_path: Path) -> Iterator[Market]:
    engine = open_database(database_url)
    yield Market.on(engine, tmp_path)
    engine.dispose()


def test_from_draft_to_end(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, requester = market.company("Provider"), market.company("Requester")
    service_id = market.draft(provider)
    edited = description(name="Readings", countries=["ES", "FR"], areas=["10YES-REE------0"])
    market.call(provider, catalogue.edit_version, service_id, 1, edited, "*")
    market.call(provider, catalogue.publish, service_id, 1, None)
    wanted = ServiceFilter(requester.id, "reading", country="FR", area="10YES-REE------0")
    page = market.call(requester, catalogue.list_services, wanted, 9, None)
    assert [row.service_id for row in page.items] == [service_id]
    market.call(provider, catalogue.create_version, service_id, description())
    market.call(provider, catalogue.delete_version, service_id, 2, "*")

    request_id = market.requested(requester, service_id)
    market.offered(provider, request_id)
    market.countered(requester, request_id)
    offer_id = market.offered(provider, request_id)
    made = market.call(requester, negotiation.accept_offer, request_id, offer_id, None).id
    for role in PlatformRole:
        market.acknowledge(made, role)
    assert market.subscription(made).state == "ACTIVE"

    moment = clock.now()
    for number in range(5):
        pod = f"POD{number}"
        market.consent(
            provider, made, "GRANTED", pod=pod, validity=Validity(moment - HOUR, moment + DAY)
        )
        assert market.activation(provider, made, "ACTIVE", pod=pod) is Outcome.APPLIED
    market.consent(provider, made, "WITHDRAWN", pod="POD4")
    market.call(OPERATOR, identity.suspend_market_player, requester.id, "Review.", None)
    assert market.activation_state(made, "POD0") == "SUSPENDED"
    market.call(OPERATOR, identity.reinstate_market_player, requester.id, "Fine.", None)
    assert market.activation_state(made, "POD0") == "ACTIVE"

    seen, cursor = [], None
    while True:
        pods = market.call(
            requester, monitoring.list_points_of_delivery, made, None, None, 2, cursor
        )
        seen += [(row.pod_id, row.consent, row.activation) for row in pods.items]
        cursor = pods.next_cursor
        if cursor is None:
            break
    assert seen == [
        *((f"POD{number}", "GRANTED", "ACTIVE") for number in range(4)),
        ("POD4", "WITHDRAWN", "ENDED"),
    ]

    set_clock(monkeypatch, moment + DAY + HOUR)
    assert market.call(None, consents.expire_due_consents) == 4
    assert market.activation_state(made, "POD0") == "ENDED"
    overdue = market.call(provider, monitoring.list_overdue, None, 9, None)
    assert [one.agreement.id for one in overdue.items] == [made]
    set_clock(monkeypatch, moment + timedelta(days=366))
    assert market.call(None, subscriptions.expire_due_subscriptions) == 1
    assert market.call(None, negotiation.expire_due_requests) == 0
    kinds = [kind for kind, _, _ in market.events(made)]
    assert [kind.rpartition(".")[2] for kind in kinds[::2]] == [
        "confirmed",
        "suspended",
        "resumed",
        "canceled",
    ]
    filter_ = NegotiationFilter(provider.id, "EXPIRED", PlatformRole.PROVIDER, service_id)
    found = market.call(provider, subscriptions.list_subscriptions, filter_, 9, None)
    assert [row.id for row in found.items] == [made]
    trail = market.call(
        requester,
        monitoring.list_audit_trail,
        AuditFilter(visible_to=requester.id, subscription_id=made),
        200,
        None,
    )
    assert trail.items[0].to_state == "EXPIRED"


def at_once(calls: list[Callable[[], object]]) -> list[object]:
    """Return what came of calls that are made at the same time, a Conflict as its type."""

    def attempt(call: Callable[[], object]) -> object:
        try:
            return call()
        except Conflict:
            return Conflict

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(attempt, calls))


def test_of_calls_at_the_same_time_one_comes_first(market: Market) -> None:
    provider, requester = market.company("Provider"), market.company("Requester")
    service_id = market.published(provider)
    request_id = market.requested(requester, service_id)
    offer_id = market.offered(provider, request_id)
    outcomes = at_once(
        [
            lambda: market.call(requester, negotiation.accept_offer, request_id, offer_id, None).id
            for _ in range(5)
        ]
    )
    [made] = [outcome for outcome in outcomes if outcome is not Conflict]
    assert isinstance(made, UUID)
    assert len(market.events(made)) == 2
    acknowledged = at_once(
        [lambda role=role: market.acknowledge(made, role) for role in [*PlatformRole] * 2]  # type: ignore[misc] # bound early
    )
    assert acknowledged == [None] * 4
    assert market.subscription(made).state == "ACTIVE"
    event_id, moment = new_id(), clock.now()
    told = at_once(
        [
            lambda: market.consent(provider, made, "GRANTED", at=moment, event_id=event_id)
            for _ in range(5)
        ]
    )
    assert sorted(map(str, told)) == ["APPLIED", *["DUPLICATE"] * 4]


def test_an_activation_never_slips_past_the_end_of_its_consent(market: Market) -> None:
    provider, requester = market.company("Provider"), market.company("Requester")
    made = market.subscribed(provider, requester, market.published(provider))
    for number in range(8):
        pod = f"POD{number}"
        market.consent(provider, made, "GRANTED", pod=pod)
        moment = clock.now()
        at_once(
            [
                lambda: market.activation(provider, made, "ACTIVE", pod=pod, at=moment),  # noqa: B023 - called before the next round
                lambda: market.consent(provider, made, "WITHDRAWN", pod=pod, at=moment),  # noqa: B023 - called before the next round
            ]
        )
        assert market.activation_state(made, pod) in (None, "ENDED")
