"""The outbox engine on both databases."""

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, text, true

from mpp_sdk.errors import IllegalTransition, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import (
    Answer,
    BreakerState,
    Claim,
    Event,
    EventFilter,
    EventState,
    LeaseLost,
    NewEvent,
    NoResponse,
    Outbox,
    Recorded,
    Response,
    Sent,
    Settlement,
    Unsent,
    canonical_json,
    merge,
)
from tests.unit.mpp_sdk.outbox.conftest import SECRET_BOX, TABLES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OK = Response(204)
DOWN = NoResponse("Connection refused")
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def new_event(lane: str = "platform-a", key: str = "subscription-1", **values: Any) -> NewEvent:
    return replace(
        NewEvent(
            event_id=new_id(),
            lane=lane,
            ordering_key=key,
            kind="subscription.completed",
            path="/service-offer/confirmed/requester",
            payload='{"a":1}',
            occurred_at=NOW,
        ),
        **values,
    )


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    return Outbox(engine, TABLES, SECRET_BOX)


def enqueue(engine: Engine, outbox: Outbox, *events: NewEvent) -> list[UUID]:
    with engine.begin() as connection:
        for event in events:
            outbox.enqueue(connection, event)
    return [event.event_id for event in events]


def ids(claims: Sequence[Claim]) -> list[UUID]:
    return [event.event_id for claim in claims for event in claim.events]


def sent(event: Event, answer: Answer, at: datetime = NOW) -> Sent:
    return Sent(event, at, 12, answer)


def give(
    outbox: Outbox, answer: Answer, now: datetime = NOW, *, count: int | None = None
) -> list[UUID]:
    """Claim what is due, let the first few events of each lane have this answer; return them."""
    tried = []
    for claim in outbox.claim("me", 10, now):
        events = claim.events[:count]
        outbox.release(claim.lease, [sent(event, answer, now) for event in events], now)
        tried += [event.event_id for event in events]
    return tried


def read(engine: Engine, outbox: Outbox, event_id: UUID) -> Event:
    with engine.connect() as connection:
        return outbox.read_event(connection, event_id)


def breaker_of(engine: Engine, outbox: Outbox, lane: str = "platform-a") -> BreakerState:
    with engine.connect() as connection:
        found = outbox.read_lane(connection, lane)
    assert found is not None
    return found.breaker_state


# ------------------------------------------------------------------ writing and claiming


def test_an_event_is_delivered_and_its_attempt_kept(engine: Engine, outbox: Outbox) -> None:
    (event_id,) = enqueue(engine, outbox, new_event(correlation_id="c-1"))
    (claim,) = outbox.claim("me", 10, NOW)
    (event,) = claim.events
    assert (event.event_id, event.state, event.correlation_id) == (
        event_id,
        EventState.QUEUED,
        "c-1",
    )
    assert outbox.body(event) == b'{"a":1}'
    outbox.release(claim.lease, [sent(event, Response(200, body="fine\0"))], NOW)
    after = read(engine, outbox, event_id)
    assert (after.state, after.attempts, after.finished_at, after.next_attempt_at) == (
        EventState.DELIVERED,
        1,
        NOW,
        None,
    )
    assert after.occurred_at == NOW
    with engine.connect() as connection:
        (attempt,) = outbox.list_attempts(connection, event_id, limit=10)
        lane = outbox.read_lane(connection, "platform-a")
    assert (attempt.number, attempt.status, attempt.error, attempt.duration_ms) == (
        1,
        200,
        None,
        12,
    )
    assert (attempt.response_body, attempt.resulting_state) == ("fine\ufffd", EventState.DELIVERED)
    assert lane is not None
    assert (lane.due_at, lane.lease_owner) == (None, None)
    assert outbox.claim("me", 10, NOW + timedelta(days=10)) == []


def test_an_event_of_a_transaction_that_rolls_back_does_not_exist(
    engine: Engine, outbox: Outbox
) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        outbox.enqueue(connection, new_event())
        transaction.rollback()
    assert outbox.claim("me", 10) == []


@ON_POSTGRESQL  # SQLite has one writer: a claim waits for the transaction
def test_an_event_is_not_claimed_before_its_transaction_commits(
    engine: Engine, outbox: Outbox
) -> None:
    with engine.begin() as connection:
        outbox.enqueue(connection, new_event())
        assert outbox.claim("me", 10) == []
    assert len(ids(outbox.claim("me", 10))) == 1


