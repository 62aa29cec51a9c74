"""What a scrape costs the database, beside the same with a hundredth of the delivered events."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

from sqlalchemy import Connection, Engine, create_engine, make_url, text

from marketplace.core import migrations
from marketplace.delivery.figures import figures
from mpp_sdk import clock
from mpp_sdk.database import open_database, reading

DELIVERED, QUEUED = 1_000_000, 500_000
_TURNS = 5
_LANES = 1_000

_FILL = """
INSERT INTO outbox_event
  (event_id, lane, ordering_key, kind, method, path, payload, occurred_at, created_at, state,
   attempts, failures, finished_at)
SELECT {uuid}, 'lane-' || (n % {lanes}), 'key-' || (n % {keys}), 'service-offer.confirmed', 'POST',
  '/x', '{{"eventId": "{filler}"}}', {moment}, {moment}, '{state}', 0, 0, {finished}
FROM {series}
"""
_DIALECTS = {
    "postgresql": {
        "uuid": "gen_random_uuid()",
        "moment": "now()",
        "series": "generate_series(1, {rows}) AS n",
    },
    "sqlite": {
        "uuid": "lower(hex(randomblob(16)))",
        "moment": "'2026-11-21 00:00:00.000000'",
        "series": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {rows})"
        " SELECT n FROM c)",
    },
}


def run(*, quick: bool = False) -> None:
    """Print the milliseconds for the queue's figures, with few and with many delivered events."""
    queued, delivered = (n // 10 if quick else n for n in (QUEUED, DELIVERED))
    for engine in _engines():
        with engine.begin() as connection:
            _fill(connection, "QUEUED", queued)
            _fill(connection, "DELIVERED", delivered // 100)
        few = _milliseconds(engine)
        with engine.begin() as connection:
            _fill(connection, "DELIVERED", delivered - delivered // 100)
        many = _milliseconds(engine)
        print(
            f"{engine.dialect.name}: figures of {queued:,} queued events take {many:.0f} ms beside"
            f" {delivered:,} delivered ones, {few:.0f} ms beside {delivered // 100:,}"
            f" ({many / few:.1f} times)"
        )


def _milliseconds(engine: Engine) -> float:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE outbox_event"))
        if engine.dialect.name == "postgresql":
            connection.execute(text("VACUUM outbox_event"))
    took = []
    for _ in range(_TURNS):
        started = time.perf_counter()
        with reading(engine).connect() as connection:
            figures(connection, clock.now())
        took.append((time.perf_counter() - started) * 1000)
    return median(took)


def _fill(connection: Connection, state: str, rows: int) -> None:
    own = _DIALECTS[connection.dialect.name]
    statement = _FILL.format(
        uuid=own["uuid"],
        moment=own["moment"],
        series=own["series"].format(rows=rows),
        state=state,
        finished=own["moment"] if state == "DELIVERED" else "NULL",
        lanes=_LANES,
        keys=rows // 10,
        filler="x" * 300,
    )
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})  # it has %


def _engines() -> Iterator[Engine]:
    with TemporaryDirectory() as folder:
        yield _ready(f"sqlite:///{Path(folder) / 'figures.db'}")
    server = os.environ.get("FLEXAGORA_TEST_POSTGRES_URL")
    if server:
        with _database(server) as url:
            yield _ready(url)


def _ready(url: str) -> Engine:
    engine = open_database(url)
    migrations.upgrade(engine)
    return engine


@contextmanager
def _database(server: str) -> Iterator[str]:
    name = f"flexagora_bench_{uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
