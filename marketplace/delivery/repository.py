"""Every query about deliveries that is not the outbox's own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Bundle

from marketplace.core.paging import Key, Page, paginate
from marketplace.core.unit_of_work import current_session
from marketplace.delivery.domain import EventKind
from marketplace.delivery.tables import OUTBOX, REPLAYS
from mpp_sdk.ids import first_id_of
from mpp_sdk.outbox import (
    Attempt,
    BreakerState,
    Event,
    EventState,
    Lane,
    LaneMode,
    Replay,
    ReplayState,
    Skipped,
    SkipReason,
    is_dead,
    replay_of,
)
from mpp_sdk.outbox.lanes import lane_of

_GIVEN_UP_PLAIN = "Given up. "
_GIVEN_UP = re.compile(r"^Given up after \d+ attempts over \d+ h\. ")


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries are asked for; what is None does not restrict.

    visible_to is the market player that asks; None is an operator, who sees every one. since and
    until are when it was written, the end not included.
    """

    visible_to: UUID | None = None
    state: EventState | None = None
    market_player_id: UUID | None = None
    subscription_id: UUID | None = None
    kind: EventKind | None = None
    reason_contains: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class DeadLetterReason:
    """Why some deliveries are dead; the reason is without the number of attempts."""

    reason: str
    count: int
    oldest_at: datetime
    newest_at: datetime

    @property
    def common(self) -> str:
        """The part of the reason that each of the deliveries has, to look for them by."""
        return self.reason.removeprefix(_GIVEN_UP_PLAIN)


@dataclass(frozen=True)
class LaneFilter:
    """Which lanes are asked for; what is None does not restrict.

    visible_to is the market player that asks; None is an operator, who sees every one.
    """

    visible_to: UUID | None = None
    mode: LaneMode | None = None
    breaker_state: BreakerState | None = None


@dataclass(frozen=True)
class LaneDepth:
    """How many events of a lane wait or are dead, and when the oldest that waits was queued."""

    queued: int = 0
    retrying: int = 0
    dead: int = 0
    oldest_waiting_at: datetime | None = None


@dataclass(frozen=True)
class ReplayListFilter:
    """Which replays are asked for; what is None does not restrict.

    visible_to is the market player that asks; None is an operator, who sees every one.
    """

    visible_to: UUID | None = None
    state: ReplayState | None = None
    market_player_id: UUID | None = None


def has_heard(market_player_id: UUID, subscription_id: UUID) -> bool:
    """Return whether a platform has acknowledged all that it was to be told of a subscription."""
    event = OUTBOX.event.c
    of_it = (event.lane == str(market_player_id), event.ordering_key == str(subscription_id))
    # Each by the index of its own: whatever is neither was acknowledged, and that is most.
    under_way = exists().where(*of_it, event.finished_at.is_(None))
    given_up = exists().where(*of_it, is_dead(OUTBOX.event))
    return not current_session().scalar(select(or_(under_way, given_up)))


def list_deliveries(wanted: DeliveryFilter, limit: int, cursor: str | None) -> Page[Event]:
    """Return a page of the deliveries that a filter selects, the newest first."""
    event = OUTBOX.event.c
    columns = [event[name] for name in Event.__dataclass_fields__]
    statement: Select[Any] = select(Bundle("event", *columns))
    for player in (wanted.visible_to, wanted.market_player_id):
        if player is not None:
            statement = statement.where(event.lane == str(player))
    if wanted.state is not None:
        statement = statement.where(event.state == wanted.state)
    if wanted.subscription_id is not None:
        statement = statement.where(event.ordering_key == str(wanted.subscription_id))
    if wanted.kind is not None:
        statement = statement.where(event.kind == wanted.kind)
    if wanted.reason_contains is not None:
        statement = statement.where(
            is_dead(OUTBOX.event),
            event.dead_reason.icontains(wanted.reason_contains, autoescape=True),
        )
    if wanted.since is not None:
        statement = statement.where(event.event_id >= first_id_of(wanted.since))
    if wanted.until is not None:
        statement = statement.where(event.event_id < first_id_of(wanted.until))
    newest_first = [Key(event.event_id, descending=True)]
    page: Page[Any] = paginate(
        current_session(), statement, newest_first, limit, cursor, bound_to=wanted
    )
    return page.map(lambda row: Event(**{**row._mapping, "state": EventState(row.state)}))


def newest_of_subscription(
    visible_to: UUID | None, subscription_id: UUID, limit: int, before: UUID | None
) -> Sequence[Event]:
    """Return the newest deliveries about a subscription, those before an id if one is given."""
    event = OUTBOX.event.c
    statement = select(*(event[name] for name in Event.__dataclass_fields__)).where(
        event.ordering_key == str(subscription_id)
    )
    if visible_to is not None:
        statement = statement.where(event.lane == str(visible_to))
    if before is not None:
        statement = statement.where(event.event_id < before)
    rows = current_session().execute(statement.order_by(event.event_id.desc()).limit(limit))
    return [Event(**{**row._mapping, "state": EventState(row.state)}) for row in rows]


def unfinished_of_subscription(
    visible_to: UUID | None, subscription_id: UUID, lanes: Sequence[UUID], limit: int
) -> Sequence[Event]:
    """Return the deliveries to platforms about a subscription that wait or are dead, in order."""
    event = OUTBOX.event.c
    shown = [str(lane) for lane in lanes if visible_to in (None, lane)]
    columns = [event[name] for name in Event.__dataclass_fields__]
    of_it = (event.lane.in_(shown), event.ordering_key == str(subscription_id))
    found: list[Event] = []
    for which in (event.finished_at.is_(None), is_dead(OUTBOX.event)):  # an index each
        statement = select(*columns).where(*of_it, which).order_by(event.position).limit(limit)
        rows = current_session().execute(statement)
        found += [Event(**{**row._mapping, "state": EventState(row.state)}) for row in rows]
    return sorted(found, key=lambda one: one.position)[:limit]


