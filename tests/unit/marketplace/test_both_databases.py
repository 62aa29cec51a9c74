"""The way of a subscription from draft to end, on both databases: locks, dates, enums, paging."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

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
