"""The check as it is run: versions, accepted changes, releases."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

from tools.compatibility import released
from tools.compatibility.__main__ import main
from tools.compatibility.versions import Version

ROOT = Path(__file__).resolve().parents[3]

SMALL = """\
openapi: 3.0.3
info: {title: Small, version: 1.2.3, description: A contract.}
servers: [{url: /small/v1}]
paths:
  /things:
    get:
      operationId: read
      parameters:
      - {name: colour, in: query, schema: {type: string, enum: [red, green]}}
      responses:
        "200":
          description: A thing.
          content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}
components:
  schemas:
    Thing: {type: object, properties: {name: {type: string}}}
"""
BREAKS = ("[red, green]", "[red]")
ADDS = ("{name: {type: string}}", "{name: {type: string}, age: {type: integer}}")
REWORDS = ("A thing.", "The thing.")
PLACE = "#/paths/~1things/get/parameters/0/schema/enum"


class Repository:
    """A folder with one contract, released as 0.1.0."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.folder = folder
        self.contract = folder / "openapi" / "small.yaml"
        self.contract.parent.mkdir()
        self.contract.write_text(SMALL)
        self.name_release("0.1.0")
        assert self.check("--release") == (0, "recorded: openapi/released/0.1.0/small.json\n")
        self.name_release("0.2.0")

    def name_release(self, version: str) -> None:
        (self.folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')

    def change(self, *changes: tuple[str, str]) -> None:
        text = self.contract.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.contract.write_text(text)

    def accept(self, **more: str) -> None:
        entry = {
            "document": "small",
            "rule": "enum value removed",
            "place": PLACE,
            "reason": "Nobody asks for green.",
            **more,
        }
        file = self.folder / "openapi" / "released" / "accepted.yaml"
        file.write_text(yaml.safe_dump([{key: value for key, value in entry.items() if value}]))

    def check(self, *arguments: str) -> tuple[int, str]:
        status = main(["--root", str(self.folder), *arguments])
        told = self._capsys.readouterr()
        return status, told.out + told.err


@pytest.fixture
def repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Repository:
    return Repository(tmp_path, capsys)


def version(new: str) -> tuple[str, str]:
    return "version: 1.2.3", f"version: {new}"


def test_the_contracts_keep_what_the_last_release_promised() -> None:
    assert main([]) == 0


def test_nothing_changed(repository: Repository) -> None:
    assert repository.check() == (0, "")


@pytest.mark.parametrize(
    ("changes", "needed"),
    [((REWORDS,), "1.2.4"), ((ADDS,), "1.3.0"), ((ADDS, REWORDS), "1.3.0"), ((BREAKS,), "2.0.0")],
)
def test_every_change_needs_its_version(
    repository: Repository, changes: tuple[tuple[str, str], ...], needed: str
) -> None:
    repository.change(*changes)
    status, told = repository.check()
    assert status == 1
    assert f" to {needed}" in told

    lower = {"1.2.4": "1.2.3", "1.3.0": "1.2.9", "2.0.0": "1.9.0"}[needed]
    repository.change(version(lower))
    assert repository.check()[0] == 1

    repository.change((f"version: {lower}", f"version: {needed}"))
    repository.change(("/small/v1", f"/small/v{needed[0]}"))
    assert repository.check() == (0, "")


def test_a_problem_names_document_place_old_new_and_what_to_do(repository: Repository) -> None:
    repository.change(BREAKS)

    _, told = repository.check()
    assert told.splitlines() == [
        f"small: breaking: enum value removed at {PLACE}: green -> (absent)"
        " (request of GET /things)",
        "small: info.version is 1.2.3 after 1.2.3. Undo what breaks; or raise the version to 2.0.0"
        " and the base path to /v2; or, where nobody is hurt, say why in"
        " openapi/released/accepted.yaml",
    ]


def test_a_lower_version_is_refused(repository: Repository) -> None:
    repository.change(version("1.2.2"))

    status, told = repository.check()
    assert status == 1
    assert "1.2.2 is lower than 1.2.3" in told


def test_what_is_no_version_is_refused(repository: Repository) -> None:
    repository.change(version("1.3"))

    status, told = repository.check()
    assert status == 1
    assert "'1.3' is not a version like 1.2.0" in told


def test_the_base_path_carries_the_major_version(repository: Repository) -> None:
    repository.change(version("2.0.0"))

    status, told = repository.check()
    assert status == 1
    assert "/small/v1 does not end with /v2" in told


def test_an_accepted_change_needs_a_minor_version_and_a_reason(repository: Repository) -> None:
    repository.change(BREAKS)
    repository.accept()
    status, told = repository.check()
    assert status == 1
    assert "Raise it to 1.3.0" in told

    repository.change(version("1.3.0"))
    assert repository.check()[0] == 0

    repository.accept(reason="")
    status, told = repository.check()
    assert status == 2
    assert "it has document, rule, place, reason" in told


@pytest.mark.parametrize(
    "other", [{"rule": "type changed"}, {"document": "big"}, {"place": "#/paths"}, {"value": "red"}]
)
def test_an_entry_that_fits_nothing_is_a_problem(
    repository: Repository, other: dict[str, str]
) -> None:
    repository.change(BREAKS, version("1.3.0"))
    repository.accept(**other)

    status, told = repository.check()
    assert status == 1
    assert "take the entry out" in told
    assert "breaking: enum value removed" in told


def test_a_contract_that_is_gone_is_a_problem(repository: Repository) -> None:
    repository.contract.unlink()

    status, told = repository.check()
    assert status == 1
    assert "small: the contract was removed" in told


def test_a_new_contract_is_none(repository: Repository) -> None:
    new = repository.contract.with_name("new.yaml")
    new.write_text(SMALL)
    assert repository.check() == (0, "new: new since 0.1.0\n")

    new.write_text(SMALL.replace("/small/v1", "/small"))
    assert repository.check()[0] == 1


def test_a_release_becomes_what_is_compared_with(repository: Repository) -> None:
    repository.change(BREAKS, version("1.3.0"))
    repository.accept()
    assert repository.check("--release")[0] == 0
    assert repository.check() == (0, ""), "what was accepted is forgotten with the release"

    repository.change(("[red]", "[red, green]"))
    assert repository.check()[0] == 1


def test_a_release_with_a_problem_is_not_recorded(repository: Repository) -> None:
    repository.change(BREAKS)

    assert repository.check("--release")[0] == 1
    assert not (repository.folder / "openapi" / "released" / "0.2.0").exists()


def test_a_release_is_recorded_once(repository: Repository) -> None:
    assert repository.check("--release")[0] == 0

    status, told = repository.check("--release")
    assert status == 2
    assert "0.2.0 was recorded before" in told


def test_the_last_release_is_that_of_the_highest_version(repository: Repository) -> None:
    folder = repository.folder / "openapi" / "released"
    for name in ("0.9.0", "0.10.0"):
        shutil.copytree(folder / "0.1.0", folder / name)

    found = released.last_release(repository.folder / "openapi")
    assert found is not None
    assert found[0] == Version(0, 10, 0)


def test_the_release_of_before_has_its_contracts_recorded() -> None:
    """Those of 0.1.0 are, to the letter, what its wheel serves."""

    (wheel,) = (ROOT / "tests" / "releases").glob("flexagora-0.1.0-*.whl")
    recorded = released.of_release(ROOT / "openapi", Version(0, 1, 0))
    assert set(recorded) == {"eu-mp", "marketplace", "metering", "notifications"}
    with zipfile.ZipFile(wheel) as archive:
        for name, document in recorded.items():
            path = f"mpp_sdk/contracts/{name.replace('-', '_')}/document.json"
            served = json.loads(archive.read(path))
            assert {**document, "x-generated": served["x-generated"]} == served
