"""The command line `flexagora`: what is the SDK's own, and what the extras add."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
import typer

from mpp_sdk import commands
from mpp_sdk.commands import GROUP, add_extras, own_commands


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the file of a module `an_extra`, which can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "an_extra.py"
    sys.modules.pop("an_extra", None)


ENTRY = EntryPoint("storage", "an_extra:app", GROUP)


def test_the_marketplace_adds_its_commands() -> None:
    found = entry_points(group=GROUP)
    app = own_commands()

    assert [(one.name, one.value) for one in found] == [("marketplace", "marketplace.cli:app")]
    assert add_extras(app, found) == []
    names = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert {"conformance", "new-platform", "serve", "deliver", "operator", "database"} <= names


def test_a_command_of_an_extra_that_is_missing_says_what_to_install(
    module: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module.write_text("import a_library_of_the_extra\n")
    monkeypatch.setattr(commands, "entry_points", lambda group: [ENTRY])

    with pytest.raises(SystemExit) as ended:
        commands.main(["serve"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "no command serve" in told
    assert "pip install 'flexagora[storage]'" in told


def test_the_help_says_what_to_install(
    module: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module.write_text("import a_library_of_the_extra\n")
    monkeypatch.setattr(commands, "entry_points", lambda group: [ENTRY])

    with pytest.raises(SystemExit) as ended:
        commands.main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "conformance" in told
    assert "flexagora[storage]" in told


def test_a_fault_of_our_own_is_not_taken_for_a_missing_extra(module: Path) -> None:
    module.write_text("import an_extra.part_that_is_not_there\n")

    with pytest.raises(ModuleNotFoundError):
        add_extras(own_commands(), [ENTRY])


def test_the_sdks_own_commands_do_not_look_for_extras() -> None:
    program = (
        "import sys\n"
        "from mpp_sdk.commands import main\n"
        "try: main(['new-platform', '--help'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "assert not [one for one in sys.modules if one.split('.')[0] == 'marketplace']\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert ended.returncode == 0, ended.stderr.decode()
