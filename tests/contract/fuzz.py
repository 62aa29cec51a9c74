"""Fuzzes every served contract at length: `python -m tests.contract.fuzz --cases 2000`."""

import argparse
import secrets
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .fuzzing import Outcome, fuzz_until
from .targets import served_contracts


def main() -> int:
    """Run, show what came of it, and return 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="at least so many per contract")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--only", default="", help="only the contract of this name")
    parser.add_argument("--folder", type=Path, help="where databases and logs are kept")
    options = parser.parse_args()
    console = Console(width=160)
    console.print(f"Seed {options.seed}")
    outcomes = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with served_contracts(folder, renew_every=2) as targets:
            for target in targets.values():
                if options.only not in ("", target.name):
                    continue
                for fuzzed, share in (
                    (target, options.cases),
                    (replace(target, name=f"{target.name}, no key", credentials=None), 500),
                ):
                    console.print(f"[bold]{fuzzed.name}[/] at {fuzzed.base_url}")
                    started = time.monotonic()
                    outcome = fuzz_until(
                        fuzzed,
                        min(share, options.cases),
                        seed=options.seed,
                        progress=lambda made: console.print(
                            f"  {made.cases} cases, {len(made.findings)} findings"
                        ),
                    )
                    outcome.seconds = time.monotonic() - started
                    outcomes.append(outcome)
    show(console, outcomes)
    return int(any(outcome.findings or outcome.errors for outcome in outcomes))


def show(console: Console, outcomes: list[Outcome]) -> None:
    """Print a table of the outcomes, and every finding."""
    table = Table(
        "Contract", "Cases", "Examples", "Coverage", "Fuzzing", "Statuses", "Findings", "Seconds"
    )
    for outcome in outcomes:
        statuses = " ".join(f"{s}:{n}" for s, n in sorted(outcome.statuses.items()))
        table.add_row(
            outcome.name,
            str(outcome.cases),
            *(str(outcome.phases[name]) for name in ("examples", "coverage", "fuzzing")),
            statuses,
            str(len(outcome.findings) + len(outcome.errors)),
            f"{outcome.seconds:.0f}",
        )
    console.print(table)
    for outcome in outcomes:
        never = sorted(set(outcome.operations) - outcome.succeeded)
        if never and "no key" not in outcome.name:
            console.print(f"{outcome.name}: never answered with success: {', '.join(never)}")
    for outcome in outcomes:
        for finding in outcome.findings.values():
            console.rule(f"{outcome.name}: {finding.operation}: {finding.check}")
            console.print(finding.message, finding.call, sep="\n", markup=False)
        for error in outcome.errors:
            console.rule(outcome.name)
            console.print(error, markup=False)


if __name__ == "__main__":
    sys.exit(main())
