"""Compare every contract with the last release, and fail where a version does not say what changed.

`python -m tools.compatibility` exits with 1 for a breaking change without a major version and for
any other change without a higher version, naming each; with `--release` it writes the present
contracts down as those of the version that `pyproject.toml` names.
"""

import argparse
import sys
from pathlib import Path

from tools.compatibility import accepted, released
from tools.compatibility.accepted import AcceptedError
from tools.compatibility.verdicts import Verdict, judge
from tools.contracts.bundle import BundleError

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Check, or record a release. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.compatibility", description=__doc__)
    parser.add_argument("--release", action="store_true", help="record the present contracts")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository to work on")
    options = parser.parse_args(arguments)
    contracts = options.root / "openapi"
    try:
        new = released.present(contracts)
        last = released.last_release(contracts)
        agreed = accepted.read(contracts)
    except (BundleError, AcceptedError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    verdict = Verdict() if last is None else judge(*last, new, agreed)
    for note in verdict.notes:
        print(note)
    for problem in verdict.problems:
        print(problem)
    if verdict.problems:
        return 1
    if options.release:
        return _record(options.root, contracts, new)
    return 0


def _record(root: Path, contracts: Path, documents: released.Documents) -> int:
    version = released.product_version(root)
    try:
        files = released.record(contracts, version, documents)
    except FileExistsError:
        print(
            f"error: {version} was recorded before: raise version in pyproject.toml",
            file=sys.stderr,
        )
        return 2
    accepted.empty(contracts)
    for file in files:
        print(f"recorded: {file.relative_to(root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
