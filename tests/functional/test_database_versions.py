"""What the command line does with a database that another version has left."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, text

from examples.demo.processes import free_port
from marketplace.core import migrations
from mpp_sdk.database import open_database

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def flexagora(tmp_path: Path) -> Run:
    """Return what runs the marketplace's command line on a database."""

    def run(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "FLEXAGORA_DATABASE_URL": database_url,
            "FLEXAGORA_SECRET_KEYS": Fernet.generate_key().decode(),
            "FLEXAGORA_DATA_DIR": str(tmp_path),
            "FLEXAGORA_PORT": str(free_port()),
        }
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "marketplace", *arguments],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_an_older_database_is_refused_on_postgresql_with_what_to_do(
    flexagora: Run, postgres_url: str
) -> None:
    refused = flexagora(postgres_url, "serve")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "revision none, this version needs" in refused.stderr
    assert "`flexagora database upgrade`" in refused.stderr
    assert flexagora(postgres_url, "database", "upgrade").returncode == 0
    assert flexagora(postgres_url, "database", "check").returncode == 0


def test_an_older_database_is_upgraded_on_sqlite(flexagora: Run, sqlite_url: str) -> None:
    engine = open_database(sqlite_url)
    migrations.upgrade(engine)
    migrations.downgrade(engine, "base")
    assert flexagora(sqlite_url, "operator", "list").returncode == 0
    assert migrations.revision_of(engine) == migrations.newest_revision(engine)
    engine.dispose()


def _newer(database_url: str, oldest_revision: str) -> Engine:
    """Return a database that a version of tomorrow has changed."""
    engine = open_database(database_url)
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(
            text("UPDATE schema_compatibility SET oldest_revision = :oldest"),
            {"oldest": oldest_revision},
        )
    return engine


def test_a_newer_database_that_has_taken_away_is_refused_and_left_as_it_is(
    flexagora: Run, database_url: str
) -> None:
    engine = _newer(database_url, "9998")
    for command in (
        ["serve"],
        ["operator", "list"],
        ["database", "upgrade"],
        ["database", "check"],
    ):
        refused = flexagora(database_url, *command)
        assert refused.returncode == 1, command
        assert "Traceback" not in refused.stderr
        assert "revision 9999, which this version does not know" in refused.stderr
        assert "one that knows 9998" in refused.stderr
    assert migrations.revision_of(engine) == "9999"
    engine.dispose()


def test_a_newer_database_that_has_only_added_is_worked_on_and_left_as_it_is(
    flexagora: Run, database_url: str
) -> None:
    known = migrations.newest_revision(open_database(database_url))
    assert known is not None
    engine = _newer(database_url, known)
    for command in (["operator", "list"], ["database", "upgrade"], ["database", "check"]):
        done = flexagora(database_url, *command)
        assert done.returncode == 0, done.stderr
    assert "newer than this version, which works on it" in (
        flexagora(database_url, "database", "upgrade").stdout
    )
    refused = flexagora(database_url, "database", "downgrade", "--", "-1")
    assert refused.returncode == 1
    assert "which this version does not know" in refused.stderr
    assert migrations.revision_of(engine) == "9999"
    engine.dispose()


def test_a_newer_database_that_says_nothing_is_refused(flexagora: Run, database_url: str) -> None:
    engine = _newer(database_url, "0001")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE schema_compatibility"))
    refused = flexagora(database_url, "operator", "list")
    assert refused.returncode == 1
    assert "which this version does not know. Run the newer" in refused.stderr
    engine.dispose()


def test_a_revision_that_does_not_exist_is_refused(flexagora: Run, sqlite_url: str) -> None:
    refused = flexagora(sqlite_url, "database", "upgrade", "nowhere")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "nowhere" in refused.stderr
