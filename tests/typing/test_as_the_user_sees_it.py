"""The types of the SDK in a user's own program, checked by mypy --strict against the wheel.

The programs are data: they are checked outside of this repository, where nothing is installed but
the wheel and what it needs. A comment `# R:` says what `reveal_type` gives for the line, `# E:`
which error the line is.
"""

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py.txt"))
CACHE = ROOT / ".mypy_cache" / "user"

_MARK = re.compile(r"# ([RE]): (.+)$")
_TOLD = re.compile(r"^(\w+\.py):(\d+): (note|error): (.*)$")
_REVEALED = re.compile(r'^Revealed type is "(.*)"$')
_CODE = re.compile(r"\[([a-z-]+)\]$")


@dataclass
class Told:
    """What mypy says of the programs: by file and line, and what belongs to none."""

    revealed: dict[tuple[str, int], str] = field(default_factory=dict)
    errors: dict[tuple[str, int], str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel, built now, and what it depends on."""
    folder = tmp_path_factory.mktemp("user")
    built = folder / "dist"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = built.glob("*.whl")
    venv.create(folder / "venv")
    [site] = (folder / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # The libraries are those of this environment, without the checkout that it points to.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def told(installed: Path) -> Told:
    """Return what mypy says of all programs, each checked as a user would."""
    folder = installed.parents[2] / "programs"
    folder.mkdir()
    for program in PROGRAMS:
        (folder / program.name.removesuffix(".txt")).write_text(program.read_text())
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "mypy", "--strict", "--no-pretty", "--show-error-codes"),
            *("--config-file", "", "--python-executable", installed, "--cache-dir", CACHE),
            *sorted(one.name for one in folder.iterdir()),
        ],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    told = Told()
    for line in done.stdout.splitlines() + done.stderr.splitlines():
        found = _TOLD.match(line)
        if found is None:
            told.rest.append(line)
            continue
        where = found[1], int(found[2])
        revealed, code = _REVEALED.match(found[4]), _CODE.search(found[4])
        if found[3] == "error" and code is not None:
            told.errors[where] = code[1]
        elif revealed is not None:
            told.revealed[where] = revealed[1]
    return told


def marked(kind: str) -> dict[tuple[str, int], str]:
    """Return the marks of one kind in all programs, by file and line."""
    return {
        (program.name.removesuffix(".txt"), number): found[2].strip()
        for program in PROGRAMS
        for number, line in enumerate(program.read_text().splitlines(), 1)
        if (found := _MARK.search(line)) is not None and found[1] == kind
    }


def test_the_types_are_those_that_are_documented(told: Told) -> None:
    assert len(marked("R")) >= 20
    assert told.revealed == marked("R")


def test_a_sound_program_has_no_error_and_a_wrong_use_is_one(told: Told) -> None:
    assert len(marked("E")) >= 25
    assert told.errors == marked("E")
    assert {file for file, _ in told.errors} == {"wrong.py"}


def test_nothing_else_is_said(told: Told) -> None:
    """A wheel without `py.typed`, or a package that is not found, would be told here."""
    assert [one for one in told.rest if not one.startswith("Found ")] == []


def test_the_wheel_is_imported_from_where_it_was_installed(installed: Path) -> None:
    program = (
        "import pathlib, mpp_sdk.contracts.marketplace.async_client as one, mpp_sdk;"
        "print(one.__file__);"
        "print(all((pathlib.Path(mpp_sdk.__file__).parents[1] / name / 'py.typed').exists()"
        " for name in ('mpp_sdk', 'marketplace')))"
    )
    done = subprocess.run(
        [installed, "-c", program], cwd=installed.parent, check=True, capture_output=True, text=True
    )
    file, typed = done.stdout.split()
    assert Path(file).is_relative_to(installed.parents[1])
    assert typed == "True"
