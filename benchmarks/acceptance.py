"""How many notifications a second the marketplace accepts, beside what it is compared with.

Accepted means: authenticated, validated, applied, audited and durable before the answer leaves.
"""

import contextlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.fernet import Fernet
from sqlalchemy import Engine, create_engine, insert, make_url, text

from benchmarks.accepting import PATH
from benchmarks.load import Round, run_round
from marketplace import app
from marketplace.consents.domain import ConsentState
from marketplace.consents.tables import Consent
from marketplace.core import migrations
from marketplace.identity.domain import CredentialKind, MarketPlayerState
from marketplace.identity.tables import ApiKey, Credential, MarketPlayer
from marketplace.monitoring.tables import PointOfDelivery
from marketplace.subscriptions.domain import RequestState, SubscriptionState
from marketplace.subscriptions.tables import ServiceRequest, Subscription
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import DataStandard, Price, PriceModel, ServiceCategory
from mpp_sdk.database import open_database
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import hash_secret

CONNECTIONS = 32
ROUNDS = 5
ROUND_S = 3.0
POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
_PODS = 20  # of each connection
_PER_SECOND_AT_MOST = 6_000
_CHUNK = 1_000
_KINDS = ("flexagora", "starlette", "flask")
_LIMITS = {"starlette": 1.5, "flask": 3.0}


@dataclass(frozen=True)
class Server:
    """A server's process and the port that it listens on."""

    process: subprocess.Popen[str]
    port: int


@dataclass(frozen=True)
class Provider:
    """A company that sends notifications, its key, and its subscriptions."""

    api_key: str
    subscriptions: tuple[UUID, ...]


@dataclass(frozen=True)
class Lane:
    """What one connection tells of: a point of delivery under one subscription after the other."""

    provider: Provider
    pods: tuple[tuple[UUID, str], ...]


def run(quick: bool = False) -> None:
    """Print what is accepted a second, and how many times the comparisons' that is."""
    rounds, seconds = (2, 1.0) if quick else (ROUNDS, ROUND_S)
    print(f"POST {PATH}, {CONNECTIONS} connections, one process; medians of {rounds} rounds")
    print(f"A page made durable by itself takes {_durable_write_us():,.0f} us here.")
    for url in ("sqlite", POSTGRESQL):
        with _database(url) as (name, database_url, folder):
            _compare(name, database_url, folder, rounds, seconds)
    print()
    print("Growth: the same with more companies and subscriptions in the database")
    for url in ("sqlite", POSTGRESQL):
        for factor in (1, 10) if quick else (1, 10, 100):
            with _database(url) as (name, database_url, folder):
                _grow(name, database_url, folder, factor, rounds, seconds)


def _durable_write_us() -> float:
    """Return the median of what a write of 4 KiB takes until it is on the disk.

    It is what a commit costs whoever makes one for each call, and what a group shares.
    """
    page, taken = bytes(4096), []
    with tempfile.TemporaryFile() as file:
        for _ in range(200):
            begun = time.perf_counter()
            file.write(page)
            file.flush()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1e6


def _compare(name: str, url: str, folder: Path, rounds: int, seconds: float) -> None:
    lanes = seed(url, companies=10, subscriptions=100)
    results: dict[str, list[Round]] = {kind: [] for kind in _KINDS}
    supplies = {kind: _Supply(lanes) for kind in _KINDS}
    with contextlib.ExitStack() as stack:
        servers = {kind: stack.enter_context(serving(kind, url, folder)) for kind in _KINDS}
        for number in range(rounds + 1):
            for kind in _KINDS:
                done = supplies[kind].round(servers[kind].port, seconds if number else 1.0)
                if number:  # the first is for warming up
                    results[kind].append(done)
    for kind in _KINDS:
        print(_line(f"{name}: {kind}", results[kind]), end="")
        if kind == "flexagora":
            print()
            continue
        ratios = [
            ours.per_second / theirs.per_second
            for ours, theirs in zip(results["flexagora"], results[kind], strict=True)
        ]
        ratio, limit = statistics.median(ratios), _LIMITS[kind]
        verdict = "met" if ratio >= limit else "MISSED"
        print(f"   flexagora is {ratio:5.2f} x, limit {limit:.1f} x: {verdict}")


