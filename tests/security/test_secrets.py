"""The whole main job with everything logged, and none of the secrets in what was written."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from cryptography.fernet import Fernet
from sqlalchemy import MetaData, create_engine, make_url, select

from examples.demo.processes import free_port
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    CredentialDraft,
    CredentialKind,
    MarketPlayerRole,
    PlatformRole,
    SubscriptionState,
)
from mpp_sdk.ids import new_id
from tests.world import people
from tests.world.people import Company, Register
from tests.world.platform import presented_key, subscription_keys
from tests.world.processes import PODS, MarketplaceProcess, PlatformProcess

from .leaks import forms, found_in

DEBUGGING = Path(__file__).parent / "debugging"
DATABASE_PASSWORD = "canary-of-the-database-wK3xPq"
BROKER_PASSWORD = "canary-of-the-broker-Zr8Lmd"
GUESSED_KEY = "canary-of-a-key-that-is-not-good-Hy5Tq"
GUESSED_SECRET = "canary-of-a-client-secret-that-is-not-good-Bn2"
REFUSED_KEY = "canary-of-a-platform-key-that-was-refused-Vc7"


@dataclass
class Run:
    """What a run has written and answered, and every secret in it."""

    folder: Path
    secrets: set[str] = field(default_factory=set)
    answers: list[bytes] = field(default_factory=list)
    database: bytes = b""

    def written(self) -> dict[str, bytes]:
        """Return all that was written, by where it is."""
        files = {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in self.folder.rglob("*")
            if file.is_file() and file.suffix != ".key"  # those encrypt what is in the databases
        }
        return files | {"database": self.database, "answers": b"\n".join(self.answers)}


@pytest.fixture(scope="module")
def run(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The main job on PostgreSQL, with a broker that is out of reach, at DEBUG."""
    folder = tmp_path_factory.mktemp("secrets")
    name = f"flexagora_test_{new_id().hex}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0")
    url = make_url(postgres_server).set(database=name)
    stated = url if url.password else url.set(password=DATABASE_PASSWORD)  # nobody checks it
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(DEBUGGING), *([before] if before else [])])
    made = Run(folder, {str(stated.password), BROKER_PASSWORD})
    try:
        _do_the_main_job(made, stated.render_as_string(hide_password=False))
        made.database = _dump(url.render_as_string(hide_password=False))
        yield made
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


def _do_the_main_job(run: Run, database_url: str) -> None:
    encryption_key = Fernet.generate_key().decode()
    operations, of_platform = free_port(), free_port()
    settings = {
        "FLEXAGORA_OPERATIONS_PORT": str(operations),
        "FLEXAGORA_DATABASE_URL": database_url,
        "FLEXAGORA_BROKER_URL": f"amqp://guest:{BROKER_PASSWORD}@127.0.0.1:9",
        "FLEXAGORA_SECRET_KEYS": encryption_key,
    }
    marketplace = MarketplaceProcess(run.folder, settings)
    run.secrets.add(encryption_key)
    for command in (["database", "upgrade"], ["settings"], ["--help"]):
        run.answers.append(_flexagora(command, marketplace.environment))
    provider_platform = PlatformProcess(run.folder, "examples.local_operator:LocalOperator")
    requester_platform = PlatformProcess(run.folder, "examples.aggregator:Aggregator")
    servers = (provider_platform, requester_platform, marketplace.server)
    try:
        marketplace.server.start()
        register = Register(marketplace.url, run.secrets)
        register.sign_in_operator(*marketplace.create_operator())
        port_setting = {"MPP_OPERATIONS_PORT": str(of_platform)}
        provider = _company(
            register, "Crevillent", MarketPlayerRole.DSO, provider_platform, port_setting
        )
        requester = _company(register, "Levante", MarketPlayerRole.AGGREGATOR, requester_platform)
        for company in (provider, requester):
            company.client.test_platform(company.player_id, idempotency_key=str(new_id()))
        subscription = people.subscribe(
            provider, requester, people.publish(provider, "Meter data"), "PT1S"
        ).subscription_id
        _until(
            lambda: (
                requester.client.read_subscription(subscription).body.state
                is SubscriptionState.ACTIVE
                and len(requester.client.list_points_of_delivery(subscription).items) == len(PODS)
            )
        )
        run.secrets |= set(subscription_keys(requester_platform, marketplace.url).values())
        run.secrets |= {
            presented_key(one, marketplace.url) for one in (provider_platform, requester_platform)
        }
        _again_under_a_key(run, register, requester)
        _refusals(run, register, requester, provider_platform.url, str(subscription))
        _look_around(run, register, requester)
        for port in (operations, of_platform):
            for path in ("metrics", "readyz"):
                found = requests.get(f"http://127.0.0.1:{port}/{path}", timeout=20)
                found.raise_for_status()
                run.answers.append(found.content)
        requester.client.cancel_subscription(subscription, ActionReason(reason="Over."))
        _until(
            lambda: (
                requester.client.read_subscription(subscription).body.state
                is SubscriptionState.CANCELED
            )
        )
    finally:
        for server in servers:
            server.stop()


