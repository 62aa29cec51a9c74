"""What operators see of a running marketplace: readiness and metrics."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, make_url, text

from examples.demo.companies import wait_until
from marketplace.app import Application, open_environment
from marketplace.core import backup, migrations
from marketplace.core.actor import MARKETPLACE
from marketplace.core.settings import Settings
from marketplace.delivery import queue
from mpp_sdk.clock import now
from mpp_sdk.database import open_database
from mpp_sdk.web.server import BackgroundServer


@dataclass(frozen=True)
class Running:
    public: str
    operations: str
    application: Application

    def get(self, path: str) -> requests.Response:
        return requests.get(self.operations + path, timeout=10)

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Return every sample by its name and the values of its labels."""
        answer = self.get("/metrics")
        assert answer.status_code == 200
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


@contextmanager
def running(folder: Path, database_url: str, **changed: object) -> Iterator[Running]:
    engine = open_database(database_url)
    migrations.upgrade(engine)
    engine.dispose()
    given = {
        "data_dir": folder,
        "database_url": database_url,
        "secret_keys": (SecretStr(Fernet.generate_key().decode()),),
        "operations_port": 0,
        "database_pool_size": 3,
    }
    environment = open_environment(Settings.model_validate(given | changed))
    application = Application(environment)
    with application.operations.listening() as operations, BackgroundServer(application.app) as url:
        yield Running(url, operations, application)


@pytest.fixture
def served(tmp_path: Path, database_url: str) -> Iterator[Running]:
    with running(tmp_path, database_url) as found:
        yield found


def test_metrics_are_at_the_operations_port_and_nowhere_else(served: Running) -> None:
    assert requests.get(f"{served.public}/metrics", timeout=10).status_code == 404
    for url in (served.public, served.operations):
        assert requests.get(f"{url}/healthz", timeout=10).json() == {"status": "ALIVE"}
        assert requests.get(f"{url}/readyz", timeout=10).json()["status"] == "READY"

    found = served.metrics()

    assert found["flexagora_database_figures_up",] == 1
    assert found["flexagora_database_round_trip_seconds",] > 0
    assert found["flexagora_database_size_bytes",] > 100_000
    assert found["flexagora_delivery_lag_seconds",] == 0
    for state in ("QUEUED", "RETRYING", "DEAD"):
        assert found["flexagora_delivery_events", state] == 0
    assert found["process_resident_memory_bytes",] > 1_000_000


def test_it_shows_that_deliveries_are_held_after_a_restoration(served: Running) -> None:
    assert served.metrics()["flexagora_deliveries_held",] == 0

    engine = served.application.environment.engine
    backup.mark(engine, now(), None, MARKETPLACE)

    wait_until("The hold", lambda: served.metrics()["flexagora_deliveries_held",] == 1 or None)


def test_calls_are_counted_by_operation_and_never_by_path(served: Running) -> None:
    for path in ("/api/v1/services", "/api/v1/services/one", "/api/v1/services/two", "/nowhere/1"):
        requests.get(served.public + path, timeout=10)

    found = wait_until("Counting", lambda: _counted(served, 4))

    requests_by_labels = {key[1:]: found[key] for key in found if key[0].endswith("requests_total")}
    assert requests_by_labels == {
        ("marketplace", "catalogue.list_services", "401"): 1,
        ("marketplace", "catalogue.read_service", "401"): 2,
        ("none", "none", "404"): 1,
    }
    duration = ("marketplace", "catalogue.read_service")
    assert found["flexagora_http_request_duration_seconds_count", *duration] == 2


def _counted(served: Running, calls: int) -> dict[tuple[str, ...], float] | None:
    found = served.metrics()
    counted = sum(found[key] for key in found if key[0].endswith("http_requests_total"))
    return found if counted >= calls else None


def test_jobs_tell_when_they_last_ended_well(served: Running) -> None:
    # A page of metrics is read figure by figure while the job runs: both appear, not at once.
    runs = ("flexagora_job_runs_total", "done", "expire requests")
    when = ("flexagora_job_last_success_timestamp_seconds", "expire requests")
    found = wait_until(
        "The job", lambda: m if {runs, when} <= (m := served.metrics()).keys() else None
    )
    assert found[runs] >= 1
    assert found[when] > 1_700_000_000