def _grow(name: str, url: str, folder: Path, factor: int, rounds: int, seconds: float) -> None:
    lanes = seed(url, companies=10 * factor, subscriptions=100 * factor)
    supply = _Supply(lanes)
    with serving("flexagora", url, folder) as server:
        done = [
            supply.round(server.port, seconds if number else 1.0) for number in range(rounds + 1)
        ]
    subscriptions = 100 * factor
    print(_line(f"{name}: {10 * factor:,} companies, {subscriptions:,} subscriptions", done[1:]))


def _line(label: str, rounds: Sequence[Round]) -> str:
    rate = statistics.median(each.per_second for each in rounds)
    p50 = statistics.median(each.percentile(0.5) for each in rounds) * 1000
    p99 = statistics.median(each.percentile(0.99) for each in rounds) * 1000
    cost = 1e6 / rate
    return f"{label:<55} {rate:7,.0f}/s {cost:6,.0f} us each  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms"


@contextlib.contextmanager
def _database(url: str) -> Iterator[tuple[str, str, Path]]:
    """Give an empty database of the kind with the marketplace's tables, and a folder."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if url == "sqlite":
            database_url = f"sqlite:///{folder / 'market.db'}"
            upgrade(database_url)
            yield "SQLite", database_url, folder
            return
        name = f"acceptance_{secrets.token_hex(4)}"
        server = create_engine(url, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            database_url = make_url(url).set(database=name).render_as_string(hide_password=False)
            upgrade(database_url)
            yield "PostgreSQL", database_url, folder
        finally:
            with server.connect() as connection:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            server.dispose()


def upgrade(url: str) -> None:
    """Make the marketplace's tables in an empty database."""
    engine = open_database(url)
    migrations.upgrade(engine)
    engine.dispose()


@contextlib.contextmanager
def serving(kind: str, url: str, folder: Path) -> Iterator[Server]:
    """Give a server in a process of its own."""
    environment = {
        **os.environ,
        "FLEXAGORA_DATA_DIR": str(folder),
        "FLEXAGORA_DATABASE_URL": url,
        "FLEXAGORA_SECRET_KEYS": Fernet.generate_key().decode(),
        # As high as they need to be here, and counted all the same.
        "FLEXAGORA_RATE_LIMIT_ADDRESS": "100000",
        "FLEXAGORA_RATE_LIMIT_CREDENTIAL": "100000",
        "FLEXAGORA_ACCESS_LOG": str(folder / "access.jsonl"),
    }
    with (folder / f"{kind}.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.accepting", kind, url],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        line = process.stdout.readline().strip() if process.stdout else ""
        if not line:
            raise RuntimeError((folder / f"{kind}.log").read_text()[-2000:])
        yield Server(process, int(urlsplit(line).port or 0))
    finally:
        process.terminate()
        process.wait(30)


