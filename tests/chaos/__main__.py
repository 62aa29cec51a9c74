"""The fault harness: `python -m tests.chaos`. Its exit status says what it showed."""

import argparse
import math
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos import report
from tests.chaos.cases import CASES
from tests.chaos.run import Outcome, random_run, under_load
from tests.chaos.world import SMALL, Database, Size, built, roomy


def main() -> int:
    """Run what the command line asks for; return 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=math.inf, help="ask no longer than this")
    parser.add_argument("--database", type=Database, choices=list(Database), default=None)
    parser.add_argument("--only", action="append", default=[], help="run this case alone")
    parser.add_argument("--cases", action="store_true", help="run every case, one by one")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument("--report", type=Path, default=Path("build/chaos"))
    parser.add_argument("--folder", type=Path, help="where to work; it is removed afterwards")
    given = parser.parse_args()
    if given.list:
        for case in CASES:
            print(f"{case.name:50} {', '.join(case.databases)}")
        return 0
    names = set(given.only) or ({case.name for case in CASES} if given.cases else set())
    unknown = names - {case.name for case in CASES}
    if unknown:
        parser.error(f"There is no case {', '.join(sorted(unknown))}; see --list.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with it
    databases = [given.database] if given.database else list(Database)
    work = Path(tempfile.mkdtemp(prefix="flexagora-chaos-", dir=given.folder or roomy()))
    outcomes: dict[str, Outcome] = {}
    try:
        for database in databases:
            if names:
                outcomes |= _cases(work, database, names, given.seed)
            else:
                outcomes |= _random(work, database, given)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    given.report.mkdir(parents=True, exist_ok=True)
    page = report.write(given.report, outcomes)
    print(page.read_text())
    return 0 if all(one.passed for one in outcomes.values()) else 1


def _random(work: Path, database: Database, given: argparse.Namespace) -> dict[str, Outcome]:
    name = f"random, {database}"
    print(f"{name}: {given.events} events, {given.kills} kills, seed {given.seed}", flush=True)
    with built(work / str(database), database, Size()) as world:
        outcome = random_run(
            world, seed=given.seed, events=given.events, kills=given.kills, minutes=given.minutes
        )
    return {name: outcome}


def _cases(work: Path, database: Database, names: set[str], seed: int) -> dict[str, Outcome]:
    """Run cases, many in the same world: until one has left it changed, or something was wrong."""
    waiting = [case for case in CASES if case.name in names and database in case.databases]
    outcomes: dict[str, Outcome] = {}
    worlds = 0
    while waiting:
        worlds += 1
        with built(work / f"{database}-{worlds}", database, SMALL, lines=True) as world:
            healthy = True
            while waiting and healthy:
                case = waiting.pop(0)
                outcome = under_load(world, case.do, seed=seed)
                outcomes[f"{case.name}, {database}"] = outcome
                said = "passed" if outcome.passed else "FAILED"
                print(
                    f"{said}  {case.name}, {database}: {outcome.events} events in"
                    f" {outcome.seconds:.0f} s",
                    flush=True,
                )
                healthy = outcome.passed and not case.is_last
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