@ON_POSTGRESQL  # SQLite has one writer: there is nothing to wait for in a circle
def test_enqueueing_waits_for_no_delivery(engine: Engine, outbox: Outbox) -> None:
    """A business transaction and a recording that lock the same rows cannot wait in a circle."""
    enqueue(engine, outbox, new_event())
    (claim,) = outbox.claim("me", 10)
    with engine.begin() as recording:
        recording.execute(select(TABLES.lane).with_for_update())
        recording.execute(select(TABLES.event).with_for_update())
        with engine.begin() as business:
            business.execute(text("SET LOCAL lock_timeout = '500ms'"))
            outbox.enqueue(business, new_event())
    outbox.release(claim.lease, [sent(claim.events[0], OK)])
    assert len(ids(outbox.claim("me", 10))) == 1


def test_lanes_are_claimed_up_to_the_limit_and_once_each(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(new_event(f"platform-{number}") for number in range(5)))
    first = outbox.claim("one", 3, NOW)
    second = outbox.claim("two", 3, NOW)
    lanes = [claim.lease.lane for claim in [*first, *second]]
    assert (len(first), len(second)) == (3, 2)
    assert len(set(lanes)) == 5
    assert outbox.claim("three", 3, NOW) == []


def test_a_turn_takes_several_keys_and_several_events_of_a_key_in_order(
    engine: Engine, outbox: Outbox
) -> None:
    a = [new_event(key="a") for _ in range(30)]
    b = [new_event(key="b") for _ in range(3)]
    enqueue(engine, outbox, *a, *b)
    (claim,) = outbox.claim("me", 10, NOW)
    of_a = [event.event_id for event in claim.events if event.ordering_key == "a"]
    of_b = [event.event_id for event in claim.events if event.ordering_key == "b"]
    assert of_a == [event.event_id for event in a[:10]]
    assert of_b == [event.event_id for event in b]


def test_many_keys_share_a_turn(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(new_event(key=str(number)) for number in range(50)))
    (claim,) = outbox.claim("me", 10, NOW)
    assert len(claim.events) == 20


# ------------------------------------------------------------------ order


def test_an_event_waits_for_an_earlier_one_of_its_key_but_others_go_on(
    engine: Engine, outbox: Outbox
) -> None:
    first, second = enqueue(engine, outbox, new_event(key="a"), new_event(key="a"))
    assert give(outbox, DOWN, count=1) == [first]
    (other,) = enqueue(engine, outbox, new_event(key="b"))
    assert give(outbox, OK, NOW + seconds(1)) == [other]
    assert give(outbox, OK, NOW + seconds(3)) == [first, second]


def test_an_event_that_comes_while_an_earlier_one_is_retried_waits(
    engine: Engine, outbox: Outbox
) -> None:
    (first,) = enqueue(engine, outbox, new_event())
    assert give(outbox, DOWN) == [first]
    (second,) = enqueue(engine, outbox, new_event())
    assert give(outbox, OK, NOW + seconds(1)) == []
    assert give(outbox, OK, NOW + seconds(3)) == [first, second]


def test_a_dead_event_does_not_block_its_key(engine: Engine, outbox: Outbox) -> None:
    first, second = enqueue(engine, outbox, new_event(), new_event())
    assert give(outbox, Response(410), count=1) == [first]
    assert read(engine, outbox, first).state is EventState.DEAD
    assert give(outbox, OK) == [second]


def test_the_same_key_in_two_lanes_does_not_wait(engine: Engine, outbox: Outbox) -> None:
    first, second = enqueue(engine, outbox, new_event("a"), new_event("b"))
    (claim, other) = outbox.claim("me", 10, NOW)
    outbox.release(claim.lease, [sent(claim.events[0], DOWN)], NOW)
    outbox.release(other.lease, [sent(other.events[0], OK)], NOW)
    states = {read(engine, outbox, event_id).state for event_id in (first, second)}
    assert states == {EventState.RETRYING, EventState.DELIVERED}


