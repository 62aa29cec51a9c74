"""A platform's database that an earlier version made opens with this one, and keeps its rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    inspect,
    text,
)

from mpp_sdk.contracts.notifications.models import ActivationState, ConsentState
from mpp_sdk.database import open_database
from mpp_sdk.outbox import EventState
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.schema import SchemaError, bring_up_to_date
from mpp_sdk.state.tables import Base
from tests.functional.sdk.support import settings

MADE_BY_0_1 = Path(__file__).parents[2] / "data" / "version_0_1"
SUBSCRIPTION = UUID("0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d91")
DEAD = UUID("0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8da1")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def run_file(engine: Engine, name: str) -> None:
    lines = (MADE_BY_0_1 / name).read_text().splitlines()
    script = "\n".join(line for line in lines if not line.startswith("--"))
    with engine.begin() as connection:
        for statement in filter(str.strip, script.split(";\n")):
            connection.exec_driver_sql(statement)


def columns_of(engine: Engine, table: str) -> set[str]:
    return {column["name"] for column in inspect(engine).get_columns(table)}


def test_a_database_of_version_0_1_opens_keeps_its_rows_and_works(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    run_file(engine, f"platform.{engine.dialect.name}.sql")
    run_file(engine, "rows.sql")

    platform = MarketPlayerPlatform(settings(database_url, tmp_path))
    [pod] = platform.points_of_delivery.page(SUBSCRIPTION, after=None, limit=10)
    kept = {one.event_id: one.state for one in platform.notifications.all()}
    replayed = platform.notifications.replay(DEAD)
    platform.consents.withdraw(SUBSCRIPTION, "POD-1", "The customer moved.")
    [after] = platform.points_of_delivery.page(SUBSCRIPTION, after=None, limit=10)
    told = [one.kind for one in platform.notifications.all()]
    platform.engine.dispose()

    assert (pod.consent, pod.activation) == (ConsentState.GRANTED, ActivationState.ACTIVE)
    assert sorted(kept.values()) == [EventState.DEAD, EventState.QUEUED]
    assert replayed.state is EventState.QUEUED
    assert after.consent is ConsentState.WITHDRAWN
    assert sorted(told) == ["service.activation"] * 2 + ["service.consent"] * 2


def test_it_has_everything_then_and_a_second_start_adds_nothing(engine: Engine) -> None:
    run_file(engine, f"platform.{engine.dialect.name}.sql")
    bring_up_to_date(engine, Base.metadata)

    assert bring_up_to_date(engine, Base.metadata) == []
    found = inspect(engine)
    for table in Base.metadata.sorted_tables:
        assert {column.name for column in table.columns} <= columns_of(engine, table.name)
        indexes = {index["name"] for index in found.get_indexes(table.name)}
        assert {index.name for index in table.indexes} <= indexes


def old_table(engine: Engine) -> None:
    before = MetaData()
    Table("thing", before, Column("id", Integer, primary_key=True))
    before.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO thing (id) VALUES (1), (2)"))


def test_columns_and_indexes_are_added_to_the_rows_that_are_there(engine: Engine) -> None:
    old_table(engine)
    after = MetaData()
    Table(
        "thing",
        after,
        Column("id", Integer, primary_key=True),
        Column("note", String(20), nullable=True),
        Column("mode", String(20), nullable=False, server_default="RUNNING"),
        Index("ix_thing_mode", "mode", "id"),
    )
    Table("other", after, Column("id", Integer, primary_key=True))

    assert bring_up_to_date(engine, after) == ["thing.note", "thing.mode", "ix_thing_mode"]
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, note, mode FROM thing ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [(1, None, "RUNNING"), (2, None, "RUNNING")]
    assert inspect(engine).has_table("other")


def needing_a_value() -> Table:
    return _thing(Column("size", Integer, nullable=False))


def referring() -> Table:
    return _thing(Column("size", Integer, ForeignKey("thing.id")))


def in_the_key() -> Table:
    return _thing(Column("size", Integer, primary_key=True))


def unique() -> Table:
    return _thing(Column("size", Integer), UniqueConstraint("size"))


def _thing(*more: Column[int] | UniqueConstraint) -> Table:
    metadata = MetaData()
    Table("other", metadata, Column("id", Integer, primary_key=True))
    return Table("thing", metadata, Column("id", Integer, primary_key=True), *more)


@pytest.mark.parametrize(
    ("newer", "obstacle"),
    [
        (needing_a_value, "it needs a value, and no default says which"),
        (referring, "it refers to another table"),
        (in_the_key, "it belongs to the primary key"),
        (unique, "it must be unique"),
    ],
)
def test_what_cannot_be_added_is_named_and_nothing_is_changed(
    engine: Engine, newer: Callable[[], Table], obstacle: str
) -> None:
    old_table(engine)

    with pytest.raises(SchemaError) as raised:
        bring_up_to_date(engine, newer().metadata)

    assert raised.value.detail == (
        f"The column thing.size is missing and cannot be added: {obstacle}."
    )
    assert columns_of(engine, "thing") == {"id"}
    assert not inspect(engine).has_table("other")


def test_a_newer_database_that_needs_more_than_this_version_knows_is_refused(
    engine: Engine,
) -> None:
    newer = MetaData()
    Table(
        "thing",
        newer,
        Column("id", Integer, primary_key=True),
        Column("may", String(20)),
        Column("must", String(20), nullable=False),
    )
    newer.create_all(engine)
    known = MetaData()
    Table("thing", known, Column("id", Integer, primary_key=True))

    with pytest.raises(SchemaError) as raised:
        bring_up_to_date(engine, known)

    assert raised.value.detail == (
        "The column thing.must is not known to this version, and must have a value:"
        " a newer version has made it."
    )
