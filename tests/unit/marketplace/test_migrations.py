from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, inspect, text

from marketplace.app import metadata
from marketplace.core import migrations
from mpp_sdk.database import open_database

_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def _tables(engine: Engine) -> set[str]:
    names = set(inspect(engine).get_table_names())
    return {name for name in names if not name.startswith("test_")} - {"alembic_version"}


def _triggers(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(text(_TRIGGERS[engine.dialect.name])))


def _constraints(engine: Engine) -> dict[str, set[str | None]]:
    inspector = inspect(engine)
    return {
        table: {check["name"] for check in inspector.get_check_constraints(table)}
        for table in _tables(engine)
        if not table.startswith("fts_")
    }


def test_the_migrations_make_what_the_mappings_say(empty: Engine) -> None:
    """Tables of other tests in the same metadata are left out: they have no migration."""
    migrations.upgrade(empty)
    assert migrations.revision_of(empty) == migrations.newest_revision(empty)
    found = migrations.differences(empty, metadata())
    assert [difference for difference in found if "test_" not in difference] == []


def test_they_make_the_same_guards_as_the_mappings(empty: Engine) -> None:
    metadata().create_all(empty)
    triggers, constraints, tables = _triggers(empty), _constraints(empty), _tables(empty)
    assert {trigger for trigger in triggers if trigger.startswith("audit_entry")}
    assert sum(len(names) for names in constraints.values()) > 10
    _clear(empty)
    migrations.upgrade(empty)
    assert _triggers(empty) == triggers
    assert _tables(empty) == tables
    assert _constraints(empty) == constraints


def _clear(engine: Engine) -> None:
    metadata().drop_all(engine)
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            names = connection.scalars(
                text("SELECT proname FROM pg_proc WHERE proname LIKE '%\\_append\\_only'")
            ).all()
            for name in names:
                connection.execute(text(f"DROP FUNCTION {name}()"))


def test_they_go_down_and_up_again(empty: Engine) -> None:
    migrations.upgrade(empty)
    tables, triggers = _tables(empty), _triggers(empty)
    migrations.downgrade(empty, "base")
    assert _tables(empty) == set()
    assert _triggers(empty) == set()
    assert migrations.revision_of(empty) is None
    migrations.upgrade(empty)
    assert (_tables(empty), _triggers(empty)) == (tables, triggers)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE integration_test",
        "DROP INDEX ix_access_token_expires_at",
        "ALTER TABLE platform_key ADD COLUMN surplus INTEGER",
    ],
)
def test_a_difference_is_seen(empty: Engine, change: str) -> None:
    migrations.upgrade(empty)
    before = migrations.differences(empty, metadata())
    with empty.begin() as connection:
        connection.execute(text(change))
    assert len(migrations.differences(empty, metadata())) > len(before)
