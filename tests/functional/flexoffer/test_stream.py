"""Following flex-offers from platform to platform: each event once, whatever breaks in between."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from sqlalchemy import BigInteger, Column, MetaData, String, Table, Uuid, delete, insert, select

from examples.demo.processes import free_port
from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import PlatformRole, ServiceOfferConfirmed
from mpp_sdk.contracts.flexoffer.models import FlexOfferEvent
from mpp_sdk.flexoffer.exchange import following
from mpp_sdk.flexoffer.exchange.following import FlexOfferFollower
from mpp_sdk.flexoffer.exchange.handler import FlexOfferReceiver
from mpp_sdk.flexoffer.exchange.tables import EVENTS, STREAMS
from mpp_sdk.flexoffer.model import Schedule
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.state.subscriptions import Subscription
from tests.functional.flexoffer.receiving import Accepting, receiver
from tests.functional.sdk.support import (
    B2B_KEY,
    canceled,
    confirmed,
    eu_mp_client,
    served,
    settings,
)
from tests.functional.sdk.support import (
    wait_for as wait_for_so_long,
)

HOUR = timedelta(hours=1)
wait_for = partial(wait_for_so_long, seconds=60)
_METADATA = MetaData()
_TOLD = Table(
    "told",
    _METADATA,
    Column("subscription_id", Uuid, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("kind", String(20), nullable=False),
)


def draft(slices: int = 4) -> dict[str, Any]:
    """Return a flex-offer that can be accepted for an hour."""
    begin = clock.now().replace(minute=0, second=0, microsecond=0) + 3 * HOUR
    return {
        "offeredBy": "household-7",
        "acceptBefore": (begin - HOUR).isoformat(),
        "assignBefore": (begin - HOUR).isoformat(),
        "startAfter": begin.isoformat(),
        "startBefore": (begin + HOUR).isoformat(),
        "profiles": [{"slices": [{"lower": 0, "upper": 2.5}] * slices}],
        "default": {"energies": [1] * slices},
    }


def subscription(url: str, key: str = B2B_KEY) -> ServiceOfferConfirmed:
    event = confirmed(base_url=url, key=key, consent_required=False)
    return event.model_copy(update={"b2b": event.b2b.model_copy(update={"contract": "flexoffer"})})


def offer(
    url: str, many: Sequence[dict[str, Any]], key: str = B2B_KEY, **headers: str
) -> list[Any]:
    answer = requests.post(
        f"{url}/flexoffer/v1/flexoffer",
        json=many,
        headers={"X-API-Key": key, **headers},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    items: list[Any] = answer.json()["items"]
    return items


def stream(url: str, key: str = B2B_KEY, **headers: str) -> requests.Response:
    return requests.get(
        f"{url}/flexoffer/v1/flexoffer/stream",
        headers={"X-API-Key": key, **headers},
        stream=True,
        timeout=60,
    )


@dataclass
class Offering:
    """A platform that offers, and remembers in its own table what it was told."""

    folder: Path
    fails: Callable[[FlexOfferEvent], bool] = lambda event: False
    gaps: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        url = f"sqlite:///{self.folder / 'offering.db'}"
        self.platform = MarketPlayerPlatform(settings(url, self.folder))
        _METADATA.create_all(self.platform.engine)
        self.platform.accompany(
            FlexOfferFollower(
                self.platform, self.note, on_gap=lambda lost: self.gaps.append(lost.id)
            )
        )

    def note(self, subscription: Subscription, event: FlexOfferEvent) -> None:
        with self.platform.transactions() as session:
            session.execute(
                insert(_TOLD).values(
                    subscription_id=subscription.id, sequence=event.sequence, kind=event.kind
                )
            )
            if self.fails(event):
                raise RuntimeError("What the platform makes of it fails.")

    def told(self, subscription_id: UUID) -> list[int]:
        query = select(_TOLD.c.sequence).where(_TOLD.c.subscription_id == subscription_id)
        with self.platform.transactions.reading() as session:
            return list(session.scalars(query.order_by(_TOLD.c.sequence)))

    @contextmanager
    def agreed(self, event: ServiceOfferConfirmed) -> Iterator[str]:
        """Serve it under a subscription."""
        with served(self.platform) as url:
            eu_mp_client(url).confirm_service_offer(PlatformRole.REQUESTER, event)
            yield url


@dataclass
class World:
    """A receiver in this process."""

    platform: MarketPlayerPlatform
    receiver: FlexOfferReceiver
    url: str
    event: ServiceOfferConfirmed

    @property
    def id(self) -> UUID:
        return self.event.subscription_id

    def newest(self) -> int:
        return self.receiver.store.extent(self.id).newest

    def agree(self, key: str) -> ServiceOfferConfirmed:
        """Return a further subscription."""
        event = subscription(self.url, key)
        eu_mp_client(self.url).confirm_service_offer(PlatformRole.PROVIDER, event)
        return event


@contextmanager
def receiving(database_url: str, folder: Path) -> Iterator[World]:
    platform = MarketPlayerPlatform(settings(database_url, folder))
    accepting = Accepting(platform)
    with served(platform) as url:
        event = subscription(url)
        eu_mp_client(url).confirm_service_offer(PlatformRole.PROVIDER, event)
        yield World(platform, accepting, url, event)


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    with receiving(database_url, tmp_path) as world:
        yield world


@pytest.fixture
def small_world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    with receiving(sqlite_url, tmp_path) as world:
        yield world


def test_the_offering_platform_is_told_of_every_step(world: World, tmp_path: Path) -> None:
    offering = Offering(tmp_path)
    with offering.agreed(world.event):
        [first] = offer(world.url, [draft()])
        offered = UUID(first["id"])
        begin = clock.now().replace(minute=0, second=0, microsecond=0) + 3 * HOUR
        world.receiver.assign({offered: Schedule(begin, (1000, 1000, 500, 0))})
        wait_for(lambda: offering.told(world.id) == [1, 2, 3])
        with offering.platform.transactions.reading() as session:
            kinds = list(session.scalars(select(_TOLD.c.kind).order_by(_TOLD.c.sequence)))
    assert kinds == ["OFFERED", "ACCEPTED", "ASSIGNED"]


def test_what_happens_while_it_is_away_is_told_once_it_is_back(
    small_world: World, tmp_path: Path
) -> None:
    world, offering = small_world, Offering(tmp_path)
    with offering.agreed(world.event):
        offer(world.url, [draft()])
        wait_for(lambda: offering.told(world.id) == [1, 2])
    offer(world.url, [draft()] * 300)
    again = Offering(tmp_path)
    with served(again.platform):
        wait_for(lambda: again.told(world.id) == list(range(1, 603)))


def test_a_callback_that_fails_gets_its_event_again_and_nothing_of_it_stays(
    small_world: World, tmp_path: Path
) -> None:
    world = small_world
    failures: list[int] = []

    def fails(event: FlexOfferEvent) -> bool:
        if event.sequence == 5 and len(failures) < 2:
            failures.append(event.sequence)
            return True
        return False

    offering = Offering(tmp_path, fails)
    offer(world.url, [draft()] * 5)
    with offering.agreed(world.event):
        wait_for(lambda: offering.told(world.id) == list(range(1, 11)))
    assert failures == [5, 5]


def test_events_that_the_receiver_lost_are_a_gap(small_world: World, tmp_path: Path) -> None:
    world, offering = small_world, Offering(tmp_path)
    with offering.agreed(world.event):
        offer(world.url, [draft()] * 3)
        wait_for(lambda: offering.told(world.id) == list(range(1, 7)))
    with world.platform.transactions() as session:  # as when it is restored from a backup
        session.execute(delete(EVENTS).where(EVENTS.c.sequence > 2))
        session.execute(STREAMS.update().values(newest=2))
    again = Offering(tmp_path)
    with served(again.platform):
        wait_for(lambda: again.gaps == [world.id])
        with again.platform.transactions() as session:
            session.execute(delete(_TOLD))
        offer(world.url, [draft()])
        wait_for(lambda: again.told(world.id) == [3, 4])


def test_each_subscription_is_told_of_its_own(small_world: World, tmp_path: Path) -> None:
    world, offering = small_world, Offering(tmp_path)
    other = world.agree("fxb_the-key-of-another-subscription")
    with offering.agreed(world.event) as url:
        eu_mp_client(url).confirm_service_offer(PlatformRole.REQUESTER, other)
        offer(world.url, [draft()] * 2)
        offer(world.url, [draft()], other.b2b.api_key)
        wait_for(lambda: offering.told(world.id) == [1, 2, 3, 4])
        wait_for(lambda: offering.told(other.subscription_id) == [1, 2])


def test_a_subscription_that_is_canceled_ends_its_stream(small_world: World) -> None:
    world = small_world
    with closing(stream(world.url)) as answer:
        lines = answer.iter_lines(chunk_size=1)
        assert next(lines) == b"retry: 2000"
        client = eu_mp_client(world.url)
        over = canceled(world.event, timedelta(microseconds=1))
        client.cancel_service_offer(PlatformRole.PROVIDER, over)
        last = [line for line in lines if line]
    assert last[-2] == b"event: end"
    assert json.loads(last[-1].removeprefix(b"data: "))["reason"] == "SUBSCRIPTION_ENDED"


def test_a_stream_needs_the_key_of_a_subscription(small_world: World) -> None:
    with closing(stream(small_world.url, "fxb_nobodys-key")) as answer:
        assert answer.status_code == 401
    for last_event_id, status in (("x", 400), ("-1", 400), ("1.5", 400), ("9", 410)):
        with closing(stream(small_world.url, **{"Last-Event-ID": last_event_id})) as answer:
            assert answer.status_code == status, last_event_id


def test_two_processes_on_one_database_tell_of_each_others_events(
    postgres_url: str, tmp_path: Path
) -> None:
    with receiving(postgres_url, tmp_path) as world:
        beside = MarketPlayerPlatform(settings(postgres_url, tmp_path))
        Accepting(beside)
        with served(beside) as other_url, ExitStack() as stack:
            answers = [stream(url, **{"Last-Event-ID": "0"}) for url in (world.url, other_url)]
            told = [stack.enter_context(closing(one)).iter_lines(chunk_size=1) for one in answers]
            offering = [
                threading.Thread(target=offer, args=(url, [draft()] * 40))
                for url in (world.url, other_url) * 3
            ]
            for one in offering:
                one.start()
            for lines in told:
                ids = (int(line[4:]) for line in lines if line.startswith(b"id: "))
                assert [next(ids) for _ in range(481)] == list(range(481))
            for one in offering:
                one.join()


def has_more_than(offering: Offering, subscription_id: UUID, count: int) -> bool:
    return len(offering.told(subscription_id)) > count


class Killable:
    """A receiver in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def agreed(self) -> ServiceOfferConfirmed:
        """Return a subscription that it has been told of."""
        event = subscription(self.url)
        with served(receiver(self.folder)[0]) as url:
            eu_mp_client(url).confirm_service_offer(PlatformRole.PROVIDER, event)
        return event

    def start(self, *moment: str) -> None:
        command = "tests.functional.flexoffer.receiving"
        self._process = subprocess.Popen(
            [sys.executable, "-m", command, str(self.folder), str(self.port), *moment]
        )
        wait_for(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def died(self) -> bool:
        """Return whether it has ended by itself, once it has ended."""
        return self._process is not None and self._process.wait(60) == -signal.SIGKILL

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Killable]:
    one = Killable(tmp_path)
    yield one
    one.kill()


