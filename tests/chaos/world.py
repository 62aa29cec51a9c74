"""A marketplace, its servers and its companies' platforms, as processes that a run does harm to."""

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet
from sqlalchemy import create_engine, func, make_url, select, text

from examples.demo.companies import Company, connect_platform, register, sign_in, wait_until
from examples.demo.environments import PlatformSecrets, platform_environment
from examples.demo.processes import free_port
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    MarketPlayerRole,
    ServiceRequestDraft,
    SubscriptionState,
)
from mpp_sdk.database import open_database
from tests.chaos import hooks, platforms
from tests.chaos.ledger import Ledger, Stream
from tests.chaos.processes import Loss, Process, Supervisor
from tests.chaos.proxy import Line
from tests.functional.marketplace import description, terms
from tests.services.certificates import Authority
from tests.services.postgresql import PrivatePostgreSQL, private_postgresql
from tests.services.rabbitmq import PrivateRabbitMQ, private_rabbitmq
from tests.world.clients import tried_once

POSTGRES_SETTINGS = {
    "max_connections": "60",
    "shared_buffers": "64MB",
    "checkpoint_timeout": "5min",
    "max_wal_size": "2GB",
    "dynamic_shared_memory_type": "mmap",  # so that a killed server leaves nothing in memory
}
MARKETPLACE = "marketplace"
_AT_ONCE = 6
_MEMORY = Path("/dev/shm")
_NEEDED_BYTES = 4 * 1024**3
_WHOSE = ("ADDRESS", "CREDENTIAL", "ANONYMOUS", "FAILURES")


class Database(StrEnum):
    """On what the marketplace runs."""

    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"


@dataclass(frozen=True)
class Size:
    """How many companies and subscriptions there are.

    bulk subscriptions of each pair are suspended all at once, with their company; single ones one
    by one; under the talkative ones the providers' platforms change activations by themselves.
    """

    providers: int = 2
    bulk_requesters: int = 4
    bulk: int = 6
    single: int = 8
    talkative: int = 16


SMALL = Size(providers=1, bulk_requesters=1, bulk=4, single=3, talkative=2)


_COUNT_APPLIED = (
    "SELECT coalesce(sum(what <> 'confirmed'), 0), max(number) FROM chaos_applied WHERE number > {}"
)
_COUNT_TOLD = "SELECT count(*), max(number) FROM chaos_told WHERE number > {}"


@dataclass
class Member:
    """A company with its platform."""

    name: str
    company: Company
    process: Process
    database: Path
    front: Line | None = None


@dataclass(frozen=True)
class Agreed:
    """A subscription, by the names of its companies' platforms."""

    subscription_id: str
    provider: str
    requester: str

    @property
    def streams(self) -> tuple[Stream, Stream]:
        """Where its events go."""
        return (
            Stream(self.provider, self.subscription_id),
            Stream(self.requester, self.subscription_id),
        )


@dataclass(frozen=True)
class Counted:
    """How many rows a log has had up to its last one that was looked at."""

    rows: int = 0
    last: int = 0


