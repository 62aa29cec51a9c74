"""`flexagora new-platform`: what it writes passes its own checks at once, and the kit."""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from examples.demo.processes import free_port
from mpp_sdk.commands import main
from mpp_sdk.conformance.command import PASSED
from mpp_sdk.errors import InvalidInput
from mpp_sdk.new_platform.writing import Project, Role, check_name, write
from mpp_sdk.settings import PlatformSettings

ROLES = list(Role)


@pytest.fixture(scope="module", params=ROLES, ids=str)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project that was just written."""
    return write(Project(f"my-{request.param}", request.param), tmp_path_factory.mktemp("written"))


def run(folder: Path, *command: str) -> None:
    """Run a Python tool in a project's folder; what it says is the failure's message."""
    # what mypy has learnt of the SDK for one project holds for the other
    environment = {**os.environ, "MYPY_CACHE_DIR": str(folder.parent.parent / "mypy")}
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_its_own_tests_pass(project: Path) -> None:
    run(project, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")


def test_it_is_typed_strictly_and_has_no_finding_of_the_linter(project: Path) -> None:
    run(project, "mypy")
    run(project, "ruff", "check", ".")
    run(project, "ruff", "format", "--check", ".")


def settings_of(file: Path) -> dict[str, str]:
    """Return the variables that a shell would have after it has read a file."""
    shown = subprocess.run(
        ["sh", "-c", f"set -a; . '{file}'; env -0"], capture_output=True, text=True, check=True
    )
    read = dict(one.split("=", 1) for one in shown.stdout.split("\0") if one)
    return {name: value for name, value in read.items() if name.startswith("MPP_")}


SERVING = """
import os, signal, subprocess, sys, time, urllib.request
from pathlib import Path

pid, url, command = Path("var/serving.pid"), sys.argv[1], sys.argv[2:]
pid.parent.mkdir(exist_ok=True)
if pid.exists():
    former = int(pid.read_text())
    os.kill(former, signal.SIGTERM)
    while Path(f"/proc/{former}").exists() and "Z" not in Path(f"/proc/{former}/stat").read_text():
        time.sleep(0.02)
with Path("var/serving.log").open("ab") as log:
    started = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
pid.write_text(str(started.pid))
while started.poll() is None:
    try:
        urllib.request.urlopen(f"{url}/readyz", timeout=5)
        sys.exit(0)
    except OSError:
        time.sleep(0.05)
