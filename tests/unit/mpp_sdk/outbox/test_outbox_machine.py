"""Whatever happens, in whatever order: no event is lost, none overtakes another of its key."""

import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mpp_sdk.database import open_database
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import (
    Answer,
    Claim,
    Event,
    EventFilter,
    EventState,
    LeaseLost,
    NewEvent,
    NoResponse,
    Outbox,
    Response,
    Sent,
)
from tests.unit.mpp_sdk.outbox.conftest import METADATA, SECRET_BOX, TABLES

ANSWERS: list[Answer] = [
    Response(200),
    Response(200),
    Response(200),
    Response(422),
    Response(503, retry_after="40"),
    NoResponse("down"),
    NoResponse("down"),
]
answers = st.sampled_from(ANSWERS)
Key = tuple[str, str]


class OutboxMachine(RuleBasedStateMachine):
    """Two holders who claim, send, die and come back late, against events that keep coming."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.engine = open_database(f"sqlite:///{Path(self.folder.name) / 'outbox.db'}")
        METADATA.create_all(self.engine)
        self.outbox = Outbox(self.engine, TABLES, SECRET_BOX, events_per_claim=4)
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.enqueued: dict[Key, list[UUID]] = defaultdict(list)
        self.arrived: dict[Key, list[UUID]] = defaultdict(list)
        self.replayed: set[UUID] = set()
        self.held: list[Claim] = []
        self.floors: dict[UUID, datetime] = {}

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        for _ in range(1_000):  # with all platforms well, everything ends
            self.now += timedelta(seconds=61)
            self.held.clear()
            self.claim()
            if not self.held:
                break
            for claim in self.held:
                self.send(claim, [Response(200)] * 4)
        events = self.events()
        assert {event.state for event in events} <= {EventState.DELIVERED, EventState.DEAD}
        delivered = {event.event_id for event in events if event.state is EventState.DELIVERED}
        assert delivered == {one for ids in self.arrived.values() for one in ids}
        assert {event.event_id for event in events} == {
            one for ids in self.enqueued.values() for one in ids
        }
        self.engine.dispose()
        self.folder.cleanup()

    def events(self) -> list[Event]:
        with self.engine.connect() as connection:
            return self.outbox.list_events(connection, EventFilter(), limit=9_999)

    @rule(
        keys=st.lists(
            st.tuples(st.sampled_from("AB"), st.sampled_from("xyz")), min_size=1, max_size=6
        ),
        commit=st.booleans(),
    )
    def enqueue(self, keys: list[Key], commit: bool) -> None:
        with self.engine.connect() as connection, connection.begin() as transaction:
            made = [
                NewEvent(new_id(), lane, key, "test", "/", "{}", self.now) for lane, key in keys
            ]
            for event in made:
                self.outbox.enqueue(connection, event)
            if not commit:
                transaction.rollback()
                return
        for event in made:
            self.enqueued[event.lane, event.ordering_key].append(event.event_id)

    @rule(seconds=st.sampled_from([1, 5, 31, 61, 600]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def claim(self) -> None:
        claims = self.outbox.claim("holder", 2, self.now)
        for claim in claims:
            for other in self.held:
                assert other.lease.lane != claim.lease.lane or (
                    other.lease.expires_at <= self.now
                ), "a lane was given to two at once"
        self.held += claims

    @rule(given=st.lists(answers, min_size=4, max_size=4), which=st.integers(0, 3))
    def deliver(self, given: list[Answer], which: int) -> None:
        if which < len(self.held):
            self.send(self.held.pop(which), given)

    @rule(which=st.integers(0, 3))
    def die(self, which: int) -> None:
        if which < len(self.held):
            self.held.pop(which)

    @rule()
    def replay(self) -> None:
        for event in self.events():
            if event.state is EventState.DEAD:
                with self.engine.begin() as connection:
                    self.outbox.replay(connection, event.event_id)
                self.replayed.add(event.event_id)
                self.floors.pop(event.event_id, None)
                return

    def send(self, claim: Claim, given: list[Answer]) -> None:
        """Send as the dispatcher does, all of it recorded at the end; or too late to count."""
        sent, held_back = [], set()
        for event, answer in zip(claim.events, given, strict=False):
            if event.ordering_key in held_back:
                continue
            floor = self.floors.get(event.event_id, self.now)
            # What is recorded on a lease that has ended was sent while it held: a dispatcher
            # begins no call later than that.
            assert floor <= self.now or claim.lease.expires_at <= self.now, "before its Retry-After"
            sent.append(Sent(event, self.now, 1, answer))
            refused = isinstance(answer, Response) and answer.status in (200, 422)
            if not refused:
                held_back.add(event.ordering_key)
        try:
            self.outbox.release(claim.lease, sent, self.now)
        except LeaseLost:
            assert claim.lease.expires_at <= self.now
            return
        for one in sent:
            event = one.event
            if one.answer == Response(200):
                self.arrived[event.lane, event.ordering_key].append(event.event_id)
            elif isinstance(one.answer, Response) and one.answer.retry_after:
                self.floors[event.event_id] = self.now + timedelta(seconds=40)

    @invariant()
    def none_overtakes_another_of_its_key(self) -> None:
        for key, arrived in getattr(self, "arrived", {}).items():
            in_order = [one for one in self.enqueued[key] if one in set(arrived)]
            without = [one for one in arrived if one not in self.replayed]
            assert without == [one for one in in_order if one not in self.replayed]
            assert len(arrived) == len(set(arrived)), "delivered again after it was recorded"


OutboxMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOutboxMachine = OutboxMachine.TestCase
