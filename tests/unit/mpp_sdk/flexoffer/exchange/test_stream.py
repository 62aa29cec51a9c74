"""The stream of flex-offers with many readers: in order, nothing lost, none waits for the slow."""

import asyncio
import copy
import json
import threading
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.client import GoneProblem, ServerSentEvent, TooManyRequestsProblem
from mpp_sdk.contracts.flexoffer.async_client import AsyncFlexofferClient
from mpp_sdk.errors import Unauthenticated, Unavailable
from mpp_sdk.flexoffer.exchange import stream
from mpp_sdk.flexoffer.exchange.stream import Extent, FlexOfferStreams, StreamedEvent
from mpp_sdk.transport import AddressPolicy, GuardedClient
from mpp_sdk.web.binding import bind, methods_of
from mpp_sdk.web.call import Principal, Reply, current_call, no_edge
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer, compose
from mpp_sdk.web.streaming import TOO_SLOW, StreamEnded
from tests.unit.mpp_sdk.web.test_streaming import SlowReader

pytestmark = pytest.mark.anyio

OURS, THEIRS = UUID(int=1), UUID(int=2)
KEYS = {"ours": OURS, "theirs": THEIRS}


class Log:
    """Events in memory, in the order of their numbers, and how often it was asked for them."""

    def __init__(self) -> None:
        self.events: dict[UUID, list[StreamedEvent]] = {OURS: [], THEIRS: []}
        self.forgotten = dict.fromkeys(KEYS.values(), 0)
        self.ended: set[UUID] = set()
        self.reads = 0
        self.away = False
        self._lock = threading.Lock()

    def add(self, subscription_id: UUID, count: int = 1, size: int = 10) -> None:
        with self._lock:
            events = self.events[subscription_id]
            first = len(events) + 1
            data = json.dumps({"of": subscription_id.int, "filling": "x" * size})
            events += [StreamedEvent(first + n, "ASSIGNED", data) for n in range(count)]

    def extent(self, subscription_id: UUID) -> Extent:
        return Extent(self.forgotten[subscription_id], len(self.events[subscription_id]))

    def events_after(
        self, subscription_id: UUID, sequence: int, limit: int
    ) -> Sequence[StreamedEvent]:
        self._check()
        with self._lock:
            self.reads += 1
            return self.events[subscription_id][sequence : sequence + limit]

    def newest(self, subscription_ids: Collection[UUID]) -> Mapping[UUID, int]:
        self._check()
        return {one: len(self.events[one]) for one in subscription_ids if one not in self.ended}

    def _check(self) -> None:
        if self.away:
            raise Unavailable("The database is away.")


@dataclass
class Service:
    """Serves the streams of a log, and nothing else of the contract."""

    log: Log = field(default_factory=Log)
    most_readers: int = 1_000

    def __post_init__(self) -> None:
        self.streams = FlexOfferStreams(self.log, most_readers=self.most_readers)

    def authenticate(self, scheme: str, credential: str) -> Principal:
        if credential not in KEYS:
            raise Unauthenticated("The key is that of no subscription.")
        return Principal(str(KEYS[credential]), credential)

    def stream_flex_offers(self, last_event_id: str | None = None) -> Reply:
        principal = current_call().principal
        assert principal is not None
        return self.streams.open(UUID(principal.subject), last_event_id)

    def add(self, subscription_id: UUID, count: int = 1, size: int = 10) -> None:
        """Commit events, and say so, as the store does."""
        self.log.add(subscription_id, count, size)
        self.streams.wake(subscription_id)

    @contextmanager
    def served(self) -> Iterator[str]:
        contract = Contract.load("flexoffer")
        document = copy.deepcopy(dict(contract.document))
        document["paths"] = {"/flexoffer/stream": document["paths"]["/flexoffer/stream"]}
        bound = bind(
            Contract.from_document("flexoffer", document),
            methods_of(self),
            edge=no_edge,
            authenticator=self,
        )
        with BackgroundServer(compose([bound])) as url:
            yield f"{url}/flexoffer/v1"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def url(service: Service) -> Iterator[str]:
    with service.served() as url:
        yield url


@asynccontextmanager
async def connection() -> AsyncIterator[GuardedClient]:
    async with GuardedClient(AddressPolicy(allow_private=True, allow_http=True)) as client:
        yield client


class Reader:
    """One who follows a stream."""

    def __init__(self, client: GuardedClient, url: str, key: str = "ours") -> None:
        self._client = AsyncFlexofferClient(url, client, lambda: {"X-API-Key": key})
        self.position: str | None = None
        self.open = asyncio.Event()
        self.told: list[ServerSentEvent] = []
        self.end: str | None = None

    @property
    def sequences(self) -> list[int]:
        return [int(one.id) for one in self.told]

    async def read(self, count: int | None = None) -> None:
        """Read events until there are so many in all, or the stream ends."""
        events = self._client.stream_flex_offers(last_event_id=self.position)
        async with aclosing(events) as told:  # type: ignore[type-var]  # it is a generator
            async for event in told:
                self.position = event.id
                if event.name == "open":
                    self.open.set()
                elif event.name == "end":
                    self.end = json.loads(event.data)["reason"]
                else:
                    self.told.append(event)
                if count is not None and len(self.told) >= count:
                    return