@dataclass
class World:
    """Everything that runs."""

    folder: Path
    database: Database
    supervisor: Supervisor
    ledger: Ledger
    losses: list[Loss]
    database_url: str
    secret_key: str
    postgres: PrivatePostgreSQL | None = None
    rabbit: PrivateRabbitMQ | None = None
    webs: list[Process] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    operator_id: tuple[str, str] = ("", "")
    bulk: dict[str, list[Agreed]] = field(default_factory=dict)
    single: list[Agreed] = field(default_factory=list)
    talkative: list[Agreed] = field(default_factory=list)
    to_database: Line | None = None
    counts: "dict[tuple[Path, str], Counted]" = field(default_factory=dict)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def authority(self) -> Authority:
        """Who issues the platforms' certificates, where they have some."""
        return Authority(self.folder / "authority")

    @property
    def processes(self) -> list[Process]:
        """Every process of the product."""
        return [*self.webs, *self.workers, *(one.process for one in self.members.values())]

    @property
    def providers(self) -> list[Member]:
        """The companies whose platforms tell of changes."""
        names = {one.provider for one in self.talkative}
        return [member for name, member in self.members.items() if name in names]

    def operator(self) -> MarketplaceClient:
        """Return a client with the operator's role."""
        return tried_once(sign_in(self.webs[0].url, *self.operator_id))

    def applied(self) -> dict[Stream, list[str]]:
        """Return what the platforms' handlers have written down in their transactions."""
        found: dict[Stream, list[str]] = {}
        for name, member in self.members.items():
            rows = _rows(
                member.database,
                "SELECT subscription_id, what, reason FROM chaos_applied ORDER BY number",
            )
            for subscription_id, what, reason in rows:
                if what != "confirmed":
                    stream = Stream(name, subscription_id)
                    found.setdefault(stream, []).append(f"{what} {reason}")
        return found

    def count_applied(self) -> int:
        """Return how many events the platforms have applied. It is asked for all the time."""
        return sum(self._counted(one.database, _COUNT_APPLIED) for one in self.members.values())

    def count_told(self) -> int:
        """Return how many changes the providers' platforms have made and told."""
        return sum(self._counted(one.database, _COUNT_TOLD) for one in self.providers)

    def _counted(self, file: Path, query: str) -> int:
        """Return how many rows there are, having looked only at those that are new."""
        with self._counting:
            before = self.counts.setdefault((file, query), Counted())
            ((new, last),) = _rows(file, query.format(before.last))
            if new or last:
                before = Counted(before.rows + new, max(before.last, last or 0))
                self.counts[file, query] = before
            return before.rows

    def told(self) -> dict[Stream, list[str]]:
        """Return what the providers' platforms have changed and told, each in its order."""
        found: dict[Stream, list[str]] = {}
        for member in self.members.values():
            rows = _rows(
                member.database, "SELECT subscription_id, what FROM chaos_told ORDER BY number"
            )
            for subscription_id, what in rows:
                found.setdefault(Stream(MARKETPLACE, subscription_id), []).append(what)
        return found

    def heard(self) -> dict[Stream, list[str]]:
        """Return what the marketplace did with it, in its order."""
        engine = open_database(self.database_url)
        query = select(hooks.APPLIED.c.subscription_id, hooks.APPLIED.c.what)
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(hooks.APPLIED.c.number)).all()
        engine.dispose()
        found: dict[Stream, list[str]] = {}
        for subscription_id, what in rows:
            found.setdefault(Stream(MARKETPLACE, subscription_id), []).append(what)
        return found

    def count_heard(self) -> int:
        """Return how many notifications the marketplace has applied."""
        engine = open_database(self.database_url)
        with engine.connect() as connection:
            count = connection.execute(select(func.count()).select_from(hooks.APPLIED)).scalar_one()
        engine.dispose()
        return count

    def states(self) -> dict[str, int]:
        """Return how many events the marketplace's own books have in each state."""
        engine = open_database(self.database_url)
        query = text("SELECT state, count(*) FROM outbox_event GROUP BY state")
        with engine.connect() as connection:
            rows = connection.execute(query).all()
        engine.dispose()
        return {str(state): int(count) for state, count in rows}


def roomy() -> Path | None:
    """Return memory to work in, where there is enough: a process that is killed loses none of it.

    What a disk does to what was not synced is no fault that is injected here.
    """
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _NEEDED_BYTES:
        return _MEMORY
    return None


