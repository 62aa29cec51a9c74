"""The kit passes a sound receiver of flex-offers, and finds every deliberate fault of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from mpp_sdk.conformance import Outcome, Verdict, cases_of, flexoffers
from mpp_sdk.flexoffer.exchange.handler import FlexOfferReceiver
from tests.conformance.exchange import CONTRACT, ExchangeStage, exchange_staged
from tests.conformance.faults.registry import Fault, faults_of
from tests.conformance.served import not_as
from tests.conformance.test_notifications_and_metering import databases_at

FAULTS = faults_of(CONTRACT)
OWN = [one.id for one in cases_of(CONTRACT) if one.contract == CONTRACT]
_NEED_A_SCHEDULE = {
    "FLEXOFFER-ENDED-02",
    "FLEXOFFER-TIME-02",
    "FLEXOFFER-SCHEDULE-01",
    "FLEXOFFER-MEASURE-01",
    "FLEXOFFER-MEASURE-02",
    "FLEXOFFER-SERIES-02",
    "FLEXOFFER-STREAM-07",
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeStage]:
    with exchange_staged(tmp_path_factory.mktemp("exchange")) as made:
        yield made


def rows(database_url: str) -> dict[str, int]:
    """Return how many rows the tables of the exchange have."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        tables = [one for one in inspect(engine).get_table_names() if one.startswith("flex")]
        counted = {
            name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
            for name in tables
        }
    engine.dispose()
    assert len(counted) > 3
    return counted


def test_a_sound_receiver_conforms(stage: ExchangeStage) -> None:
    found = stage.run()
    assert not_as(found, Outcome.PASSED) == []
    assert found.verdict is Verdict.CONFORMS


def test_a_sound_receiver_on_postgresql_conforms(postgres_server: str, tmp_path: Path) -> None:
    with (
        databases_at(postgres_server) as database,
        exchange_staged(tmp_path, database("receiver")) as stage,
    ):
        found = stage.run(OWN)
    assert not_as(found, Outcome.PASSED) == []


def test_cases_that_are_harmless_leave_the_receiver_as_it_was(stage: ExchangeStage) -> None:
    harmless = [one.id for one in cases_of(CONTRACT) if one.harmless]
    before = rows(stage.database_url)
    found = stage.run(harmless)
    assert not_as(found, Outcome.PASSED) == []
    assert rows(stage.database_url) == before


def test_what_the_kit_was_not_given_is_not_shown_and_asked_for(stage: ExchangeStage) -> None:
    found = stage.run(["FLEXOFFER-SEEN-01"], changes={"foreign_flex_offer_id": None})
    [result] = found.results
    assert result.outcome is Outcome.NOT_SHOWN
    assert "--foreign-flex-offer" in result.detail


def test_without_schedules_what_needs_one_is_not_shown(
    stage: ExchangeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flexoffers, "_LEADS_S", (2,))
    monkeypatch.setattr(FlexOfferReceiver, "assign", lambda *_: None)
    found = stage.run(sorted(_NEED_A_SCHEDULE))
    assert not_as(found, Outcome.NOT_SHOWN) == []
    assert {one.detail for one in found.results} == {flexoffers.NO_SCHEDULE}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(stage: ExchangeStage, fault: Fault) -> None:
    found = stage.run(fault.caught_by, fault)
    assert {one.case.id for one in found.results} == set(fault.caught_by)
    assert not_as(found, Outcome.FAILED) == [], f"{fault.wrong} That was not found by every case."


def test_every_case_of_the_contract_fails_for_some_fault() -> None:
    caught = {case_id for fault in FAULTS for case_id in fault.caught_by}
    assert set(OWN) - caught == set()


def test_every_fault_says_what_is_wrong_in_a_sentence() -> None:
    assert [one.name for one in FAULTS if not one.wrong.endswith(".")] == []
