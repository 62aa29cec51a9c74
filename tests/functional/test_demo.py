"""The demonstration succeeds, leaves a page that needs nothing else, and notices a fault."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

import examples.demo.__main__ as demo
from examples.demo.checks import check_data
from examples.demo.portfolio import DENIED, GRANTED, WITHDRAWN
from examples.demo.report import Check, Report
from mpp_sdk.database import open_database
from mpp_sdk.metering.model import Direction, PointOfDelivery, Reading, ReadingSeries
from mpp_sdk.metering.store import MeteringStore

LOADING = {"src", "href", "data", "srcset", "poster", "action", "xlink:href"}


class Loads(HTMLParser):
    """Gathers what a page would load, from its attributes and its styles."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = self.pictures = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.pictures += tag == "svg"
        for name, value in attrs:
            if name in LOADING and not (value or "").startswith(("#", "data:")):
                self.found.append(f"{tag} {name}={value}")
            self._look_at_style(value or "")

    def handle_data(self, data: str) -> None:
        self._look_at_style(data)

    def _look_at_style(self, style: str) -> None:
        if "@import" in style or "url(" in style.replace("url(#", ""):
            self.found.append(style[:80])


def test_the_demonstration_succeeds_and_leaves_a_self_contained_page(tmp_path: Path) -> None:
    output = tmp_path / "demo"
    run = subprocess.run(
        [sys.executable, "-m", "examples.demo", "--output", str(output)],
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert run.stdout.count("✓") == 12
    assert "✗" not in run.stdout
    assert "flexagora serve --demo-data" in run.stdout.splitlines()[-1]
    page = (output / "report.html").read_text(encoding="utf-8")
    loads = Loads()
    loads.feed(page)
    assert loads.found == []
    assert loads.scripts == 0
    assert loads.pictures >= 15  # the sequences, timelines, load curves and flex-offers
    for shown in (
        "service-offer/confirmed",
        "GRANTED",
        "WITHDRAWN",
        "HOUSEHOLD-A",
        "flexoffer/stream",
        "flexoffer/measurement",
        "Household A: heat pump",
    ):
        assert shown in page

    # What the run has left is used to see that its own check can fail.
    ours, theirs = (f"sqlite:///{output / name}.db" for name in ("aggregator", "local_operator"))
    assert [check.holds for check in _checked(ours, theirs)] == [True, True]
    store = _store(ours)
    whole = store.read(GRANTED[0], START - timedelta(days=20_000), START + timedelta(days=20_000))
    first = whole[0].readings[0]
    assert first.quantity is not None
    damaged = replace(whole[0], readings=(replace(first, quantity=first.quantity + 1),))
    store.upsert([damaged], validated_at=datetime(2100, 1, 1, tzinfo=UTC))
    assert [check.holds for check in _checked(ours, theirs)] == [False, True]


START = datetime(2024, 1, 1, tzinfo=UTC)


def series(pod: str, *values: str) -> ReadingSeries:
    readings = tuple(
        Reading(START + timedelta(hours=hour), Decimal(value)) for hour, value in enumerate(values)
    )
    return ReadingSeries(PointOfDelivery(pod), Direction.CONSUMPTION, timedelta(hours=1), readings)


@pytest.mark.parametrize(
    ("received", "holds"),
    [
        ([series("YES", "1.5", "2")], [True, True]),
        ([series("YES", "1.5", "2.1")], [False, True]),
        ([series("YES", "1.5")], [False, True]),
        ([series("YES", "1.5", "2", "3")], [False, True]),
        ([], [False, True]),
        ([series("YES", "1.5", "2"), series("NO", "1")], [True, False]),
        ([series("YES", "1.5", "2"), series("SOMEBODY-ELSE", "1")], [True, False]),
    ],
    ids=["right", "changed", "missing", "surplus", "nothing", "denied", "foreign"],
)
def test_a_store_with_other_readings_is_noticed(
    tmp_path: Path, received: list[ReadingSeries], holds: list[bool]
) -> None:
    ours, theirs = f"sqlite:///{tmp_path / 'ours.db'}", f"sqlite:///{tmp_path / 'theirs.db'}"
    _store(theirs).upsert([series("YES", "1.5", "2"), series("NO", "1")])
    _store(ours).upsert(received)
    checks = check_data(_store(ours), _store(theirs), with_consent=["YES"], without=["NO"])
    assert [check.holds for check in checks] == holds


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_the_command_fails_when_one_of_its_checks_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holds: bool, status: int
) -> None:
    report = Mock(spec=Report)
    report.checks = [Check("The first.", True, ""), Check("The second.", holds, "")]
    report.acceptance_to_first_data = timedelta(seconds=1)
    scenario = Mock()
    scenario.play.return_value = report
    monkeypatch.setattr(demo, "Scenario", Mock(return_value=scenario))
    monkeypatch.setattr(demo, "write_page", Mock())
    result = CliRunner().invoke(demo.app, ["--output", str(tmp_path / "demo")])
    assert result.exit_code == status
    scenario.stop.assert_called_once()


def _store(url: str) -> MeteringStore:
    store = MeteringStore(open_database(url))
    store.create()
    return store


def _checked(ours: str, theirs: str) -> list[Check]:
    return check_data(
        _store(ours), _store(theirs), with_consent=GRANTED, without=(DENIED, WITHDRAWN)
    )