def _company(
    register: Register,
    name: str,
    role: MarketPlayerRole,
    platform: PlatformProcess,
    settings: Mapping[str, str] | None = None,
) -> Company:
    company = register.company(name, [role], platform.url, platform.inbound_key)
    platform.start(register.url, company.key, company.signing_secret, settings)
    return company


def _again_under_a_key(run: Run, register: Register, company: Company) -> None:
    """Have an answer with a secret in it kept, and given again."""
    draft = CredentialDraft(
        kind=CredentialKind.API_KEY, label="again", roles=[PlatformRole.REQUESTER]
    )
    for _ in range(2):
        issued = company.client.issue_credential(
            company.player_id, draft, idempotency_key="the-same-key"
        )
        run.secrets.add(str(issued.api_key))


def _refusals(run: Run, register: Register, company: Company, platform: str, sub: str) -> None:
    """Make every kind of call that is refused, each with a secret in it."""
    run.secrets |= {GUESSED_KEY, GUESSED_SECRET, REFUSED_KEY}
    api, own = register.api, f"{register.api}/market-players/{company.player_id}"
    notify = f"{register.url}/notifications/v1/service/activation"
    client_id = "fxc_" + "0" * 24
    basic = base64.b64encode(f"{client_id}:{GUESSED_SECRET}".encode()).decode()
    grant = {"grant_type": "client_credentials"}
    post = {"grant_type": "x", "client_id": client_id, "client_secret": GUESSED_SECRET}
    bad_platform = {"baseUrl": "http://user:" + REFUSED_KEY + "@127.0.0.1", "apiKey": REFUSED_KEY}
    key, good = {"X-API-Key": GUESSED_KEY}, company.headers
    query = {"apiKey": GUESSED_KEY}
    calls: list[Callable[[], requests.Response]] = [
        lambda: requests.get(api + "/services", headers=key, timeout=20),
        lambda: requests.get(
            api + "/services", headers={"Authorization": f"Bearer {GUESSED_KEY}"}, timeout=20
        ),
        lambda: requests.get(api + "/services", headers=good, params=query, timeout=20),
        lambda: requests.get(api + "/nowhere", headers=key, params=query, timeout=20),
        lambda: requests.post(
            api + "/oauth/token",
            data=grant,
            headers={"Authorization": f"Basic {basic}"},
            timeout=20,
        ),
        lambda: requests.post(api + "/oauth/token", data=post, timeout=20),
        lambda: requests.put(own + "/platform", json=bad_platform, headers=good, timeout=20),
        lambda: requests.put(
            own + "/platform", json={**bad_platform, "x": REFUSED_KEY}, headers=good, timeout=20
        ),
        lambda: requests.post(
            own + "/credentials", data=f'{{"label": "{REFUSED_KEY}', headers=good, timeout=20
        ),
        lambda: requests.post(notify, json={"secret": REFUSED_KEY}, headers=key, timeout=20),
        lambda: requests.post(
            notify, json={REFUSED_KEY: 1}, headers=company.key_headers, timeout=20
        ),
        lambda: requests.post(platform + "/eu-mp/v1/apikey", headers=key, timeout=20),
        lambda: requests.get(
            f"{platform}/metering/v1/subscriptions/{sub}/points-of-delivery",
            headers=key,
            timeout=20,
        ),
    ]
    for call in calls:
        answer = call()
        assert answer.status_code < 500
        told = f"{answer.status_code} {answer.headers} {answer.text}"
        if REFUSED_KEY in told and answer.json()["status"] == 400:  # a key of an object, by pointer
            told = told.replace(f"/{REFUSED_KEY}", "/...")
        run.answers.append(told.encode())


