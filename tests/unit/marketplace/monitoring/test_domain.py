from datetime import UTC, datetime, timedelta

from marketplace.monitoring.domain import overdue_from

MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_first_status_is_counted_from_when_the_subscription_became_active() -> None:
    assert overdue_from(MOMENT, None, HOUR) == MOMENT + timedelta(minutes=66)


def test_the_next_status_is_counted_from_the_last() -> None:
    last = MOMENT + timedelta(minutes=30)
    assert overdue_from(MOMENT, last, HOUR) == last + timedelta(minutes=66)


def test_a_resumed_subscription_has_its_whole_interval_again() -> None:
    before = MOMENT - timedelta(days=3)
    assert overdue_from(MOMENT, before, HOUR) == MOMENT + timedelta(minutes=66)
