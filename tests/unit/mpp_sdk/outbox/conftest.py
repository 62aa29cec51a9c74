"""An outbox on a real SQLite file and on a real PostgreSQL, the same tests for both."""

from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, MetaData

from mpp_sdk.database import open_database
from mpp_sdk.outbox import OutboxTables, ReplayTables
from mpp_sdk.secrets import SecretBox

METADATA = MetaData()
TABLES = OutboxTables.define(METADATA)
REPLAYS = ReplayTables.define(METADATA)
SECRET_BOX = SecretBox([Fernet.generate_key().decode()])


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Return an engine on a fresh database with the tables of an outbox."""
    engine = open_database(database_url)
    METADATA.create_all(engine)
    yield engine
    engine.dispose()
