"""Replay jobs on both databases: batches that commit with how far they have come, and no others."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select, update

from mpp_sdk import clock
from mpp_sdk.errors import IllegalTransition, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import (
    BreakerState,
    EventState,
    LaneMode,
    NewEvent,
    Outbox,
    Progress,
    Replay,
    ReplayFilter,
    Replays,
    ReplayState,
    Response,
    Sent,
    Skipped,
    SkipReason,
)
from tests.unit.mpp_sdk.outbox.conftest import REPLAYS, SECRET_BOX, TABLES

REPOSITORY = Path(__file__).parents[4]
DEAD_AND_DELIVERED = frozenset({EventState.DEAD, EventState.DELIVERED})
LONG_AGO = clock.now() - timedelta(days=365)
GIVEN_UP, TAKEN = Response(410), Response(204)
NEVER_GIVE_WAY = timedelta(0)


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    return Outbox(engine, TABLES, SECRET_BOX, events_per_claim=1_000)


@pytest.fixture
def replays() -> Replays:
    return Replays(TABLES, REPLAYS, batch=3, give_way=NEVER_GIVE_WAY)


def new_event(
    key: str = "subscription-1", lane: str = "platform-a", kind: str = "told"
) -> NewEvent:
    return NewEvent(
        event_id=new_id(),
        lane=lane,
        ordering_key=key,
        kind=kind,
        path="/told",
        payload="{}",
        occurred_at=clock.now(),
        secrets='{"key": "value"}' if kind == "secret" else None,
    )


def enqueue(engine: Engine, outbox: Outbox, *events: NewEvent) -> list[UUID]:
    with engine.begin() as connection:
        outbox.enqueue_all(connection, events)
    return [event.event_id for event in events]


def finish(outbox: Outbox, answer: Response | Callable[[UUID], Response]) -> list[UUID]:
    """Have everything that is due answered like this; return it in the order of sending."""
    sent: list[UUID] = []
    while claims := outbox.claim("me", 100):
        for claim in claims:
            attempts = [
                Sent(
                    one,
                    clock.now(),
                    1,
                    answer if isinstance(answer, Response) else answer(one.event_id),
                )
                for one in claim.events
            ]
            outbox.release(claim.lease, attempts)
            sent += [event.event_id for event in claim.events]
    return sent


def request(engine: Engine, replays: Replays, wanted: ReplayFilter | None = None) -> Replay:
    with engine.begin() as connection:
        return replays.request(connection, wanted or ReplayFilter(), "Operator", "It was restored.")


def advance(engine: Engine, replays: Replays) -> tuple[Progress, Replay | None]:
    with engine.begin() as connection:
        return replays.advance(connection)


def run(engine: Engine, replays: Replays) -> Replay:
    """Advance until there is nothing more to do; return the job that was done last."""
    last: Replay | None = None
    for _ in range(10_000):
        progress, job = advance(engine, replays)
        if progress is Progress.NOTHING:
            assert last is not None
            return last
        last = job
    raise AssertionError("It does not come to an end.")


def states(engine: Engine) -> dict[UUID, EventState]:
    with engine.connect() as connection:
        rows = connection.execute(select(TABLES.event.c.event_id, TABLES.event.c.state))
        return {row.event_id: EventState(row.state) for row in rows}


# ------------------------------------------------------------------ what is selected


def test_dead_events_go_out_again_in_their_old_order(
    engine: Engine, outbox: Outbox, replays: Replays
) -> None:
    keys = ["one", "two", "one", "two", "one", "one", "two", "one"]
    events = enqueue(engine, outbox, *[new_event(key) for key in keys])
    assert sorted(finish(outbox, GIVEN_UP)) == sorted(events)
    later = enqueue(engine, outbox, new_event("one"))

    job = request(engine, replays)
    assert (job.state, job.progress, job.selected) == (ReplayState.QUEUED, 0.0, 0)
    done = run(engine, replays)

    assert (done.state, done.replayed, done.skipped) == (ReplayState.DONE, 8, 0)
    assert done.progress == 1.0
    assert done.finished_at is not None
    again = finish(outbox, TAKEN)
    assert Counter(again) == Counter([*events, *later])
    of_key = {key: [e for e, k in zip(events, keys, strict=True) if k == key] for key in keys}
    assert [one for one in again if one in of_key["one"] + later] == of_key["one"] + later
    assert [one for one in again if one in of_key["two"]] == of_key["two"]


@pytest.mark.parametrize(
    "wanted",
    [
        ReplayFilter(lane="platform-b"),
        ReplayFilter(ordering_key="other"),
        ReplayFilter(kind="asked"),
        ReplayFilter(reason_contains="ANSWERED 422"),
        ReplayFilter(since=clock.now() + timedelta(days=300)),
        ReplayFilter(since=LONG_AGO, until=clock.now() - timedelta(days=300)),
    ],
)
def test_only_what_the_filter_says_goes_out_again(
    engine: Engine, outbox: Outbox, replays: Replays, wanted: ReplayFilter
) -> None:
    plain, *_ = enqueue(engine, outbox, new_event())
    finish(outbox, GIVEN_UP)
    [chosen] = enqueue(
        engine,
        outbox,
        new_event(
            wanted.ordering_key or "subscription-1",
            wanted.lane or "platform-a",
            wanted.kind or "told",
        ),
    )
    finish(outbox, Response(422))
    finished = LONG_AGO if wanted.until else wanted.since
    if finished is not None:
        with engine.begin() as connection:
            row = TABLES.event.c.event_id == chosen
            connection.execute(update(TABLES.event).where(row).values(finished_at=finished))
            job = replays.request(connection, wanted, "Operator", "Why not.")
            later = clock.now() + timedelta(days=301)
            this = REPLAYS.job.c.id == job.id
            connection.execute(update(REPLAYS.job).where(this).values(requested_at=later))
    else:
        request(engine, replays, wanted)

    assert run(engine, replays).replayed == 1
    assert states(engine) == {plain: EventState.DEAD, chosen: EventState.QUEUED}


def test_a_percent_sign_in_a_reason_is_a_percent_sign(
    engine: Engine, outbox: Outbox, replays: Replays
) -> None:
    enqueue(engine, outbox, new_event())
    finish(outbox, GIVEN_UP)
    request(engine, replays, ReplayFilter(reason_contains="%"))
    assert run(engine, replays).selected == 0


def test_delivered_events_go_out_again_where_they_are_asked_for(
    engine: Engine, outbox: Outbox, replays: Replays
) -> None:
    events = enqueue(engine, outbox, *[new_event() for _ in range(5)])
    finish(outbox, TAKEN)
    wanted = ReplayFilter(states=DEAD_AND_DELIVERED, since=LONG_AGO)
    request(engine, replays, wanted)
    assert run(engine, replays).replayed == 5
    assert finish(outbox, TAKEN) == events
    with engine.connect() as connection:
        read = outbox.read_event(connection, events[0])
    assert (read.attempts, read.failures) == (2, 0)


def test_a_delivered_event_without_its_secrets_is_passed_over_and_named(
    engine: Engine, outbox: Outbox
) -> None:
    replays = Replays(TABLES, REPLAYS, secret_kinds=frozenset({"secret"}), give_way=NEVER_GIVE_WAY)
    dead = enqueue(engine, outbox, new_event(kind="secret"))
    finish(outbox, GIVEN_UP)
    taken, plain = enqueue(engine, outbox, new_event(kind="secret"), new_event())
    finish(outbox, TAKEN)
    request(engine, replays, ReplayFilter(states=DEAD_AND_DELIVERED))
    job = run(engine, replays)

    assert (job.selected, job.replayed, job.skipped) == (3, 2, 1)
    with engine.connect() as connection:
        assert replays.skipped(connection, job.id, limit=10) == [
            Skipped(taken, SkipReason.SECRETS_ERASED)
        ]
        assert replays.skipped(connection, job.id, limit=10, after=taken) == []
        bodies = [outbox.body(outbox.read_event(connection, one)) for one in (*dead, plain)]
    assert bodies == [b'{"key":"value"}', b"{}"]
    assert states(engine)[taken] is EventState.DELIVERED


def test_what_dies_after_the_request_was_not_meant(
    engine: Engine, outbox: Outbox, replays: Replays
) -> None:
    first, second = enqueue(engine, outbox, new_event("one"), new_event("two"))
    finish(outbox, GIVEN_UP)
    with engine.begin() as connection:
        this = TABLES.event.c.event_id == second
        late = clock.now() + timedelta(hours=1)
        connection.execute(update(TABLES.event).where(this).values(finished_at=late))
    request(engine, replays)
    run(engine, replays)
    assert states(engine) == {first: EventState.QUEUED, second: EventState.DEAD}


def test_an_empty_queue_is_done_at_once(engine: Engine, replays: Replays) -> None:
    request(engine, replays)
    done = run(engine, replays)
    assert (done.state, done.selected, done.progress) == (ReplayState.DONE, 0, 1.0)


# ------------------------------------------------------------------ how a job runs


def test_a_canceled_job_queues_nothing_more(
    engine: Engine, outbox: Outbox, replays: Replays
) -> None:
    enqueue(engine, outbox, *[new_event(str(number)) for number in range(10)])
    finish(outbox, GIVEN_UP)
    job = request(engine, replays)
    _, under_way = advance(engine, replays)
    assert under_way is not None
    assert (under_way.state, under_way.replayed) == (ReplayState.RUNNING, 3)
    assert under_way.progress == pytest.approx(0.3)
    with engine.begin() as connection:
        canceled = replays.cancel(connection, job.id)

    assert canceled == replace(
        under_way, state=ReplayState.CANCELED, finished_at=canceled.finished_at
    )
    assert advance(engine, replays) == (Progress.NOTHING, None)
    assert Counter(states(engine).values()) == {EventState.QUEUED: 3, EventState.DEAD: 7}
    with engine.begin() as connection:
        with pytest.raises(IllegalTransition):
            replays.cancel(connection, job.id)
        with pytest.raises(NotFound):
            replays.cancel(connection, new_id())


def test_jobs_take_turns(engine: Engine, outbox: Outbox, replays: Replays) -> None:
    for lane in ("platform-a", "platform-b"):
        enqueue(engine, outbox, *[new_event(lane=lane) for _ in range(9)])
    finish(outbox, GIVEN_UP)
    jobs = [request(engine, replays, ReplayFilter(lane=f"platform-{one}")) for one in "ab"]
    turns = []
    while (step := advance(engine, replays))[1] is not None:
        turns.append(step[1].id)
    assert turns[:4] == [jobs[0].id, jobs[1].id] * 2


def test_a_job_gives_way_to_what_waits_but_not_for_ever(engine: Engine, outbox: Outbox) -> None:
    patient = Replays(TABLES, REPLAYS, batch=3, most_waiting=2, give_way=timedelta(hours=1))
    enqueue(engine, outbox, *[new_event("old") for _ in range(3)])
    finish(outbox, GIVEN_UP)
    enqueue(engine, outbox, *[new_event("new") for _ in range(3)])
    outbox.release(outbox.claim("me", 1)[0].lease, [])  # it is a lane of its own now
    job = request(engine, patient)

    assert advance(engine, patient) == (Progress.WAITING, job)
    with engine.begin() as connection:
        connection.execute(update(TABLES.lane).values(breaker_state=BreakerState.OPEN))
        assert patient.advance(connection)[0] is Progress.ADVANCED
        connection.rollback()
    with engine.begin() as connection:
        connection.execute(update(TABLES.lane).values(mode=LaneMode.PAUSED))
        assert patient.advance(connection)[0] is Progress.ADVANCED
        connection.rollback()
    assert advance(engine, Replays(TABLES, REPLAYS, most_waiting=2, give_way=NEVER_GIVE_WAY))[
        0
    ] is (Progress.ADVANCED)


def test_many_events_that_do_not_match_are_gone_through_in_bounded_steps(
    engine: Engine, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpp_sdk.outbox.replaying._LOOKED_AT", 4)
    replays = Replays(TABLES, REPLAYS, give_way=NEVER_GIVE_WAY)
    enqueue(engine, outbox, *[new_event("other") for _ in range(10)])
    wanted = enqueue(engine, outbox, new_event("mine"))
    finish(outbox, TAKEN)
    request(engine, replays, ReplayFilter(states=DEAD_AND_DELIVERED, ordering_key="mine"))
    steps = [advance(engine, replays)[1] for _ in range(3)]
    assert [step and step.replayed for step in steps] == [0, 0, 1]
    assert finish(outbox, TAKEN) == wanted


def test_two_processes_share_the_work_and_queue_each_event_once(
    engine: Engine, outbox: Outbox, replays: Replays
) -> None:
    enqueue(engine, outbox, *[new_event(str(number % 7)) for number in range(200)])
    finish(outbox, GIVEN_UP)
    job = request(engine, replays)

    def work() -> None:
        for _ in range(10_000):
            with engine.begin() as connection:
                if replays.read(connection, job.id).state is ReplayState.DONE:
                    return
                replays.advance(connection)
        raise AssertionError("It does not come to an end.")

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work) for _ in range(4)]:
            done.result()
    with engine.connect() as connection:
        assert replays.read(connection, job.id).replayed == 200
    assert len(finish(outbox, TAKEN)) == 200


# ------------------------------------------------------------------ killed between any two steps


class Killed(Exception):
    """Stands for a process that ends where it is: the transaction never commits."""


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keys=st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=30),
    dead=st.lists(st.booleans(), min_size=30, max_size=30),
    kills=st.lists(st.integers(min_value=1, max_value=9), max_size=12),
    delivering=st.booleans(),
)
def test_whatever_is_killed_every_event_is_queued_once_and_in_order(
    engine: Engine, keys: list[str], dead: list[bool], kills: list[int], delivering: bool
) -> None:
    """A kill comes before the n-th statement of a batch, or before its commit.

    What a batch has queued may be delivered before the next one: the order holds all the same.
    """
    with engine.begin() as connection:
        for table in (TABLES.attempt, TABLES.arrival, TABLES.event, TABLES.lane):
            connection.execute(table.delete())
        connection.execute(REPLAYS.job.delete())
    outbox = Outbox(engine, TABLES, SECRET_BOX, events_per_claim=1_000)
    replays = Replays(TABLES, REPLAYS, batch=4, give_way=NEVER_GIVE_WAY)
    selected: dict[str, list[UUID]] = {}
    events = enqueue(engine, outbox, *map(new_event, keys))
    for event_id, key, dies in zip(events, keys, dead, strict=False):
        if dies:
            selected.setdefault(key, []).append(event_id)
    died = {one for of_key in selected.values() for one in of_key}
    finish(outbox, lambda one: GIVEN_UP if one in died else TAKEN)
    request(engine, replays)

    again: list[UUID] = []
    pending = list(kills)
    for _ in range(1_000):
        try:
            progress = _advance_or_die(engine, replays, pending.pop(0) if pending else None)
        except Killed:
            continue
        if delivering:
            again += finish(outbox, TAKEN)
        if progress is Progress.NOTHING:
            break
    again += finish(outbox, TAKEN)

    assert Counter(again) == Counter(one for of_key in selected.values() for one in of_key)
    for of_key in selected.values():
        assert [one for one in again if one in of_key] == of_key


def _advance_or_die(engine: Engine, replays: Replays, statement: int | None) -> Progress:
    left = statement

    def count(*_: object) -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left == 0:
                raise Killed

    event.listen(engine, "before_cursor_execute", count)
    try:
        with engine.begin() as connection:
            progress, _ = replays.advance(connection)
            if left is not None:
                raise Killed
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return progress


REPLAYING = """
import sys
from datetime import timedelta
from mpp_sdk.database import open_database
from mpp_sdk.outbox import Progress, Replays
from tests.unit.mpp_sdk.outbox.conftest import REPLAYS, TABLES

