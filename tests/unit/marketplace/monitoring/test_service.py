from datetime import datetime, timedelta
from uuid import UUID

import pytest

from marketplace.activations.domain import ActivationState
from marketplace.consents.domain import ConsentState, Validity
from marketplace.core.audit import AuditFilter
from marketplace.core.notices import Outcome
from marketplace.monitoring import service
from marketplace.monitoring.domain import ServiceStatus
from marketplace.monitoring.service import StatusReport
from marketplace.subscriptions import service as subscriptions
from mpp_sdk import clock
from mpp_sdk.errors import Conflict, Forbidden, Gone, IllegalTransition, NotFound
from mpp_sdk.ids import new_id
from tests.unit.marketplace.market import HOUR, OPERATOR, Caller, Company, Market, set_clock

SECOND = timedelta(seconds=1)


@pytest.fixture
def made(market: Market, provider: Company, requester: Company) -> UUID:
    return market.subscribed(provider, requester, market.published(provider))


def report(
    market: Market,
    caller: Company,
    subscription_id: UUID,
    at: datetime | None = None,
    event_id: UUID | None = None,
    status: ServiceStatus = ServiceStatus.OPERATIONAL,
) -> Outcome:
    told = StatusReport(
        event_id or new_id(), at or clock.now(), subscription_id, status, 3, "All is well."
    )
    return market.call(caller, service.report, told)


def overdue(market: Market, caller: Caller) -> list[UUID]:
    page = market.call(caller, service.list_overdue, None, 50, None)
    return [one.agreement.id for one in page.items]