def test_without_its_database_it_lives_is_not_ready_and_says_so_in_its_metrics(
    tmp_path: Path, postgres_url: str, postgres_server: str
) -> None:
    name = make_url(postgres_url).database
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with running(tmp_path, postgres_url) as served, admin.connect() as connection:
        assert served.metrics()["flexagora_database_figures_up",] == 1
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
        for url in (served.public, served.operations):
            wait_until("503", partial(_has_status, f"{url}/readyz", 503))
            assert _status(f"{url}/healthz") == 200
        wait_until("0", lambda: served.metrics()["flexagora_database_figures_up",] == 0)
        checks = {each["name"]: each for each in served.get("/readyz").json()["checks"]}
        assert checks["database"] == {
            "name": "database",
            "status": "FAILED",
            "detail": "It does not answer.",
        }
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        wait_until("200", lambda: _status(f"{served.public}/readyz") == 200)
        wait_until("1", lambda: served.metrics()["flexagora_database_figures_up",] == 1)
    admin.dispose()


def _has_status(url: str, status: int) -> bool:
    return _status(url) == status


def _status(url: str) -> int:
    return requests.get(url, timeout=10).status_code


def test_a_pool_that_is_used_up_is_seen_and_stops_no_scrape(served: Running) -> None:
    engine = served.application.environment.engine
    limit = int(served.metrics()["flexagora_database_connections_limit",])
    held: list[Connection] = []
    try:
        while len(held) < limit:
            held.append(engine.connect())
        found = served.metrics()
        assert found["flexagora_database_connections_in_use",] == limit == 13
        assert served.get("/readyz").status_code == 200
    finally:
        for connection in held:
            connection.close()


def test_who_stops_it_can_have_it_not_ready_before(served: Running) -> None:
    served.application.environment.readiness.begin_stopping()

    answer = requests.get(f"{served.public}/readyz", timeout=10)

    assert answer.status_code == 503
    assert answer.json()["status"] == "NOT_READY"
    assert answer.json()["checks"][0]["detail"] == "It is about to stop."
    assert served.metrics()["flexagora_stopping",] == 1


def test_on_a_schema_that_it_does_not_work_with_it_is_not_ready_and_says_why(
    tmp_path: Path, sqlite_url: str
) -> None:
    with running(tmp_path, sqlite_url) as served:
        engine = open_database(sqlite_url)

        def say(what: str) -> None:
            with engine.begin() as connection:
                connection.execute(text(what))

        say("UPDATE alembic_version SET version_num = '0001'")
        wait_until("503", lambda: _problem(served, "flexagora database upgrade"))
        say("UPDATE alembic_version SET version_num = '9999'")
        wait_until("200", lambda: served.get("/readyz").status_code == 200)
        say("UPDATE schema_compatibility SET oldest_revision = '9999'")
        wait_until("503", lambda: _problem(served, "Run the newer version"))
        engine.dispose()


def _problem(served: Running, why: str) -> bool:
    answer = served.get("/readyz")
    [database] = [one for one in answer.json()["checks"] if one["name"] == "database"]
    return answer.status_code == 503 and why in database["detail"]


def test_a_broker_that_is_away_makes_it_degraded_and_not_unready(
    tmp_path: Path, sqlite_url: str
) -> None:
    nowhere = "amqp://guest:guest@127.0.0.1:9"
    with running(tmp_path, sqlite_url, broker_url=nowhere) as served:
        queue.wake(served.application.environment)
        wait_until("DEGRADED", lambda: served.get("/readyz").json()["status"] == "DEGRADED")
        assert served.get("/readyz").status_code == 200
        found = wait_until("Failed", lambda: _failed(served))
        assert found["flexagora_broker_up",] == 0


def _failed(served: Running) -> dict[tuple[str, ...], float] | None:
    found = served.metrics()
    return found if found["flexagora_wake_ups_total", "failed"] else None
