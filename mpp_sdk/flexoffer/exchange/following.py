"""The offering side of the stream: what becomes of its flex-offers, each event once."""

import asyncio
import json
import logging
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy import BigInteger, Column, Engine, MetaData, Table, Uuid, insert, select, update
from sqlalchemy.orm import Session

from mpp_sdk.client import CallFailed, GoneProblem, ServerSentEvent
from mpp_sdk.client.events import OPEN
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.contracts.flexoffer.async_client import AsyncFlexofferClient
from mpp_sdk.contracts.flexoffer.models import FlexOfferEvent, FlexOfferEventKind
from mpp_sdk.errors import FlexagoraError, Unavailable
from mpp_sdk.schema import bring_up_to_date
from mpp_sdk.state.domain import ENDED_SUBSCRIPTION
from mpp_sdk.state.subscriptions import Subscription, Subscriptions
from mpp_sdk.transactions import Transactions
from mpp_sdk.transport import AddressPolicy, GuardedClient
from mpp_sdk.web.streaming import END

CONTRACT = "flexoffer"
BASE_PATH = "/flexoffer/v1"

LOOK_SECONDS = 1.0
"""After how long a new subscription is followed, and one that has ended no more."""

FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 30.0

_MOST_AT_ONCE = 200  # events in one transaction