def test_a_status_that_never_came_is_overdue_after_its_grace(
    market: Market,
    provider: Company,
    requester: Company,
    stranger: Company,
    made: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    active = market.subscription(made).active_since
    assert active is not None
    assert overdue(market, provider) == []
    set_clock(monkeypatch, active + timedelta(minutes=65, seconds=59))
    assert overdue(market, provider) == []
    set_clock(monkeypatch, active + timedelta(minutes=66))
    for caller in (provider, requester, OPERATOR):
        assert overdue(market, caller) == [made]
    assert overdue(market, stranger) == []
    [one] = market.call(OPERATOR, service.list_overdue, provider.id, 9, None).items
    assert one.due_at == active + HOUR
    assert one.last_status_at is None
    assert market.call(OPERATOR, service.list_overdue, requester.id, 9, None).items == []


def test_a_status_starts_the_interval_anew(
    market: Market, provider: Company, made: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = clock.now()
    set_clock(monkeypatch, moment + 2 * HOUR)
    assert overdue(market, provider) == [made]
    assert report(market, provider, made, moment + 2 * HOUR) is Outcome.APPLIED
    assert overdue(market, provider) == []
    late = report(market, provider, made, moment + HOUR)
    assert late is Outcome.SUPERSEDED
    set_clock(monkeypatch, moment + 2 * HOUR + timedelta(minutes=65))
    assert overdue(market, provider) == []
    set_clock(monkeypatch, moment + 2 * HOUR + timedelta(minutes=66))
    assert overdue(market, provider) == [made]


def test_only_active_subscriptions_owe_a_status(
    market: Market,
    provider: Company,
    requester: Company,
    made: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = clock.now()
    canceled = market.subscribed(provider, requester, market.published(provider))
    market.pending(provider, requester, market.published(provider))
    market.call(OPERATOR, subscriptions.suspend_subscription, made, "Review.", None)
    market.call(OPERATOR, subscriptions.cancel_subscription, canceled, "Enough.", None)
    set_clock(monkeypatch, moment + 5 * HOUR)
    assert overdue(market, OPERATOR) == []
    market.call(OPERATOR, subscriptions.resume_subscription, made, "Fine.", None)
    assert overdue(market, OPERATOR) == []
    set_clock(monkeypatch, moment + 7 * HOUR)
    assert overdue(market, OPERATOR) == [made]


def test_the_longest_overdue_comes_first_page_by_page(
    market: Market, provider: Company, requester: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = clock.now()
    expected = []
    for interval in ("PT3H", "PT1H", "PT2H"):
        made = market.subscribed(
            provider, requester, market.published(provider), interimStatusInterval=interval
        )
        expected.append((interval, made))
    set_clock(monkeypatch, moment + 9 * HOUR)
    seen, cursor = [], None
    while True:
        page = market.call(provider, service.list_overdue, None, 1, cursor)
        seen += [one.agreement.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [made for _, made in sorted(expected)]


def test_statuses_are_listed_newest_first(
    market: Market, provider: Company, requester: Company, stranger: Company, made: UUID
) -> None:
    moment = clock.now()
    event_id = new_id()
    for minutes in (3, 1, 2):
        report(
            market,
            provider,
            made,
            moment - timedelta(minutes=minutes),
            status=ServiceStatus.DEGRADED if minutes == 2 else ServiceStatus.OPERATIONAL,
        )
    report(market, provider, made, moment, event_id)
    assert report(market, provider, made, moment, event_id) is Outcome.DUPLICATE
    seen, cursor = [], None
    while True:
        page = market.call(requester, service.list_statuses, made, None, 3, cursor)
        seen += [row.occurred_at for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [moment - timedelta(minutes=minutes) for minutes in (0, 1, 2, 3)]
    degraded = market.call(provider, service.list_statuses, made, ServiceStatus.DEGRADED, 9, None)
    assert [row.status for row in degraded.items] == ["DEGRADED"]
    with pytest.raises(NotFound):
        market.call(stranger, service.list_statuses, made, None, 9, None)


def test_who_reports_what(
    market: Market, provider: Company, requester: Company, stranger: Company, made: UUID
) -> None:
    with pytest.raises(Forbidden):
        report(market, requester, made)
    with pytest.raises(NotFound):
        report(market, stranger, made)
    with pytest.raises(Conflict):
        report(market, provider, made, clock.now() + timedelta(minutes=6))
    waiting = market.pending(provider, requester, market.published(provider))
    with pytest.raises(IllegalTransition):
        report(market, provider, waiting)
    for ended in (waiting, made):
        market.call(OPERATOR, subscriptions.cancel_subscription, ended, "Enough.", None)
    with pytest.raises(Gone, match="CANCELED"):
        report(market, provider, waiting)
    assert report(market, provider, made) is Outcome.APPLIED


def test_consent_and_activation_side_by_side(
    market: Market, provider: Company, requester: Company, stranger: Company, made: UUID
) -> None:
    moment = clock.now()
    market.consent(provider, made, "GRANTED", pod="C", validity=Validity(moment, moment + HOUR))
    market.activation(provider, made, "ACTIVE", pod="C")
    market.consent(provider, made, "DENIED", pod="A")
    market.activation(provider, made, "REQUESTED", pod="B")

    def seen(consent: str | None = None, activation: str | None = None) -> list[object]:
        page = market.call(
            requester,
            service.list_points_of_delivery,
            made,
            consent and ConsentState(consent),
            activation and ActivationState(activation),
            9,
            None,
        )
        return [(row.pod_id, row.consent, row.activation) for row in page.items]

    assert seen() == [("A", "DENIED", None), ("B", None, "REQUESTED"), ("C", "GRANTED", "ACTIVE")]
    assert seen(consent="GRANTED") == [("C", "GRANTED", "ACTIVE")]
    assert seen(activation="REQUESTED") == [("B", None, "REQUESTED")]
    assert seen("DENIED", "ACTIVE") == []
    market.consent(provider, made, "WITHDRAWN", pod="C")
    assert seen(consent="WITHDRAWN") == [("C", "WITHDRAWN", "ENDED")]
    with pytest.raises(NotFound):
        market.call(stranger, service.list_points_of_delivery, made, None, None, 9, None)


def test_each_sees_its_own_part_of_the_audit_trail(
    market: Market, provider: Company, requester: Company, stranger: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED")

    def kinds(caller: Caller, **wanted: object) -> set[str]:
        viewer = caller.id if isinstance(caller, Company) else None
        filter_ = AuditFilter(visible_to=viewer, **wanted)  # type: ignore[arg-type] # by name
        page = market.call(caller, service.list_audit_trail, filter_, 200, None)
        return {row.entity_kind for row in page.items}

    everything = {"Subscription", "Consent"}
    for caller in (provider, requester, OPERATOR):
        assert kinds(caller, subscription_id=made) == everything
    assert kinds(stranger, subscription_id=made) == set()
    assert kinds(stranger) == {"MarketPlayer", "Credential", "Platform"}
    assert kinds(requester, entity_id=f"{made}/POD1") == {"Consent"}
    assert kinds(requester, entity_kind="Offer") == {"Offer"}
