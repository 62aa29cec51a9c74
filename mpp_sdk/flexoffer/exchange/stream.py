"""The stream of what happens to the flex-offers of a subscription, as server-sent events.

One task for each process reads what is new, for all readers at once: when somebody in this process
says that there is something, else every second, which finds what other processes have committed.
What was read waits in the tail of its subscription until each of its readers has taken it. A
reader that comes back reads up to the tail from the database, at its own pace. One that falls so
far behind that the tail would become too long is cut off with `TOO_SLOW`: nobody waits for it.
"""

import asyncio
import contextlib
import logging
import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from uuid import UUID

import anyio
import anyio.to_thread

from mpp_sdk.errors import FlexagoraError, Gone, TooManyCalls
from mpp_sdk.web.streaming import TOO_SLOW, StreamEnded, StreamReply, event, opening

ENDED = "SUBSCRIPTION_ENDED"
UNAVAILABLE = "UNAVAILABLE"

MOST_READERS = 2_000
"""How many readers one process serves; a subscription may have half of them."""

LOOK_SECONDS = 1.0
"""After how long it is seen at the latest what another process has committed."""

TAIL_BYTES = 8 * 1024 * 1024
"""How much one subscription's slowest reader may leave to be taken."""

_CHUNK_BYTES = 65_536
_PAGE = 1_000
_CATCH_UP_PAGE = 200  # what one reader has in memory
_RETRY_MS = 2_000
_CATCHING_UP = 4  # threads, so that readers who come back leave the others theirs
_AGAIN_SECONDS = 10

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamedEvent:
    """An event as the stream tells it. data is its JSON."""

    sequence: int
    kind: str
    data: str


@dataclass(frozen=True)
class Extent:
    """What there is of a subscription's events: those after one sequence number, to another."""

    after: int
    newest: int


