"""How large the base install of the SDK is, and how long it takes to start.

Base: no marketplace, no extra. It is installed as users install it, into an environment that has
nothing else; beside it stands connexion with uvicorn alone, its largest part.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BESIDE = "connexion[uvicorn]"
_RUNS = 9
_INSTALLERS = {"pip", "setuptools", "wheel"}
_COMMANDS = {
    "python -c pass": "pass",
    "import requests": "import requests",
    "import connexion": "import connexion",
    "a client": "from mpp_sdk.contracts.notifications.client import NotificationsClient",
    "mpp_sdk.platform": "from mpp_sdk.platform import MarketPlayerPlatform",
}
_SIZES = """
import importlib.metadata as metadata, json, pathlib
print(json.dumps({
    one.metadata["Name"]: sum(
        pathlib.Path(one.locate_file(file)).stat().st_size
        for file in one.files or () if pathlib.Path(one.locate_file(file)).exists()
    )
    for one in metadata.distributions()
}))
"""
_START = """
import json, resource, subprocess, sys, time
before = resource.getrusage(resource.RUSAGE_CHILDREN)
begun = time.perf_counter()
subprocess.run([sys.executable, "-W", "ignore", "-c", sys.argv[1]], check=True)
wall = time.perf_counter() - begun
after = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps([cpu, wall, after.ru_maxrss / 1024]))
"""


@dataclass(frozen=True)
class _Start:
    """What a start takes at least: CPU and wall seconds, and MiB of memory."""

    cpu: float
    wall: float
    memory: float


def run(quick: bool = False) -> None:
    """Print size and start-up of the base install, beside connexion's and an empty program's."""
    with tempfile.TemporaryDirectory() as made:
        print("Installing both into environments of their own ...")
        ours = _environment(Path(made, "ours"), str(ROOT))
        theirs = _environment(Path(made, "theirs"), BESIDE)
        _print_sizes(_sizes(ours), _sizes(theirs))
        starts = _starts(ours, 3 if quick else _RUNS)
        nothing = starts["python -c pass"]
        for name, start in starts.items():
            print(
                f"{name:<18} CPU {start.cpu * 1000:6.0f} ms  wall {start.wall * 1000:6.0f} ms"
                f"  memory {start.memory:5.0f} MiB"
                f"  {start.cpu / nothing.cpu:5.1f} times the CPU of python -c pass"
            )


def direct_dependencies() -> list[str]:
    """Return the base dependencies as the project states them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return list(tomllib.load(file)["project"]["dependencies"])


def _print_sizes(ours: dict[str, int], theirs: dict[str, int]) -> None:
    own = ours.pop("flexagora")
    mb, beside = (sum(each.values()) / 1e6 for each in (ours, theirs))
    print(
        f"base install: {len(direct_dependencies())} direct dependencies, {len(ours)} in all,"
        f" {mb:.1f} MB, and {own / 1e6:.1f} MB of its own"
    )
    print(
        f"{BESIDE} alone: {len(theirs)} in all, {beside:.1f} MB;"
        f" the base install has {len(ours) / len(theirs):.1f} times as many,"
        f" {mb / beside:.1f} times the size"
    )
    largest = sorted(ours.items(), key=lambda each: -each[1])
    print("the largest: " + ", ".join(f"{name} {size / 1e6:.1f}" for name, size in largest[:8]))


def _environment(folder: Path, wanted: str) -> Path:
    """Return the Python of a new environment with what is wanted, at the pinned versions."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), wanted], check=True)
    return python


def _sizes(python: Path) -> dict[str, int]:
    """Return the bytes of each distribution, its compiled files included."""
    said = subprocess.run(
        [python, "-c", _SIZES], check=True, capture_output=True, text=True, cwd=python.parent
    )
    sizes: dict[str, int] = json.loads(said.stdout)
    return {name: size for name, size in sizes.items() if name not in _INSTALLERS}


def _starts(python: Path, runs: int) -> dict[str, _Start]:
    """Return the least of each over so many turns, in which all take theirs one after the other."""
    least: dict[str, _Start] = {}
    for _ in range(runs):
        for name, code in _COMMANDS.items():
            said = subprocess.run(
                [python, "-c", _START, code],
                check=True,
                capture_output=True,
                text=True,
                cwd=python.parent,
                env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            )
            cpu, wall, memory = json.loads(said.stdout)
            last = least.get(name, _Start(cpu, wall, memory))
            least[name] = _Start(min(last.cpu, cpu), min(last.wall, wall), min(last.memory, memory))
    return least
