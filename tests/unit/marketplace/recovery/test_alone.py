"""One re-synchronisation at a time, whoever began it, and whatever became of the one before."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from examples.demo.companies import wait_until
from marketplace.app import open_environment
from marketplace.core import migrations
from marketplace.core.environment import Environment
from marketplace.core.settings import Settings
from marketplace.recovery.alone import alone
from mpp_sdk.database import open_database
from mpp_sdk.errors import Conflict

SECONDS = 60
HOLD = """
import sys
from marketplace.app import open_environment
from marketplace.core.settings import Settings
from marketplace.recovery.alone import alone
with alone(open_environment(Settings())):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def environment(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("FLEXAGORA_DATABASE_URL", database_url)
    monkeypatch.setenv("FLEXAGORA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", Fernet.generate_key().decode())
    engine = open_database(database_url)
    migrations.upgrade(engine)
    engine.dispose()
    return open_environment(Settings())


def test_a_second_one_is_refused_until_the_first_has_ended(environment: Environment) -> None:
    refused = pytest.raises(Conflict, match="Another re-synchronisation")
    with alone(environment), refused, alone(environment):
        pytest.fail("It ran beside the first.")
    with alone(environment):
        pass


def test_one_that_was_killed_is_in_nobodys_way(environment: Environment) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(Conflict), alone(environment):
        pytest.fail("It ran beside the first.")
    other.kill()
    other.communicate(timeout=SECONDS)

    def is_free() -> bool:  # the server notices the end of a connection a little later
        with suppress(Conflict), alone(environment):
            return True
        return False

    wait_until("The lock to be free", is_free, SECONDS)
