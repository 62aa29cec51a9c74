from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from marketplace.core.database import Base
from mpp_sdk.database import open_database

from .market import Company, Market


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Return an engine on a fresh database with every table of the capabilities imported so far."""
    engine = open_database(database_url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def market(sqlite_url: str, tmp_path: Path) -> Iterator[Market]:
    """Return a marketplace on a fresh SQLite file."""
    engine = open_database(sqlite_url)
    yield Market.on(engine, tmp_path)
    engine.dispose()


@pytest.fixture
def provider(market: Market) -> Company:
    return market.company("Crevillent Distribution")


@pytest.fixture
def requester(market: Market) -> Company:
    return market.company("Levante Aggregation")


@pytest.fixture
def stranger(market: Market) -> Company:
    return market.company("Ponent Energia")