def test_a_receiver_that_is_killed_loses_and_doubles_no_event(
    killable: Killable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LONGEST_WAIT_SECONDS", 1.0)
    event = killable.agreed()
    killable.start()
    offering = Offering(tmp_path)
    with offering.agreed(event):
        for _ in range(2):
            told = len(offering.told(event.subscription_id))
            offer(killable.url, [draft()] * 500)
            wait_for(partial(has_more_than, offering, event.subscription_id, told))
            killable.kill()
            killable.start()
        wait_for(lambda: offering.told(event.subscription_id) == list(range(1, 2_001)))


@pytest.mark.parametrize(("moment", "kept"), [("written", 0), ("committed", 10_000)])
def test_a_receiver_that_is_killed_in_a_post_of_ten_thousand_keeps_all_or_none(
    killable: Killable, tmp_path: Path, moment: str, kept: int
) -> None:
    event = killable.agreed()
    killable.start(moment)
    many, key = [draft(8)] * 10_000, str(uuid4())
    with pytest.raises(requests.ConnectionError):
        offer(killable.url, many, **{"Idempotency-Key": key})
    assert killable.died()
    _, looked_at = receiver(tmp_path)
    assert sum(1 for _ in looked_at.offers()) == kept
    assert looked_at.store.extent(event.subscription_id).newest == 2 * kept
    killable.start()
    items = offer(killable.url, many, **{"Idempotency-Key": key})
    assert {one["state"] for one in items} == {"ACCEPTED"}
    assert sorted(UUID(one["id"]) for one in items) == [one.id for one in looked_at.offers()]
    assert looked_at.store.extent(event.subscription_id).newest == 20_000