def test_an_event_that_comes_during_a_turn_is_taken_up_after_it(
    engine: Engine, outbox: Outbox
) -> None:
    enqueue(engine, outbox, new_event(key="a"))
    (claim,) = outbox.claim("me", 10, NOW)
    late, other = enqueue(engine, outbox, new_event(key="a"), new_event(key="b"))
    assert outbox.claim("other", 10, NOW) == []  # takes the arrivals in, may not have the lane
    outbox.release(claim.lease, [sent(claim.events[0], OK)], NOW)
    assert set(give(outbox, OK)) == {late, other}


# ------------------------------------------------------------------ retries


def test_retry_after_is_kept_even_by_a_probe(engine: Engine, outbox: Outbox) -> None:
    (event_id,) = enqueue(engine, outbox, new_event())
    give(outbox, Response(429, retry_after="600"))
    assert give(outbox, OK, NOW + seconds(599)) == []
    for number in range(12):  # others of the lane park it
        enqueue(engine, outbox, new_event(key=str(number)))
    for _ in range(12):
        give(outbox, DOWN, count=1)
    assert breaker_of(engine, outbox) is BreakerState.OPEN
    probed = [
        probe for second in range(0, 570, 30) for probe in give(outbox, DOWN, NOW + seconds(second))
    ]
    assert len(probed) >= 15
    assert event_id not in probed
    give(outbox, OK, NOW + seconds(570))
    assert breaker_of(engine, outbox) is BreakerState.CLOSED
    assert event_id not in give(outbox, OK, NOW + seconds(599))
    assert event_id in give(outbox, OK, NOW + seconds(600))


def test_an_event_is_dead_after_75_hours_with_all_attempts_kept(
    engine: Engine, outbox: Outbox
) -> None:
    (event_id,) = enqueue(engine, outbox, new_event())
    now = NOW
    while read(engine, outbox, event_id).state is not EventState.DEAD:
        give(outbox, DOWN, now)
        now += timedelta(hours=1)
        assert now < NOW + timedelta(hours=100)
    dead = read(engine, outbox, event_id)
    assert dead.finished_at == NOW + timedelta(hours=75)
    assert "75 h" in (dead.dead_reason or "")
    assert "Connection refused" in (dead.dead_reason or "")
    numbers, after = [], 0
    with engine.connect() as connection:
        while page := outbox.list_attempts(connection, event_id, limit=7, after=after):
            numbers += [attempt.number for attempt in page]
            after = page[-1].number
            assert all(attempt.error == "Connection refused" for attempt in page)
    assert numbers == list(range(1, dead.attempts + 1))


def test_a_dead_event_is_replayed_in_its_place(engine: Engine, outbox: Outbox) -> None:
    first, second = enqueue(engine, outbox, new_event(), new_event())
    give(outbox, Response(422), count=1)
    give(outbox, DOWN, count=1)  # the second is being retried
    with engine.begin() as connection:
        replayed = outbox.replay(connection, first)
    assert (replayed.state, replayed.failures, replayed.attempts) == (EventState.QUEUED, 0, 1)
    assert replayed.dead_reason is None
    assert give(outbox, DOWN, NOW + seconds(10), count=1) == [first]
    assert give(outbox, OK, NOW + seconds(11)) == []  # the second waits for the first again
    assert give(outbox, OK, NOW + seconds(20)) == [first, second]
    assert read(engine, outbox, first).attempts == 3


def test_only_a_dead_event_is_replayed(engine: Engine, outbox: Outbox) -> None:
    (event_id,) = enqueue(engine, outbox, new_event())
    with engine.begin() as connection:
        with pytest.raises(IllegalTransition, match="QUEUED"):
            outbox.replay(connection, event_id)
        with pytest.raises(NotFound):
            outbox.replay(connection, new_id())


def test_replaying_while_the_lane_is_held_is_not_lost(engine: Engine, outbox: Outbox) -> None:
    (dead,) = enqueue(engine, outbox, new_event())
    give(outbox, Response(410))
    enqueue(engine, outbox, new_event())
    (claim,) = outbox.claim("me", 10, NOW)
    with engine.begin() as connection:
        outbox.replay(connection, dead)
    outbox.claim("other", 10, NOW)
    outbox.release(claim.lease, [sent(event, DOWN) for event in claim.events], NOW)
    assert give(outbox, OK)[:1] == [dead]


# ------------------------------------------------------------------ parked lanes


