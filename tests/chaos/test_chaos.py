"""The short version of `make chaos`: real processes, killed and disturbed at random under load."""

from pathlib import Path

import pytest

from tests.chaos.report import page_of
from tests.chaos.run import random_run
from tests.chaos.world import SMALL, Database, built

EVENTS, KILLS = 300, 8


@pytest.mark.parametrize("database", list(Database))
def test_nothing_is_lost_applied_twice_or_out_of_order_whatever_is_killed(
    database: Database, tmp_path: Path
) -> None:
    with built(tmp_path / "world", database, SMALL) as world:
        outcome = random_run(world, seed=20261121, events=EVENTS, kills=KILLS)
    assert outcome.passed, page_of({str(database): outcome})
    assert outcome.events >= EVENTS
    # A kill whose process has just ended by itself finds nobody, and the last may come too late.
    assert sum(outcome.kills.values()) >= KILLS / 2
    assert set(outcome.books) == {"DELIVERED"}
