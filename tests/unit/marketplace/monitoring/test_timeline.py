"""What happened under a subscription, as one list, and what is missing there."""

from datetime import timedelta
from uuid import UUID

import pytest

from marketplace.activations.domain import ActivationState
from marketplace.consents.domain import ConsentState
from marketplace.core.audit import AuditEntry
from marketplace.monitoring import requesting, service
from marketplace.monitoring.completeness import read_completeness
from marketplace.monitoring.domain import ServiceStatus
from marketplace.monitoring.service import StatusReport
from marketplace.monitoring.tables import InterimStatus
from marketplace.monitoring.timeline import OF_PODS, Happening, read_timeline
from mpp_sdk import clock
from mpp_sdk.errors import InvalidInput, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import Event
from tests.unit.marketplace.market import OPERATOR, Caller, Company, Market


@pytest.fixture
def subscription_id(market: Market, provider: Company, requester: Company) -> UUID:
    made = market.subscribed(provider, requester, market.published(provider))
    market.all_heard()
    return made


def report(market: Market, provider: Company, subscription_id: UUID, back: timedelta) -> None:
    given = StatusReport(
        new_id(), clock.now() - back, subscription_id, ServiceStatus.OPERATIONAL, 1, None
    )
    market.call(provider, service.report, given)


def whole(market: Market, caller: Caller, subscription_id: UUID, limit: int) -> list[Happening]:
    """Return a timeline, read in pages."""
    found: list[Happening] = []
    cursor: str | None = None
    while True:
        page = market.call(caller, read_timeline, subscription_id, limit, cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_pages_of_any_length_are_the_same_list_in_the_order_of_time(
    market: Market, provider: Company, requester: Company, subscription_id: UUID
) -> None:
    for pod in range(7):
        market.call(
            requester, requesting.request_points_of_delivery, subscription_id, [f"POD{pod}"]
        )
        report(market, provider, subscription_id, timedelta(milliseconds=5 * pod))
    expected = whole(market, OPERATOR, subscription_id, 1000)
    kinds = {type(one.what) for one in expected}
    assert kinds == {AuditEntry, Event, InterimStatus}
    moments = [one.occurred_at.replace(microsecond=0) for one in expected]
    assert moments == sorted(moments, reverse=True)
    for limit in (1, 2, 3, 5):
        found = whole(market, OPERATOR, subscription_id, limit)
        assert [id_of(one) for one in found] == [id_of(one) for one in expected]


def id_of(one: Happening) -> UUID:
    return one.what.id if isinstance(one.what, AuditEntry) else one.what.event_id


def test_a_company_sees_the_messages_to_its_own_platform_only(
    market: Market, provider: Company, requester: Company, stranger: Company, subscription_id: UUID
) -> None:
    for company in (provider, requester):
        events = [
            one.what
            for one in whole(market, company, subscription_id, 50)
            if isinstance(one.what, Event)
        ]
        assert {event.lane for event in events} == {str(company.id)}
    with pytest.raises(NotFound):
        market.call(stranger, read_timeline, subscription_id, 10, None)
    with pytest.raises(NotFound):
        market.call(stranger, read_completeness, subscription_id)


def test_points_of_delivery_can_be_left_out(
    market: Market, requester: Company, subscription_id: UUID
) -> None:
    market.call(requester, requesting.request_points_of_delivery, subscription_id, ["A", "B"])
    page = market.call(requester, read_timeline, subscription_id, 50, None, with_pods=False)
    entries = [one.what for one in page.items if isinstance(one.what, AuditEntry)]
    assert entries
    assert not {entry.entity_kind for entry in entries} & OF_PODS


@pytest.mark.parametrize("cursor", ["x", "W10", "é", "WyIxIiwgLTEsIDIsICIxIl0"])
def test_a_cursor_of_another_list_is_refused(
    market: Market, requester: Company, subscription_id: UUID, cursor: str
) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        market.call(requester, read_timeline, subscription_id, 10, cursor)


def test_what_is_missing_is_counted(
    market: Market, provider: Company, requester: Company, subscription_id: UUID
) -> None:
    market.call(requester, requesting.request_points_of_delivery, subscription_id, ["A", "B", "C"])
    market.consent(provider, subscription_id, "REQUESTED", pod="A")
    market.consent(provider, subscription_id, "GRANTED", pod="A")
    market.activation(provider, subscription_id, "ACTIVE", pod="A")
    market.consent(provider, subscription_id, "REQUESTED", pod="B")
    found = market.call(requester, read_completeness, subscription_id)
    assert (found.total, found.active, found.not_taken_up) == (3, 1, 1)
    assert found.consents == {ConsentState.GRANTED: 1, ConsentState.REQUESTED: 1}
    assert found.activations == {ActivationState.ACTIVE: 1}
    assert [event.kind for event in found.unheard] == ["points-of-delivery.requested"]
    assert not market.call(provider, read_completeness, subscription_id).unheard
    assert not found.is_overdue
    assert found.due_at is not None