def test_ten_failures_park_the_lane_and_a_probe_opens_it(engine: Engine, outbox: Outbox) -> None:
    events = enqueue(engine, outbox, *(new_event(key=str(number)) for number in range(40)))
    for _ in range(10):
        give(outbox, DOWN, count=1)
    assert breaker_of(engine, outbox) is BreakerState.OPEN
    enqueue(engine, outbox, new_event(key="new"))
    assert give(outbox, OK, NOW + seconds(29)) == []
    (probe,) = give(outbox, DOWN, NOW + seconds(30))
    assert give(outbox, OK, NOW + seconds(59)) == []
    (other,) = give(outbox, OK, NOW + seconds(60))
    assert probe != other
    assert breaker_of(engine, outbox) is BreakerState.CLOSED
    delivered = {other}
    while given := give(outbox, OK, NOW + seconds(60)):
        delivered |= set(given)
    assert delivered >= set(events)


def test_what_is_not_sent_says_nothing_of_the_platform(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(new_event(key=str(number)) for number in range(20)))
    for _ in range(9):
        give(outbox, DOWN, count=1)
    assert give(outbox, Unsent("It is too old."), count=1)
    assert breaker_of(engine, outbox) is BreakerState.CLOSED
    give(outbox, DOWN, count=1)
    assert breaker_of(engine, outbox) is BreakerState.OPEN
    assert give(outbox, Unsent("It is too old."), NOW + seconds(30), count=1)
    assert breaker_of(engine, outbox) is BreakerState.OPEN
    assert give(outbox, OK, NOW + seconds(59)) == []
    assert len(give(outbox, OK, NOW + seconds(60))) == 1


def test_a_probe_comes_before_a_long_delay_ends(engine: Engine, outbox: Outbox) -> None:
    (event_id,) = enqueue(engine, outbox, new_event())
    now = NOW
    for _ in range(10):
        now = read(engine, outbox, event_id).next_attempt_at or now
        assert give(outbox, DOWN, now) == [event_id]
    assert breaker_of(engine, outbox) is BreakerState.OPEN
    following = read(engine, outbox, event_id).next_attempt_at
    assert following is not None
    assert following - now > timedelta(minutes=15)
    assert give(outbox, OK, now + seconds(30)) == [event_id]


def test_no_probe_comes_before_a_retry_after(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(new_event(key=str(number)) for number in range(10)))
    give(outbox, Response(503, retry_after="600"))
    assert breaker_of(engine, outbox) is BreakerState.OPEN
    for second in range(0, 600, 30):
        assert give(outbox, OK, NOW + seconds(second)) == []
    assert len(give(outbox, OK, NOW + seconds(630))) == 1


def test_what_waited_for_a_parked_lane_goes_as_soon_as_it_is_alive(
    engine: Engine, outbox: Outbox
) -> None:
    events = enqueue(engine, outbox, *(new_event(key=str(number)) for number in range(10)))
    give(outbox, DOWN)
    now = NOW
    for _ in range(70):
        now += seconds(30)
        assert len(give(outbox, DOWN, now)) == 1
    later = [
        event for event in events if (read(engine, outbox, event).next_attempt_at or now) > now
    ]
    assert later, "none of them has a long delay"
    now += seconds(30)
    delivered = give(outbox, OK, now) + give(outbox, OK, now)
    assert sorted(delivered) == sorted(events)


def test_a_refusal_is_a_sign_of_life(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(new_event(key=str(number)) for number in range(30)))
    for _ in range(9):
        give(outbox, DOWN, count=1)
    give(outbox, Response(422), count=1)
    for _ in range(9):
        give(outbox, DOWN, count=1)
    assert breaker_of(engine, outbox) is BreakerState.CLOSED


def test_events_that_conflict_do_not_park_the_lane_for_others(
    engine: Engine, outbox: Outbox
) -> None:
    enqueue(engine, outbox, *(new_event(key=str(number)) for number in range(12)))
    for _ in range(12):
        give(outbox, Response(409), count=1)
    assert breaker_of(engine, outbox) is BreakerState.CLOSED
    (event_id,) = enqueue(engine, outbox, new_event(key="another"))
    assert give(outbox, OK) == [event_id]


