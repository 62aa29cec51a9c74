"""That what is measured on is a market as the marketplace itself would have written it."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, text

from benchmarks.seeding import (
    OPERATOR_EMAIL,
    PASSWORD,
    PROVIDER_EMAIL,
    REQUESTER_EMAIL,
    Scale,
    seed,
)
from benchmarks.website.measuring import Cost, Key, Measured, measure
from benchmarks.website.report import beyond
from benchmarks.website.visitors import Query, watching
from marketplace.accounts import signing_in
from marketplace.accounts.domain import Origin
from marketplace.app import metadata, wire
from marketplace.catalogue import service as catalogue
from marketplace.catalogue.repository import ServiceFilter
from marketplace.core import migrations
from marketplace.core.environment import Environment, in_environment
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from marketplace.delivery import service as delivery
from marketplace.identity.access import acting_for
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.repository import NegotiationFilter
from mpp_sdk.clock import now
from mpp_sdk.database import open_database
from mpp_sdk.outbox import EventState

SMALL = Scale(companies=24, services=40, subscriptions=60, deliveries=900)
UNLIMITED = {f"rate_limit_{name}": 0 for name in ("address", "credential", "anonymous", "failures")}


@pytest.fixture
def market(database_url: str, tmp_path: Path) -> Iterator[Environment]:
    settings = Settings.model_validate(
        {
            "data_dir": tmp_path,
            "database_url": database_url,
            "secret_keys": Fernet.generate_key().decode(),
            **UNLIMITED,
        }
    )
    engine = open_database(database_url)
    migrations.upgrade(engine)
    wire()
    seed(engine, SMALL, settings.secret_box, now())
    yield Environment(settings, engine)
    engine.dispose()


def counted(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        count: int = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        return count


def test_there_is_as_much_as_was_asked_for_and_it_keeps_to_the_schema(market: Environment) -> None:
    engine = market.engine
    assert counted(engine, "market_player") == SMALL.companies
    assert counted(engine, "service") == SMALL.services
    assert counted(engine, "subscription") == SMALL.subscriptions
    assert counted(engine, "outbox_event") == SMALL.deliveries
    assert migrations.differences(engine, metadata()) == []
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def test_it_is_the_same_each_time(market: Environment, tmp_path: Path) -> None:
    moment = now()
    found = []
    for name in ("first", "second"):
        engine = open_database(f"sqlite:///{tmp_path / name}.db")
        migrations.upgrade(engine)
        seed(engine, SMALL, market.settings.secret_box, moment)
        with engine.connect() as connection:
            found.append(connection.execute(text("SELECT * FROM subscription ORDER BY id")).all())
        engine.dispose()
    assert found[0] == found[1]


@pytest.mark.parametrize("email", [PROVIDER_EMAIL, REQUESTER_EMAIL, OPERATOR_EMAIL])
def test_its_people_sign_in_and_the_services_read_it(market: Environment, email: str) -> None:
    with in_environment(market):
        with unit_of_work(market.engine):
            session = signing_in.sign_in(email, PASSWORD, Origin())
        assert isinstance(session, signing_in.Session)
        with unit_of_work(market.engine, read_only=True):
            someone = signing_in.signed_in(session.token)
        assert someone is not None
        with acting_for(someone.principal), unit_of_work(market.engine, read_only=True):
            viewer = someone.market_player_id
            assert catalogue.list_services(ServiceFilter(viewer, text="for"), 50, None).items
            page = subscriptions.list_subscriptions(NegotiationFilter(viewer), 50, None)
            assert page.items
            found = delivery.list_deliveries(limit=50).items
            assert EventState.DELIVERED in {event.state for event in found}
            assert delivery.list_attempts(found[0].event_id, limit=5).items


def test_every_page_shows_it_to_somebody(market: Environment) -> None:
    measured = asyncio.run(measure(market, 1))
    assert {key.visitor for key in measured.costs} == {
        "anonymous",
        "provider",
        "requester",
        "operator",
    }
    assert [line for line in beyond(measured, measured) if " ms" not in line] == []


def test_queries_are_counted(market: Environment) -> None:
    with watching(market.engine) as queries:
        with market.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            connection.execute(text("SELECT 2"))
        assert [query.statement for query in queries.take()] == ["SELECT 1", "SELECT 2"]
        assert queries.take() == []


def cost(queries: int = 3, seconds: float = 0.01, assets: int = 1_000) -> Cost:
    return Cost("/x", 200, True, [seconds], queries, 2_000, Query("", None, 0), assets)


@pytest.mark.parametrize(
    ("full", "part", "said"),
    [
        (cost(seconds=0.25), cost(), "250 ms, the limit is 200"),
        (cost(queries=4), cost(queries=3), "3 queries with fewer rows, 4 with more"),
        (cost(assets=151_000), cost(), "loads 151 kB, the limit is 150"),
    ],
)
def test_what_is_beyond_a_limit_is_said(full: Cost, part: Cost, said: str) -> None:
    key = Key("area.page", "operator")
    [line] = beyond(Measured({key: full}, {}), Measured({key: part}, {}))
    assert said in line


def test_a_page_that_nobody_sees_is_said() -> None:
    key = Key("area.seen", "operator")
    answered = {
        "area.page": Counter({404: 3}),
        "area.begin": Counter({302: 1}),
        "area.seen": Counter({200: 1, 403: 2}),
        "area.x": Counter[int](),
        "area.broken": Counter({200: 1, 500: 1}),
    }
    lines = beyond(Measured({key: cost()}, answered), Measured({}, {}))
    assert [line.partition(":")[0] for line in lines] == ["area.page", "area.x", "area.broken"]


def test_a_page_within_the_limits_is_not() -> None:
    key = Key("area.page", "operator")
    assert beyond(Measured({key: cost()}, {}), Measured({key: cost()}, {})) == []
