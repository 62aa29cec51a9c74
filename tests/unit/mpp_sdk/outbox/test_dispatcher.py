"""The dispatcher: concurrency, stopping, and what its death costs."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine

from mpp_sdk import clock
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import (
    Claim,
    Dispatcher,
    Event,
    EventFilter,
    EventState,
    NewEvent,
    Outbox,
    Response,
    RetryPolicy,
    Send,
    Sent,
    Verdict,
)
from mpp_sdk.transport import TimedOut
from tests.unit.mpp_sdk.outbox import dispatching_process
from tests.unit.mpp_sdk.outbox.conftest import SECRET_BOX, TABLES

QUICK = RetryPolicy(first_delay=timedelta(milliseconds=20), longest_delay=timedelta(seconds=1))


def in_thread(send: Callable[[Event, bytes], Response]) -> Send:
    """Return what sends in a thread, which may wait without holding up others."""

    async def sends(event: Event, body: bytes) -> Response:
        return await asyncio.to_thread(send, event, body)

    return sends


def answering(status: int) -> Send:
    async def sends(event: Event, body: bytes) -> Response:
        return Response(status)

    return sends


def unexpected(why: str) -> Send:
    async def sends(event: Event, body: bytes) -> Response:
        pytest.fail(why)

    return sends


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    return Outbox(engine, TABLES, SECRET_BOX, retry=QUICK)


def enqueue(engine: Engine, outbox: Outbox, *lanes_and_keys: tuple[str, str]) -> list[UUID]:
    made = [
        NewEvent(new_id(), lane, key, "test", f"/{lane}/{key}", "{}", clock.now())
        for lane, key in lanes_and_keys
    ]
    with engine.begin() as connection:
        for event in made:
            outbox.enqueue(connection, event)
    return [event.event_id for event in made]


def states(engine: Engine, outbox: Outbox) -> set[EventState]:
    with engine.connect() as connection:
        return {event.state for event in outbox.list_events(connection, EventFilter(), limit=9999)}


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


@contextmanager
def running(dispatcher: Dispatcher) -> Iterator[threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=dispatcher.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        dispatcher.wake()
        thread.join(20)
        assert not thread.is_alive()


def test_one_round_tries_each_due_lane(engine: Engine, outbox: Outbox) -> None:
    bodies: list[bytes] = []

    def send(event: Event, body: bytes) -> Response:
        bodies.append(body)
        return Response(200)

    enqueue(engine, outbox, ("a", "1"), ("b", "1"), ("b", "1"))
    dispatcher = Dispatcher(outbox, in_thread(send))
    assert dispatcher.run_once() == 3
    assert dispatcher.run_once() == 0
    assert bodies == [b"{}"] * 3
    assert states(engine, outbox) == {EventState.DELIVERED}


def test_each_key_is_ordered_and_sent_by_one_at_a_time_a_lane_up_to_its_concurrency(
    engine: Engine, outbox: Outbox
) -> None:
    arrived: dict[str, list[UUID]] = defaultdict(list)
    busy: set[str] = set()
    of_lane: dict[str, int] = defaultdict(int)
    most = 0
    fails = iter(range(10_000))
    guard = threading.Lock()

    def send(event: Event, body: bytes) -> Response:
        nonlocal most
        with guard:
            assert event.path not in busy
            busy.add(event.path)
            of_lane[event.lane] += 1
            most = max(most, of_lane[event.lane])
            fail = next(fails) % 7 == 3
        time.sleep(0.001)
        with guard:
            busy.remove(event.path)
            of_lane[event.lane] -= 1
            if not fail:
                arrived[event.path].append(event.event_id)
        return Response(500 if fail else 200)

    wanted = [(f"lane-{number % 4}", f"key-{number % 3}") for number in range(120)]
    made = enqueue(engine, outbox, *wanted)
    one, other = (Dispatcher(outbox, in_thread(send), concurrency=2) for _ in range(2))
    with running(one), running(other):
        until(lambda: states(engine, outbox) == {EventState.DELIVERED})
    assert most == 2
    for key in set(wanted):
        path = "/" + "/".join(key)
        in_order = [event_id for event_id, of in zip(made, wanted, strict=True) if of == key]
        assert arrived[path] == in_order


def test_a_slow_lane_holds_only_itself(engine: Engine, outbox: Outbox) -> None:
    release = threading.Event()

    def send(event: Event, body: bytes) -> Response:
        if event.lane == "slow":
            release.wait(20)
        return Response(200)

    (slow,) = enqueue(engine, outbox, ("slow", "1"))
    with running(Dispatcher(outbox, in_thread(send), poll_seconds=0.05)):
        quick = enqueue(engine, outbox, *(("quick", str(number)) for number in range(100)))

        def left() -> set[UUID]:
            with engine.connect() as connection:
                queued = EventFilter(states=[EventState.QUEUED])
                found = outbox.list_events(connection, queued, limit=999)
            return {event.event_id for event in found}

        until(lambda: left() == {slow})
        assert quick
        release.set()
        until(lambda: not left())


def test_a_wake_up_is_quick_and_a_lost_one_costs_a_poll(engine: Engine, outbox: Outbox) -> None:
    sent: list[float] = []

    def send(event: Event, body: bytes) -> Response:
        sent.append(time.monotonic())
        return Response(200)

    dispatcher = Dispatcher(outbox, in_thread(send), poll_seconds=1)
    with running(dispatcher):
        time.sleep(0.2)
        enqueue(engine, outbox, ("a", "1"))
        waked = time.monotonic()
        dispatcher.wake()
        until(lambda: len(sent) == 1)
        assert sent[0] - waked < 0.5
        enqueue(engine, outbox, ("a", "1"))
        until(lambda: len(sent) == 2, seconds=3)


def test_stopping_ends_the_send_under_way_and_leaves_the_rest(
    engine: Engine, outbox: Outbox
) -> None:
    sending, release = threading.Event(), threading.Event()

    def send(event: Event, body: bytes) -> Response:
        sending.set()
        release.wait(20)
        return Response(200)

    first, second = enqueue(engine, outbox, ("a", "1"), ("a", "1"))
    with running(Dispatcher(outbox, in_thread(send))) as stop:
        assert sending.wait(20)
        stop.set()
        release.set()
    with engine.connect() as connection:
        assert outbox.read_event(connection, first).state is EventState.DELIVERED
        assert outbox.read_event(connection, second).attempts == 0
    assert (
        Dispatcher(outbox, in_thread(send)).run_once() == 1
    )  # the lane was given back, not left to expire


def test_a_turn_ends_when_its_time_is_up(engine: Engine, outbox: Outbox) -> None:
    def send(event: Event, body: bytes) -> Response:
        time.sleep(0.06)
        return Response(200)

    enqueue(engine, outbox, *(("a", str(number)) for number in range(20)))
    assert 1 <= Dispatcher(outbox, in_thread(send), turn_seconds=0.1, concurrency=1).run_once() <= 4


def test_a_failing_event_holds_its_key_back_and_no_other(engine: Engine, outbox: Outbox) -> None:
    tried: list[str] = []

    def send(event: Event, body: bytes) -> Response:
        tried.append(event.ordering_key)
        if event.ordering_key == "bad":
            raise TimedOut("The answer did not arrive in time.")
        return Response(200)

    bad, *_ = enqueue(engine, outbox, ("a", "bad"), ("a", "bad"), ("a", "good"), ("a", "good"))
    assert Dispatcher(outbox, in_thread(send)).run_once() == 3
    assert sorted(tried) == ["bad", "good", "good"]
    with engine.connect() as connection:
        (attempt,) = outbox.list_attempts(connection, bad, limit=5)
    assert attempt.error == "The answer did not arrive in time."


def test_a_lane_that_is_parked_is_left_at_once(engine: Engine, outbox: Outbox) -> None:
    enqueue(engine, outbox, *(("a", str(number)) for number in range(20)))
    assert Dispatcher(outbox, answering(503)).run_once() == 10


def test_a_defect_in_sending_is_an_attempt_like_any_other(
    engine: Engine, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    def send(event: Event, body: bytes) -> Response:
        raise ZeroDivisionError

    (event_id,) = enqueue(engine, outbox, ("a", "1"))
    assert Dispatcher(outbox, in_thread(send)).run_once() == 1
    with engine.connect() as connection:
        (attempt,) = outbox.list_attempts(connection, event_id, limit=5)
    assert attempt.error == "Sending failed: ZeroDivisionError."
    assert "ZeroDivisionError" in caplog.text


def test_no_send_begins_on_a_lease_that_may_end_before_it(engine: Engine) -> None:
    outbox = Outbox(engine, TABLES, SECRET_BOX, lease_duration=timedelta(seconds=3))
    other = Dispatcher(outbox, unexpected("the lane is held"))

    def send(event: Event, body: bytes) -> Response:
        time.sleep(0.6)
        assert other.run_once() == 0
        return Response(200)

    enqueue(engine, outbox, *(("a", str(number)) for number in range(6)))
    assert Dispatcher(outbox, in_thread(send), send_seconds=2.5, concurrency=1).run_once() == 6


def test_a_dispatcher_that_was_suspended_past_its_lease_sends_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(engine, TABLES, SECRET_BOX, lease_duration=timedelta(seconds=0.3))
    sent: list[str] = []

    def sender(name: str) -> Callable[[Event, bytes], Response]:
        def send(event: Event, body: bytes) -> Response:
            sent.append(name)
            return Response(200)

        return send

    suspended, other = (
        Dispatcher(outbox, in_thread(sender(name))) for name in ("suspended", "other")
    )
    claim = outbox.claim

    def claim_and_be_suspended(*args: Any, **options: Any) -> Any:
        monkeypatch.undo()
        claims = claim(*args, **options)
        time.sleep(0.4)
        assert other.run_once() == 1
        return claims

    enqueue(engine, outbox, ("a", "1"))
    monkeypatch.setattr(outbox, "claim", claim_and_be_suspended)
    assert suspended.run_once() == 0
    assert sent == ["other"]


def test_a_listener_that_fails_leaves_the_event_to_be_sent_again(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True, True]  # together with others, and by itself

    def react(connection: Connection, events: Sequence[Event]) -> None:
        if broken:
            broken.pop()
            raise RuntimeError("no")

    outbox = Outbox(
        engine, TABLES, SECRET_BOX, on_outcomes=react, lease_duration=timedelta(seconds=0.5)
    )
    (event_id,) = enqueue(engine, outbox, ("a", "1"))
    dispatcher = Dispatcher(outbox, answering(200), send_seconds=0.1)
    assert dispatcher.run_once() == 1
    assert "RuntimeError" in caplog.text
    until(lambda: dispatcher.run_once() == 1)
    with engine.connect() as connection:
        assert outbox.read_event(connection, event_id).state is EventState.DELIVERED


def test_a_database_that_fails_for_a_moment_stops_nothing(
    engine: Engine, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = outbox.claim
    failures = iter([True, True])

    def failing(*args: Any, **kwargs: Any) -> Any:
        if next(failures, False):
            raise OSError("the database is gone")
        return claim(*args, **kwargs)

    monkeypatch.setattr(outbox, "claim", failing)
    enqueue(engine, outbox, ("a", "1"))
    with running(Dispatcher(outbox, answering(200), poll_seconds=0.05)):
        until(lambda: states(engine, outbox) == {EventState.DELIVERED})


def test_a_lane_keeps_to_the_concurrency_that_is_set_for_it(engine: Engine, outbox: Outbox) -> None:
    under_way, most = 0, 0

    async def send(event: Event, body: bytes) -> Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return Response(200)

    with engine.begin() as connection:
        outbox.limit(connection, "a", max_concurrency=3, max_per_second=None)
    enqueue(engine, outbox, *(("a", str(number)) for number in range(20)))
    assert Dispatcher(outbox, send, concurrency=10).run_once() == 20
    assert most == 3


def test_a_lane_keeps_to_its_rate_within_a_turn_and_from_one_to_the_next(
    engine: Engine, outbox: Outbox
) -> None:
    begun: list[float] = []

    async def send(event: Event, body: bytes) -> Response:
        begun.append(time.monotonic())
        return Response(200)

    with engine.begin() as connection:
        outbox.limit(connection, "a", max_concurrency=None, max_per_second=5)
    enqueue(engine, outbox, *(("a", str(number)) for number in range(8)))
    with running(Dispatcher(outbox, send, poll_seconds=0.05)):
        until(lambda: states(engine, outbox) == {EventState.DELIVERED})
    assert len(begun) == 8
    assert min(after - before for before, after in pairwise(begun)) > 0.15


def test_a_lane_that_is_paused_is_left_after_what_is_under_way(
    engine: Engine, outbox: Outbox
) -> None:
    async def send(event: Event, body: bytes) -> Response:
        if not sent:
            with engine.begin() as connection:
                outbox.pause(connection, "a")
        sent.append(event.event_id)
        return Response(200)

    sent: list[UUID] = []
    enqueue(engine, outbox, *(("a", "1") for _ in range(20)))
    dispatcher = Dispatcher(outbox, send, concurrency=1)
    assert dispatcher.run_once() == 1
    assert dispatcher.run_once() == 0


def test_an_observer_sees_claims_and_recorded_attempts(engine: Engine, outbox: Outbox) -> None:
    class Watching:
        claimed = 0
        attempts: ClassVar[list[tuple[str, EventState]]] = []

        def on_claim(self, claims: Sequence[Claim]) -> None:
            self.claimed += len(claims)

        def on_attempt(self, sent: Sent, verdict: Verdict) -> None:
            self.attempts.append((sent.event.lane, verdict.state))

    watching = Watching()
    enqueue(engine, outbox, ("a", "1"), ("b", "1"))

    async def send(event: Event, body: bytes) -> Response:
        return Response(200 if event.lane == "a" else 410)

    Dispatcher(outbox, send, observer=watching).run_once()
    assert watching.claimed == 2
    assert sorted(watching.attempts) == [("a", EventState.DELIVERED), ("b", EventState.DEAD)]


def test_silent_platforms_hold_up_no_other(engine: Engine, outbox: Outbox) -> None:
    sent: list[str] = []

    async def send(event: Event, body: bytes) -> Response:
        if event.lane.startswith("silent"):
            await release.wait()
        else:
            sent.append(event.lane)
            if len(sent) == 20:
                release.set()
        return Response(200)

    release = asyncio.Event()
    enqueue(engine, outbox, *((f"silent-{number}", "1") for number in range(150)))
    enqueue(engine, outbox, *((f"well-{number}", "1") for number in range(20)))
    assert Dispatcher(outbox, send).run_once() == 170


class Platform(BaseHTTPRequestHandler):
    """Takes every event, slowly enough for a kill to hit the middle of a call."""

    received: list[tuple[str, str]]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, self.headers["webhook-id"]))
        time.sleep(0.005)
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def test_dispatchers_that_are_killed_lose_nothing_and_keep_the_order(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    received: list[tuple[str, str]] = []
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("ThisPlatform", (Platform,), {"received": received})
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    outbox = Outbox(engine, TABLES, SECRET_BOX)
    wanted = [(f"lane-{number % 3}", f"key-{number % 5}") for number in range(300)]
    made = [str(event_id) for event_id in enqueue(engine, outbox, *wanted)]
    command = [
        sys.executable,
        "-m",
        dispatching_process.__name__,
        database_url,
        f"http://127.0.0.1:{server.server_port}",
    ]
    root = Path(__file__).parents[4]

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(command, cwd=root)

    process = start()
    try:
        for share in (60, 140):
            until(lambda share=share: len(received) >= share)  # type: ignore[misc]  # the default binds now
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            process = start()
        until(lambda: states(engine, outbox) == {EventState.DELIVERED}, seconds=40)
    finally:
        process.kill()
        process.wait(10)
        server.shutdown()
        server.server_close()
    ids = [event_id for _, event_id in received]
    assert set(ids) == set(made)
    # At each kill, what was sent and not yet recorded: of each lane a turn at most.
    assert len(ids) - len(made) <= 2 * 3 * 20
    for key in set(wanted):
        path = "/" + "/".join(key)
        first_time = list(dict.fromkeys(event_id for at, event_id in received if at == path))
        assert first_time == [one for one, of in zip(made, wanted, strict=True) if of == key]