def test_a_probe_whose_prober_died_is_made_again(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(new_event(key=str(number)) for number in range(10)))
    for _ in range(10):
        give(outbox, DOWN, count=1)
    (claim,) = outbox.claim("dies", 10, NOW + seconds(30))
    assert len(claim.events) == 1
    assert breaker_of(engine, outbox) is BreakerState.HALF_OPEN
    assert outbox.claim("me", 10, NOW + seconds(60)) == []
    assert len(give(outbox, OK, NOW + seconds(90))) == 1
    assert breaker_of(engine, outbox) is BreakerState.CLOSED


def test_a_parked_lane_does_not_touch_another(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(new_event("dead", str(number)) for number in range(30)))
    for _ in range(10):
        give(outbox, DOWN, count=1)
    (event_id,) = enqueue(engine, outbox, new_event("alive"))
    assert give(outbox, OK) == [event_id]


def test_what_arrives_for_a_parked_lane_holds_up_no_other(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(new_event("dead", str(number)) for number in range(10)))
    give(outbox, DOWN)
    with engine.begin() as connection:
        waiting = [{"lane": "dead", "ordering_key": str(number)} for number in range(2_500)]
        connection.execute(insert(TABLES.arrival), waiting)
    (event_id,) = enqueue(engine, outbox, new_event("alive"))
    assert ids(outbox.claim("me", 10, NOW)) == [event_id]


# ------------------------------------------------------------------ leases


def test_an_expired_lease_is_taken_over_and_the_first_holder_cannot_record(
    engine: Engine, outbox: Outbox
) -> None:
    (event_id,) = enqueue(engine, outbox, new_event())
    (slow,) = outbox.claim("slow", 10, NOW)
    assert outbox.claim("quick", 10, NOW + seconds(59)) == []
    (quick,) = outbox.claim("quick", 10, NOW + seconds(60))
    assert ids([quick]) == [event_id]
    for record in (outbox.record, outbox.release):
        with pytest.raises(LeaseLost):
            record(slow.lease, [sent(slow.events[0], DOWN)], NOW + seconds(61))
    assert read(engine, outbox, event_id).attempts == 0
    outbox.release(quick.lease, [sent(quick.events[0], OK)], NOW + seconds(61))
    assert read(engine, outbox, event_id).attempts == 1


def test_recording_prolongs_the_lease(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, new_event(), new_event())
    (claim,) = outbox.claim("me", 10, NOW)
    recorded = outbox.record(claim.lease, [sent(claim.events[0], OK)], NOW + seconds(50))
    assert recorded.lease.expires_at == NOW + seconds(110)
    assert recorded.states == {claim.events[0].event_id: EventState.DELIVERED}
    assert outbox.claim("other", 10, NOW + seconds(100)) == []
    outbox.release(recorded.lease, [sent(claim.events[1], OK)], NOW + seconds(100))


def test_what_was_sent_but_not_recorded_is_sent_again(engine: Engine, outbox: Outbox) -> None:
    first, second = enqueue(engine, outbox, new_event(), new_event())
    (claim,) = outbox.claim("dies", 10, NOW)
    outbox.record(claim.lease, [sent(claim.events[0], OK)], NOW)
    assert read(engine, outbox, first).state is EventState.DELIVERED
    assert give(outbox, OK, NOW + seconds(60)) == [second]


def test_claims_that_race_never_share_a_lane(engine: Engine, outbox: Outbox) -> None:
    events = enqueue(
        engine, outbox, *(new_event(f"lane-{number % 8}", str(number)) for number in range(240))
    )
    held: set[str] = set()
    guard = threading.Lock()
    delivered: list[UUID] = []

    def deliver(owner: str) -> None:
        idle = 0
        while idle < 20:
            claims = outbox.claim(owner, 2)
            if not claims:
                idle += 1
                time.sleep(0.01)
                continue
            idle = 0
            for claim in claims:
                with guard:
                    assert claim.lease.lane not in held
                    held.add(claim.lease.lane)
            for claim in claims:
                with guard:
                    held.remove(claim.lease.lane)
                    delivered.extend(event.event_id for event in claim.events)
                outbox.release(claim.lease, [sent(event, OK) for event in claim.events])

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(deliver, f"owner-{number}") for number in range(4)]:
            done.result(60)
    assert sorted(delivered) == sorted(events)


# ------------------------------------------------------------------ listeners


