"""Deliveries over HTTP."""

import json
from uuid import UUID

from marketplace.delivery import domain, lanes, replaying, service
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    AttemptOutcome,
    BreakerState,
    DeadLetterReason,
    DeadLetterReasonList,
    Delivery,
    DeliveryAttempt,
    DeliveryAttemptPage,
    DeliveryLane,
    DeliveryLaneMode,
    DeliveryLanePage,
    DeliveryLimits,
    DeliveryPage,
    DeliveryReplay,
    DeliveryReplayDraft,
    DeliveryReplayPage,
    DeliveryReplayState,
    DeliveryState,
    EventKind,
    FinishedDeliveryState,
    PlatformRole,
    SkippedDelivery,
    SkippedDeliveryPage,
    SkipReason,
)
from mpp_sdk.outbox import (
    Attempt,
    Event,
    EventState,
    LaneMode,
    Replay,
    ReplayFilter,
    ReplayState,
)
from mpp_sdk.outbox import BreakerState as StateOfBreaker
from mpp_sdk.outbox import SkipReason as ReasonToSkip
from mpp_sdk.web.call import Reply, current_call

_OUTCOMES = {
    EventState.DELIVERED: AttemptOutcome.DELIVERED,
    EventState.RETRYING: AttemptOutcome.RETRY,
    EventState.DEAD: AttemptOutcome.DEAD,
}
_STATES = {outcome: state for state, outcome in _OUTCOMES.items()}


def list_deliveries(
    limit: int = 50,
    cursor: str | None = None,
    state: DeliveryState | None = None,
    market_player_id: UUID | None = None,
    subscription_id: UUID | None = None,
    kind: EventKind | None = None,
    reason_contains: str | None = None,
) -> DeliveryPage:
    """Answer with the deliveries that the caller may see."""
    page = service.list_deliveries(
        limit=limit,
        cursor=cursor,
        state=None if state is None else EventState(state.value),
        market_player_id=market_player_id,
        subscription_id=subscription_id,
        kind=None if kind is None else domain.EventKind(kind.value),
        reason_contains=reason_contains,
    )
    return DeliveryPage(items=[_delivery(one) for one in page.items], next_cursor=page.next_cursor)


def read_delivery(event_id: UUID) -> Delivery:
    """Answer with a delivery and what is sent, without secrets."""
    event = service.read_delivery(event_id)
    return _delivery(event).model_copy(update={"payload": json.loads(event.payload)})


def list_attempts(
    event_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    outcome: AttemptOutcome | None = None,
) -> DeliveryAttemptPage:
    """Answer with the attempts of a delivery."""
    page = service.list_attempts(
        event_id,
        limit=limit,
        cursor=cursor,
        resulting_state=None if outcome is None else _STATES[outcome],
    )
    return DeliveryAttemptPage(
        items=[_attempt(one) for one in page.items], next_cursor=page.next_cursor
    )


def replay(event_id: UUID, body: ActionReason) -> Delivery:
    """Answer with a dead delivery, queued again."""
    return _delivery(service.replay(event_id, body.reason))


def discard(event_id: UUID, body: ActionReason) -> Delivery:
    """Answer with a delivery that is given up."""
    return _delivery(service.discard(event_id, body.reason))


def list_dead_letter_reasons(market_player_id: UUID | None = None) -> DeadLetterReasonList:
    """Answer with the reasons why deliveries are dead."""
    found = service.list_dead_letter_reasons(market_player_id)
    return DeadLetterReasonList(
        items=[
            DeadLetterReason(
                reason=one.reason,
                count=one.count,
                oldest_at=one.oldest_at,
                newest_at=one.newest_at,
            )
            for one in found
        ]
    )


def read_lane(market_player_id: UUID) -> Reply:
    """Answer with how deliveries to a platform stand."""
    return _lane_reply(lanes.read(market_player_id))


def limit_lane(market_player_id: UUID, body: DeliveryLimits, if_match: str | None = None) -> Reply:
    """Answer with a lane that has other limits."""
    limits = lanes.Limits(body.max_concurrency, body.max_per_second)
    return _lane_reply(lanes.limit(market_player_id, limits, body.reason, if_match))


def pause_lane(market_player_id: UUID, body: ActionReason) -> Reply:
    """Answer with a lane that is PAUSED."""
    return _lane_reply(lanes.pause(market_player_id, body.reason))


def drain_lane(market_player_id: UUID, body: ActionReason) -> Reply:
    """Answer with a lane that is DRAINING."""
    return _lane_reply(lanes.drain(market_player_id, body.reason))


def resume_lane(market_player_id: UUID, body: ActionReason) -> Reply:
    """Answer with a lane that is RUNNING."""
    return _lane_reply(lanes.resume(market_player_id, body.reason))


def list_lanes(
    limit: int = 50,
    cursor: str | None = None,
    mode: DeliveryLaneMode | None = None,
    breaker_state: BreakerState | None = None,
) -> DeliveryLanePage:
    """Answer with how deliveries to the platforms stand."""
    page = lanes.list_lanes(
        limit=limit,
        cursor=cursor,
        mode=None if mode is None else LaneMode(mode.value),
        breaker_state=None if breaker_state is None else StateOfBreaker(breaker_state.value),
    )
    return DeliveryLanePage(items=[_lane(one) for one in page.items], next_cursor=page.next_cursor)


