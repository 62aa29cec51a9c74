"""Databases for the tests: every test that asks for `database_url` runs on both kinds."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

_POSTGRES_URL = os.environ.get(
    "FLEXAGORA_TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
)


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """Return the URL of the PostgreSQL server's maintenance database; fail when there is none."""
    engine = create_engine(_POSTGRES_URL)
    try:
        with engine.connect():
            return _POSTGRES_URL
    except Exception as error:
        pytest.fail(f"No PostgreSQL at {_POSTGRES_URL}: set FLEXAGORA_TEST_POSTGRES_URL ({error})")
    finally:
        engine.dispose()


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


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of a fresh SQLite file."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a fresh database: once SQLite, once PostgreSQL."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))
