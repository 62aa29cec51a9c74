from datetime import UTC, datetime, timedelta

from marketplace.monitoring.domain import Expectation, next_status

MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def after(base: datetime) -> Expectation:
    return Expectation(base + HOUR, base + timedelta(minutes=66))


def test_the_first_status_is_counted_from_when_the_subscription_became_active() -> None:
    assert next_status(MOMENT, None, HOUR) == after(MOMENT)


def test_the_next_status_is_counted_from_the_last() -> None:
    last = MOMENT + timedelta(minutes=30)
    assert next_status(MOMENT, last, HOUR) == after(last)


def test_a_resumed_subscription_has_its_whole_interval_again() -> None:
    assert next_status(MOMENT, MOMENT - timedelta(days=3), HOUR) == after(MOMENT)