def test_the_listener_reacts_in_the_recording_transaction(engine: Engine) -> None:
    seen: list[tuple[EventState, int]] = []

    def react(connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            seen.append((event.state, event.attempts))
            connection.execute(
                insert(TABLES.arrival).values(lane=f"reaction-{event.state}", ordering_key="r")
            )

    outbox = Outbox(engine, TABLES, SECRET_BOX, on_outcomes=react)
    enqueue(engine, outbox, new_event())
    give(outbox, DOWN)
    give(outbox, OK, NOW + seconds(5))
    assert seen == [(EventState.RETRYING, 1), (EventState.DELIVERED, 2)]
    with engine.connect() as connection:
        lanes = set(connection.execute(select(TABLES.arrival.c.lane)).scalars())
    assert "reaction-DELIVERED" in lanes


def test_an_outcome_whose_listener_fails_is_not_recorded(engine: Engine) -> None:
    def fail(connection: Connection, events: Sequence[Event]) -> None:
        raise RuntimeError("no")

    failing = Outbox(engine, TABLES, SECRET_BOX, on_outcomes=fail)
    (event_id,) = enqueue(engine, failing, new_event())
    (claim,) = failing.claim("me", 10, NOW)
    with pytest.raises(RuntimeError):
        failing.release(claim.lease, [sent(claim.events[0], OK)], NOW)
    assert read(engine, failing, event_id).state is EventState.QUEUED
    with engine.connect() as connection:
        assert failing.list_attempts(connection, event_id, limit=5) == []
    assert give(Outbox(engine, TABLES, SECRET_BOX), OK, NOW + seconds(60)) == [event_id]


def test_a_listener_that_fails_for_one_event_leaves_the_others_recorded(engine: Engine) -> None:
    calls: list[int] = []

    def react(connection: Connection, events: Sequence[Event]) -> None:
        calls.append(len(events))
        connection.execute(
            insert(TABLES.arrival),
            [{"lane": f"after-{event.ordering_key}", "ordering_key": "r"} for event in events],
        )
        if any(event.ordering_key == "bad" for event in events):
            raise RuntimeError("no")

    outbox = Outbox(engine, TABLES, SECRET_BOX, on_outcomes=react)
    enqueue(
        engine,
        outbox,
        *(new_event(key=key) for key in ("good", "bad", "better")),
        new_event("platform-b", "other"),
    )
    claims = outbox.claim("me", 10, NOW)
    results = outbox.settle(
        [
            Settlement(claim.lease, [sent(event, OK) for event in claim.events], release=True)
            for claim in claims
        ],
        NOW,
    )
    assert calls == [4, 1, 1, 1, 1]
    bad = next(event for event in claims[0].events if event.ordering_key == "bad")
    failures = [result.failed for result in results if isinstance(result, Recorded)]
    assert [list(failed) for failed in failures] == [[bad.event_id], []]
    by_key = {}
    for claim in claims:
        for event in claim.events:
            by_key[event.ordering_key] = read(engine, outbox, event.event_id)
    assert {key for key, event in by_key.items() if event.state is EventState.DELIVERED} == {
        "good",
        "better",
        "other",
    }
    assert (by_key["bad"].state, by_key["bad"].attempts) == (EventState.QUEUED, 0)
    with engine.connect() as connection:
        arrived = set(connection.execute(select(TABLES.arrival.c.lane)).scalars())
    assert arrived == {"after-good", "after-better", "after-other"}
    again = outbox.claim("me", 10, NOW + seconds(60))
    assert bad.event_id in ids(again)


def test_what_follows_an_event_that_could_not_be_recorded_comes_again_behind_it(
    engine: Engine,
) -> None:
    trouble: list[object] = []

    def react(connection: Connection, events: Sequence[Event]) -> None:
        if any(event.event_id in trouble for event in events):
            raise RuntimeError("no")

    outbox = Outbox(engine, TABLES, SECRET_BOX, on_outcomes=react)
    first, second = enqueue(engine, outbox, new_event(key="one"), new_event(key="one"))
    trouble.append(first)
    (claim,) = outbox.claim("me", 10, NOW)
    assert ids([claim]) == [first, second]
    outbox.settle(
        [Settlement(claim.lease, [sent(event, OK) for event in claim.events], release=True)], NOW
    )
    assert {read(engine, outbox, one).state for one in (first, second)} == {EventState.QUEUED}
    trouble.clear()
    assert give(outbox, OK, NOW + seconds(60)) == [first, second]


def test_many_lanes_are_settled_at_once_and_a_lost_one_harms_no_other(
    engine: Engine, outbox: Outbox
) -> None:
    made = enqueue(engine, outbox, *(new_event(f"platform-{number}") for number in range(30)))
    first = outbox.claim("slow", 1, NOW)
    claims = first + outbox.claim("me", 100, NOW + seconds(1))
    assert sorted(ids(claims)) == sorted(made)
    (taken,) = outbox.claim("other", 1, NOW + seconds(60.5))
    assert taken.lease.lane == first[0].lease.lane
    results = outbox.settle(
        [
            Settlement(claim.lease, [sent(event, OK) for event in claim.events], release=True)
            for claim in claims
        ],
        NOW + seconds(60.6),
    )
    assert isinstance(results[0], LeaseLost)
    assert all(isinstance(result, Recorded) for result in results[1:])
    states = [read(engine, outbox, event_id).state for event_id in made]
    assert states.count(EventState.DELIVERED) == 29
    assert read(engine, outbox, ids(first)[0]).state is EventState.QUEUED


# ------------------------------------------------------------------ secrets


SECRET = "fak_very-secret-key"


def test_secrets_are_merged_when_sent_and_never_stored_in_clear(
    engine: Engine, outbox: Outbox
) -> None:
    new = new_event(
        payload='{"b":{"c":1},"a":"ž"}', secrets=canonical_json({"b": {"apiKey": SECRET}})
    )
    assert SECRET not in repr(new)
    (event_id,) = enqueue(engine, outbox, new)
    (claim,) = outbox.claim("me", 10, NOW)
    (event,) = claim.events
    assert outbox.body(event) == ('{"a":"ž","b":{"apiKey":"' + SECRET + '","c":1}}').encode()
    assert SECRET not in repr(claim)
    assert SECRET not in event.payload
    outbox.release(claim.lease, [sent(event, Response(422))], NOW)
    dead = read(engine, outbox, event_id)
    assert dead.encrypted_secrets is not None  # a dead event may be replayed
    with engine.connect() as connection:
        for table in (TABLES.event, TABLES.attempt, TABLES.lane, TABLES.arrival):
            for row in connection.execute(select(table)):
                assert SECRET not in str(tuple(row))
    with engine.begin() as connection:
        outbox.replay(connection, event_id)
    give(outbox, OK)
    assert read(engine, outbox, event_id).encrypted_secrets is None


def test_secrets_need_an_object(engine: Engine, outbox: Outbox) -> None:
    for payload, secrets in (("[]", "{}"), ("{}", "[]")):
        with engine.begin() as connection, pytest.raises(ValueError, match="object"):
            outbox.enqueue(connection, new_event(payload=payload, secrets=secrets))


def test_merging_goes_into_objects_and_replaces_the_rest() -> None:
    assert merge('{"a":{"b":1,"c":[1]}}', '{"a":{"c":[2]},"d":null}') == (
        '{"a":{"b":1,"c":[2]},"d":null}'
    )
    assert json.loads(merge("{}", '{"a":{"b":1}}')) == {"a": {"b": 1}}


# ------------------------------------------------------------------ reading


def test_events_are_listed_by_page_and_filter(engine: Engine, outbox: Outbox) -> None:
    made = [
        new_event(
            f"lane-{number % 3}",
            f"key-{number % 2}",
            kind=f"kind-{number % 2}",
            correlation_id=f"c-{number % 5}",
        )
        for number in range(30)
    ]
    enqueue(engine, outbox, *made)
    newest_first = [event.event_id for event in reversed(made)]
    with engine.connect() as connection:
        listed: list[UUID] = []
        before = None
        while page := outbox.list_events(connection, EventFilter(), limit=7, before=before):
            listed += [event.event_id for event in page]
            before = page[-1].event_id
        assert listed == newest_first

        def count(which: EventFilter) -> int:
            return len(outbox.list_events(connection, which, limit=100))

        assert count(EventFilter(lanes=["lane-0"])) == 10
        assert count(EventFilter(lanes=["lane-0", "lane-1"])) == 20
        assert count(EventFilter(lanes=[])) == 0
        assert count(EventFilter(kind="kind-1")) == 15
        assert count(EventFilter(ordering_key="key-0")) == 15
        assert count(EventFilter(correlation_id="c-4")) == 6
        assert count(EventFilter(states=[EventState.QUEUED])) == 30
        assert count(EventFilter(states=[EventState.DEAD, EventState.DELIVERED])) == 0
        assert count(EventFilter(lanes=["lane-1"], kind="kind-1")) == 5
        assert outbox.read_lane(connection, "lane-0") is None
        with pytest.raises(NotFound):
            outbox.read_event(connection, new_id())


# ------------------------------------------------------------------ cost


def backlog(engine: Engine, outbox: Outbox, lane: str, count: int, keys: int) -> None:
    """Put a long queue into a lane, quickly."""
    with engine.begin() as connection:
        for event in (new_event(lane, str(number)) for number in range(keys)):
            outbox.enqueue(connection, event)
        outbox_event = TABLES.event
        row = connection.execute(select(outbox_event).limit(1)).mappings().one()
        rows = [
            {**row, "position": row["position"] + 1_000_000 + number, "event_id": new_id()}
            | {"ordering_key": str(number % keys), "lane": lane}
            for number in range(count)
        ]
        connection.execute(insert(outbox_event), rows)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))