@contextmanager
def built(folder: Path, database: Database, size: Size, *, lines: bool = False) -> Iterator[World]:
    """Give a world that runs, its subscriptions ACTIVE, for as long as the block does.

    With lines, what the marketplace has with platforms and with PostgreSQL goes over lines that can
    be cut, or made to say something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    losses: list[Loss] = []
    with ExitStack() as stack:
        postgres = rabbit = None
        url = f"sqlite:///{folder / 'flexagora.db'}"
        broker = ""
        if database is Database.POSTGRESQL:
            postgres = stack.enter_context(private_postgresql(POSTGRES_SETTINGS, roomy()))
            rabbit = stack.enter_context(private_rabbitmq())
            url, broker = _new_database(postgres.url), rabbit.url
        world = World(
            folder,
            database,
            Supervisor(folder, losses.append),
            Ledger(folder / "ledger.jsonl"),
            losses,
            url,
            Fernet.generate_key().decode(),
            postgres,
            rabbit,
        )
        stack.callback(world.supervisor.close)
        if lines and postgres is not None:
            world.to_database = Line(make_url(postgres.url).port or 0)
            stack.callback(world.to_database.close)
        _start_marketplace(world, broker)
        _agree(world, size, stack if lines else None)
        yield world


def _new_database(server: str) -> str:
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE chaos TEMPLATE template0"))
    admin.dispose()
    return make_url(server).set(database="chaos").render_as_string(hide_password=False)


def _start_marketplace(world: World, broker: str) -> None:
    common = {
        "FLEXAGORA_DATA_DIR": str(world.folder),
        "FLEXAGORA_DATABASE_URL": world.database_url,
        "FLEXAGORA_BROKER_URL": broker,
        "FLEXAGORA_SECRET_KEYS": world.secret_key,
        "FLEXAGORA_ALLOW_PRIVATE_ADDRESSES": "true",
        "FLEXAGORA_ALLOW_HTTP": "true",
        "FLEXAGORA_REQUEST_TIMEOUT": "PT3S",
        "FLEXAGORA_POLL_INTERVAL": "PT0.2S",
        "FLEXAGORA_JOB_INTERVAL": "PT5S",
        "FLEXAGORA_ACCESS_TOKEN_LIFETIME": "P1D",
        "FLEXAGORA_DATABASE_POOL_SIZE": "12",
        "FLEXAGORA_DELIVERY_WORKERS": "20",
        "FLEXAGORA_DELIVERY_CONCURRENCY": "24",
        "SSL_CERT_FILE": str(world.authority.file),
        **{f"FLEXAGORA_RATE_LIMIT_{whose}": "0" for whose in _WHOSE},
    }
    _flexagora(common, "database", "upgrade")
    made = json.loads(_flexagora(common, "operator", "create", "--name=Chaos", "--json"))
    world.operator_id = (made["clientId"], made["clientSecret"])
    engine = open_database(world.database_url)
    hooks.APPLIED.create(engine)
    engine.dispose()
    apart = world.database is Database.POSTGRESQL
    for name in ("web-1", "web-2") if apart else ("web-1",):
        port = free_port()
        log = str(world.folder / f"{name}.access.jsonl")
        own = {"FLEXAGORA_PORT": str(port), "FLEXAGORA_ACCESS_LOG": log}
        own["FLEXAGORA_DELIVER"] = str(not apart).lower()
        world.webs.append(Process(name, "web", world.folder, common | own, port))
    for name in ("worker-1", "worker-2") if apart else ():
        world.workers.append(Process(name, "worker", world.folder, common, None))
    if world.to_database is not None:
        through = make_url(world.database_url).set(port=world.to_database.port)
        for process in (*world.webs, *world.workers):
            text = through.render_as_string(hide_password=False)
            process.environment["FLEXAGORA_DATABASE_URL"] = text
    for process in (*world.webs, *world.workers):
        world.supervisor.start(process, wait=False)
    for process in world.webs:
        world.supervisor.wait_for(process)


def _flexagora(environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "marketplace", *arguments],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _agree(world: World, size: Size, stack: ExitStack | None) -> None:
    """Have companies sign up, start their platforms, and make the subscriptions."""
    operator = world.operator()

    def join(name: str, role: MarketPlayerRole) -> str:
        web = world.webs[len(world.members) % len(world.webs)].url
        company = register(web, operator, name, [role])
        company = replace(company, client=tried_once(company.client))
        port, key = free_port(), f"chaos-{secrets.token_urlsafe(24)}"
        front = Line(port) if stack is not None else None
        if front is not None and stack is not None:
            stack.callback(front.close)
        called = front.port if front is not None else port
        access = connect_platform(company, f"http://127.0.0.1:{called}", key)
        given = PlatformSecrets(key, access.api_key, access.signing_secret)
        unlimited = {f"MPP_RATE_LIMIT_{whose}": "0" for whose in _WHOSE}
        environment = unlimited | platform_environment(world.folder, name, name, port, web, given)
        process = Process(name, "platform", world.folder, environment, port)
        world.members[name] = Member(name, company, process, world.folder / f"{name}.db", front)
        world.supervisor.start(process)
        return name

    providers = [join(f"provider-{n}", MarketPlayerRole.DSO) for n in range(1, size.providers + 1)]
    bulk = [
        join(f"bulk-{n}", MarketPlayerRole.AGGREGATOR) for n in range(1, size.bulk_requesters + 1)
    ]
    other = join("requester", MarketPlayerRole.AGGREGATOR)
    wanted: list[tuple[list[Agreed], str, str, UUID]] = []
    for provider in providers:
        plain = _publish(world, provider, "A service")
        talkative = _publish(world, provider, platforms.TALKATIVE)
        for requester in bulk:
            theirs = world.bulk.setdefault(requester, [])
            wanted += [(theirs, provider, requester, plain)] * size.bulk
        wanted += [(world.single, provider, other, plain)] * size.single
        wanted += [(world.talkative, provider, other, talkative)] * size.talkative

    def subscribe(one: tuple[list[Agreed], str, str, UUID]) -> None:
        among, provider, requester, service_id = one
        among.append(_subscribe(world, provider, requester, service_id))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(subscribe, wanted))
    waiting = {one.subscription_id for one in _all(world)}

    def all_active() -> bool:
        for one in list(waiting):
            client = world.members["requester"].company.client
            for agreed in _all(world):
                if agreed.subscription_id == one:
                    client = world.members[agreed.requester].company.client
            if client.read_subscription(UUID(one)).body.state is not SubscriptionState.ACTIVE:
                return False
            waiting.discard(one)
        return True

    wait_until("Every subscription ACTIVE", all_active, 240)


def _all(world: World) -> list[Agreed]:
    return [*(one for them in world.bulk.values() for one in them), *world.single, *world.talkative]


def _publish(world: World, provider: str, name: str) -> UUID:
    client = world.members[provider].company.client
    stated = description("P7D").model_copy(update={"name": name, "consent_required": False})
    draft = client.create_service(stated).body
    client.publish_service_version(draft.service_id, draft.version)
    return draft.service_id


def _subscribe(world: World, provider: str, requester: str, service_id: UUID) -> Agreed:
    buyer, seller = world.members[requester].company, world.members[provider].company
    request = buyer.client.request_service(ServiceRequestDraft(service_id=service_id)).body
    offer = seller.client.make_offer(request.service_request_id, terms("P7D")).body
    made = buyer.client.accept_offer(offer.service_request_id, offer.offer_id).body
    return Agreed(str(made.subscription_id), provider, requester)


def _rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(
        sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)
    ) as opened:
        return list(opened.execute(query))