class _Supply:
    """Prepares the requests of every connection, so that sending them costs next to nothing.

    Each changes the state of its point of delivery, so that each is applied and audited.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._steps = [0] * len(lanes)
        self._queues: list[deque[bytes]] = [deque() for _ in lanes]
        self._begun = now() - timedelta(hours=12)

    def round(self, port: int, seconds: float) -> Round:
        """Return what a round against a server came to."""
        enough = int(_PER_SECOND_AT_MOST * seconds / len(self._lanes))
        for number, (lane, queue) in enumerate(zip(self._lanes, self._queues, strict=True)):
            while len(queue) < enough:
                step = self._steps[number]
                queue.append(request(lane, step, self._begun + timedelta(milliseconds=step)))
                self._steps[number] += 1
        return run_round("127.0.0.1", port, self._queues, seconds)


def request(lane: Lane, step: int, moment: datetime) -> bytes:
    """Return a notification as it is sent; every other round over the PoDs ends what one began."""
    subscription_id, pod = lane.pods[step % _PODS]
    state = "SUSPENDED" if (step // _PODS) % 2 else "ACTIVE"
    body = (
        f'{{"eventId":"{new_id()}","occurredAt":"{moment.isoformat()}",'
        f'"subscriptionId":"{subscription_id}","podId":"{pod}","state":"{state}",'
        '"reason":"The meter was read, and the customer agrees to the data being passed on."}'
    )
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: market.example\r\nX-API-Key: {lane.provider.api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def seed(url: str, companies: int, subscriptions: int) -> list[Lane]:
    """Fill the database with companies and their subscriptions; return what connections tell of."""
    app.metadata()
    engine = open_database(url)
    providers = _companies(engine, companies, subscriptions)
    lanes = []
    for number in range(CONNECTIONS):
        provider = providers[number * len(providers) // CONNECTIONS]
        mine = provider.subscriptions
        pods = tuple((mine[pod % len(mine)], f"LANE{number:02}-{pod:03}") for pod in range(_PODS))
        lanes.append(Lane(provider, pods))
    with engine.begin() as connection:
        connection.execute(
            insert(Consent),
            [
                _consent(subscription_id, pod)
                for lane in lanes
                for subscription_id, pod in lane.pods
            ],
        )
        if connection.dialect.name == "postgresql":
            connection.execute(text("ANALYZE"))
    engine.dispose()
    return lanes


def _consent(subscription_id: UUID, pod: str) -> dict[str, object]:
    return {
        "id": new_id(),
        "version": 1,
        "subscription_id": subscription_id,
        "pod_id": pod,
        "state": ConsentState.GRANTED,
        "derived": False,
        "occurred_at": now() - timedelta(days=2),
        "received_at": now() - timedelta(days=2),
    }


def _companies(engine: Engine, companies: int, subscriptions: int) -> list[Provider]:
    moment = now() - timedelta(days=10)
    players = [new_id() for _ in range(companies)]
    credentials = [new_id() for _ in range(companies)]
    keys = [secrets.token_urlsafe(40) for _ in range(companies)]
    of_player: list[list[UUID]] = [[] for _ in players]
    requests, rows, pods = [], [], []
    for number in range(subscriptions):
        provider = number % companies
        request_id, subscription_id = new_id(), new_id()
        of_player[provider].append(subscription_id)
        common = {
            "service_id": new_id(),
            "service_number": 1,
            "service_name": "Validated meter data",
            "provider_id": players[provider],
            "requester_id": players[(provider + 1) % companies],
            "created_at": moment,
            "updated_at": moment,
            "version": 1,
        }
        requests.append(
            {
                **common,
                "id": request_id,
                "state": RequestState.CONFIRMED,
                "expires_at": datetime.max.replace(tzinfo=UTC),
            }
        )
        rows.append(
            {
                **common,
                "id": subscription_id,
                "request_id": request_id,
                "category": ServiceCategory.METERING_DATA,
                "data_standard": DataStandard.CIM_IEC_62325,
                "consent_required": True,
                "state": SubscriptionState.ACTIVE,
                "holds": [],
                "terms": "By noon.",
                "price": Price(model=PriceModel.FREE),
                "validity_start": moment,
                "validity_end": moment + timedelta(days=365),
                "interim_status_interval": "PT1H",
                "active_since": moment,
                "activated_at": moment,
                "state_since": moment,
            }
        )
        pods += [
            {"subscription_id": subscription_id, "pod_id": f"POD{each:04}"} for each in range(10)
        ]
    with engine.begin() as connection:
        for table, made in (
            (
                MarketPlayer,
                [
                    {
                        "id": player,
                        "name": f"Company {number}",
                        "country": "ES",
                        "contact_email": "a@company.example",
                        "state": MarketPlayerState.ACTIVE,
                        "created_at": moment,
                        "updated_at": moment,
                        "version": 1,
                    }
                    for number, player in enumerate(players)
                ],
            ),
            (
                Credential,
                [
                    {
                        "id": credential,
                        "market_player_id": player,
                        "kind": CredentialKind.API_KEY,
                        "label": "platform",
                        "scope": "provider requester",
                        "created_at": moment,
                    }
                    for credential, player in zip(credentials, players, strict=True)
                ],
            ),
            (
                ApiKey,
                [
                    {
                        "id": new_id(),
                        "credential_id": credential,
                        "key_hash": hash_secret(key),
                        "valid_from": moment,
                        "expires_at": moment + timedelta(days=90),
                        "ends_at": moment + timedelta(days=90),
                        "superseded": False,
                    }
                    for credential, key in zip(credentials, keys, strict=True)
                ],
            ),
            (ServiceRequest, requests),
            (Subscription, rows),
            (PointOfDelivery, pods),
        ):
            for start in range(0, len(made), _CHUNK):
                connection.execute(insert(table), made[start : start + _CHUNK])
    return [Provider(key, tuple(mine)) for key, mine in zip(keys, of_player, strict=True) if mine]