async def begun(readers: Sequence[Reader], *counts: int | None) -> list[asyncio.Task[None]]:
    """Have readers read, and return when all of their streams are open."""
    reading = [asyncio.create_task(one.read(*counts)) for one in readers]
    async with asyncio.timeout(60):
        for one in readers:
            await one.open.wait()
    return reading


async def ended(reading: Sequence[asyncio.Task[None]]) -> None:
    async with asyncio.timeout(60):
        await asyncio.gather(*reading)


async def test_two_hundred_readers_get_every_event_in_order(service: Service, url: str) -> None:
    async with connection() as client:
        readers = [Reader(client, url) for _ in range(200)]
        reading = await begun(readers, 60)
        before = service.log.reads
        for _ in range(20):
            service.add(OURS, 3)
            await asyncio.sleep(0)
        await ended(reading)
        assert all(one.sequences == list(range(1, 61)) for one in readers)
        assert service.log.reads - before <= 40  # of the log, for all of them together


async def test_a_burst_of_more_than_is_read_at_once_comes_whole(service: Service, url: str) -> None:
    async with connection() as client:
        readers = [Reader(client, url) for _ in range(5)]
        reading = await begun(readers, 5_500)
        service.add(OURS, 5_500)
        await ended(reading)
        assert all(one.sequences == list(range(1, 5_501)) for one in readers)


async def test_whoever_resumes_misses_and_doubles_nothing(service: Service, url: str) -> None:
    service.log.add(OURS, 700)
    async with connection() as client:
        reader, other = Reader(client, url), Reader(client, url)
        reader.position = "0"
        following = await begun([other])  # whose stream stays: it begins at 701
        for upto in (1, 2, 350, 699):
            await reader.read(upto)  # then it hangs up
        service.add(OURS, 300)
        await reader.read(1_000)
        service.add(OURS)
        await reader.read(1_001)
        assert reader.sequences == list(range(1, 1_002))
        following[0].cancel()
        assert other.sequences[:1] == [701]


async def test_who_was_told_of_nothing_resumes_from_where_the_stream_stood(
    service: Service, url: str
) -> None:
    service.log.add(OURS, 4)
    async with connection() as client:
        reader = Reader(client, url)
        [reading] = await begun([reader])
        reading.cancel()
        service.add(OURS, 2)
        await reader.read(2)
        assert reader.sequences == [5, 6]


async def test_a_server_that_starts_again_goes_on(service: Service) -> None:
    async with connection() as client:
        with service.served() as url:
            reader = Reader(client, url)
            reading = await begun([reader])
            service.add(OURS, 3)
            while len(reader.told) < 3:
                await asyncio.sleep(0.01)
        await ended(reading)
        assert reader.end == "STOPPING"
        service.add(OURS, 2)
        with service.served() as url:
            again = Reader(client, url)
            again.position = reader.position
            await again.read(2)
    assert reader.sequences + again.sequences == [1, 2, 3, 4, 5]


async def test_a_slow_reader_is_cut_off_and_the_others_go_on(
    service: Service, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "TAIL_BYTES", 3_000_000)
    async with connection() as client:
        readers = [Reader(client, url) for _ in range(5)]
        reading = await begun(readers, 1_500)
        slow = await asyncio.to_thread(
            SlowReader, url.removesuffix("/flexoffer/v1"), "/flexoffer/v1/flexoffer/stream", "ours"
        )
        with closing(slow.socket):
            while b"retry: " not in slow.read:
                await asyncio.to_thread(slow.some)
            for number in range(1, 151):
                service.add(OURS, 10, size=10_000)
                while any(len(one.told) < number * 10 for one in readers):
                    await asyncio.sleep(0.001)
            await ended(reading)
            await asyncio.to_thread(slow.rest)
        last = slow.read.rpartition(b"id: ")[2].partition(b"\n")[0].decode()
        assert b'data: {"reason": "TOO_SLOW"' in slow.read
        late = Reader(client, url)
        late.position = last
        await late.read(1_500 - int(last))
        assert late.sequences == list(range(int(last) + 1, 1_501))


async def test_the_events_of_others_are_never_seen(service: Service, url: str) -> None:
    async with connection() as client:
        ours, theirs = Reader(client, url), Reader(client, url, "theirs")
        reading = await begun([ours, theirs], 50)
        for _ in range(50):
            service.add(OURS)
            service.add(THEIRS)
        await ended(reading)
        assert {json.loads(one.data)["of"] for one in ours.told} == {OURS.int}
        assert {json.loads(one.data)["of"] for one in theirs.told} == {THEIRS.int}