def list_attempts(
    event_id: UUID, resulting_state: EventState | None, limit: int, cursor: str | None
) -> Page[Attempt]:
    """Return a page of the attempts of a delivery, the newest first."""
    attempt = OUTBOX.attempt.c
    columns = [attempt[name] for name in Attempt.__dataclass_fields__]
    statement: Select[Any] = select(Bundle("attempt", *columns)).where(attempt.event_id == event_id)
    if resulting_state is not None:
        statement = statement.where(attempt.resulting_state == resulting_state)
    newest_first = [Key(attempt.number, descending=True)]
    wanted = (event_id, resulting_state)
    page: Page[Any] = paginate(
        current_session(), statement, newest_first, limit, cursor, bound_to=wanted
    )
    return page.map(
        lambda row: Attempt(**{**row._mapping, "resulting_state": EventState(row.resulting_state)})
    )


def dead_letter_reasons(
    visible_to: UUID | None, market_player_id: UUID | None
) -> list[DeadLetterReason]:
    """Return why deliveries are dead, the most frequent reason first."""
    event = OUTBOX.event.c
    reason = func.coalesce(event.dead_reason, "")
    statement = (
        select(reason, func.count(), func.min(event.finished_at), func.max(event.finished_at))
        .where(is_dead(OUTBOX.event))
        .group_by(reason)
    )
    for player in (visible_to, market_player_id):
        if player is not None:
            statement = statement.where(event.lane == str(player))
    found: dict[str, DeadLetterReason] = {}
    for text, count, oldest, newest in current_session().execute(statement):
        plain = _GIVEN_UP.sub(_GIVEN_UP_PLAIN, text)
        known = found.get(plain, DeadLetterReason(plain, 0, oldest, newest))
        found[plain] = DeadLetterReason(
            plain,
            known.count + count,
            min(known.oldest_at, oldest),
            max(known.newest_at, newest),
        )
    return sorted(found.values(), key=lambda one: (-one.count, one.reason))


def lock_lane(name: str) -> None:
    """Keep a lane, if it is there, from being changed until this unit of work is over."""
    lane = OUTBOX.lane.c
    current_session().execute(select(lane.name).where(lane.name == name).with_for_update())


def list_lanes(wanted: LaneFilter, limit: int, cursor: str | None) -> Page[Lane]:
    """Return a page of the lanes that a filter selects, in the order of their names."""
    lane = OUTBOX.lane.c
    statement: Select[Any] = select(Bundle("lane", *lane))
    if wanted.visible_to is not None:
        statement = statement.where(lane.name == str(wanted.visible_to))
    if wanted.mode is not None:
        statement = statement.where(lane.mode == wanted.mode)
    if wanted.breaker_state is not None:
        statement = statement.where(lane.breaker_state == wanted.breaker_state)
    page: Page[Any] = paginate(
        current_session(), statement, [Key(lane.name)], limit, cursor, bound_to=wanted
    )
    return page.map(lambda row: lane_of(row._mapping))


def depths(lanes: Sequence[str]) -> dict[str, LaneDepth]:
    """Return how much waits in each of these lanes, and how much is dead."""
    event = OUTBOX.event.c
    unfinished = (
        select(
            event.lane,
            func.count().filter(event.state == EventState.QUEUED),
            func.count().filter(event.state == EventState.RETRYING),
            func.min(event.created_at),
        )
        .where(event.lane.in_(lanes), event.finished_at.is_(None))
        .group_by(event.lane)
    )
    dead = (
        select(event.lane, func.count())
        .where(event.lane.in_(lanes), is_dead(OUTBOX.event))
        .group_by(event.lane)
    )
    found = dict.fromkeys(lanes, LaneDepth())
    for lane, queued, retrying, oldest in current_session().execute(unfinished):
        found[lane] = LaneDepth(queued, retrying, 0, oldest)
    for lane, count in current_session().execute(dead):
        found[lane] = replace(found[lane], dead=count)
    return found


def list_replays(wanted: ReplayListFilter, limit: int, cursor: str | None) -> Page[Replay]:
    """Return a page of the replays that a filter selects, the newest first."""
    job = REPLAYS.job
    statement: Select[Any] = select(Bundle("job", *job.c))
    for player in (wanted.visible_to, wanted.market_player_id):
        if player is not None:
            statement = statement.where(job.c.lane == str(player))
    if wanted.state is not None:
        statement = statement.where(job.c.state == wanted.state)
    newest_first = [Key(job.c.id, descending=True)]
    page: Page[Any] = paginate(
        current_session(), statement, newest_first, limit, cursor, bound_to=wanted
    )
    return page.map(lambda row: replay_of(row._mapping))


def list_skipped(
    replay_id: UUID, reason: SkipReason | None, limit: int, cursor: str | None
) -> Page[Skipped]:
    """Return a page of the deliveries that a replay passed over, in the order of their ids."""
    skipped = REPLAYS.skipped.c
    statement: Select[Any] = select(Bundle("skipped", skipped.event_id, skipped.reason)).where(
        skipped.replay_id == replay_id
    )
    if reason is not None:
        statement = statement.where(skipped.reason == reason)
    page: Page[Any] = paginate(
        current_session(),
        statement,
        [Key(skipped.event_id)],
        limit,
        cursor,
        bound_to=(replay_id, reason),
    )
    return page.map(lambda row: Skipped(row.event_id, SkipReason(row.reason)))