def _lane_reply(standing: lanes.Standing) -> Reply:
    return Reply(_lane(standing), headers={"ETag": lanes.tag(standing.lane)})


def _lane(standing: lanes.Standing) -> DeliveryLane:
    lane, depth = standing.lane, standing.depth
    return DeliveryLane(
        market_player_id=UUID(lane.name),
        mode=DeliveryLaneMode(lane.mode.value),
        breaker_state=BreakerState(lane.breaker_state.value),
        consecutive_failures=lane.consecutive_failures,
        next_probe_at=lane.probe_at,
        queued=depth.queued,
        retrying=depth.retrying,
        dead=depth.dead,
        oldest_waiting_at=depth.oldest_waiting_at,
        max_concurrency=lane.max_concurrency,
        max_per_second=lane.max_per_second,
    )


def request_replay(body: DeliveryReplayDraft) -> Reply:
    """Answer with a new replay."""
    states = body.states or [FinishedDeliveryState.DEAD]
    wanted = ReplayFilter(
        states=frozenset(EventState(state.value) for state in states),
        lane=None if body.market_player_id is None else str(body.market_player_id),
        ordering_key=None if body.subscription_id is None else str(body.subscription_id),
        kind=None if body.kind is None else body.kind.value,
        since=body.since,
        until=body.until,
        reason_contains=body.reason_contains,
    )
    replay = replaying.request(wanted, body.reason)
    path = f"{current_call().contract.base_path}/delivery-replays/{replay.id}"
    return Reply(_replay(replay), headers={"Location": path})


def list_replays(
    limit: int = 50,
    cursor: str | None = None,
    state: DeliveryReplayState | None = None,
    market_player_id: UUID | None = None,
) -> DeliveryReplayPage:
    """Answer with the replays that the caller may see."""
    page = replaying.list_replays(
        limit=limit,
        cursor=cursor,
        state=None if state is None else ReplayState(state.value),
        market_player_id=market_player_id,
    )
    return DeliveryReplayPage(
        items=[_replay(one) for one in page.items], next_cursor=page.next_cursor
    )


def read_replay(replay_id: UUID) -> DeliveryReplay:
    """Answer with a replay."""
    return _replay(replaying.read(replay_id))


def cancel_replay(replay_id: UUID, body: ActionReason) -> DeliveryReplay:
    """Answer with a replay that was canceled."""
    return _replay(replaying.cancel(replay_id, body.reason))


def list_skipped(
    replay_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    reason: SkipReason | None = None,
) -> SkippedDeliveryPage:
    """Answer with the deliveries that a replay passed over."""
    page = replaying.list_skipped(
        replay_id,
        limit=limit,
        cursor=cursor,
        reason=None if reason is None else ReasonToSkip(reason.value),
    )
    return SkippedDeliveryPage(
        items=[
            SkippedDelivery(event_id=one.event_id, reason=SkipReason(one.reason.value))
            for one in page.items
        ],
        next_cursor=page.next_cursor,
    )


def _replay(replay: Replay) -> DeliveryReplay:
    wanted = replay.wanted
    return DeliveryReplay(
        replay_id=replay.id,
        state=DeliveryReplayState(replay.state.value),
        states=[FinishedDeliveryState(state.value) for state in sorted(wanted.states)],
        market_player_id=None if wanted.lane is None else UUID(wanted.lane),
        subscription_id=None if wanted.ordering_key is None else UUID(wanted.ordering_key),
        kind=None if wanted.kind is None else EventKind(wanted.kind),
        since=wanted.since,
        until=wanted.until,
        reason_contains=wanted.reason_contains,
        reason=replay.reason,
        requested_by=replay.requested_by,
        requested_at=replay.requested_at,
        started_at=replay.started_at,
        finished_at=replay.finished_at,
        progress=round(replay.progress, 4),
        selected=replay.selected,
        replayed=replay.replayed,
        skipped=replay.skipped,
    )


def _delivery(event: Event) -> Delivery:
    return Delivery(
        event_id=event.event_id,
        kind=EventKind(event.kind),
        market_player_id=UUID(event.lane),
        platform_role=PlatformRole(domain.role_of(event.path).value),
        subscription_id=UUID(event.ordering_key),
        state=DeliveryState(event.state.value),
        attempts=event.attempts,
        next_attempt_at=event.next_attempt_at,
        occurred_at=event.occurred_at,
        delivered_at=event.finished_at if event.state is EventState.DELIVERED else None,
        reason=event.dead_reason,
        correlation_id=event.correlation_id,
    )


def _attempt(attempt: Attempt) -> DeliveryAttempt:
    return DeliveryAttempt(
        number=attempt.number,
        started_at=attempt.started_at,
        duration_ms=attempt.duration_ms,
        outcome=_OUTCOMES[attempt.resulting_state],
        status=attempt.status,
        error=attempt.error,
        response=attempt.response_body,
    )
