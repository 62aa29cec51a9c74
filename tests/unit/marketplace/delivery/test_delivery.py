"""The delivery queue from a use case's unit of work to the platform and back."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from marketplace.core import audit
from marketplace.core.audit import AuditEntry, AuditFilter
from marketplace.core.contract_version import ContractVersion
from marketplace.core.environment import Environment, current_environment, in_environment
from marketplace.core.unit_of_work import current_session, unit_of_work
from marketplace.delivery import api, lanes, listeners, queue, service
from marketplace.delivery.domain import EventKind, PlatformRole, path_of, role_of, too_new
from marketplace.delivery.listeners import Notice
from marketplace.delivery.sender import PlatformSender
from marketplace.delivery.service import PlatformEvent
from marketplace.delivery.tables import OUTBOX
from marketplace.delivery.wake_ups import WakeUps, make_broker
from marketplace.delivery.worker import DeliveryWorker
from marketplace.identity.access import MarketplacePrincipal, acting_for
from marketplace.identity.domain import AccessRole, MarketPlayerState
from mpp_sdk import clock
from mpp_sdk.contracts.marketplace.models import ActionReason, AttemptOutcome, DeliveryState
from mpp_sdk.contracts.marketplace.models import EventKind as ContractEventKind
from mpp_sdk.errors import Forbidden, IllegalTransition, InvalidInput, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import BreakerState, Dispatcher, Event, EventState, RetryPolicy
from mpp_sdk.transport import AddressPolicy, GuardedClient
from mpp_sdk.web.contract import Contract
from mpp_sdk.webhooks import new_signing_secret, verify
from tests.unit.marketplace.delivery.conftest import Directory, PlatformStub

OPERATOR = MarketplacePrincipal("op", "Operator", roles=frozenset({AccessRole.OPERATOR}))
LOCAL = AddressPolicy(allow_private=True, allow_http=True)
SECRET = "very-secret"


def company(market_player_id: UUID) -> MarketplacePrincipal:
    return MarketplacePrincipal(
        str(market_player_id),
        "Company",
        roles=frozenset({AccessRole.PROVIDER}),
        market_player_id=market_player_id,
        player_state=MarketPlayerState.ACTIVE,
    )


def platform_event(player: UUID, subscription: UUID | None = None) -> PlatformEvent:
    event_id = new_id()
    return PlatformEvent(
        event_id=event_id,
        kind=EventKind.SERVICE_OFFER_CONFIRMED,
        market_player_id=player,
        platform_role=PlatformRole.REQUESTER,
        subscription_id=subscription or new_id(),
        occurred_at=clock.now(),
        payload=json.dumps({"eventId": str(event_id), "name": "Škofja Loka"}),
    )


@contextmanager
def edge(environment: Environment, principal: MarketplacePrincipal = OPERATOR) -> Iterator[None]:
    with (
        in_environment(environment),
        unit_of_work(environment.engine),
        acting_for(principal, "corr-1"),
    ):
        yield


def enqueue(environment: Environment, *events: PlatformEvent) -> None:
    with edge(environment):
        for event in events:
            service.enqueue(event)


def dispatch(environment: Environment, directory: Directory) -> int:
    """Try what is due once; return how many events were tried."""
    sender = PlatformSender(directory, GuardedClient(LOCAL))
    return Dispatcher(queue.outbox_of(environment), sender, within=sender).run_once()


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


@contextmanager
def working(worker: DeliveryWorker) -> Iterator[DeliveryWorker]:
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


@pytest.mark.parametrize("kind", EventKind)
@pytest.mark.parametrize("role", PlatformRole)
def test_every_kind_has_a_path_of_the_contract(kind: EventKind, role: PlatformRole) -> None:
    path = path_of(kind, role)
    service_offers = ("confirmed", "canceled", "suspended", "resumed")
    assert path in {
        f"/points-of-delivery/requested/{role}",
        *(f"/service-offer/{what}/{role}" for what in service_offers),
    }
    assert role_of(path) is role


def test_a_committed_event_reaches_the_platform_signed(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    platform.signing_secrets = [new_signing_secret(), new_signing_secret()]
    event = replace(platform_event(player), secrets=json.dumps({"access": {"apiKey": SECRET}}))
    assert SECRET not in repr(event)
    enqueue(environment, event)
    assert dispatch(environment, directory) == 1
    (call,) = platform.received
    assert call.path == "/platform/eu-mp/v1/service-offer/confirmed/requester"
    assert call.headers["X-API-Key"] == platform.api_key
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["X-Correlation-Id"] == "corr-1"
    for secret in platform.signing_secrets:
        assert verify(call.headers, call.body, [secret]) == str(event.event_id)
    assert json.loads(call.body) == json.loads(event.payload) | {"access": {"apiKey": SECRET}}
    with edge(environment):
        assert service.read_delivery(event.event_id).state is EventState.DELIVERED
        shown = api.read_delivery(event.event_id)
        assert SECRET not in shown.model_dump_json()
        assert shown.payload == json.loads(event.payload)
        (attempt,) = api.list_attempts(event.event_id).items
    assert (attempt.status, attempt.response, attempt.error) == (200, "noted\n\ufffd", None)


def test_an_event_of_a_unit_of_work_that_fails_is_never_sent(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform

    def fail() -> None:
        with edge(environment):
            service.enqueue(platform_event(player))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert dispatch(environment, directory) == 0
    assert platform.received == []


def test_a_platform_without_a_connection_is_tried_again(
    environment: Environment, directory: Directory
) -> None:
    event = platform_event(new_id())
    enqueue(environment, event)
    assert dispatch(environment, directory) == 1
    with edge(environment):
        delivery = api.read_delivery(event.event_id)
        (attempt,) = api.list_attempts(event.event_id).items
    assert delivery.state is DeliveryState.RETRYING
    assert delivery.next_attempt_at is not None
    assert (attempt.outcome.value, attempt.status) == ("RETRY", None)
    assert attempt.error == "The market player has not stated its platform's address."


def test_an_address_is_checked_again_when_it_is_called(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    strict = environment.settings.model_copy(update={"allow_private_addresses": False})
    event = platform_event(player)
    enqueue(environment, event)
    with working(DeliveryWorker(Environment(strict, environment.engine), directory)):

        def attempts() -> int:
            with edge(environment):
                return service.read_delivery(event.event_id).attempts

        until(lambda: attempts() > 0)
    with edge(environment):
        error = api.list_attempts(event.event_id).items[-1].error
    assert error == "127.0.0.1 is not at a public address."
    assert platform.received == []


def test_listeners_act_in_the_recording_unit_of_work(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player, subscription = new_id(), new_id()
    directory.platforms[player] = platform
    seen: list[Notice] = []

    def act(notice: Notice) -> None:
        seen.append(notice)
        assert current_environment() is environment
        audit.record("Subscription", notice.subscription_id, "activate")
        if len(seen) == 1:  # what follows from an event may be another one
            service.enqueue(platform_event(player, subscription))

    listeners.on_delivered(EventKind.SERVICE_OFFER_CONFIRMED, act)
    listeners.on_delivered(EventKind.SERVICE_OFFER_CONFIRMED, act)
    others: list[Notice] = []
    listeners.on_delivered(EventKind.SERVICE_OFFER_CANCELED, others.append)
    listeners.on_dead(EventKind.SERVICE_OFFER_CONFIRMED, others.append)
    event = platform_event(player, subscription)
    enqueue(environment, event)
    assert dispatch(environment, directory) == 1
    assert dispatch(environment, directory) == 1
    assert others == []
    first = seen[0]
    assert (first.event_id, first.market_player_id, first.subscription_id, first.state) == (
        event.event_id,
        player,
        subscription,
        EventState.DELIVERED,
    )
    assert len(seen) == 2
    with edge(environment):
        entries = audit.entries(current_session(), AuditFilter(), 50, None).items
    done = [(entry.entity_kind, entry.action, entry.correlation_id) for entry in entries]
    assert done.count(("Subscription", "activate", "corr-1")) == 2
    assert done.count(("Delivery", "deliver", "corr-1")) == 2


def test_a_listener_that_fails_undoes_the_recording_and_all_that_others_did(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform

    def fail(notice: Notice) -> None:
        audit.record("Subscription", notice.subscription_id, "activate")
        raise ZeroDivisionError

    listeners.on_delivered(EventKind.SERVICE_OFFER_CONFIRMED, fail)
    event = platform_event(player)
    enqueue(environment, event)
    assert dispatch(environment, directory) == 1
    with edge(environment):
        assert service.read_delivery(event.event_id).state is EventState.QUEUED
        assert current_session().scalars(select(AuditEntry)).all() == []


def test_a_refused_event_is_dead_and_an_operator_replays_it(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    dead: list[Notice] = []
    listeners.on_dead(EventKind.SERVICE_OFFER_CONFIRMED, dead.append)
    event = platform_event(player)
    enqueue(environment, event)
    platform.status = 410
    assert dispatch(environment, directory) == 1
    assert [notice.reason for notice in dead] == ["The platform answered 410."]
    with edge(environment, company(player)):
        assert api.read_delivery(event.event_id).reason == "The platform answered 410."
        with pytest.raises(Forbidden):
            api.replay(event.event_id, ActionReason(reason="please"))
    with edge(environment):
        replayed = api.replay(event.event_id, ActionReason(reason="renewed"))
        assert (replayed.state, replayed.attempts) == (DeliveryState.QUEUED, 1)
        with pytest.raises(NotFound):
            api.replay(new_id(), ActionReason(reason="renewed"))
    platform.status = 204
    assert dispatch(environment, directory) == 1
    first, second = platform.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    with edge(environment):
        with pytest.raises(IllegalTransition):
            api.replay(event.event_id, ActionReason(reason="again"))
        entries = audit.entries(
            current_session(), AuditFilter(entity_id=str(event.event_id)), 10, None
        ).items
        assert [(one.action, one.to_state) for one in reversed(entries)] == [
            ("give up", "DEAD"),
            ("replay", "QUEUED"),
            ("deliver", "DELIVERED"),
        ]
        outcomes = [one.outcome.value for one in api.list_attempts(event.event_id).items]
        dead_ones = api.list_attempts(event.event_id, outcome=AttemptOutcome.DEAD).items
    assert outcomes == ["DELIVERED", "DEAD"]
    assert [one.number for one in dead_ones] == [1]


def test_a_company_sees_its_own_deliveries_only(environment: Environment) -> None:
    mine, other = new_id(), new_id()
    subscription = new_id()
    my_event, other_event = platform_event(mine, subscription), platform_event(other, subscription)
    enqueue(environment, my_event, other_event)
    with edge(environment, company(mine)):
        assert [one.event_id for one in api.list_deliveries().items] == [my_event.event_id]
        assert api.list_deliveries(market_player_id=other).items == []
        assert len(api.list_deliveries(subscription_id=subscription).items) == 1
        for read in (api.read_delivery, api.list_attempts):
            with pytest.raises(NotFound):
                read(other_event.event_id)
            with pytest.raises(NotFound):
                read(new_id())
    with edge(environment):
        assert len(api.list_deliveries().items) == 2
        assert len(api.list_deliveries(market_player_id=other).items) == 1


def test_deliveries_and_attempts_are_paged_and_filtered(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    events = [platform_event(player) for _ in range(7)]
    canceled = replace(platform_event(player), kind=EventKind.SERVICE_OFFER_CANCELED)
    enqueue(environment, *events, canceled)
    platform.status = 503
    assert dispatch(environment, directory) == 8
    with edge(environment):
        listed, cursor = [], None
        while True:
            page = api.list_deliveries(limit=3, cursor=cursor)
            listed += [one.event_id for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert listed == [one.event_id for one in reversed([*events, canceled])]
        first = api.list_deliveries(limit=3)
        with pytest.raises(InvalidInput):
            api.list_deliveries(cursor=first.next_cursor, state=DeliveryState.DEAD)
        with pytest.raises(InvalidInput):
            api.list_attempts(canceled.event_id, cursor=first.next_cursor)
        assert len(api.list_deliveries(state=DeliveryState.RETRYING).items) == 8
        assert api.list_deliveries(state=DeliveryState.QUEUED).items == []
        kind = ContractEventKind.SERVICE_OFFER_CANCELED
        (only,) = api.list_deliveries(kind=kind).items
    assert only.event_id == canceled.event_id
    assert only.platform_role is not None
    assert only.payload is None


def test_a_wake_up_delivers_at_once(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    lazy = environment.settings.model_copy(update={"poll_interval": timedelta(seconds=60)})
    environment = Environment(lazy, environment.engine)
    with working(DeliveryWorker(environment, directory)):
        time.sleep(0.3)  # the first look is over
        enqueue(environment, platform_event(player))
        assert platform.arrived.wait(3)


def test_a_lost_wake_up_costs_a_poll(
    environment: Environment,
    directory: Directory,
    platform: PlatformStub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    monkeypatch.setattr(queue, "wake", lambda environment: None)
    with working(DeliveryWorker(environment, directory)):
        enqueue(environment, platform_event(player))
        assert platform.arrived.wait(5)


def test_a_broker_that_is_down_delays_neither_the_caller_nor_the_event(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    down = environment.settings.model_copy(update={"broker_url": f"amqp://127.0.0.1:{port}"})
    environment = Environment(down, environment.engine)
    with working(DeliveryWorker(environment, directory)):
        started = time.monotonic()
        enqueue(environment, platform_event(player))
        assert time.monotonic() - started < 1
        assert platform.arrived.wait(5)


def test_a_platform_that_is_started_later_gets_its_events(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    event = platform_event(player)
    retry = RetryPolicy(first_delay=timedelta(milliseconds=50))
    with working(DeliveryWorker(environment, directory, retry=retry)):
        enqueue(environment, event)

        def state() -> EventState:
            with edge(environment):
                return service.read_delivery(event.event_id).state

        until(lambda: state() is EventState.RETRYING)
        directory.platforms[player] = platform
        until(lambda: state() is EventState.DELIVERED)
    assert len(platform.received) == 1


def test_what_an_older_platform_has_no_path_for_is_dead_at_once_and_holds_up_nothing(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player, subscription = new_id(), new_id()
    directory.platforms[player] = platform
    platform.unknown = "/points-of-delivery/"
    kinds = (EventKind.POINTS_OF_DELIVERY_REQUESTED, EventKind.SERVICE_OFFER_SUSPENDED)
    first, behind = (
        replace(platform_event(player, subscription), kind=kind, secrets=None) for kind in kinds
    )
    enqueue(environment, first)
    enqueue(environment, behind)
    with working(DeliveryWorker(environment, directory)):

        def of(event: PlatformEvent) -> Event:
            with edge(environment):
                return service.read_delivery(event.event_id)

        until(lambda: of(behind).state is EventState.DELIVERED)
    dead = of(first)
    assert (dead.state, dead.attempts) == (EventState.DEAD, 1)
    assert dead.dead_reason == (
        "The platform answered 404. It does not know points-of-delivery.requested;"
        " its version of the contract is older."
    )
    with edge(environment):
        assert lanes.list_lanes(limit=9).items[0].lane.breaker_state is BreakerState.CLOSED
    platform.unknown = None
    with edge(environment):
        service.replay(first.event_id, "It was brought up to date.")
    with working(DeliveryWorker(environment, directory)):
        until(lambda: of(first).state is EventState.DELIVERED)


LATER, EARLIER = EventKind.POINTS_OF_DELIVERY_REQUESTED, EventKind.SERVICE_OFFER_SUSPENDED


def of_kinds(player: UUID, *kinds: EventKind) -> list[PlatformEvent]:
    """Return events of one subscription, to one platform."""
    subscription = new_id()
    made = (platform_event(player, subscription) for _ in kinds)
    return [replace(one, kind=kind, secrets=None) for one, kind in zip(made, kinds, strict=True)]


def test_what_came_later_is_not_sent_to_a_platform_that_is_known_to_be_older(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    platform.contract_version, platform.speaks = ContractVersion(1, 0, 7), "1.0.7"
    events = of_kinds(player, LATER, EARLIER)
    for event in events:
        enqueue(environment, event)
    with working(DeliveryWorker(environment, directory)):

        def of(event: PlatformEvent) -> Event:
            with edge(environment):
                return service.read_delivery(event.event_id)

        until(lambda: of(events[1]).state is EventState.DELIVERED)
    assert [one.path for one in platform.received] == [
        "/platform/eu-mp/v1/service-offer/suspended/requester"
    ]
    assert platform.asked == [("/platform/eu-mp/v1/test", platform.api_key)]
    dead = of(events[0])
    reason = (
        "Not sent: points-of-delivery.requested came with version 1.1 of the EU-MP contract, and"
        " the platform speaks 1.0. Bring the platform up to date, then replay this."
    )
    assert (dead.state, dead.attempts, dead.dead_reason) == (EventState.DEAD, 1, reason)
    with edge(environment):
        [attempt] = service.list_attempts(dead.event_id, limit=9).items
        assert (attempt.status, attempt.error) == (None, reason)

    platform.speaks = "1.1.0"  # and nobody has told the marketplace
    with edge(environment):
        service.replay(dead.event_id, "It was brought up to date.")
    with working(DeliveryWorker(environment, directory)):
        until(lambda: of(events[0]).state is EventState.DELIVERED)


@pytest.mark.parametrize("known", [None, "1.1.0", "1.2.0", "2.0.0"])
def test_a_platform_that_is_not_known_to_be_older_is_sent_everything_unasked(
    environment: Environment, directory: Directory, platform: PlatformStub, known: str | None
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    platform.contract_version = ContractVersion.parse(known)
    [event] = of_kinds(player, LATER)
    enqueue(environment, event)
    with working(DeliveryWorker(environment, directory)):
        assert platform.arrived.wait(5)
    assert platform.asked == []


def test_an_older_platform_that_does_not_answer_gets_its_events_later(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    platform.contract_version = ContractVersion(1, 0)
    [event] = of_kinds(player, LATER)
    enqueue(environment, event)
    retry = RetryPolicy(first_delay=timedelta(milliseconds=50))
    with working(DeliveryWorker(environment, directory, retry=retry)):

        def state() -> EventState:
            with edge(environment):
                return service.read_delivery(event.event_id).state

        until(lambda: state() is EventState.RETRYING)
        platform.speaks = "1.1.0"
        until(lambda: state() is EventState.DELIVERED)


def test_later_kinds_are_those_that_the_release_of_their_version_brought() -> None:
    """Of each the released contracts tell when its path came."""
    openapi = Path(__file__).resolve().parents[4] / "openapi"
    documents = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in openapi.glob("released/*/eu-mp.json")
    ]
    documents.append(Contract.load("eu_mp").document)
    assert len(documents) > 1
    for document in documents:
        version = ContractVersion.parse(document["info"]["version"])
        known = {
            kind
            for kind in EventKind
            if f"/{kind.value.replace('.', '/')}/{{platformRole}}" in document["paths"]
        }
        assert known == {kind for kind in EventKind if too_new(kind, version) is None}


def test_many_wake_ups_are_carried_as_few() -> None:
    woken: list[float] = []
    wake_ups = WakeUps(make_broker(""), lambda: woken.append(time.monotonic()))
    wake_ups.start()
    for _ in range(1_000):
        wake_ups.send()
    until(lambda: bool(woken))
    wake_ups.stop()
    assert 1 <= len(woken) < 1_000


def test_the_tables_are_those_of_the_marketplace(engine: Engine) -> None:
    with engine.connect() as connection:
        for table in (OUTBOX.lane, OUTBOX.event, OUTBOX.arrival, OUTBOX.attempt):
            assert connection.execute(select(table)).all() == []
