"""The store of received flex-offers: all or nothing, and events in the order of their commits."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from mpp_sdk.database import open_database
from mpp_sdk.errors import IllegalTransition, NotFound
from mpp_sdk.flexoffer.documents import document_of
from mpp_sdk.flexoffer.exchange.measurements import Measured, Measurements
from mpp_sdk.flexoffer.exchange.store import FlexOfferStore
from mpp_sdk.flexoffer.lifecycle import FlexOfferState
from mpp_sdk.flexoffer.model import INTERVAL, Default, FlexOffer, Profile, Schedule, Slice
from mpp_sdk.transactions import Transactions

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCHEDULE = Schedule(NOW + 3 * HOUR, (500, 500))
MINE, OTHERS = UUID(int=1), UUID(int=2)


def flex_offer() -> FlexOffer:
    return FlexOffer(
        profiles=(Profile((Slice(0, 1_000),) * 2),),
        default=Default((500, 0)),
        accept_before=NOW + HOUR,
        assign_before=NOW + 2 * HOUR,
        start_after=NOW + 3 * HOUR,
        start_before=NOW + 5 * HOUR,
        offered_by="household-7",
    )


@pytest.fixture
def transactions(database_url: str) -> Iterator[Transactions]:
    engine = open_database(database_url)
    yield Transactions(engine)
    engine.dispose()


@pytest.fixture
def store(transactions: Transactions) -> FlexOfferStore:
    store = FlexOfferStore(transactions)
    store.create()
    return store


def add(store: FlexOfferStore, count: int = 1, subscription_id: UUID = MINE) -> list[UUID]:
    offers = [flex_offer() for _ in range(count)]
    store.add(subscription_id, [(one, document_of(one)) for one in offers], NOW)
    return [one.id for one in offers]


def told(store: FlexOfferStore, subscription_id: UUID = MINE) -> list[tuple[int, str]]:
    return [(one.sequence, one.kind) for one in store.events_after(subscription_id, 0, 10_000)]


def test_each_subscription_counts_its_own_events(store: FlexOfferStore) -> None:
    mine, others = add(store, 2), add(store, 1, OTHERS)
    store.accept([*mine, *others], NOW)

    assert told(store) == [(1, "OFFERED"), (2, "OFFERED"), (3, "ACCEPTED"), (4, "ACCEPTED")]
    assert told(store, OTHERS) == [(1, "OFFERED"), (2, "ACCEPTED")]
    assert store.extent(MINE).newest == 4
    assert store.extent(UUID(int=3)).newest == 0
    assert [one.sequence for one in store.events_after(MINE, 1, 2)] == [2, 3]


def test_what_is_undone_leaves_no_event(store: FlexOfferStore, transactions: Transactions) -> None:
    [identity] = add(store)

    def fail() -> None:
        with transactions():
            store.accept([identity], NOW)
            raise RuntimeError("deliberate")

    with pytest.raises(RuntimeError):
        fail()
    with transactions():
        with pytest.raises(NotFound):
            store.accept([identity, UUID(int=7)], NOW)
        store.reject([identity], "It is too small.", NOW)

    assert told(store) == [(1, "OFFERED"), (2, "REJECTED")]
    assert store.get(MINE, identity).reason == "It is too small."


def test_who_follows_is_waked_after_the_commit(
    store: FlexOfferStore, transactions: Transactions
) -> None:
    waked: list[tuple[UUID, int]] = []
    store.on_events = lambda one: waked.append((one, store.extent(one).newest))
    with transactions():
        add(store, 2)
        add(store, 1, OTHERS)
        assert waked == []

    assert waked == [(MINE, 2), (OTHERS, 1)]


def test_a_reader_never_finds_an_event_before_one_that_it_has_seen(store: FlexOfferStore) -> None:
    writers, rounds = 4, 12
    done = threading.Event()
    seen: list[int] = []

    def follow() -> None:
        while True:
            finished = done.is_set()
            found = store.events_after(MINE, seen[-1] if seen else 0, 1_000)
            seen.extend(one.sequence for one in found)
            if finished and not found:
                return

    def write(_: int) -> None:
        for _ in range(rounds):
            ids = add(store, 3)
            store.accept(ids[:2], NOW)

    with ThreadPoolExecutor(writers + 1) as pool:
        following = pool.submit(follow)
        list(pool.map(write, range(writers)))
        done.set()
        following.result(60)

    assert seen == list(range(1, writers * rounds * 5 + 1))


def test_several_that_keep_the_deadlines_move_each_once(store: FlexOfferStore) -> None:
    ids = add(store, 1_200)
    store.accept(ids[:300], NOW)
    store.assign(dict.fromkeys(ids[:100], SCHEDULE), NOW)

    with ThreadPoolExecutor(3) as pool:
        for moment in (NOW + HOUR, NOW + 4 * HOUR, NOW + 72 * HOUR):
            list(pool.map(store.advance, [moment] * 3))
            while store.advance(moment):
                pass

    states = [one.state.value for one in store.some(states=tuple(FlexOfferState))]
    assert states == ["FAILED"] * 100 + ["EXPIRED"] * 1_100
    kinds = [kind for _, kind in told(store)]
    assert kinds.count("EXPIRED") == 1_100
    assert kinds.count("EXECUTING") == kinds.count("FAILED") == 100


def test_a_platform_that_was_down_for_days_makes_up_for_it(store: FlexOfferStore) -> None:
    [identity] = add(store)
    store.accept([identity], NOW)
    store.assign({identity: SCHEDULE}, NOW)

    assert store.advance(NOW + timedelta(days=9)) == 1

    assert [one.kind.value for one in store.history(identity)][-2:] == ["EXECUTING", "FAILED"]
    assert store.advance(NOW + timedelta(days=9)) == 0


def test_a_decision_about_many_is_all_or_nothing(store: FlexOfferStore) -> None:
    ids = add(store, 600)
    store.reject(ids[:1], "It is too small.", NOW)
    with pytest.raises(IllegalTransition):
        store.accept(ids, NOW)

    assert {one.state for one in store.some()} == {"OFFERED"}
    store.accept(ids[1:], NOW)
    store.assign(dict.fromkeys(ids[1:], SCHEDULE), NOW)
    assert {one.schedule for one in store.some()} == {SCHEDULE}


def test_flex_offers_are_found_by_when_they_run_and_when_they_changed(
    store: FlexOfferStore,
) -> None:
    first, second = add(store, 2)
    store.accept([second], NOW + timedelta(minutes=1))
    store.assign({second: Schedule(NOW + 5 * HOUR, (1, 1))}, NOW + timedelta(minutes=2))

    def found(start: datetime, end: datetime, by: str) -> list[UUID]:
        return [one.id for one in store.some(MINE, **{by: (start, end)})]  # type: ignore[arg-type]

    later = NOW + 5 * HOUR
    assert found(later, later + INTERVAL, "running") == [second]
    assert found(NOW + 3 * HOUR, NOW + 3 * HOUR + INTERVAL, "running") == [first, second]
    assert found(NOW, NOW + 3 * HOUR, "running") == []
    assert found(NOW, NOW + timedelta(minutes=1), "changed") == [first, second]
    assert found(NOW + timedelta(minutes=1), NOW + HOUR, "changed") == [second]
    assert [one.id for one in store.some(MINE, after=first)] == [second]
    assert list(store.some(OTHERS)) == []


def test_two_measurements_at_a_time_are_kept_once(
    store: FlexOfferStore, transactions: Transactions
) -> None:
    [identity] = add(store)
    store.accept([identity], NOW)
    store.assign({identity: SCHEDULE}, NOW)
    measurements = Measurements(transactions, store, 0.1)
    moment = NOW + 4 * HOUR

    def measure(energy: float) -> tuple[int, int]:
        measured = Measured(identity, SCHEDULE.start, [energy, 0.5])
        [found] = measurements.record(MINE, [measured], moment)
        return found.new, found.corrected

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(measure, [0.5, 0.5, 0.5, 0.5]))

    assert sorted(counts) == [(0, 0), (0, 0), (0, 0), (2, 0)]
    assert measure(0.51) == (0, 1)
    assert [one.energy for one in measurements.corrections(identity)] == [500]
    assert [one.kind.value for one in store.history(identity)][-1] == "EXECUTED"
