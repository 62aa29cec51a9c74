from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import insert

from marketplace.core import audit
from marketplace.core.unit_of_work import current_session
from marketplace.delivery.tables import OUTBOX
from marketplace.monitoring import over_time, service
from marketplace.monitoring.domain import ServiceStatus
from marketplace.monitoring.over_time import (
    DEAD,
    DELIVERED,
    HOURLY,
    HOURS_AT_ONCE,
    NOTIFICATIONS,
    RETRIED,
    SUBSCRIPTIONS,
    count_due,
    read_over_time,
)
from marketplace.monitoring.service import StatusReport
from marketplace.monitoring.tables import InterimStatus
from mpp_sdk import clock
from mpp_sdk.errors import Forbidden
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import EventState
from tests.unit.marketplace.market import DAY, HOUR, OPERATOR, Company, Market


@pytest.fixture
def made(market: Market, provider: Company, requester: Company) -> UUID:
    return market.subscribed(provider, requester, market.published(provider))


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(over_time, "now", lambda: moment)


def values(market: Market, names: Sequence[str]) -> dict[str, list[int]]:
    moment = clock.now()
    found = market.call(OPERATOR, read_over_time, names, moment - 400 * DAY, moment + 400 * DAY)
    return {name: [point.value for point in points] for name, points in found.items()}


def finished(market: Market, subscription_id: UUID, state: EventState, action: str) -> None:
    def work() -> None:
        audit.record("Delivery", new_id(), action, to_state=state, subscription_id=subscription_id)

    market.call(None, work)


def test_an_hour_says_what_was_delivered_retried_given_up_and_told(
    market: Market, provider: Company, made: UUID
) -> None:
    for state, action in (
        (EventState.DELIVERED, "deliver"),
        (EventState.DELIVERED, "deliver"),
        (EventState.DEAD, "give up"),
        (EventState.DEAD, "discard"),
        (EventState.QUEUED, "replay"),
    ):
        finished(market, made, state, action)

    def retry() -> None:
        event = current_session().execute(OUTBOX.event.select()).mappings().first()
        assert event is not None
        for number, state in ((1, "RETRYING"), (2, "DELIVERED")):
            current_session().execute(
                insert(OUTBOX.attempt).values(
                    event_id=event["event_id"],
                    number=number,
                    started_at=clock.now(),
                    duration_ms=3,
                    resulting_state=state,
                )
            )

    market.call(None, retry)
    market.consent(provider, made, "GRANTED")
    market.activation(provider, made, "ACTIVE")
    told = StatusReport(new_id(), clock.now(), made, ServiceStatus.OPERATIONAL, 1, None)
    market.call(provider, service.report, told)
    assert market.call(None, count_due) == 0
    counted = values(market, [*HOURLY, SUBSCRIPTIONS + "ACTIVE", SUBSCRIPTIONS + "CANCELED"])
    # An hour may have ended meanwhile.
    sums = {name: sum(found) for name, found in counted.items()}
    assert sums == {
        DELIVERED: 2,
        DEAD: 2,
        RETRIED: 1,
        NOTIFICATIONS: 3,
        SUBSCRIPTIONS + "ACTIVE": 1,
        SUBSCRIPTIONS + "CANCELED": 0,
    }


def test_counting_again_comes_to_the_same_and_not_at_once(
    market: Market, made: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = clock.now().astimezone(UTC).replace(minute=10)
    at(monkeypatch, moment)
    market.call(None, count_due)
    before = values(market, HOURLY)
    finished(market, made, EventState.DELIVERED, "deliver")
    assert market.call(None, count_due) == 0
    assert values(market, HOURLY) == before
    at(monkeypatch, moment + over_time.COUNT_EVERY)
    for _ in range(3):
        market.call(None, count_due)
    assert sum(values(market, [DELIVERED])[DELIVERED]) == sum(before[DELIVERED]) + 1


def test_it_catches_up_hour_by_hour_after_a_downtime(
    market: Market, made: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = clock.now()
    at(monkeypatch, moment)
    market.call(None, count_due)
    away = moment + 50 * HOUR

    def meanwhile() -> None:
        row = {
            "subscription_id": made,
            "event_id": new_id(),
            "status": "OPERATIONAL",
            "occurred_at": moment + 30 * HOUR,
            "received_at": moment + 30 * HOUR,
            "outcome": "APPLIED",
        }
        current_session().execute(insert(InterimStatus).values(row))

    market.call(None, meanwhile)
    at(monkeypatch, away)
    runs = 1
    while market.call(None, count_due):
        runs += 1
    assert runs == -(-50 // (HOURS_AT_ONCE - 1))
    counted = values(market, [NOTIFICATIONS])[NOTIFICATIONS]
    assert len(counted) == 51
    assert counted[30] == 1
    assert sum(counted) == 1
    days = values(market, [SUBSCRIPTIONS + "ACTIVE"])[SUBSCRIPTIONS + "ACTIVE"]
    assert days == [1, 1]


def test_they_are_for_operators_alone(market: Market, provider: Company) -> None:
    with pytest.raises(Forbidden):
        market.call(provider, read_over_time, HOURLY, clock.now() - DAY, clock.now())
