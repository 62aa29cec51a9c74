"""The kit finds nothing at a platform that keeps the contract, nor in what it may leave out."""

from pathlib import Path

import pytest

from examples import local_operator
from examples.aggregator import Aggregator
from examples.local_operator import LocalOperator
from mpp_sdk.conformance import Outcome, Verdict
from mpp_sdk.platform import MarketPlayerPlatform
from tests.conformance.altering import Answered, Asked, altering, refusal
from tests.conformance.served import Break, Broken, not_as, run_cases, served, sqlite_in


@pytest.mark.parametrize("kind", [Aggregator, LocalOperator], ids=lambda kind: kind.__name__)
def test_the_examples_conform(
    kind: type[MarketPlayerPlatform],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    customers = tmp_path / "customers.json"
    customers.write_text("[]")  # whose readings take long to import, and are not asked for
    monkeypatch.setattr(local_operator, "CUSTOMERS", customers)
    with served(database_url, kind=kind) as platform:
        found = run_cases(platform)
    assert not_as(found, Outcome.PASSED) == []
    assert found.verdict is Verdict.CONFORMS


def leaves_out(*paths: str) -> Break:
    """Return what has a platform answer 404 below some paths."""

    def inject(broken: Broken) -> None:
        def ask(asked: Asked) -> Answered | None:
            return refusal(404) if any(path in asked.path for path in paths) else None

        broken.wrap(altering(ask))

    return inject


def test_what_a_platform_may_leave_out_is_no_fault(tmp_path: Path) -> None:
    optional = ("/events", "/service-offers", "/points-of-delivery/", "/notifications/replay")
    with served(sqlite_in(tmp_path), leaves_out(*optional)) as platform:
        found = run_cases(platform)
    assert not_as(found, Outcome.PASSED, Outcome.NOT_OFFERED) == []
    left_out = {one.case.id for one in found.results if one.outcome is Outcome.NOT_OFFERED}
    assert {"EU-MP-EVENT-04", "EU-MP-ONCE-02", "EU-MP-HELD-01", "EU-MP-REPLAY-01"} <= left_out
    assert not left_out & {"EU-MP-EVENT-01", "EU-MP-ONCE-01", "EU-MP-ORDER-01", "EU-MP-RESTART-01"}
    assert found.verdict is Verdict.CONFORMS


def test_a_platform_of_version_1_0_has_no_points_of_delivery(tmp_path: Path) -> None:
    with served(sqlite_in(tmp_path), leaves_out("/points-of-delivery/")) as platform:
        found = run_cases(platform, ["EU-MP-EVENT-01", "EU-MP-EVENT-04", "EU-MP-BODY-05"])
    assert [one.outcome for one in found.results] == [
        Outcome.NOT_OFFERED,
        Outcome.PASSED,
        Outcome.NOT_OFFERED,
    ]