def _look_around(run: Run, register: Register, company: Company) -> None:
    """Read what there is to be read."""
    paths = ("deliveries", "audit-trail", "services", "market-players", "subscriptions")
    for path in (*paths, f"market-players/{company.player_id}/platform"):
        for headers in (company.headers, register.operator.headers):
            answer = requests.get(f"{register.api}/{path}", headers=headers, timeout=20)
            run.answers.append(answer.content)
    for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"):
        run.answers.append(requests.get(register.url + path, timeout=20).content)


def _flexagora(arguments: list[str], environment: dict[str, str]) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "marketplace", *arguments],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return done.stdout + done.stderr


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.2)


def _dump(url: str) -> bytes:
    """Return every row of every table."""
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = [
            f"{table.name}: {row}"
            for table in metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    engine.dispose()
    assert len({row.partition(":")[0] for row in rows}) > 10
    return "\n".join(rows).encode()


def test_no_secret_is_in_anything_that_was_written(run: Run) -> None:
    assert len(run.secrets) > 15
    told = {where: found_in(content, run.secrets) for where, content in run.written().items()}
    assert {where: secrets for where, secrets in told.items() if secrets} == {}


def test_everything_was_written_down(run: Run) -> None:
    """Else nothing would have been found for want of anything to look at."""
    written = {Path(name).name: content for name, content in run.written().items()}
    assert b"sqlalchemy.engine" in written["marketplace.log"]
    assert b"INSERT INTO" in written["marketplace.log"]
    assert {Path(name).suffix for name in written} >= {".log", ".db", ".jsonl"}
    for name in ("marketplace.log", "local_operator.log", "aggregator.log"):
        assert len(written[name]) > 10_000, name
    for table in ("audit", "outbox", "idempotent_reply", "credential", "platform_key"):
        assert table.encode() in run.database
    assert b"postgresql+psycopg://" in written["answers"]
    for metric in (b"flexagora_delivery_events", b"mpp_"):
        assert metric in written["answers"]


SECRET = "a/secret+that=stands here"


@pytest.mark.parametrize(
    "leak",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        SECRET.replace(" ", "+").replace("/", "%2F").replace("+that", "%2Bthat"),
        json.dumps({"a": SECRET}),
        SECRET.encode().hex(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"client:{SECRET}".encode()).decode(),
        base64.b64encode(f"xclient:{SECRET}:more".encode()).decode(),
        base64.b64encode(f"xyclient:{SECRET}:more".encode()).decode(),
        base64.urlsafe_b64encode(f"a{SECRET}".encode()).decode(),
        "fxk_4Wl0c8m1nOqKkq4m3X0Zc2b1c9y8w7v6u5t4s3r2q1p",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDQIMV+b5sSYs=",
    ],
)
def test_a_leak_is_found_in_every_form(leak: str) -> None:
    assert found_in(f"before {leak} after".encode(), [SECRET])


def test_a_leak_that_is_planted_is_found(run: Run) -> None:
    for where, content in run.written().items():
        for secret in run.secrets:
            for form in forms(secret):
                assert found_in(content[-500:] + form, [secret]), where


def test_what_is_no_secret_is_not_taken_for_one() -> None:
    harmless = b"fxk_ fxc_0123456789abcdef01234567 whsec_ 0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90"
    assert found_in(harmless, [SECRET]) == []
