"""Old deliveries go, attempts go by the day, and a table of version 0.1 keeps its rows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, inspect, text

from marketplace.core import audit, migrations
from marketplace.core.audit import AuditFilter
from marketplace.core.environment import Environment
from marketplace.core.unit_of_work import current_session
from marketplace.delivery import api, retention
from marketplace.delivery.tables import OUTBOX
from mpp_sdk import clock
from mpp_sdk.database import open_database
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import Retention
from tests.unit.marketplace.delivery.conftest import Directory, PlatformStub
from tests.unit.marketplace.delivery.test_delivery import dispatch, edge, enqueue
from tests.unit.marketplace.delivery.test_replaying import told

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SOON = timedelta(microseconds=1)

# As version 0.1 has them: it names the columns, and nothing else of the table.
INSERT_OF_0_1 = text(
    "INSERT INTO outbox_attempt (event_id, number, started_at, duration_ms, status, error,"
    " response_body, resulting_state)"
    " VALUES (:event_id, :number, :started_at, 12, 503, NULL, 'no', 'RETRYING')"
)
SELECT_OF_0_1 = text(
    "SELECT number, started_at FROM outbox_attempt WHERE event_id = :event_id ORDER BY number"
)
DELETE_OF_0_1 = text("DELETE FROM outbox_attempt WHERE event_id IN (:event_id)")


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def attempt_tables(engine: Engine) -> set[str]:
    names = inspect(engine).get_table_names()
    return {name for name in names if name.startswith("outbox_attempt")}


def dated(first: datetime, days: range) -> set[str]:
    return {f"outbox_attempt_p{first + number * DAY:%Y%m%d}" for number in days}


def write_attempt(engine: Engine, event_id: UUID, number: int, started_at: datetime) -> None:
    # SQLite keeps ids as text without dashes, and moments as text in UTC.
    sqlite = engine.dialect.name == "sqlite"
    values = {
        "event_id": event_id.hex if sqlite else event_id,
        "number": number,
        "started_at": f"{started_at:%Y-%m-%d %H:%M:%S.%f}" if sqlite else started_at,
    }
    with engine.begin() as connection:
        connection.execute(INSERT_OF_0_1, values)


def numbers(engine: Engine, event_id: UUID) -> list[int]:
    key = event_id.hex if engine.dialect.name == "sqlite" else event_id
    with engine.connect() as connection:
        return [row.number for row in connection.execute(SELECT_OF_0_1, {"event_id": key})]


def test_deliveries_are_forgotten_after_their_time_and_dead_ones_visibly(
    environment: Environment, directory: Directory, platform: PlatformStub
) -> None:
    player = new_id()
    directory.platforms[player] = platform
    delivered = [told(player) for _ in range(3)]
    enqueue(environment, *delivered)
    dispatch(environment, directory)
    platform.status = 410
    dead = told(player)
    enqueue(environment, dead)
    dispatch(environment, directory)
    assert retention.forget_old(environment) in (0, 7)  # the partitions of the days to come

    brief = environment.settings.model_copy(update={"attempt_retention": SOON})
    assert retention.forget_old(Environment(brief, environment.engine)) >= 3
    with edge(environment):
        assert [one.event_id for one in api.list_deliveries().items] == [dead.event_id]
    briefer = brief.model_copy(update={"dead_retention": SOON})
    assert retention.forget_old(Environment(briefer, environment.engine)) == 1
    with edge(environment):
        assert api.list_deliveries().items == []
        entries = audit.entries(
            current_session(), AuditFilter(entity_id=str(dead.event_id)), 10, None
        ).items
    assert [(one.action, one.reason) for one in entries] == [
        ("remove", "The platform answered 410."),
        ("give up", "The platform answered 410."),
    ]


@ON_POSTGRESQL
def test_attempts_go_into_the_days_to_come_and_old_days_are_dropped(empty: Engine) -> None:
    migrations.upgrade(empty)
    keeper, event_id = Retention(OUTBOX), new_id()
    assert attempt_tables(empty) == {"outbox_attempt", "outbox_attempt_default"}
    write_attempt(empty, event_id, 1, NOW)
    assert keeper.keep_partitions(empty, NOW, NOW - 30 * DAY) == 7
    assert keeper.keep_partitions(empty, NOW, NOW - 30 * DAY) == 0
    for number in range(1, 8):
        write_attempt(empty, event_id, number + 1, NOW + number * DAY)
    write_attempt(empty, event_id, 9, NOW + 20 * DAY)  # the job was late: nothing fails
    assert numbers(empty, event_id) == list(range(1, 10))
    with empty.connect() as connection:
        others = connection.execute(text("SELECT number FROM outbox_attempt_default")).scalars()
        assert sorted(others) == [1, 9]

    # Two more days to come are made, those of three days ago and before are dropped.
    assert keeper.keep_partitions(empty, NOW + 2 * DAY, NOW + 4 * DAY) == 2 + 3
    assert attempt_tables(empty) - {"outbox_attempt", "outbox_attempt_default"} == dated(
        NOW, range(4, 10)
    )
    with empty.begin() as connection:
        assert keeper.forget_attempts(connection, NOW + 4 * DAY) == 1
        assert keeper.forget_attempts(connection, NOW + 4 * DAY) == 0
    assert numbers(empty, event_id) == [5, 6, 7, 8, 9]
    assert migrations.differences(empty, OUTBOX.attempt.metadata) == []


@ON_POSTGRESQL
def test_a_partition_that_somebody_reads_is_dropped_the_next_time(empty: Engine) -> None:
    migrations.upgrade(empty)
    keeper = Retention(OUTBOX)
    keeper.keep_partitions(empty, NOW, NOW - 30 * DAY)
    with empty.connect() as reader:
        assert reader.execute(text("SELECT count(*) FROM outbox_attempt")).scalar_one() == 0
        assert keeper.keep_partitions(empty, NOW, NOW + 3 * DAY) == 0
        reader.rollback()
    assert keeper.keep_partitions(empty, NOW, NOW + 3 * DAY) == 2


def test_a_table_of_version_0_1_keeps_its_rows_and_serves_its_statements(empty: Engine) -> None:
    migrations.upgrade(empty, "0001")
    event_id, moment = new_id(), clock.now()
    with empty.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO outbox_event (event_id, lane, ordering_key, kind, method, path,"
                " payload, occurred_at, created_at, state, attempts, failures)"
                " VALUES (:id, 'a', 'b', 'c', 'POST', '/', '{}', :at, :at, 'RETRYING', 2, 2)"
            ),
            {
                "id": event_id.hex,
                "at": f"{moment:%Y-%m-%d %H:%M:%S.%f}",
            },
        )
    write_attempt(empty, event_id, 1, moment - 40 * DAY)
    write_attempt(empty, event_id, 2, moment)

    migrations.upgrade(empty)
    assert numbers(empty, event_id) == [1, 2]
    write_attempt(empty, event_id, 3, moment)
    write_attempt(empty, event_id, 4, moment + DAY)
    assert numbers(empty, event_id) == [1, 2, 3, 4]
    if empty.dialect.name == "postgresql":
        tomorrow = moment + DAY
        whole = f"outbox_attempt_until_{tomorrow:%Y%m%d}"
        assert attempt_tables(empty) == {"outbox_attempt", "outbox_attempt_default", whole}
        keeper = Retention(OUTBOX)
        assert keeper.keep_partitions(empty, moment, moment - 30 * DAY) == 6  # one is not empty
        assert keeper.keep_partitions(empty, moment, moment + 2 * DAY) == 1
        assert whole not in attempt_tables(empty)
        assert numbers(empty, event_id) == [4]

    migrations.downgrade(empty, "0001")
    found = numbers(empty, event_id)
    assert found in ([1, 2, 3, 4], [4])
    with empty.begin() as connection:
        key = event_id.hex if empty.dialect.name == "sqlite" else event_id
        connection.execute(DELETE_OF_0_1, {"event_id": key})
    assert numbers(empty, event_id) == []
