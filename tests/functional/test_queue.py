"""The delivery queue as an operator handles it: over HTTP, by command, and down to a platform."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import pytest
import requests
from cryptography.fernet import Fernet
from pydantic import SecretStr
from typer.testing import CliRunner

from marketplace.app import create_app, open_environment
from marketplace.cli import app as command_line
from marketplace.core import migrations
from marketplace.core.environment import Environment, in_environment
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from marketplace.delivery import service
from marketplace.delivery.domain import EventKind, PlatformRole
from marketplace.identity import service as identity
from mpp_sdk import clock
from mpp_sdk.client import ProblemError
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    DeliveryLaneMode,
    DeliveryLimits,
    DeliveryReplayDraft,
    DeliveryReplayState,
    DeliveryState,
    FinishedDeliveryState,
    MarketPlayerRole,
)
from mpp_sdk.database import open_database
from mpp_sdk.ids import new_id
from mpp_sdk.web.server import BackgroundServer
from tests.world.people import Company, Register

WHY = ActionReason(reason="For the test.")
DEAD_AND_DELIVERED = [FinishedDeliveryState.DEAD, FinishedDeliveryState.DELIVERED]


@dataclass
class Platform:
    """A platform that answers events with `status`, and keeps the ids of those that came."""

    status: int = 200
    received: list[str] = field(default_factory=list)
    url: str = ""


@dataclass
class World:
    """A marketplace that is served, a company, and its platform."""

    register: Register
    environment: Environment
    company: Company
    platform: Platform

    def enqueue(
        self,
        count: int = 1,
        *,
        kind: EventKind = EventKind.SERVICE_OFFER_SUSPENDED,
        subscription: UUID | None = None,
    ) -> list[str]:
        """Have the platform told of events of one subscription; return their ids."""
        subscription, events = subscription or new_id(), [new_id() for _ in range(count)]
        with in_environment(self.environment), unit_of_work(self.environment.engine):
            for event_id in events:
                service.enqueue(
                    service.PlatformEvent(
                        event_id=event_id,
                        kind=kind,
                        market_player_id=self.company.player_id,
                        platform_role=PlatformRole.REQUESTER,
                        subscription_id=subscription,
                        occurred_at=clock.now(),
                        payload=json.dumps({"eventId": str(event_id)}),
                    )
                )
        return [str(event_id) for event_id in events]

    def until_states(self, events: list[str], state: DeliveryState) -> None:
        """Wait until all of these deliveries are in a state."""
        read = self.register.operator.client.read_delivery
        until(lambda: all(read(UUID(one)).state is state for one in events))


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "It did not come about in time."
        time.sleep(0.05)


@pytest.fixture
def platform() -> Iterator[Platform]:
    stub = Platform()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stub.received.append(body["eventId"])
            self.send_response(stub.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield stub
    server.shutdown()
    server.server_close()


@pytest.fixture
def world(
    database_url: str, tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    key = Fernet.generate_key().decode()
    settings = Settings(
        data_dir=tmp_path,
        database_url=database_url,
        secret_keys=(SecretStr(key),),
        allow_private_addresses=True,
        allow_http=True,
        poll_interval=timedelta(seconds=0.1),
    )
    for name, value in {  # for the commands
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": database_url,
        "SECRET_KEYS": key,
    }.items():
        monkeypatch.setenv(f"FLEXAGORA_{name}", value)
    engine = open_database(database_url)
    migrations.upgrade(engine)
    engine.dispose()
    environment = open_environment(settings)
    with in_environment(environment), unit_of_work(environment.engine):
        issued = identity.create_operator("Control room")
    with BackgroundServer(create_app(settings)) as url:
        register = Register(url)
        assert issued.credential.client_id
        register.sign_in_operator(issued.credential.client_id, issued.secret)
        company = register.company("Levante", [MarketPlayerRole.AGGREGATOR], platform.url)
        yield World(register, environment, company, platform)
    environment.engine.dispose()


def command(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(command_line, ["queue", *arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_a_platform_is_paused_drained_resumed_and_limited(world: World) -> None:
    operator, player = world.register.operator.client, world.company.player_id
    assert operator.read_lane(player).body.mode is DeliveryLaneMode.RUNNING

    operator.pause_lane(player, WHY)
    kept = world.enqueue(2)
    until(lambda: operator.read_lane(player).body.queued == 2)
    lane = world.company.client.read_lane(player).body
    assert (lane.mode, lane.oldest_waiting_at is not None) == (DeliveryLaneMode.PAUSED, True)
    time.sleep(0.5)  # several polls
    assert world.platform.received == []

    drained = operator.drain_lane(player, WHY).body
    assert drained.mode is DeliveryLaneMode.DRAINING
    world.until_states(kept, DeliveryState.DELIVERED)
    until(lambda: operator.read_lane(player).body.mode is DeliveryLaneMode.PAUSED)
    later = world.enqueue(1)
    assert "PAUSED" in command("list", "--mode", "PAUSED")
    resumed = command("resume", str(player), "--reason", "It has been moved.")
    assert f"{player}  RUNNING  breaker CLOSED  queued 1" in resumed
    world.until_states(later, DeliveryState.DELIVERED)
    assert world.platform.received == kept + later

    read = operator.read_lane(player)
    assert read.etag
    limits = DeliveryLimits(max_concurrency=1, max_per_second=50, reason="It asked for it.")
    limited = operator.limit_lane(player, limits, if_match=read.etag)
    assert (limited.body.max_concurrency, limited.body.max_per_second) == (1, 50)
    for if_match, status in ((read.etag, 412), (None, 428)):
        with pytest.raises(ProblemError) as raised:
            operator.limit_lane(player, limits, if_match=if_match)
        assert raised.value.status == status
    assert "at once 2" in command("limit", str(player), "--at-once", "2", "--reason", "More.")
    trail = operator.list_audit_trail(entity_id=str(player), limit=100).items
    said = [
        (one.action, one.to_state, one.reason) for one in trail if one.entity_kind == "DeliveryLane"
    ]
    assert said[::-1] == [
        ("pause", "PAUSED", "For the test."),
        ("drain", "DRAINING", "For the test."),
        ("resume", "RUNNING", "It has been moved."),
        ("limit", "RUNNING", "It asked for it. (At once: 1. A second: 50.)"),
        ("limit", "RUNNING", "More. (At once: 2. A second: no limit.)"),
    ]


def test_a_company_reads_its_own_lane_and_changes_none(world: World) -> None:
    client, player = world.company.client, world.company.player_id
    changes: list[Callable[[], object]] = [
        lambda: client.pause_lane(player, WHY),
        lambda: client.drain_lane(player, WHY),
        lambda: client.resume_lane(player, WHY),
        lambda: client.limit_lane(player, DeliveryLimits(reason="Mine."), if_match="*"),
    ]
    for change in changes:
        with pytest.raises(ProblemError) as raised:
            change()
        assert raised.value.status == 403
    other = world.register.company("Other", [MarketPlayerRole.DSO])
    with pytest.raises(ProblemError) as unseen:
        other.client.read_lane(player)
    with pytest.raises(ProblemError) as unknown:
        world.register.operator.client.read_lane(new_id())
    assert (unseen.value.status, unknown.value.status) == (404, 404)
    assert client.read_lane(player).body.mode is DeliveryLaneMode.RUNNING


def test_all_since_a_moment_is_sent_again_over_http(world: World) -> None:
    operator, player = world.register.operator.client, world.company.player_id
    since = clock.now() - timedelta(minutes=1)
    events = world.enqueue(5)
    others = world.enqueue(1, kind=EventKind.SERVICE_OFFER_RESUMED)
    with pytest.raises(ProblemError):
        operator.request_replay(
            DeliveryReplayDraft(reason="Since when?", states=DEAD_AND_DELIVERED)
        )
    world.until_states(events, DeliveryState.DELIVERED)
    until(lambda: len(world.platform.received) == 6)
    until(lambda: operator.read_lane(player).body.queued == 0)
    world.platform.received.clear()

    asked = world.company.client.request_replay(
        DeliveryReplayDraft(
            reason="We restored a backup.",
            states=DEAD_AND_DELIVERED,
            kind=EventKind.SERVICE_OFFER_SUSPENDED,
            since=since,
        )
    )
    until(lambda: operator.read_replay(asked.replay_id).state is DeliveryReplayState.DONE)
    until(lambda: len(world.platform.received) >= 5)

    assert world.platform.received == events
    done = operator.read_replay(asked.replay_id)
    assert (done.market_player_id, done.replayed, done.skipped, done.progress) == (player, 5, 0, 1)
    assert [one.replay_id for one in operator.list_replays().items] == [asked.replay_id]
    assert others[0] not in world.platform.received


def test_dead_letters_are_seen_given_up_and_replayed_by_command(world: World) -> None:
    player, subscription = world.company.player_id, new_id()
    world.platform.status = 410
    dead = world.enqueue(3, subscription=subscription)
    world.until_states(dead, DeliveryState.DEAD)
    assert "3" in command("dead", "--market-player", str(player))
    assert "The platform answered 410." in command("dead")
    world.platform.status = 500
    [stuck] = world.enqueue(1, subscription=subscription)
    world.until_states([stuck], DeliveryState.RETRYING)
    behind = world.enqueue(1, subscription=subscription)
    assert "DEAD" in command("discard", stuck, "--reason", "It holds up the rest.")
    world.platform.status = 200
    world.until_states(behind, DeliveryState.DELIVERED)
    world.platform.received.clear()

    arguments = ["--since", "yesterday", "--reason", "Mended."]
    assert "--since is not a time" in command("replay", *arguments, exit_code=1)
    moment = (clock.now() - timedelta(hours=1)).isoformat()
    told = command(
        "replay",
        *("--since", moment, "--market-player", str(player), "--reason", "Mended."),
        *("--reason-contains", "answered 410", "--state", "DEAD"),
    )
    assert "DONE  100%  selected 3, replayed 3, skipped 0  Mended." in told
    until(lambda: world.platform.received == dead)
    assert "DONE" in command("replays")
    replay_id = told.split()[0]
    assert "does not allow" in command("cancel", replay_id, "--reason", "No.", exit_code=1)


def test_bad_input_is_named(world: World) -> None:
    answer = requests.post(
        f"{world.register.api}/delivery-replays",
        json={
            "reason": "x",
            "states": ["QUEUED"],
            "since": "yesterday",
            "until": "2026-01-01T00:00:00Z",
        },
        headers=world.register.operator.headers,
        timeout=30,
    )
    assert answer.status_code == 400
    assert {one["pointer"] for one in answer.json()["errors"]} == {"/states/0", "/since"}
