from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from marketplace.core.database import Base
from mpp_sdk.database import open_database


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Return an engine on a fresh database with every table of the capabilities imported so far."""
    engine = open_database(database_url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()
