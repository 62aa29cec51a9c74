"""Storing readings beside bare SQLite, and CIM documents beside bare XML and JSON."""

import json
import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from lxml import etree

from benchmarks.measure import best_of, show
from mpp_sdk.database import open_database
from mpp_sdk.metering.cim import (
    DocumentHeader,
    MarketParticipant,
    NotifyValidatedMeasureData,
    measure_series,
    parse_json,
    parse_xml,
    to_json,
    to_xml,
)
from mpp_sdk.metering.model import Direction, PointOfDelivery, Reading, ReadingSeries
from mpp_sdk.metering.store import MeteringStore

_START = datetime(2013, 1, 1, tzinfo=UTC)
_HALF_HOUR = timedelta(minutes=30)
_YEAR = 17_520


def run() -> None:
    """Print what storing and writing readings costs, for a tenth, once and ten times the work."""
    print("Storing readings in SQLite, one durable transaction")
    for count in (10_000, 100_000, 1_000_000):
        _store(count)
    print("\nA CIM document")
    for years in (1, 10):
        _documents(_series(_YEAR * years), years)


def _series(count: int) -> ReadingSeries:
    readings = tuple(
        Reading(_START + number * _HALF_HOUR, Decimal(number % 997) / 1000)
        for number in range(count)
    )
    pod = PointOfDelivery("571313000000002000", "A10")
    return ReadingSeries(pod, Direction.CONSUMPTION, _HALF_HOUR, readings)


def _store(count: int) -> None:
    series = _series(count)
    rows = [
        (1, round(reading.start.timestamp() * 1e6), str(reading.quantity), reading.quality.value)
        for reading in series.readings
    ]
    with tempfile.TemporaryDirectory() as folder:
        store = MeteringStore(open_database(f"sqlite:///{Path(folder) / 'store.db'}"))
        store.create()
        ours = best_of(lambda: store.upsert([series]), runs=3)
        bare = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = FULL")
        bare.execute(
            "CREATE TABLE reading (series INTEGER, start INTEGER, quantity TEXT, quality TEXT,"
            " PRIMARY KEY (series, start)) WITHOUT ROWID"
        )

        def insert() -> None:
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany("INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?)", rows)
            bare.execute("COMMIT")

        show(f"{count:,} readings", ours, "sqlite3.executemany", best_of(insert, runs=3))
        bare.close()


def _documents(series: ReadingSeries, years: int) -> None:
    participant = MarketParticipant("18XEXAMPLE-----L", "A01", "MDR")
    header = DocumentHeader(
        mrid="1",
        type="E66",
        process_type="E23",
        sender=participant,
        receiver=participant,
        created_at=_START,
    )
    document = NotifyValidatedMeasureData(header, (measure_series("1", series),))
    xml, text = to_xml(document), to_json(document)
    tree, plain = etree.fromstring(xml), json.loads(text)
    what = f"{years} year{'s' if years > 1 else ''} of half-hours"
    show(
        f"write {what}, XML",
        best_of(lambda: to_xml(document)),
        "lxml.tostring of the finished tree",
        best_of(lambda: etree.tostring(tree)),
    )
    show(
        f"read {what}, XML",
        best_of(lambda: parse_xml(xml)),
        "lxml.fromstring",
        best_of(lambda: etree.fromstring(xml)),
    )
    show(
        f"write {what}, JSON",
        best_of(lambda: to_json(document)),
        "json.dumps of the finished object",
        best_of(lambda: json.dumps(plain)),
    )
    show(
        f"read {what}, JSON",
        best_of(lambda: parse_json(text)),
        "json.loads",
        best_of(lambda: json.loads(text)),
    )
