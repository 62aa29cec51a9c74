"""The kit passes a sound marketplace and provider, and finds every deliberate fault of them."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from mpp_sdk.conformance import Credentials, Outcome, Verdict, cases_of
from tests.conformance.faults.registry import Fault, faults_of
from tests.conformance.served import not_as
from tests.conformance.stage import FIRST, Stage, staged

CONTRACTS = ("notifications", "metering")
FAULTS = [fault for contract in CONTRACTS for fault in faults_of(contract)]

ASKED = re.compile(r"--[a-z]+|`clientId`")
KEPT = re.compile("consent|activation|interim|pod|subscription|event|inbound")
"""What a table is called that holds what callers can change."""


def rows(database_url: str) -> dict[str, int]:
    """Return how many rows the tables have that callers can change."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        tables = [name for name in inspect(engine).get_table_names() if KEPT.search(name)]
        counted = {
            name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
            for name in tables
        }
    engine.dispose()
    assert len(counted) > 3
    return counted


@contextmanager
def databases_at(server: str) -> Iterator[Callable[[str], str]]:
    """Give what makes a database at a PostgreSQL server; all are dropped when the block ends."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def create(name: str) -> str:
        made.append(f"flexagora_{name}_{uuid4().hex}")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {made[-1]} TEMPLATE template0"))
        return make_url(server).set(database=made[-1]).render_as_string(hide_password=False)

    yield create
    with admin.connect() as connection:
        for name in made:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_sound_server_conforms(stage: Stage, contract: str) -> None:
    found = stage.run(contract)
    assert not_as(found, Outcome.PASSED) == []
    assert found.verdict is Verdict.CONFORMS


def test_sound_servers_on_postgresql_conform(postgres_server: str, tmp_path: Path) -> None:
    with databases_at(postgres_server) as database, staged(tmp_path, database) as stage:
        found = [stage.run(contract) for contract in CONTRACTS]
    assert [line for each in found for line in not_as(each, Outcome.PASSED)] == []


@pytest.mark.parametrize("contract", CONTRACTS)
def test_cases_that_are_harmless_leave_the_server_as_it_was(stage: Stage, contract: str) -> None:
    harmless = [one.id for one in cases_of(contract) if one.harmless]
    before = rows(stage.databases[contract])
    found = stage.run(contract, harmless)
    assert not_as(found, Outcome.PASSED) == []
    assert rows(stage.databases[contract]) == before


@pytest.mark.parametrize(
    ("contract", "left_out", "expected"),
    [
        ("notifications", {"ended_subscription_id": None}, {"NOTIFICATIONS-GUARD-08"}),
        ("notifications", {"foreign_subscription_id": None}, {"NOTIFICATIONS-GUARD-07"}),
        (
            "notifications",
            {"credentials": Credentials("fxk_of_nobody")},
            {"NOTIFICATIONS-TOKEN-01", "NOTIFICATIONS-TOKEN-02"},
        ),
        ("metering", {"foreign_subscription_id": None}, {"METERING-KEY-02"}),
        ("metering", {"refused_pod_id": None}, {"METERING-CONSENT-02"}),
        (
            "metering",
            {"period": (FIRST - timedelta(days=9), FIRST - timedelta(days=8))},
            {"METERING-READ-01", "METERING-TIME-01"},
        ),
    ],
)
def test_what_the_kit_was_not_given_is_not_shown_and_asked_for(
    stage: Stage, contract: str, left_out: dict[str, object], expected: set[str]
) -> None:
    found = stage.run(contract, sorted(expected), changes=left_out)
    assert {one.case.id for one in found.results if one.outcome is Outcome.NOT_SHOWN} == expected
    assert [one.detail for one in found.results if not ASKED.search(one.detail)] == []
    assert found.verdict is Verdict.INCOMPLETE


def test_without_the_extra_for_meter_data_the_kit_says_what_to_install(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mpp_sdk.conformance.readings", None)
    [found] = stage.run("metering", ["METERING-READ-01"]).results
    assert found.outcome is Outcome.NOT_SHOWN
    assert "flexagora[metering]" in found.detail


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(stage: Stage, fault: Fault) -> None:
    found = stage.run(fault.contract, fault.caught_by, fault)
    assert {one.case.id for one in found.results} == set(fault.caught_by)
    assert not_as(found, Outcome.FAILED) == [], f"{fault.wrong} That was not found by every case."


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_case_fails_for_some_fault(contract: str) -> None:
    caught = {case_id for fault in FAULTS for case_id in fault.caught_by}
    assert {case.id for case in cases_of(contract)} - caught == set()


def test_every_fault_says_what_is_wrong_in_a_sentence() -> None:
    assert [one.name for one in FAULTS if not one.wrong.endswith(".")] == []
