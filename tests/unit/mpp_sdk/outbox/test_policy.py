from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.outbox import (
    Breaker,
    BreakerPolicy,
    BreakerState,
    EventState,
    NoResponse,
    Response,
    RetryPolicy,
    Tried,
    Unsent,
    parse_retry_after,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = RetryPolicy()
FRESH = Tried(0, None)
chances = st.floats(0, 1)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_a_delivery(status: int) -> None:
    verdict = POLICY.judge(Response(status, retry_after="60"), FRESH, NOW, 0.5)
    assert (verdict.state, verdict.platform_alive) == (EventState.DELIVERED, True)
    assert verdict.next_attempt_at is None


@pytest.mark.parametrize("status", [400, 405, 410, 413, 414, 415, 422])
def test_a_refusal_is_final(status: int) -> None:
    verdict = POLICY.judge(Response(status, retry_after="60"), FRESH, NOW, 0.5)
    assert (verdict.state, verdict.platform_alive) == (EventState.DEAD, True)
    assert str(status) in (verdict.dead_reason or "")


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 408, 425, 429, 500, 503])
def test_other_answers_are_tried_again(status: int) -> None:
    verdict = POLICY.judge(Response(status), FRESH, NOW, 0.0)
    assert (verdict.state, verdict.platform_alive) == (EventState.RETRYING, False)
    assert verdict.next_attempt_at == NOW + POLICY.first_delay


def test_a_conflict_is_tried_again_and_says_nothing_against_the_platform() -> None:
    verdict = POLICY.judge(Response(409), FRESH, NOW, 0.0)
    assert (verdict.state, verdict.platform_alive) == (EventState.RETRYING, True)
    assert verdict.next_attempt_at == NOW + POLICY.first_delay


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_kind_that_an_older_platform_has_no_path_for_is_given_up(status: int) -> None:
    policy = RetryPolicy(later_kinds=frozenset({"new.kind"}))
    verdict = policy.judge(Response(status), FRESH, NOW, 0.5, "new.kind")
    assert (verdict.state, verdict.platform_alive) == (EventState.DEAD, True)
    assert f"answered {status}. It does not know new.kind" in (verdict.dead_reason or "")
    assert policy.alive(Response(status), "new.kind")
    other = policy.judge(Response(404), FRESH, NOW, 0.5, "old.kind")
    assert (other.state, policy.alive(Response(404), "old.kind")) == (EventState.RETRYING, False)
    later = policy.judge(Response(503), FRESH, NOW, 0.5, "new.kind")
    assert later.state is EventState.RETRYING


def test_what_is_not_sent_is_dead_for_the_reason_that_is_given() -> None:
    verdict = POLICY.judge(Unsent("It is too old."), FRESH, NOW, 0.0)
    assert (verdict.state, verdict.dead_reason) == (EventState.DEAD, "It is too old.")


def test_no_answer_is_tried_again() -> None:
    assert POLICY.judge(NoResponse("refused"), FRESH, NOW, 0.0).state is EventState.RETRYING


@given(st.lists(chances, min_size=400, max_size=400))
def test_attempts_span_at_least_75_hours_and_end(chance: list[float]) -> None:
    now, tried, gaps = NOW, FRESH, []
    for each in chance:
        verdict = POLICY.judge(NoResponse("down"), tried, now, each)
        tried = Tried(tried.failures + 1, tried.first_attempt_at or now)
        if verdict.state is EventState.DEAD:
            break
        assert verdict.next_attempt_at is not None
        gaps.append(verdict.next_attempt_at - now)
        now = verdict.next_attempt_at
    assert verdict.state is EventState.DEAD
    assert "75 h" in (verdict.dead_reason or "") or now - NOW > timedelta(hours=75)
    assert timedelta(hours=75) <= now - NOW <= timedelta(hours=75) + POLICY.longest_delay * 1.2
    for gap, following in pairwise(gaps):
        assert following >= gap or following >= POLICY.longest_delay


