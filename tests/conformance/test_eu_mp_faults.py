"""The kit finds every deliberate fault of a platform, and nothing at a sound one."""

from pathlib import Path

import pytest

from mpp_sdk.conformance import Outcome, cases_of
from tests.conformance.faults.registry import Fault, faults_of
from tests.conformance.served import not_as, run_cases, served, sqlite_in

FAULTS = faults_of("eu-mp")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(fault: Fault, tmp_path: Path) -> None:
    with served(sqlite_in(tmp_path), fault.inject) as platform:
        found = run_cases(platform, fault.caught_by)
    assert {one.case.id for one in found.results} == set(fault.caught_by)
    assert not_as(found, Outcome.FAILED) == [], f"{fault.wrong} That was not found by every case."


def test_every_fault_says_what_is_wrong_in_a_sentence() -> None:
    assert [one.name for one in FAULTS if not one.wrong.endswith(".")] == []


def test_every_case_of_a_platform_fails_for_some_fault() -> None:
    caught = {case_id for fault in FAULTS for case_id in fault.caught_by}
    own = {case.id for case in cases_of("eu-mp") if case.contract == "eu-mp"}
    assert own - caught == set()