class EventLog(Protocol):
    """The events of subscriptions, each with a sequence number of its own.

    Whoever has read up to a number never finds another event at or before it: they are committed in
    the order of their numbers. It is called in worker threads.
    """

    def extent(self, subscription_id: UUID) -> Extent:
        """Return what there is of a subscription; 0 is before the first."""

    def events_after(
        self, subscription_id: UUID, sequence: int, limit: int
    ) -> Sequence[StreamedEvent]:
        """Return the events after a number, in order, at most so many."""

    def newest(self, subscription_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the last number of each of the subscriptions that have not ended."""


class FlexOfferStreams:
    """The streams of one receiver's subscriptions. Its methods may be called from any thread."""

    def __init__(self, log: EventLog, *, most_readers: int = MOST_READERS) -> None:
        self._log = log
        self._most_readers = most_readers
        self._lock = threading.Lock()
        self._feed: _Feed | None = None

    def open(self, subscription_id: UUID, last_event_id: str | None = None) -> StreamReply:
        """Return the stream of a subscription, from now on or after an event.

        Raises Gone when that event is none that there is, and none that has just been forgotten;
        when the stream begins, TooManyCalls when there are as many readers as can be.
        """
        extent = self._log.extent(subscription_id)
        position = extent.newest if last_event_id is None else int(last_event_id)
        if not extent.after <= position <= extent.newest:
            raise Gone(
                f"There is nothing to go on from after event {position}: there are"
                f" {extent.after + 1} to {extent.newest}. List the flex-offers, and follow anew."
            )
        return StreamReply(source=_Reader(self._present_feed, subscription_id, position, extent))

    def wake(self, subscription_id: UUID) -> None:
        """Have what has just been committed of a subscription read now."""
        with self._lock:
            feed = self._feed
        if feed is not None:
            feed.wake(subscription_id)

    def _present_feed(self) -> "_Feed":
        """Return the feed of the running event loop: a platform may be served again in another."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._feed is None or self._feed.loop is not loop:
                self._feed = _Feed(self._log, loop, self._most_readers)
            return self._feed


class _Reader:
    """One who follows a subscription: the source of its stream. position is what it was told."""

    def __init__(
        self,
        feed: Callable[[], "_Feed"],
        subscription_id: UUID,
        position: int,
        extent: Extent,
    ) -> None:
        self.subscription_id = subscription_id
        self.position = position
        self.extent = extent
        self.wake: Callable[[], None] = lambda: None
        self._present_feed = feed
        self._begun = False
        self._caught_up = False

    def open(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self._feed = self._present_feed()
        self._tail = self._feed.join(self)

    def close(self) -> None:
        self._feed.leave(self)

    async def take(self) -> bytes:
        if not self._begun:
            self._begun = True
            return opening(str(self.position), _RETRY_MS)
        if self._tail.ended:
            raise StreamEnded(ENDED, "The subscription has ended.")
        if self.position >= self._tail.after:
            self._caught_up = True
            chunk, self.position = self._tail.after_position(self.position)
            return chunk
        if self._caught_up:
            raise StreamEnded(TOO_SLOW, "Too much has happened since. Resume, and read on.")
        return await self._catch_up()

    async def _catch_up(self) -> bytes:
        reached = self._tail.after
        try:
            chunk, last, complete = await self._feed.page(self.subscription_id, self.position)
        except FlexagoraError as error:
            raise StreamEnded(UNAVAILABLE, error.detail) from error
        self.position = max(last, reached) if complete else last
        return chunk or await self.take()


class _Tail:
    """The last events of a subscription: all after one number, as they are sent."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.latest = after
        self.ended = False
        self.readers: set[_Reader] = set()
        self._sequences: list[int] = []
        self._events: list[bytes] = []
        self._size = 0
        self._chunks: dict[int, tuple[bytes, int]] = {}

    def append(self, events: Sequence[tuple[int, bytes]]) -> None:
        """Take in what is new, forget what every reader has, and wake them."""
        for sequence, text in events:
            self._sequences.append(sequence)
            self._events.append(text)
            self._size += len(text)
        self.latest = self._sequences[-1]
        self._forget()
        self.wake()

    def after_position(self, position: int) -> tuple[bytes, int]:
        """Return some of the events after a number, and the number of the last of them."""
        if position >= self.latest:
            return b"", position
        known = self._chunks.get(position)
        if known is None:
            first = last = bisect_right(self._sequences, position)
            size = 0
            while last < len(self._events) and size < _CHUNK_BYTES:
                size += len(self._events[last])
                last += 1
            known = b"".join(self._events[first:last]), self._sequences[last - 1]
            self._chunks[position] = known
        return known

    def wake(self) -> None:
        """Have all readers look."""
        for reader in self.readers:
            reader.wake()

    def _forget(self) -> None:
        count = bisect_right(self._sequences, min(one.position for one in self.readers))
        size = self._size - sum(map(len, self._events[:count]))
        while size > TAIL_BYTES:
            size -= len(self._events[count])
            count += 1
        if count:
            self.after = self._sequences[count - 1]
            del self._sequences[:count], self._events[:count]
        self._size = size
        self._chunks.clear()


class _Feed:
    """Reads what is new for all readers in one event loop, while there are any."""

    def __init__(self, log: EventLog, loop: asyncio.AbstractEventLoop, most_readers: int) -> None:
        self.loop = loop
        self._log = log
        self._most_readers = most_readers
        self._readers = 0
        self._tails: dict[UUID, _Tail] = {}
        self._stirred: set[UUID] = set()
        self._awake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._looking = anyio.CapacityLimiter(1)
        self._catching_up = anyio.CapacityLimiter(_CATCHING_UP)

    def wake(self, subscription_id: UUID) -> None:
        """Have a subscription read now. May be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody follows
            self.loop.call_soon_threadsafe(self._stir, subscription_id)

    def join(self, reader: _Reader) -> _Tail:
        """Return the tail that a reader follows from now on. Raises TooManyCalls."""
        tail = self._tails.get(reader.subscription_id)
        held = 0 if tail is None else len(tail.readers)
        if self._readers >= self._most_readers or held >= max(self._most_readers // 2, 1):
            raise TooManyCalls("streams", self._most_readers // 2, 60, _AGAIN_SECONDS)
        if tail is None:
            tail = self._tails[reader.subscription_id] = _Tail(reader.extent.newest)
            self._stir(reader.subscription_id)  # for what has come since that was asked for
        tail.readers.add(reader)
        self._readers += 1
        if self._task is None:
            self._task = self.loop.create_task(self._run(), context=Context())
        return tail

    def leave(self, reader: _Reader) -> None:
        """Let a reader go, and stop reading when it was the last."""
        tail = self._tails[reader.subscription_id]
        tail.readers.discard(reader)
        self._readers -= 1
        if not tail.readers:
            del self._tails[reader.subscription_id]
        if not self._tails and self._task is not None:
            self._task.cancel()
            self._task = None

    async def page(self, subscription_id: UUID, position: int) -> tuple[bytes, int, bool]:
        """Return events after a number, the number of the last, and whether there are no more."""
        read = partial(self._events, subscription_id, position, _CATCH_UP_PAGE)
        events = await anyio.to_thread.run_sync(read, limiter=self._catching_up)
        last = events[-1][0] if events else position
        return b"".join(text for _, text in events), last, len(events) < _CATCH_UP_PAGE

    def _stir(self, subscription_id: UUID) -> None:
        self._stirred.add(subscription_id)
        self._awake.set()

    async def _run(self) -> None:
        look_at = 0.0
        while True:
            everywhere = self.loop.time() >= look_at
            stirred, self._stirred = self._stirred, set()
            self._awake.clear()
            if everywhere:
                look_at = self.loop.time() + LOOK_SECONDS
            try:
                await self._look(stirred, everywhere=everywhere)
            except FlexagoraError as error:
                _LOG.warning("The streams of flex-offers wait: %s", error.detail)
                look_at = self.loop.time() + LOOK_SECONDS
            except Exception:
                _LOG.exception("The streams of flex-offers failed to read; trying again")
                look_at = self.loop.time() + LOOK_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._awake.wait()

    async def _look(self, stirred: set[UUID], *, everywhere: bool) -> None:
        """Read what is new: of the subscriptions that were stirred, or of all that are followed."""
        latest = {
            one: tail.latest for one, tail in self._tails.items() if everywhere or one in stirred
        }
        if not latest:
            return
        read = partial(self._read, latest, everywhere=everywhere)
        news, ended = await anyio.to_thread.run_sync(read, limiter=self._looking)
        for subscription_id, events in news.items():
            tail = self._tails.get(subscription_id)
            if tail is None or tail.latest != latest[subscription_id]:
                continue  # everybody has left meanwhile, and somebody come back perhaps
            tail.append(events)
            if len(events) == _PAGE:
                self._stir(subscription_id)
        for subscription_id in ended & self._tails.keys():
            self._tails[subscription_id].ended = True
            self._tails[subscription_id].wake()

    def _read(
        self, latest: Mapping[UUID, int], *, everywhere: bool
    ) -> tuple[dict[UUID, list[tuple[int, bytes]]], set[UUID]]:
        newest: Mapping[UUID, int] | None = self._log.newest(latest) if everywhere else None
        news = {
            one: found
            for one, after in latest.items()
            if newest is None or newest.get(one, after) > after
            if (found := self._events(one, after, _PAGE))
        }
        return news, set() if newest is None else latest.keys() - newest.keys()

    def _events(self, subscription_id: UUID, after: int, limit: int) -> list[tuple[int, bytes]]:
        return [
            (one.sequence, event(one.data, name=one.kind, event_id=str(one.sequence)))
            for one in self._log.events_after(subscription_id, after, limit)
        ]
