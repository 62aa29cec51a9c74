"""Replays of many deliveries: who may ask for which, how they run, and what is told of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from marketplace.core import audit
from marketplace.core.audit import AuditFilter
from marketplace.core.environment import Environment
from marketplace.core.unit_of_work import current_session
from marketplace.delivery import api, listeners, replaying, service
from marketplace.delivery.domain import EventKind
from marketplace.delivery.listeners import Notice
from marketplace.delivery.replaying import Replayer
from mpp_sdk import clock
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    DeliveryReplay,
    DeliveryReplayState,
    DeliveryState,
    SkipReason,
)
from mpp_sdk.errors import Forbidden, IllegalTransition, InvalidInput, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import EventState, Progress, ReplayFilter
from tests.unit.marketplace.delivery.conftest import Directory, PlatformStub
from tests.unit.marketplace.delivery.test_delivery import (
    SECRET,
    company,
    dispatch,
    edge,
    enqueue,
    platform_event,
    until,
)

DEAD_AND_DELIVERED = frozenset({EventState.DEAD, EventState.DELIVERED})


def told(player: UUID, subscription: UUID | None = None) -> service.PlatformEvent:
    return replace(platform_event(player, subscription), kind=EventKind.SERVICE_OFFER_SUSPENDED)


def dispatch_all(environment: Environment, directory: Directory) -> None:
    while dispatch(environment, directory):
        pass


def run(environment: Environment) -> None:
    """Do the batches that there are to do, as a replayer does."""
    for _ in range(100):
        with edge(environment):
            if replaying.advance() is Progress.NOTHING:
                return
    raise AssertionError("It does not come to an end.")


def sent(platform: PlatformStub) -> list[str]:
    return [json.loads(call.body)["eventId"] for call in platform.received]


def read(environment: Environment, replay_id: UUID) -> DeliveryReplay:
    with edge(environment):
        return api.read_replay(replay_id)


def request(environment: Environment, **wanted: Any) -> DeliveryReplay:
    with edge(environment):
        return api.read_replay(replaying.request(ReplayFilter(**wanted), "It was mended.").id)


def test_dead_deliveries_are_sent_again_in_order_and_it_is_audited(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player, subscription = new_id(), new_id()
    directory.platforms[player] = platform
    platform.status = 410
    events = [told(player, subscription) for _ in range(3)]
    enqueue(environment, *events)
    dispatch_all(environment, directory)
    platform.received.clear()
    platform.status = 200

    asked = request(environment, lane=str(player), reason_contains="answered 410")
    run(environment)
    dispatch_all(environment, directory)

    assert sent(platform) == [str(event.event_id) for event in events]
    done = read(environment, asked.replay_id)
    assert (done.state, done.selected, done.replayed) == (DeliveryReplayState.DONE, 3, 3)
    assert (asked.state, asked.selected, asked.requested_by) == ("QUEUED", 0, "Operator")
    with edge(environment):
        entries = audit.entries(
            current_session(), AuditFilter(entity_id=str(asked.replay_id)), 10, None
        ).items
    assert [(one.action, one.reason, one.actor_name) for one in reversed(entries)] == [
        ("request", "It was mended.", "Operator"),
        ("finish", "Queued again: 3. Passed over: 0.", "Marketplace"),
    ]
    assert {one.market_player_id for one in entries} == {player}


def test_all_since_a_moment_leaves_out_what_carried_a_secret_and_names_it(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    secrets = json.dumps({"access": {"apiKey": SECRET}})
    confirmed = replace(platform_event(player), secrets=secrets)
    another = replace(platform_event(player), secrets=secrets)
    suspended = told(player)
    enqueue(environment, confirmed, another, suspended)
    dispatch_all(environment, directory)
    platform.received.clear()
    since = clock.now() - timedelta(hours=1)

    asked = request(environment, states=DEAD_AND_DELIVERED, lane=str(player), since=since)
    run(environment)
    dispatch_all(environment, directory)

    assert sent(platform) == [str(suspended.event_id)]
    done = read(environment, asked.replay_id)
    assert (done.replayed, done.skipped, done.since) == (1, 2, since)
    with edge(environment):
        page = api.list_skipped(asked.replay_id, limit=1)
        assert page.next_cursor is not None
        rest = api.list_skipped(asked.replay_id, limit=1, cursor=page.next_cursor)
        assert rest.next_cursor is None
        assert api.list_skipped(asked.replay_id, reason=SkipReason.SECRETS_ERASED).items
        assert api.read_delivery(confirmed.event_id).state is DeliveryState.DELIVERED
    assert {(one.event_id, one.reason) for one in (*page.items, *rest.items)} == {
        (one.event_id, SkipReason.SECRETS_ERASED) for one in (confirmed, another)
    }


def test_only_kinds_that_may_carry_secrets_do(environment: Environment) -> None:
    with pytest.raises(ValueError, match="carries no secrets"):
        enqueue(environment, replace(told(new_id()), secrets="{}"))


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (ReplayFilter(states=DEAD_AND_DELIVERED), "/since"),
        (
            ReplayFilter(states=DEAD_AND_DELIVERED, since=clock.now(), reason_contains="x"),
            "/reasonContains",
        ),
        (ReplayFilter(since=clock.now(), until=clock.now() - timedelta(hours=1)), "/until"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(
    environment: Environment, wanted: ReplayFilter, pointer: str
) -> None:
    with edge(environment), pytest.raises(InvalidInput) as raised:
        replaying.request(wanted, "Why not.")
    assert [one.pointer for one in raised.value.errors] == [pointer]


def test_a_company_replays_its_own_platforms_deliveries_only(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    mine, other = new_id(), new_id()
    for player in (mine, other):
        directory.platforms[player] = platform
    platform.status = 410
    own, foreign = told(mine), told(other)
    enqueue(environment, own, foreign)
    dispatch_all(environment, directory)

    with edge(environment, company(mine)):
        replay = replaying.request(ReplayFilter(), "Our certificate was renewed.")
        assert replaying.read(replay.id).wanted.lane == str(mine)
    with edge(environment, company(mine)), pytest.raises(Forbidden):
        replaying.request(ReplayFilter(lane=str(other)), "Theirs too.")
    with edge(environment, company(other)):
        for seen in (replaying.read, lambda one: replaying.cancel(one, "No.")):
            with pytest.raises(NotFound):
                seen(replay.id)
        assert replaying.list_replays(limit=10).items == []
    run(environment)
    with edge(environment):
        assert service.read_delivery(own.event_id).state is EventState.QUEUED
        assert service.read_delivery(foreign.event_id).state is EventState.DEAD
        by_operator = replaying.request(ReplayFilter(lane=str(mine)), "It called.")
    with edge(environment, company(mine)):
        found = replaying.list_replays(limit=10).items
    assert [one.id for one in found] == [by_operator.id, replay.id]


def test_a_canceled_replay_sends_nothing(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    platform.status = 410
    event = told(player)
    enqueue(environment, event)
    dispatch_all(environment, directory)
    asked = request(environment)
    with edge(environment):
        canceled = api.cancel_replay(asked.replay_id, ActionReason(reason="Not yet."))
    run(environment)
    with edge(environment):
        assert service.read_delivery(event.event_id).state is EventState.DEAD
        with pytest.raises(IllegalTransition):
            replaying.cancel(asked.replay_id, "Again.")
    assert canceled.state is DeliveryReplayState.CANCELED


def test_the_replayer_of_any_process_does_what_was_asked_for(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    platform.status = 410
    enqueue(environment, *[told(player) for _ in range(5)])
    dispatch_all(environment, directory)
    replayer = Replayer(environment)
    replayer.start()
    try:
        asked = request(environment)  # wakes it: its interval is far longer than this test
        until(lambda: read(environment, asked.replay_id).state is DeliveryReplayState.DONE)
    finally:
        replayer.stop()
    assert read(environment, asked.replay_id).replayed == 5


# ------------------------------------------------------------------ dead letters


def test_dead_letters_are_counted_and_found_by_reason(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player, other = new_id(), new_id()
    directory.platforms |= {player: platform, other: platform}
    for status, players in ((410, [player, player, other]), (422, [player])):
        platform.status = status
        enqueue(environment, *[told(one) for one in players])
        dispatch_all(environment, directory)

    with edge(environment):
        everywhere = api.list_dead_letter_reasons().items
        [of_other] = api.list_dead_letter_reasons(other).items
        found = api.list_deliveries(reason_contains="ANSWERED 422").items
        none = api.list_deliveries(reason_contains="%").items
    with edge(environment, company(other)):
        assert api.list_dead_letter_reasons().items == [of_other]
        assert api.list_dead_letter_reasons(player).items == []
    assert [(one.reason, one.count) for one in everywhere] == [
        ("The platform answered 410.", 3),
        ("The platform answered 422.", 1),
    ]
    assert everywhere[0].oldest_at <= everywhere[0].newest_at
    assert of_other.count == 1
    assert [one.reason for one in found] == ["The platform answered 422."]
    assert none == []


def test_a_delivery_that_holds_up_its_subscription_is_given_up_by_hand(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player, subscription = new_id(), new_id()
    directory.platforms[player] = platform
    platform.status = 500
    stuck, behind = told(player, subscription), told(player, subscription)
    enqueue(environment, stuck, behind)
    dispatch(environment, directory)
    platform.status = 200
    assert dispatch(environment, directory) == 0  # the next attempt is in seconds
    notices: list[Notice] = []
    listeners.on_dead(EventKind.SERVICE_OFFER_SUSPENDED, notices.append)

    with edge(environment):
        given_up = api.discard(stuck.event_id, ActionReason(reason="It never takes this one."))
    platform.received.clear()
    dispatch_all(environment, directory)

    assert (given_up.state, given_up.reason) == (
        DeliveryState.DEAD,
        "Given up by hand: It never takes this one.",
    )
    assert sent(platform) == [str(behind.event_id)]
    assert [one.event_id for one in notices] == [stuck.event_id]
    with edge(environment):
        entries = audit.entries(
            current_session(), AuditFilter(entity_id=str(stuck.event_id)), 10, None
        ).items
        assert [(one.action, one.from_state, one.to_state, one.reason) for one in entries] == [
            ("discard", "RETRYING", "DEAD", "It never takes this one.")
        ]
        for finished in (stuck, behind):
            with pytest.raises(IllegalTransition):
                service.discard(finished.event_id, "Again.")
        service.replay(stuck.event_id, "It does now.")
    dispatch_all(environment, directory)
    assert sent(platform)[1:] == [str(stuck.event_id)]


@pytest.mark.parametrize("change", [service.replay, service.discard])
def test_only_operators_replay_or_give_up_one(
    environment: Environment, change: Callable[[UUID, str], object]
) -> None:
    player = new_id()
    event = told(player)
    enqueue(environment, event)
    with edge(environment, company(player)), pytest.raises(Forbidden):
        change(event.event_id, "Please.")


def test_what_cannot_be_replayed_says_what_can_be_done(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    event = told(player)
    enqueue(environment, event)
    with edge(environment), pytest.raises(IllegalTransition) as waiting:
        service.replay(event.event_id, "Now.")
    dispatch_all(environment, directory)
    with edge(environment), pytest.raises(IllegalTransition) as delivered:
        service.replay(event.event_id, "Now.")
    assert waiting.value.detail.endswith("Allowed now: discard.")
    assert delivered.value.detail.endswith("Allowed now: replay all since a moment.")


def test_what_a_replay_would_send_is_counted_before_and_a_company_counts_its_own(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    own, others = new_id(), new_id()
    platform.status = 410
    directory.platforms = {own: platform, others: platform}
    for player in (own, own, others):
        enqueue(environment, told(player))
        dispatch_all(environment, directory)

    def count(**wanted: Any) -> int:
        return replaying.count(ReplayFilter(**wanted))

    with edge(environment):
        assert count() == 3
        assert count(lane=str(own)) == 2
        assert count(reason_contains="410") == 3
        assert count(reason_contains="503") == 0
        assert count(since=clock.now()) == 0
        with pytest.raises(InvalidInput, match="since"):
            count(states=DEAD_AND_DELIVERED)
    with edge(environment, company(own)):
        assert count() == 2
        with pytest.raises(Forbidden):
            count(lane=str(others))
    request(environment)
    run(environment)
    with edge(environment):
        assert count() == 0
