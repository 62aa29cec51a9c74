"""An outbox on a real SQLite file and on a real PostgreSQL, the same tests for both."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, MetaData, create_engine, make_url, text

from mpp_sdk.database import open_database
from mpp_sdk.outbox import OutboxTables
from mpp_sdk.secrets import SecretBox

METADATA = MetaData()
TABLES = OutboxTables.define(METADATA)
SECRET_BOX = SecretBox([Fernet.generate_key().decode()])


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Return the URL of a database of this test session's own."""
    server = make_url(
        os.environ.get("FLEXAGORA_TEST_POSTGRES_URL")
        or "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
    )
    name = f"outbox_{uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'outbox.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    METADATA.create_all(engine)
    yield engine
    METADATA.drop_all(engine)
    engine.dispose()