engine = open_database(sys.argv[1])
replays = Replays(TABLES, REPLAYS, batch=int(sys.argv[2]), give_way=timedelta(0))
while True:
    with engine.begin() as connection:
        progress, job = replays.advance(connection)
    if progress is Progress.NOTHING:
        break
    print(job.replayed, flush=True)
"""


def replay_with_kills(database_url: str, batch: int, kill_after: Sequence[int]) -> int:
    """Replay in processes that are killed once they have done so many batches; return how many."""
    command = [sys.executable, "-c", REPLAYING, database_url, str(batch)]
    for killed, batches in enumerate([*kill_after, None]):
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for number, _ in enumerate(process.stdout, 1):
                if number == batches:
                    os.kill(process.pid, signal.SIGKILL)
                    break
            else:
                assert process.wait() == 0
                return killed
    raise AssertionError("unreachable")


def test_processes_are_killed_and_the_next_one_goes_on(
    engine: Engine, outbox: Outbox, replays: Replays, database_url: str
) -> None:
    events = enqueue(engine, outbox, *[new_event(str(number % 50)) for number in range(2_000)])
    finish(outbox, GIVEN_UP)
    job = request(engine, replays)

    assert replay_with_kills(database_url, 50, [3, 5, 7, 2]) == 4

    with engine.connect() as connection:
        done = replays.read(connection, job.id)
    assert (done.state, done.replayed) == (ReplayState.DONE, 2_000)
    again = finish(outbox, TAKEN)
    assert Counter(again) == Counter(events)
