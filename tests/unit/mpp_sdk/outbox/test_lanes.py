"""What an operator says about a lane, and what its deliveries do then."""

import pytest
from sqlalchemy import Engine

from mpp_sdk.outbox import BreakerState, Lane, LaneMode, Outbox, Response
from tests.unit.mpp_sdk.outbox.conftest import SECRET_BOX, TABLES
from tests.unit.mpp_sdk.outbox.test_outbox import (
    DOWN,
    NOW,
    OK,
    enqueue,
    give,
    new_event,
    seconds,
    sent,
)

LANE = "platform-a"


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    return Outbox(engine, TABLES, SECRET_BOX)


def read_lane(engine: Engine, outbox: Outbox) -> Lane:
    with engine.connect() as connection:
        lane = outbox.read_lane(connection, LANE)
    assert lane is not None
    return lane


def pause(engine: Engine, outbox: Outbox) -> Lane:
    with engine.begin() as connection:
        return outbox.pause(connection, LANE)


def drain(engine: Engine, outbox: Outbox) -> Lane:
    with engine.begin() as connection:
        return outbox.drain(connection, LANE, NOW)


def resume(engine: Engine, outbox: Outbox) -> Lane:
    with engine.begin() as connection:
        return outbox.resume(connection, LANE, NOW)


def test_a_paused_lane_keeps_its_events_until_it_is_resumed(engine: Engine, outbox: Outbox) -> None:
    made = enqueue(engine, outbox, new_event())
    assert pause(engine, outbox).mode is LaneMode.PAUSED
    made += enqueue(engine, outbox, new_event(), new_event(key="other"))
    (elsewhere,) = enqueue(engine, outbox, new_event("platform-b"))
    assert give(outbox, OK, NOW) == [elsewhere]
    assert give(outbox, OK, NOW + seconds(100_000)) == []
    assert resume(engine, outbox).mode is LaneMode.RUNNING
    assert sorted(give(outbox, OK, NOW)) == sorted(made)


def test_a_lane_that_has_carried_nothing_can_be_paused(engine: Engine, outbox: Outbox) -> None:
    assert pause(engine, outbox).due_at is None
    (event_id,) = enqueue(engine, outbox, new_event())
    assert give(outbox, OK) == []
    resume(engine, outbox)
    assert give(outbox, OK) == [event_id]


def test_a_lane_that_is_paused_during_a_turn_stays_paused(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, new_event(), new_event())
    (claim,) = outbox.claim("me", 10, NOW)
    pause(engine, outbox)
    recorded = outbox.record(claim.lease, [sent(claim.events[0], OK)], NOW)
    assert recorded.mode is LaneMode.PAUSED
    outbox.release(recorded.lease, [], NOW)
    assert give(outbox, OK, NOW + seconds(1_000)) == []
    resume(engine, outbox)
    assert give(outbox, OK, NOW + seconds(1_000)) == [claim.events[1].event_id]


def test_resuming_takes_no_lane_from_its_holder(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, new_event(), new_event())
    (claim,) = outbox.claim("me", 10, NOW)
    pause(engine, outbox)
    resume(engine, outbox)
    assert outbox.claim("other", 10, NOW + seconds(1)) == []
    outbox.release(claim.lease, [sent(claim.events[0], OK)], NOW + seconds(2))
    assert give(outbox, OK, NOW + seconds(2)) == [claim.events[1].event_id]


def test_draining_ends_what_is_there_and_keeps_what_comes(engine: Engine, outbox: Outbox) -> None:
    before = enqueue(engine, outbox, new_event(), new_event(), new_event(key="other"))
    assert drain(engine, outbox).mode is LaneMode.DRAINING
    later = enqueue(engine, outbox, new_event(), new_event(key="new"))
    assert give(outbox, DOWN, NOW, count=1) != []
    assert read_lane(engine, outbox).mode is LaneMode.DRAINING
    tried = give(outbox, OK, NOW) + give(outbox, OK, NOW + seconds(60))
    assert sorted(tried) == sorted(before)
    lane = read_lane(engine, outbox)
    assert (lane.mode, lane.drain_until, lane.due_at) == (LaneMode.PAUSED, None, None)
    assert give(outbox, OK, NOW + seconds(100_000)) == []
    resume(engine, outbox)
    assert sorted(give(outbox, OK, NOW + seconds(100_000))) == sorted(later)


def test_draining_an_empty_lane_pauses_it(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, new_event())
    give(outbox, OK)
    assert drain(engine, outbox).mode is LaneMode.PAUSED


def test_a_dead_event_does_not_hold_up_a_drain(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, new_event())
    drain(engine, outbox)
    give(outbox, Response(410))
    assert read_lane(engine, outbox).mode is LaneMode.PAUSED


def test_a_parked_lane_that_drains_is_still_probed(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(new_event(key=str(number)) for number in range(10)))
    for _ in range(10):
        give(outbox, DOWN, count=1)
    drain(engine, outbox)
    assert read_lane(engine, outbox).breaker_state is BreakerState.OPEN
    assert give(outbox, DOWN, NOW + seconds(29)) == []
    assert len(give(outbox, OK, NOW + seconds(30))) == 1


def test_limits_are_set_and_taken_back(engine: Engine, outbox: Outbox) -> None:
    with engine.begin() as connection:
        lane = outbox.limit(connection, LANE, max_concurrency=2, max_per_second=0.5)
        assert (lane.max_concurrency, lane.max_per_second) == (2, 0.5)
        lane = outbox.limit(connection, LANE, max_concurrency=None, max_per_second=None)
        assert (lane.max_concurrency, lane.max_per_second) == (None, None)
        with pytest.raises(ValueError, match="At least one"):
            outbox.limit(connection, LANE, max_concurrency=0, max_per_second=None)
        for rate in (0.0, -1.0, float("inf"), float("nan")):
            with pytest.raises(ValueError, match="positive"):
                outbox.limit(connection, LANE, max_concurrency=None, max_per_second=rate)