@given(st.integers(1, 100_000), chances)
def test_a_delay_is_within_its_jitter(failures: int, chance: float) -> None:
    delay = POLICY.delay(failures, chance)
    plain = POLICY.delay(failures, 0)
    assert POLICY.first_delay <= plain <= POLICY.longest_delay
    assert plain <= delay <= plain * 1.2000001


def test_early_delays_double() -> None:
    seconds = [POLICY.delay(failures, 0).total_seconds() for failures in range(1, 7)]
    assert seconds == [2, 4, 8, 16, 32, 64]


@given(st.integers(1, 75 * 3600), st.integers(0, 12), chances)
def test_never_earlier_than_retry_after(seconds: int, failures: int, chance: float) -> None:
    tried = Tried(failures, NOW - timedelta(hours=1))
    verdict = POLICY.judge(Response(503, retry_after=str(seconds)), tried, NOW, chance)
    assert verdict.state is EventState.RETRYING
    assert verdict.not_before == NOW + timedelta(seconds=seconds)
    assert verdict.next_attempt_at is not None
    assert verdict.next_attempt_at >= verdict.not_before
    assert verdict.next_attempt_at >= NOW + POLICY.delay(failures + 1, chance)


@pytest.mark.parametrize("value", ["9999999", "9" * 1000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_asking_to_wait_beyond_the_span_ends_it_visibly(value: str) -> None:
    verdict = POLICY.judge(Response(429, retry_after=value), FRESH, NOW, 0.0)
    assert verdict.state is EventState.DEAD
    assert "not to be called before" in (verdict.dead_reason or "")


def test_retry_after_as_a_date() -> None:
    date = format_datetime(NOW + timedelta(minutes=5), usegmt=True)
    assert parse_retry_after(date, NOW) == NOW + timedelta(minutes=5)
    assert parse_retry_after("Sun, 01 Mar 2026 12:05:00", NOW) == NOW + timedelta(minutes=5)
    assert parse_retry_after(" 120 ", NOW) == NOW + timedelta(minutes=2)


@pytest.mark.parametrize(
    "value",
    [None, "", "0", "-5", "1.5", "soon", "٣", "Sun, 01 Mar 2026 11:59:59 GMT", "Sun, 99 Mar 2026"],
)
def test_a_retry_after_that_says_nothing_is_passed_over(value: str | None) -> None:
    assert parse_retry_after(value, NOW) is None


@given(st.text())
def test_no_retry_after_breaks_the_judgement(value: str) -> None:
    moment = parse_retry_after(value, NOW)
    assert moment is None or moment > NOW


def test_the_breaker_opens_after_ten_failures_in_a_row_and_probes() -> None:
    policy = BreakerPolicy()
    breaker = Breaker()
    for _ in range(9):
        breaker = breaker.after(alive=False, now=NOW, policy=policy)
    assert breaker == Breaker(BreakerState.CLOSED, 9)
    assert breaker.after(alive=True, now=NOW, policy=policy) == Breaker()
    parked = breaker.after(alive=False, now=NOW, policy=policy)
    assert parked == Breaker(BreakerState.OPEN, 10, NOW + timedelta(seconds=30))
    probing = parked.probing()
    assert probing.state is BreakerState.HALF_OPEN
    later = NOW + timedelta(minutes=1)
    assert probing.after(alive=False, now=later, policy=policy) == Breaker(
        BreakerState.OPEN, 11, later + timedelta(seconds=30)
    )
    assert probing.after(alive=True, now=later, policy=policy) == Breaker()


def test_a_probe_that_was_not_made_is_made_later() -> None:
    parked = Breaker(BreakerState.HALF_OPEN, 10, NOW)
    assert parked.without_answer(NOW, BreakerPolicy()) == Breaker(
        BreakerState.OPEN, 10, NOW + timedelta(seconds=30)
    )
    assert Breaker().without_answer(NOW, BreakerPolicy()) == Breaker()
    assert Breaker().probing() == Breaker()
