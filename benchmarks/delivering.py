"""A marketplace with simulated platforms, for measuring deliveries; it leaves nothing behind."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import requests
from cryptography.fernet import Fernet
from sqlalchemy import (
    Engine,
    TextClause,
    bindparam,
    create_engine,
    func,
    insert,
    make_url,
    select,
    text,
)

from marketplace import app
from marketplace.core import migrations
from marketplace.core.environment import Environment
from marketplace.core.settings import Settings
from marketplace.delivery import queue
from marketplace.delivery.domain import EventKind
from marketplace.delivery.tables import OUTBOX
from marketplace.identity.domain import MarketPlayerState
from marketplace.identity.tables import MarketPlayer, Platform, PlatformKey, SigningSecret
from mpp_sdk import webhooks
from mpp_sdk.clock import now
from mpp_sdk.database import UtcDateTime, open_database
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import NewEvent, Outbox

POSTGRESQL = os.environ.get(
    "FLEXAGORA_TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
)
RABBITMQ = os.environ.get("FLEXAGORA_TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672")
_BATCH = 2_000
_PATH = "/service-offer/suspended/requester"  # nobody waits for its outcome, as for most events


def _fill(series: str, event_id: str) -> TextClause:
    """Return the statement that writes many events in turn for each lane and its subscriptions.

    The first of each subscription can be sent; the others wait behind it.
    """
    return text(f"""
        INSERT INTO outbox_event
          (event_id, lane, ordering_key, kind, method, path, payload, occurred_at, created_at,
           state, attempts, failures, next_attempt_at)
        SELECT {event_id}, lanes.name,
          '00000000-0000-0000-0000-' ||
            substr(CAST(1000000000000 + n % :keys / :lanes AS TEXT), 2),
          'service-offer.suspended', 'POST', :path, '{{"reason": "' || :filler || '"}}',
          :moment, :moment, 'QUEUED', 0, 0, CASE WHEN n < :keys THEN :due_at END
        FROM {series} JOIN (
          SELECT name, row_number() OVER (ORDER BY name) - 1 AS place FROM outbox_lane
        ) AS lanes ON lanes.place = n % :lanes
        ORDER BY n
    """).bindparams(  # noqa: S608  # nothing of it is given from outside
        bindparam("moment", type_=UtcDateTime()), bindparam("due_at", type_=UtcDateTime())
    )


_FILL = {
    "postgresql": _fill("generate_series(0, CAST(:rows AS INTEGER) - 1) AS n", "gen_random_uuid()"),
    "sqlite": _fill(
        "(WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c LIMIT :rows)"
        " SELECT n FROM c)",
        "lower(hex(randomblob(16)))",
    ),
}


@contextlib.contextmanager
def simulated_platforms(ports: int = 100) -> Iterator[list[int]]:
    """Give the ports of simulated platforms."""
    command = [sys.executable, "-m", "benchmarks.platforms", str(ports)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(20)


def first_bytes(port: int) -> dict[str, float]:
    """Return when platforms were first asked for each event, by the monotonic clock."""
    figures: dict[str, float] = requests.get(f"http://127.0.0.1:{port}/figures", timeout=60).json()
    return figures


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds, in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """Give the URL of a virtual host of our own at RabbitMQ, or of the common one."""
    control = shutil.which("rabbitmqctl")
    name = f"benchmark_{secrets.token_hex(6)}"
    if control is None or not _done(control, "add_vhost", name):
        yield RABBITMQ
        return
    try:
        _done(control, "set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        yield f"{RABBITMQ}/{name}"
    finally:
        _done(control, "delete_vhost", name)


def _done(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Market:
    """A marketplace's database, and the environment of its processes."""

    engine: Engine
    environment: Environment
    variables: dict[str, str]
    outbox: Outbox

    def enqueue(self, players: Sequence[UUID], count: int, subscriptions: int = 10) -> list[UUID]:
        """Write events, in turn for each platform and its subscriptions; return their ids."""
        made: list[UUID] = []
        while len(made) < count:
            events = [
                _event(players, number, subscriptions)
                for number in range(len(made), min(count, len(made) + _BATCH))
            ]
            with self.engine.begin() as connection:
                self.outbox.enqueue_all(connection, events)
            made += [event.event_id for event in events]
        return made

    def fill(self, players: Sequence[UUID], count: int, due_at: datetime) -> None:
        """Write events for lanes of their own that are due at a moment, at a stroke.

        They are those of 50 subscriptions each, or all of different ones when that is later.
        """
        moment = now()
        keys = count if due_at > moment else 50 * len(players)
        with self.engine.begin() as connection:
            connection.execute(
                insert(OUTBOX.lane),
                [{"name": str(player), "due_at": due_at} for player in players],
            )
            connection.execute(
                _FILL[connection.dialect.name],
                {"rows": count, "keys": keys, "lanes": len(players)}
                | {"moment": moment, "due_at": due_at, "path": _PATH, "filler": "x" * 300},
            )

    def parked(self) -> int:
        """Return how many lanes are parked."""
        lane = OUTBOX.lane.c
        with self.engine.connect() as connection:
            return connection.execute(
                select(func.count()).where(lane.breaker_state != "CLOSED")
            ).scalar_one()

    def add_platforms(self, base_urls: Sequence[str]) -> list[UUID]:
        """Write market players with platforms; return their ids."""
        players = [new_id() for _ in base_urls]
        moment, box = now(), self.environment.settings.secret_box
        key, secret = box.encrypt("mpp_0123456789"), box.encrypt(webhooks.new_signing_secret())
        with self.engine.begin() as connection:
            connection.execute(
                insert(MarketPlayer),
                [
                    {
                        "id": player,
                        "name": f"Player {number}",
                        "country": "SI",
                        "contact_email": "someone@example.com",
                        "state": MarketPlayerState.ACTIVE,
                        "created_at": moment,
                        "updated_at": moment,
                        "version": 1,
                    }
                    for number, player in enumerate(players)
                ],
            )
            connection.execute(
                insert(Platform),
                [
                    {
                        "market_player_id": player,
                        "base_url": url,
                        "updated_at": moment,
                        "version": 1,
                    }
                    for player, url in zip(players, base_urls, strict=True)
                ],
            )
            connection.execute(
                insert(PlatformKey),
                [
                    {
                        "market_player_id": player,
                        "encrypted_key": key,
                        "obtained_at": moment,
                        "next_refresh_at": moment + timedelta(days=60),
                        "failures": 0,
                    }
                    for player in players
                ],
            )
            connection.execute(
                insert(SigningSecret),
                [
                    {"id": new_id(), "market_player_id": player, "encrypted_secret": secret}
                    for player in players
                ],
            )
        return players

    def analyze(self) -> None:
        """Have the database look at what it holds, as it does by itself after a while."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))

    def worker(self) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        """Run one process that delivers."""
        return self.process("deliver")

    @contextlib.contextmanager
    def process(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run one process of the marketplace."""
        command = [sys.executable, "-c", "from marketplace.cli import app; app()", *arguments]
        process = subprocess.Popen(
            command,
            env={**os.environ, **self.variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def delivered(self) -> int:
        """Return how many events are recorded as delivered."""
        event = OUTBOX.event.c
        with self.engine.connect() as connection:
            return connection.execute(
                select(func.count()).where(event.state == "DELIVERED")
            ).scalar_one()

    def await_delivered(self, count: int, seconds: float) -> bool:
        """Return whether so many are delivered in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.delivered() >= count:
                return True
            time.sleep(0.5)
        return False

    def rate(self) -> float:
        """Return how many events a second were recorded, from the first second's end on."""
        event = OUTBOX.event.c
        with self.engine.connect() as connection:
            first, last = connection.execute(
                select(func.min(event.finished_at), func.max(event.finished_at)).where(
                    event.state == "DELIVERED"
                )
            ).one()
            begin = first + timedelta(seconds=0.5)
            count = connection.execute(
                select(func.count()).where(event.finished_at > begin, event.state == "DELIVERED")
            ).scalar_one()
        return float(count / max(0.001, (last - begin).total_seconds()))


@contextlib.contextmanager
def market(backend: str, broker_url: str = "") -> Iterator[Market]:
    """Give a marketplace on a fresh database of `postgresql` or `sqlite`."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'market.db'}"
        if backend == "postgresql":
            url = stack.enter_context(_database())
        variables = {
            "FLEXAGORA_DATA_DIR": str(folder),
            "FLEXAGORA_DATABASE_URL": url,
            "FLEXAGORA_BROKER_URL": broker_url,
            "FLEXAGORA_SECRET_KEYS": Fernet.generate_key().decode(),
            "FLEXAGORA_ALLOW_HTTP": "true",
            "FLEXAGORA_ALLOW_PRIVATE_ADDRESSES": "true",
        }
        settings = Settings(
            data_dir=folder,
            database_url=url,
            broker_url=broker_url,
            secret_keys=variables["FLEXAGORA_SECRET_KEYS"],
        )
        engine = open_database(url)
        stack.callback(engine.dispose)
        migrations.upgrade(engine)
        app.wire()
        environment = Environment(settings, engine)
        yield Market(engine, environment, variables, queue.outbox_of(environment))


@contextlib.contextmanager
def _database() -> Iterator[str]:
    server = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
    name = f"benchmark_{secrets.token_hex(6)}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(POSTGRESQL).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


def _event(players: Sequence[UUID], number: int, subscriptions: int) -> NewEvent:
    event_id = new_id()
    player = players[number % len(players)]
    subscription = UUID(int=(player.int + number // len(players) % subscriptions) % 2**128)
    body = {"eventId": str(event_id), "subscriptionId": str(subscription), "reason": "x" * 300}
    return NewEvent(
        event_id=event_id,
        lane=str(player),
        ordering_key=str(subscription),
        kind=EventKind.SERVICE_OFFER_SUSPENDED,
        path=_PATH,
        payload=json.dumps(body),
        occurred_at=now(),
    )
