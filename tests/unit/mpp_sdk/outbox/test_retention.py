"""What is old is forgotten in batches, on both databases."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select, text, update

from mpp_sdk import clock
from mpp_sdk.ids import first_id_of, new_id
from mpp_sdk.outbox import EventState, Outbox, Response, Retention, Sent
from tests.unit.mpp_sdk.outbox.conftest import SECRET_BOX, TABLES
from tests.unit.mpp_sdk.outbox.test_replaying import new_event

DELIVERED, DEAD = EventState.DELIVERED, EventState.DEAD
LATER = clock.now() + timedelta(days=1)
"""By then everything that a test does is old."""


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    return Outbox(engine, TABLES, SECRET_BOX, events_per_claim=1_000)


def finish(engine: Engine, outbox: Outbox, count: int, answer: Response) -> list[UUID]:
    """Return events that were finished with an answer, in the order of their ids."""
    events = [new_event() for _ in range(count)]
    with engine.begin() as connection:
        outbox.enqueue_all(connection, events)
    for claim in outbox.claim("me", 10):
        outbox.release(claim.lease, [Sent(one, clock.now(), 1, answer) for one in claim.events])
    return [event.event_id for event in events]


def forget_all(
    engine: Engine, state: EventState, before: datetime = LATER, batch: int = 3
) -> list[UUID]:
    retention, after, forgotten = Retention(TABLES, batch=batch), None, []
    while True:
        with engine.begin() as connection:
            found = retention.forget(connection, state, before, after)
        forgotten += [event.event_id for event in found.events]
        if found.last is None:
            return forgotten
        after = found.last


def left(engine: Engine) -> list[UUID]:
    event = TABLES.event.c
    with engine.connect() as connection:
        return list(connection.scalars(select(event.event_id).order_by(event.event_id)))


def attempts(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(TABLES.attempt)).scalar_one()


def test_the_least_id_of_a_moment_is_before_those_made_from_then_on() -> None:
    before, moment = new_id(), clock.now() + timedelta(milliseconds=2)
    assert before < first_id_of(moment)
    assert first_id_of(clock.now() - timedelta(milliseconds=2)) < new_id()
    assert first_id_of(moment).version == 7


@pytest.mark.parametrize(("state", "answer"), [(DELIVERED, 204), (DEAD, 410)])
def test_what_was_finished_long_ago_is_forgotten_until_none_is_left(
    engine: Engine, outbox: Outbox, state: EventState, answer: int
) -> None:
    old = finish(engine, outbox, 10, Response(answer))
    other = finish(engine, outbox, 2, Response(410 if answer == 204 else 204))
    with engine.begin() as connection:
        waiting = new_event()
        outbox.enqueue(connection, waiting)

    assert forget_all(engine, state) == old
    assert left(engine) == [*other, waiting.event_id]
    assert attempts(engine) == 2
    assert forget_all(engine, state) == []


def test_what_was_finished_lately_is_kept_however_old_it_is(engine: Engine, outbox: Outbox) -> None:
    old, new = finish(engine, outbox, 2, Response(204))
    now = clock.now()
    with engine.begin() as connection:
        row = update(TABLES.event).where(TABLES.event.c.event_id == new)
        connection.execute(row.values(finished_at=now + timedelta(hours=1)))
    assert forget_all(engine, DELIVERED, now + timedelta(minutes=1)) == [old]
    assert left(engine) == [new]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_held_snapshot_does_not_stop_it(engine: Engine, outbox: Outbox) -> None:
    old = finish(engine, outbox, 10, Response(204))
    held = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with held:
        assert held.execute(text("SELECT count(*) FROM outbox_event")).scalar_one() == 10
        assert forget_all(engine, DELIVERED) == old
        assert forget_all(engine, DELIVERED) == []
        assert held.execute(text("SELECT count(*) FROM outbox_event")).scalar_one() == 10
    assert left(engine) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_processes_forget_side_by_side(engine: Engine, outbox: Outbox) -> None:
    finish(engine, outbox, 6, Response(204))
    retention = Retention(TABLES, batch=3)
    with engine.begin() as one, engine.begin() as other:
        first = retention.forget(one, DELIVERED, LATER)
        second = retention.forget(other, DELIVERED, LATER)
    ids = [event.event_id for batch in (first, second) for event in batch.events]
    assert len(set(ids)) == 6
    assert left(engine) == []


def test_attempts_that_are_not_partitioned_go_with_their_events(
    engine: Engine, outbox: Outbox
) -> None:
    finish(engine, outbox, 1, Response(204))
    retention = Retention(TABLES)
    assert retention.keep_partitions(engine, clock.now(), LATER) == 0
    with engine.begin() as connection:
        assert retention.forget_attempts(connection, LATER) == 0
    assert attempts(engine) == 1
