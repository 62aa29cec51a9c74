"""A marketplace with its website for the tests of a module, on each of the databases."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.functional.website.business import Business, Member
from tests.functional.website.places import Place, opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Return a marketplace: once on SQLite, once on PostgreSQL."""
    folder = tmp_path_factory.mktemp("place")
    if request.param == "sqlite":
        with opened(folder) as place:
            yield place
        return
    server = request.getfixturevalue("postgres_server")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"flexagora_test_{uuid4().hex}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    with opened(folder, make_url(server).set(database=name).render_as_string(False)) as place:
        yield place
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="module")
def business(place: Place) -> Business:
    return Business(place)


@pytest.fixture(scope="module")
def provider(business: Business) -> Member:
    return business.member("Crevillent Distribution")


@pytest.fixture(scope="module")
def requester(business: Business) -> Member:
    return business.member("Levante Aggregation")


@pytest.fixture(scope="module")
def stranger(business: Business) -> Member:
    return business.member("Ponent Energia")
