"""The release of before and this one, side by side on one database, through its migration."""

import json
import os
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from examples.demo.companies import sign_in
from examples.demo.environments import marketplace_environment
from examples.demo.processes import ServerProcess, free_port
from marketplace.core import migrations
from mpp_sdk.database import open_database
from tests.functional.traffic import Targets, Traffic, two_sides
from tests.services.processes import Killable

RELEASE = Path(__file__).parents[1] / "releases" / "flexagora-0.1.0-py3-none-any.whl"
DELIVERS = ("marketplace", "deliver")
# Two processes of version 0.1 that record the same subscriptions in another order may deadlock; the
# one that PostgreSQL ends then keeps its lane for 80 s. Since 0.2 it is recorded again at once.
PATIENCE_S = 200.0


class Release:
    """A version of the marketplace: its commands and its processes, on one database."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self._folder = folder
        self.environment = environment

    def run(self, *arguments: str) -> str:
        """Return what a command prints."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def web(self) -> ServerProcess:
        """Return a process that serves, and delivers too."""
        port = free_port()
        return ServerProcess(
            f"{self.name}, web",
            ["marketplace", "serve"],
            port,
            {**marketplace_environment(self._folder, port), **self.environment},
            self._folder / f"{self.name}-{port}.log",
        )

    def worker(self) -> Killable:
        """Return a process that delivers."""
        return Killable(
            [sys.executable, "-m", *DELIVERS],
            folder=self._folder,
            environment={**marketplace_environment(self._folder, 0), **self.environment},
            log=self._folder / f"{self.name}-worker.log",
        )


@pytest.fixture
def releases(tmp_path: Path, postgres_url: str, rabbitmq_url: str) -> tuple[Release, Release]:
    """Return the release of before and the present one, on one empty database."""
    common = {
        "FLEXAGORA_DATABASE_URL": postgres_url,
        "FLEXAGORA_BROKER_URL": rabbitmq_url,
        "FLEXAGORA_SECRET_KEYS": Fernet.generate_key().decode(),
        "FLEXAGORA_POLL_INTERVAL": "PT0.2S",
        "FLEXAGORA_JOB_INTERVAL": "PT0.5S",
    }
    unpacked = tmp_path / "release"
    with zipfile.ZipFile(RELEASE) as wheel:
        wheel.extractall(unpacked)
    # Before what is installed, and not from the folder that the tests run in.
    of_before = {"PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"}
    return Release("before", tmp_path, common | of_before), Release("present", tmp_path, common)


@pytest.mark.timeout(1800)
def test_the_release_of_before_and_this_one_work_side_by_side_through_the_migration(
    releases: tuple[Release, Release], postgres_url: str, tmp_path: Path
) -> None:
    before, present = releases
    found = before.run("-c", "import marketplace, mpp_sdk; print(marketplace.__file__)")
    assert found.startswith(str(tmp_path))
    before.run("-m", "marketplace", "database", "upgrade")
    account = json.loads(
        before.run("-m", "marketplace", "operator", "create", "--name=Test", "--json")
    )
    engine = open_database(postgres_url)
    assert migrations.revision_of(engine) == "0001"
    with ExitStack() as stack:

        def started(*parts: ServerProcess | Killable) -> None:
            for part in parts:
                stack.callback(part.stop)
                part.start()

        # They deliver too: in version 0.1 nothing followed from what `flexagora deliver` delivered.
        old_web = [before.web(), before.web()]
        started(*old_web)
        targets = Targets(*(one.url for one in old_web))
        operator = sign_in(old_web[0].url, account["clientId"], account["clientSecret"])
        provider, requester = stack.enter_context(two_sides(tmp_path, old_web[0].url, operator))

        new_web, new_worker = [present.web(), present.web()], present.worker()
        traffic = Traffic(targets, provider, requester, PATIENCE_S)
        traffic.start()
        stack.callback(traffic.stop)

        upgraded = present.run("-m", "marketplace", "database", "upgrade")
        assert str(migrations.newest_revision(engine)) in upgraded
        traffic.go_on()  # the release of before on the new schema

        started(*new_web, new_worker)
        targets.become(*(one.url for one in (*old_web, *new_web)))
        traffic.go_on()  # side by side

        targets.become(*(one.url for one in new_web))
        traffic.go_on()  # no call of the callers is under way at an old process now
        for one in old_web:
            one.stop()
        traffic.go_on()
        traffic.stop()
        traffic.check(sign_in(new_web[0].url, account["clientId"], account["clientSecret"]))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM schema_compatibility")) == 1
    assert migrations.revision_of(engine) == migrations.newest_revision(engine)
    engine.dispose()
