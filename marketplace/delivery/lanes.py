"""Use cases of lanes: how deliveries to a platform stand, and what operators say about them."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy import Connection

from marketplace.core import audit
from marketplace.core.environment import current_environment
from marketplace.core.etag import check_tag
from marketplace.core.paging import Page
from marketplace.core.unit_of_work import after_commit, current_session
from marketplace.delivery import queue, repository
from marketplace.delivery.repository import LaneDepth, LaneFilter
from marketplace.identity import service as identity
from marketplace.identity.access import require_operator, visible_to
from mpp_sdk.outbox import BreakerState, Lane, LaneMode, Outbox

_KIND = "DeliveryLane"


@dataclass(frozen=True)
class Limits:
    """How many calls are made at once and a second at most; None: as the settings say."""

    max_concurrency: int | None
    max_per_second: float | None

    def __str__(self) -> str:
        at_once = "as set for all" if self.max_concurrency is None else str(self.max_concurrency)
        rate = "no limit" if self.max_per_second is None else f"{self.max_per_second:g}"
        return f"At once: {at_once}. A second: {rate}."


@dataclass(frozen=True)
class Standing:
    """A lane, and how much waits in it."""

    lane: Lane
    depth: LaneDepth


def read(market_player_id: UUID) -> Standing:
    """Return how deliveries to a platform stand: one's own, or any for operators.

    Raises NotFound.
    """
    identity.read_market_player(market_player_id)
    return _standing(_lane(str(market_player_id)))


def list_lanes(
    *,
    limit: int,
    cursor: str | None = None,
    mode: LaneMode | None = None,
    breaker_state: BreakerState | None = None,
) -> Page[Standing]:
    """Return a page of how deliveries to the platforms stand that the caller may see."""
    page = repository.list_lanes(LaneFilter(visible_to(), mode, breaker_state), limit, cursor)
    depths = repository.depths([lane.name for lane in page.items])
    return page.map(lambda lane: Standing(lane, depths[lane.name]))


def pause(market_player_id: UUID, reason: str) -> Standing:
    """Return a lane that is PAUSED: nothing more is sent, everything is kept. For operators."""
    return _change(market_player_id, "pause", reason, _outbox().pause)


def drain(market_player_id: UUID, reason: str) -> Standing:
    """Return a lane that is DRAINING: what waits now is sent, then it is PAUSED. For operators."""
    return _change(market_player_id, "drain", reason, _outbox().drain)


def resume(market_player_id: UUID, reason: str) -> Standing:
    """Return a lane that is RUNNING again. For operators."""
    return _change(market_player_id, "resume", reason, _outbox().resume)


def limit(market_player_id: UUID, limits: Limits, reason: str, if_match: str | None) -> Standing:
    """Return a lane that has other limits. For operators.

    Raises PreconditionRequired and PreconditionFailed as `check_tag` does.
    """

    def change(connection: Connection, name: str) -> Lane:
        return _outbox().limit(
            connection,
            name,
            max_concurrency=limits.max_concurrency,
            max_per_second=limits.max_per_second,
        )

    require_operator()
    repository.lock_lane(str(market_player_id))
    check_tag(tag(read(market_player_id).lane), if_match)
    return _change(market_player_id, "limit", f"{reason} ({limits})", change)


def tag(lane: Lane) -> str:
    """Return the ETag of what operators have set for a lane."""
    said = repr((lane.mode.value, lane.max_concurrency, lane.max_per_second))
    return f'"{sha256(said.encode()).hexdigest()[:16]}"'


def _change(
    market_player_id: UUID, action: str, reason: str, change: Callable[[Connection, str], Lane]
) -> Standing:
    require_operator()
    before = read(market_player_id).lane
    after = change(current_session().connection(), before.name)
    audit.record(
        _KIND,
        market_player_id,
        action,
        from_state=before.mode,
        to_state=after.mode,
        reason=reason,
        market_player_id=market_player_id,
    )
    environment = current_environment()
    after_commit(lambda: queue.wake(environment))
    return _standing(after)


def _lane(name: str) -> Lane:
    """Return a lane; one that has never carried an event is as it will be when it does."""
    known = _outbox().read_lane(current_session().connection(), name)
    return known or Lane(
        name=name,
        due_at=None,
        lease_owner=None,
        lease_expires_at=None,
        breaker_state=BreakerState.CLOSED,
        consecutive_failures=0,
        probe_at=None,
        mode=LaneMode.RUNNING,
        drain_until=None,
        max_concurrency=None,
        max_per_second=None,
    )


def _standing(lane: Lane) -> Standing:
    return Standing(lane, repository.depths([lane.name])[lane.name])


def _outbox() -> Outbox:
    return queue.outbox_of(current_environment())