def test_the_hot_queries_use_their_indexes(engine: Engine, outbox: Outbox) -> None:
    backlog(engine, outbox, "dead", 5_000, 50)
    give(outbox, DOWN, count=3)
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    queries = {
        "ix_outbox_event_sendable": (
            "SELECT * FROM outbox_event WHERE lane = 'dead' AND next_attempt_at <= '2026-03-01' "
            "ORDER BY next_attempt_at, position LIMIT 20"
        ),
        "ix_outbox_event_unfinished": (
            "SELECT position FROM outbox_event WHERE lane = 'dead' AND ordering_key = '7' "
            "AND finished_at IS NULL ORDER BY position LIMIT 1"
        ),
    }
    with engine.connect() as connection:
        for index, query in queries.items():
            plan = " ".join(str(row) for row in connection.execute(text(f"{explain} {query}")))
            assert index in plan
        assert (
            connection.execute(select(func.count()).select_from(TABLES.event)).scalar_one() > 5_000
        )


@ON_POSTGRESQL
def test_two_dispatchers_of_the_same_lanes_do_not_wait_for_each_other_in_a_circle(
    engine: Engine, outbox: Outbox
) -> None:
    names = ("B", "a")  # in a language's order it would be the other way round
    lane = TABLES.lane
    enqueue(engine, outbox, *(new_event(lane=name) for name in names))
    claims = outbox.claim("one", 10, NOW)
    enqueue(engine, outbox, *(new_event(lane=name) for name in names))
    other = Outbox(engine, TABLES, SECRET_BOX)
    with ThreadPoolExecutor(2) as threads:
        with engine.begin() as connection:  # each has begun before either can end
            connection.execute(select(lane).where(lane.c.name == "a").with_for_update())
            settling = threads.submit(
                outbox.settle,
                [Settlement(one.lease, [sent(one.events[0], OK)]) for one in claims],
                NOW,
            )
            await_waiting(engine, 1)
            claiming = threads.submit(other.claim, "other", 10, NOW)
            await_waiting(engine, 2)
        assert [type(one) for one in settling.result(20)] == [Recorded, Recorded]
        assert claiming.result(20) == []


def await_waiting(engine: Engine, count: int) -> None:
    """Return once so many transactions wait for a lock."""
    deadline = time.monotonic() + 20
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while True:
        with engine.connect() as connection:
            if connection.execute(query).scalar_one() == count:
                return
        assert time.monotonic() < deadline, "they do not wait"
        time.sleep(0.01)


def test_nothing_is_claimed_while_deliveries_are_held_not_even_what_is_expected(
    engine: Engine, outbox: Outbox
) -> None:
    enqueue(engine, outbox, new_event())
    holding = Outbox(engine, TABLES, SECRET_BOX, held=true())
    assert holding.claim("me", 10, NOW, expected=True) == []
    (claim,) = outbox.claim("me", 10, NOW, expected=True)
    outbox.release(claim.lease, [], NOW)
    assert holding.claim("me", 10, NOW, expected=True) == []
    assert len(ids(outbox.claim("me", 10, NOW))) == 1
