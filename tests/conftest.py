"""Servers for the tests: every test that asks for `database_url` runs on both databases."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, make_url, text

from tests.services import chromium, java, mono, postgresql, rabbitmq
from tests.services.processes import CannotStart

# The same random cases in every run; FLEXAGORA_TEST_BY_CHANCE=1 looks for others.
settings.load_profile("default" if os.environ.get("FLEXAGORA_TEST_BY_CHANCE") else "ci")

_BROWSER_TESTS = Path(__file__).parent / "browser"
_SDK_TESTS = Path(__file__).parent / "sdk"


def pytest_configure(config: pytest.Config) -> None:
    """Provide the servers once; test processes that are started later find them by their URLs."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    wanted = {
        "FLEXAGORA_TEST_POSTGRES_URL": postgresql.provide,
        "FLEXAGORA_TEST_RABBITMQ_URL": rabbitmq.provide,
    }
    for name, provide in wanted.items():
        try:
            server = provide()
        except CannotStart as error:
            pytest.exit(str(error), returncode=2)
        os.environ[name] = server.url
        config.add_cleanup(server.stop)
    if _asked_for(config, _BROWSER_TESTS):
        try:
            os.environ[chromium.VARIABLE] = str(chromium.provide())
        except CannotStart as error:
            pytest.exit(str(error), returncode=2)
    if _asked_for(config, _SDK_TESTS):
        try:
            java.provide()
            mono.provide()
        except CannotStart as error:
            pytest.exit(str(error), returncode=2)


def _asked_for(config: pytest.Config, folder: Path) -> bool:
    """Return whether tests of a folder are among those that this run was asked for."""
    asked = [
        (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        for argument in config.args
    ]
    return any(folder.is_relative_to(one) or one.is_relative_to(folder) for one in asked)


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """Return the URL of the PostgreSQL server's maintenance database."""
    return os.environ["FLEXAGORA_TEST_POSTGRES_URL"]


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Return the URL of a fresh PostgreSQL database, dropped afterwards."""
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    name = f"flexagora_test_{uuid4().hex}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    """Return the URL of the RabbitMQ broker, which tests share: wake-ups of others may come."""
    return os.environ["FLEXAGORA_TEST_RABBITMQ_URL"]


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of a fresh SQLite file."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a fresh database: once SQLite, once PostgreSQL."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))