_KINDS = frozenset(FlexOfferEventKind)
_LOG = logging.getLogger(__name__)
_METADATA = MetaData()
_POSITION = Table(
    "flexoffer_followed",
    _METADATA,
    Column("subscription_id", Uuid, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)

OnEvent = Callable[[Subscription, FlexOfferEvent], None]
OnGap = Callable[[Subscription], None]


class FollowingPlatform(Protocol):
    """What the following of flex-offers needs of its platform."""

    engine: Engine
    transactions: Transactions
    subscriptions: Subscriptions

    @property
    def address_policy(self) -> AddressPolicy:
        """Return which addresses may be called."""


class FlexOfferFollower:
    """Follows the flex-offers of every subscription under which this platform offers.

    on_event is called in a thread, once for each event and in their order within a subscription, in
    the transaction that remembers it: what it writes through `platform.transactions` commits
    together with that. When it raises, the event comes again later, and those after it wait.

    on_gap is called so when events are lost: the receiving party has forgotten them, or lost them
    itself. List the flex-offers then; what happens after that is told again.

    A connection that breaks is made again, after waits that grow from 0.25 to 30 s.
    """

    def __init__(
        self, platform: FollowingPlatform, on_event: OnEvent, *, on_gap: OnGap | None = None
    ) -> None:
        self._platform = platform
        self.on_event = on_event
        self.on_gap = on_gap or _log_gap
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], None] | None = None
        bring_up_to_date(platform.engine, _METADATA)

    def start(self) -> None:
        """Begin to follow, from where it was when it was stopped or killed."""
        begun = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(begun)), name="flex-offers", daemon=True
        )
        self._thread.start()
        begun.wait()

    def stop(self) -> None:
        """Stop following; what a callback has begun is waited for."""
        if self._thread is not None and self._stop is not None:
            self._stop()
            self._thread.join()
            self._thread = None

    async def _run(self, begun: threading.Event) -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()

        def stop() -> None:
            loop.call_soon_threadsafe(stopping.set)

        self._stop = stop
        begun.set()
        async with GuardedClient(self._platform.address_policy) as client:
            following = asyncio.create_task(self._follow_all(client))
            await stopping.wait()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow_all(self, client: GuardedClient) -> None:
        tasks: dict[UUID, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    present = await asyncio.to_thread(self._subscriptions)
                except FlexagoraError as error:
                    _LOG.warning("The subscriptions cannot be read: %s", error.detail)
                    present = None
                if present is not None:
                    for gone in tasks.keys() - {one.id for one in present}:
                        tasks.pop(gone).cancel()
                    for one in present:
                        if one.id not in tasks:
                            following = _Following(self, client, one)
                            tasks[one.id] = group.create_task(following.run())
                await asyncio.sleep(LOOK_SECONDS)

    def _subscriptions(self) -> Sequence[Subscription]:
        return [
            one
            for one in self._platform.subscriptions.all(PlatformRole.REQUESTER)
            if one.contract == CONTRACT and one.state not in ENDED_SUBSCRIPTION
        ]

    def key_for(self, subscription_id: UUID) -> dict[str, str]:
        """Return the headers that authenticate at the receiving party."""
        return {"X-API-Key": self._platform.subscriptions.key_for(subscription_id)}

    def position(self, subscription_id: UUID) -> int:
        """Return the last event of a subscription that was dealt with; 0 before the first."""
        with self._platform.transactions.reading() as session:
            return _position(session, subscription_id)

    def apply(self, subscription: Subscription, events: Sequence[ServerSentEvent]) -> None:
        """Deal with events that have not been dealt with, all of them or none."""
        with self._platform.transactions() as session:
            position = _position(session, subscription.id, lock=True)
            for event in events:
                if int(event.id) <= position:
                    continue
                position = int(event.id)
                if event.name in _KINDS:  # a later version of the contract may have others
                    self.on_event(subscription, FlexOfferEvent.model_validate_json(event.data))
            _remember(session, subscription.id, position)

    def skip_to(self, subscription: Subscription, position: int) -> None:
        """Go on from a position, with what was before it lost."""
        with self._platform.transactions() as session:
            _position(session, subscription.id, lock=True)
            _remember(session, subscription.id, position)
            self.on_gap(subscription)


class _Following:
    """Follows one subscription for as long as it is not canceled."""

    def __init__(
        self, follower: FlexOfferFollower, client: GuardedClient, subscription: Subscription
    ) -> None:
        self._follower = follower
        self._subscription = subscription
        self._client = AsyncFlexofferClient(
            subscription.base_url.rstrip("/") + BASE_PATH,
            client,
            lambda: asyncio.to_thread(follower.key_for, subscription.id),
        )
        self._failures = 0
        self._gap = False

    async def run(self) -> None:
        """Follow, and follow again whenever the stream ends."""
        while True:
            begun = time.monotonic()
            try:
                await self._follow()
            except GoneProblem as error:
                _LOG.warning("Events of %s are lost: %s", self._name, error.problem.detail)
                self._gap = True
            except (CallFailed, Unavailable) as error:
                _LOG.warning("%s is not followed now: %s", self._name, error)
            except Exception:
                _LOG.exception("%s is not followed now", self._name)
            if time.monotonic() - begun > LONGEST_WAIT_SECONDS:
                self._failures = 0
            longest = min(FIRST_WAIT_SECONDS * 2**self._failures, LONGEST_WAIT_SECONDS)
            self._failures = min(self._failures + 1, 16)
            await asyncio.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  # no secret

    @property
    def _name(self) -> str:
        return self._subscription.provider.name

    async def _follow(self) -> None:
        position = await asyncio.to_thread(self._follower.position, self._subscription.id)
        since = None if self._gap else str(position)
        events = self._client.stream_flex_offers(last_event_id=since)
        arrived: asyncio.Queue[ServerSentEvent] = asyncio.Queue(2 * _MOST_AT_ONCE)
        receiving = asyncio.create_task(_receive(events, arrived))
        try:
            while not (receiving.done() and arrived.empty()):
                batch = await _batch(arrived, receiving)
                if batch:
                    await self._apply(batch)
            await receiving
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _apply(self, batch: Sequence[ServerSentEvent]) -> None:
        told = [one for one in batch if one.name not in (OPEN, END)]
        for one in batch:
            if one.name == OPEN and self._gap:
                skip = self._follower.skip_to
                await asyncio.to_thread(skip, self._subscription, int(one.id))
                self._gap = False
            elif one.name == END:
                said = json.loads(one.data)
                _LOG.info("%s ends the stream: %s", self._name, said.get("detail"))
        if not told:
            return
        try:
            await asyncio.to_thread(self._follower.apply, self._subscription, told)
        except Exception:
            if len(told) == 1:
                raise
            for one in told:  # those before the one that fails are dealt with
                await asyncio.to_thread(self._follower.apply, self._subscription, [one])
        self._failures = 0


def _position(session: Session, subscription_id: UUID, *, lock: bool = False) -> int:
    """Return the last event that was dealt with, locked until the transaction ends if asked."""
    query = select(_POSITION.c.sequence).where(_POSITION.c.subscription_id == subscription_id)
    return session.scalars(query.with_for_update() if lock else query).one_or_none() or 0


def _remember(session: Session, subscription_id: UUID, sequence: int) -> None:
    """Remember the last event that was dealt with."""
    changed = session.scalars(
        update(_POSITION)
        .where(_POSITION.c.subscription_id == subscription_id)
        .values(sequence=sequence)
        .returning(_POSITION.c.sequence)
    )
    if changed.one_or_none() is None:
        session.execute(
            insert(_POSITION).values(subscription_id=subscription_id, sequence=sequence)
        )


async def _receive(
    events: AsyncIterator[ServerSentEvent], arrived: "asyncio.Queue[ServerSentEvent]"
) -> None:
    async for event in events:
        await arrived.put(event)


async def _batch(
    arrived: "asyncio.Queue[ServerSentEvent]", receiving: "asyncio.Task[None]"
) -> list[ServerSentEvent]:
    """Return what has arrived, as soon as there is something or there will be no more."""
    waiting = asyncio.create_task(arrived.get())
    await asyncio.wait({waiting, receiving}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        return []
    batch = [waiting.result()]
    while len(batch) < _MOST_AT_ONCE and not arrived.empty():
        batch.append(arrived.get_nowait())
    return batch


def _log_gap(subscription: Subscription) -> None:
    _LOG.warning("Events of the flex-offers at %s are lost: list them.", subscription.provider.name)