async def test_what_another_process_commits_is_found(service: Service, url: str) -> None:
    async with connection() as client:
        reader = Reader(client, url)
        reading = await begun([reader], 2)
        service.log.add(OURS, 2)  # and nobody says so
        await ended(reading)
        assert reader.sequences == [1, 2]


async def test_an_event_that_there_never_was_is_nothing_to_resume_from(
    service: Service, url: str
) -> None:
    service.log.add(OURS, 10)
    service.log.forgotten[OURS] = 4
    async with connection() as client:
        for position in ("3", "11", "0"):
            reader = Reader(client, url)
            reader.position = position
            with pytest.raises(GoneProblem):
                await reader.read()
        reader.position = "4"
        await reader.read(6)
        assert reader.sequences == [5, 6, 7, 8, 9, 10]


async def test_the_end_of_a_subscription_is_the_end_of_its_streams(
    service: Service, url: str
) -> None:
    async with connection() as client:
        ours, theirs = Reader(client, url), Reader(client, url, "theirs")
        reading, others = await begun([ours, theirs], 1)
        service.log.ended.add(OURS)
        await ended([reading])
        assert ours.end == "SUBSCRIPTION_ENDED"
        service.add(THEIRS)
        await ended([others])
        assert (theirs.sequences, theirs.end) == ([1], None)


async def test_there_are_so_many_readers_and_no_more() -> None:
    service = Service(most_readers=4)
    with service.served() as url:
        async with connection() as client:
            reading = await begun([Reader(client, url) for _ in range(2)])
            with pytest.raises(TooManyRequestsProblem):  # half of all for one subscription
                await Reader(client, url).read()
            reading += await begun([Reader(client, url, "theirs") for _ in range(2)])
            for key in KEYS:
                with pytest.raises(TooManyRequestsProblem):
                    await Reader(client, url, key).read()
            reading[0].cancel()
            await until_taken(Reader(client, url))
            for one in reading:
                one.cancel()


async def until_taken(reader: Reader) -> None:
    """Open a stream, once the server has noticed that another one was closed."""
    async with asyncio.timeout(60):
        while True:
            reading = asyncio.create_task(reader.read())
            opening = asyncio.create_task(reader.open.wait())
            await asyncio.wait({reading, opening}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                reading.cancel()
                return
            opening.cancel()
            with pytest.raises(TooManyRequestsProblem):
                await reading


async def test_streams_wait_for_a_database_that_is_away(
    service: Service, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LOOK_SECONDS", 0.1)
    service.log.add(OURS, 3)
    async with connection() as client:
        reader, late = Reader(client, url), Reader(client, url)
        reading = await begun([reader], 1)
        service.log.away = True
        service.add(OURS)
        late.position = "1"
        await late.read()
        assert late.end == "UNAVAILABLE"
        assert reader.end is None
        service.log.away = False
        await ended(reading)
        assert reader.sequences == [4]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_tails_give_each_reader_all_that_is_new(data: st.DataObject) -> None:
    """Readers at any pace, a tail of any length: in order and without a gap, or cut off."""
    bound = data.draw(st.integers(20, 400))
    log = Log()
    log.add(OURS, data.draw(st.integers(0, 30)))

    async def play() -> None:
        feed = stream._Feed(log, asyncio.get_running_loop(), 100)
        readers = []
        for _ in range(data.draw(st.integers(1, 4))):
            position = data.draw(st.integers(0, len(log.events[OURS])))
            reader = stream._Reader(lambda: feed, OURS, position, log.extent(OURS))
            reader.open(lambda: None)
            readers.append((reader, position, [await reader.take()]))
        cut: set[int] = set()
        for _ in range(data.draw(st.integers(1, 12))):
            if data.draw(st.booleans()):
                log.add(OURS, data.draw(st.integers(0, 5)))
                await feed._look({OURS}, everywhere=False)
            number = data.draw(st.integers(0, len(readers) - 1))
            if number not in cut and not await takes(*readers[number]):
                cut.add(number)
        await feed._look({OURS}, everywhere=False)
        for number, (reader, begin, chunks) in enumerate(readers):
            while number not in cut and reader.position < len(log.events[OURS]):
                if not await takes(reader, begin, chunks):
                    cut.add(number)
            sequences = [
                int(line.removeprefix("id: "))
                for line in b"".join(chunks[1:]).decode().splitlines()
                if line.startswith("id: ")
            ]
            assert all(b == a + 1 for a, b in pairwise([begin, *sequences]))
            if number not in cut:
                assert [begin, *sequences][-1] == len(log.events[OURS])
            reader.close()

    async def takes(reader: stream._Reader, begin: int, chunks: list[bytes]) -> bool:
        try:
            chunks.append(await reader.take())
        except StreamEnded as end:
            if end.reason != TOO_SLOW:
                raise
            return False
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "TAIL_BYTES", bound)
        asyncio.run(play())