sys.exit(f"The platform ended with {started.returncode}.")
"""
"""Serves a command in place of the one before, and ends once it answers."""


@contextmanager
def served(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[str, str]]:
    """Serve a project's platform as its README says; give its base URL and what restarts it."""
    port = free_port()
    settings = settings_of(folder / ".env") | {"MPP_PORT": str(port)}
    for name, value in {**settings, "PYTHONPATH": str(folder / "src")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    script = tmp_path / "serving.py"
    script.write_text(SERVING)
    url = f"http://127.0.0.1:{port}"
    package = folder.name.replace("-", "_")
    words = [sys.executable, "-m", "mpp_sdk", "serve", f"{package}.platform:Platform"]
    command = [sys.executable, str(script), url, *words]
    subprocess.run(command, check=True, timeout=60)
    try:
        yield url, shlex.join(command)
    finally:
        os.kill(int((folder / "var/serving.pid").read_text()), signal.SIGTERM)


def test_served_as_its_readme_says_it_conforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(Project("my-platform", Role.PROVIDER), tmp_path)
    with served(folder, monkeypatch, tmp_path) as (url, restart):
        arguments = ["--credentials", "credentials.json", "--restart-command", restart]
        with pytest.raises(SystemExit) as ended:
            main(["conformance", url, *arguments])
    told = capsys.readouterr().out
    assert ended.value.code == PASSED, told
    assert "\nCONFORMS\n" in told


def test_its_secrets_are_its_owners_alone(project: Path) -> None:
    secret = [project / ".env", project / "credentials.json"]
    key = json.loads(secret[1].read_bytes())["apiKey"]
    ignored = (project / ".gitignore").read_text().splitlines()

    for file in secret:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.name in ignored
        assert key in file.read_text()
    others = [file for file in project.rglob("*") if file.is_file() and file not in secret]
    assert not [file for file in others if key in file.read_text(errors="replace")]
    assert (project / ".dockerignore").read_text().splitlines()[1] == "*"


def test_two_projects_have_no_secret_in_common(tmp_path: Path) -> None:
    first, second = (
        write(Project(name, Role.PROVIDER), tmp_path) / "credentials.json"
        for name in ("one", "two")
    )
    told = [json.loads(file.read_bytes()) for file in (first, second)]

    assert len({one["apiKey"] for one in told}) == 2
    assert len({secret for one in told for secret in one["signingSecrets"]}) == 4


def test_every_setting_of_the_example_exists(project: Path) -> None:
    known = {f"MPP_{name.upper()}" for name in PlatformSettings.model_fields}
    named = set(re.findall(r"MPP_[A-Z_]+", (project / ".env.example").read_text()))

    assert named - known == set()
    assert {"MPP_API_KEY", "MPP_SIGNING_SECRETS", "MPP_MARKETPLACE_URL"} <= named


def test_it_asks_for_an_sdk_like_the_present_one(project: Path) -> None:
    asked = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]

    major, minor, *_ = version("flexagora").split(".")
    assert asked == [f"flexagora[metering]>={major}.{minor},<{major}.{int(minor) + 1}"]


def test_the_image_runs_without_rights_and_says_how_it_is(project: Path) -> None:
    lines = (project / "Dockerfile").read_text().replace("\\\n", "").splitlines()
    steps = [line.split(None, 1) for line in lines if line and line[0] not in "# "]
    last = dict(steps)

    assert {name for name, _ in steps} <= {
        *("ARG", "FROM", "ENV", "WORKDIR", "RUN", "COPY", "USER", "VOLUME", "EXPOSE"),
        *("STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
    }
    assert last["USER"] == "10001:10001"
    assert "/readyz" in last["HEALTHCHECK"]
    package = project.name.replace("-", "_")
    assert json.loads(last["ENTRYPOINT"]) == ["python", "-m", "mpp_sdk"]
    assert json.loads(last["CMD"]) == ["serve", f"{package}.platform:Platform"]
    sources = [value.split()[:-1] for name, value in steps if name == "COPY" and "--" not in value]
    assert [part for one in sources for part in one if not (project / part).exists()] == []


def test_the_example_of_a_pipeline_runs_every_check(project: Path) -> None:
    [job] = yaml.safe_load((project / ".github/workflows/checks.yaml").read_text())["jobs"].values()
    commands = " ".join(step.get("run", "") for step in job["steps"])

    assert all(tool in commands for tool in ("ruff", "mypy", "pytest"))


def test_no_place_of_the_template_is_left(project: Path) -> None:
    files = [file for file in project.rglob("*") if file.is_file()]
    left = [file for file in files if re.search(r"\{\{\w+\}\}", file.read_text(errors="replace"))]

    assert left == []
    assert not [file for file in files if file.name.startswith("dot-") or file.suffix == ".tmpl"]


def test_what_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("of a year")

    with pytest.raises(SystemExit) as ended:
        main(["new-platform", "mine", "--in", str(tmp_path)])
    assert ended.value.code == 2
    assert "is there already" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["work.txt"]


@pytest.mark.parametrize(
    "name",
    [
        *("", "My", "1st", "a b", "../up", "/tmp/x", "a-", "-a", "a--b", "ä"),
        *("class", "json", "mpp-sdk", "tests", "x" * 61),
    ],
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "my-platform", "my_platform", "dso4"])
def test_a_name_that_is_one_is_taken(name: str) -> None:
    check_name(name)
