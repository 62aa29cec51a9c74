import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script
from sqlalchemy import Engine, inspect, text

from marketplace.app import metadata
from marketplace.core import migrations
from mpp_sdk.database import open_database
from mpp_sdk.errors import Unavailable

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
    return names - {"alembic_version"}


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
    migrations.upgrade(empty)
    assert migrations.revision_of(empty) == migrations.newest_revision(empty)
    assert migrations.differences(empty, metadata()) == []


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


_LOCKED = """
SELECT DISTINCT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
WHERE pid = pg_backend_pid() AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock')
"""


def test_a_migration_locks_what_it_says_and_nothing_more(postgres_url: str) -> None:
    """What it locks later, while it holds other locks, could make a call a deadlock's victim."""
    engine = open_database(postgres_url)
    migrations.upgrade(engine, "0001")
    before = _tables(engine)
    config = migrations.configuration(engine)
    locked: dict[str, set[str]] = {}

    def watch(ctx: MigrationContext, step: MigrationInfo, **_: object) -> None:
        assert ctx.connection is not None
        held = set(ctx.connection.scalars(text(_LOCKED)))
        [revision] = step.up_revisions
        assert isinstance(revision, Script)
        locked[revision.revision] = (held & before) - set(revision.module.CHANGED)
        before.update(inspect(ctx.connection).get_table_names())

    config.attributes[migrations.WATCHERS] = (watch,)
    command.upgrade(config, "head")
    assert migrations.newest_revision(engine) in locked
    assert not any(locked.values()), locked
    engine.dispose()


def test_a_migration_gives_way_and_is_tried_again(postgres_url: str) -> None:
    engine = open_database(postgres_url)
    migrations.upgrade(engine, "0001")
    with engine.connect() as busy:
        busy.execute(text("SELECT count(*) FROM outbox_event"))
        with pytest.raises(Unavailable, match="held what the migration changes"):
            migrations.upgrade(engine, patience_seconds=2)
        assert migrations.revision_of(engine) == "0001"
        upgrading = threading.Thread(target=migrations.upgrade, args=(engine,))
        upgrading.start()
        for _ in range(10):  # while it is tried again and again, others get through
            with engine.begin() as other:
                other.execute(text("SET LOCAL lock_timeout = '1500ms'"))
                other.execute(text("SELECT count(*) FROM outbox_event"))
        assert upgrading.is_alive()
    upgrading.join()
    assert migrations.revision_of(engine) == migrations.newest_revision(engine)
    engine.dispose()


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


def test_two_that_are_started_at_once_do_the_work_once(postgres_url: str) -> None:
    command_line = [sys.executable, "-m", "marketplace", "database", "upgrade"]
    environment = {**os.environ, "FLEXAGORA_DATABASE_URL": postgres_url}
    runs = [subprocess.Popen(command_line, env=environment) for _ in range(2)]
    assert [run.wait(120) for run in runs] == [0, 0]
