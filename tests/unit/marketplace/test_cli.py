import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet
from sqlalchemy import make_url
from typer.testing import CliRunner

from examples.demo.processes import free_port
from marketplace.app import create_app
from marketplace.cli import app
from marketplace.core.settings import Settings
from mpp_sdk.web.server import BackgroundServer

runner = CliRunner()


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLEXAGORA_DATA_DIR", str(tmp_path / "var"))
    return tmp_path / "var"


def run(*arguments: str, exit_code: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == exit_code, result.output
    return result.output


def test_an_operator_is_made_used_and_revoked() -> None:
    client = json.loads(run("operator", "create", "--name", "Night shift", "--json"))
    assert client["clientId"] in run("operator", "list")
    with BackgroundServer(create_app(Settings())) as url:

        def token() -> requests.Response:
            return requests.post(
                f"{url}/api/v1/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(client["clientId"], client["clientSecret"]),
                timeout=10,
            )

        assert token().json()["scope"] == "operator"
        assert "Night shift" in run("operator", "revoke", client["clientId"])
        assert token().status_code == 401
    assert client["clientId"] not in run("operator", "list")
    assert "There is no operator" in run("operator", "revoke", client["clientId"], exit_code=1)


def test_the_secret_of_an_operator_is_shown() -> None:
    assert re.search(r"client secret: fxs_\S+", run("operator", "create", "--name", "Op"))


def test_the_database_is_upgraded_checked_and_downgraded() -> None:
    assert "none" in run("database", "check", exit_code=1)
    run("database", "upgrade")
    run("database", "downgrade", "base")
    assert "upgrade" in run("database", "check", exit_code=1)


def test_the_database_is_brought_back_a_step() -> None:
    upgraded = run("database", "upgrade")
    assert run("database", "downgrade", "-1") != upgraded
    assert "upgrade" in run("database", "check", exit_code=1)


def test_every_setting_is_shown_and_secrets_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXAGORA_DATABASE_URL", "postgresql+psycopg://me:hidden1@db/x")
    monkeypatch.setenv("FLEXAGORA_BROKER_URL", "amqp://me:hidden2@broker")
    monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", "hidden3,hidden4")
    output = run("settings")
    assert "hidden" not in output
    for name, field in Settings.model_fields.items():
        assert f"FLEXAGORA_{name.upper()}" in output
        assert field.description
        assert field.description in output


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXAGORA_PORT", "eighty")
    result = runner.invoke(app, ["settings"])
    assert result.exit_code == 1
    assert "FLEXAGORA_PORT" in result.output


@pytest.mark.parametrize("command", [["serve"], ["deliver"], ["operator", "list"]])
def test_postgresql_needs_a_key_that_every_process_has(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str, data_dir: Path, command: list[str]
) -> None:
    monkeypatch.setenv("FLEXAGORA_DATABASE_URL", postgres_url)
    refused = run(*command, exit_code=1)
    assert len(refused.splitlines()) == 1
    assert "FLEXAGORA_SECRET_KEYS" in refused
    assert not data_dir.exists()
    shown = re.search(r"python -c '(.*)'", refused)
    assert shown
    made = subprocess.run(
        [sys.executable, "-c", shown[1]], check=True, capture_output=True, text=True
    ).stdout.strip()
    monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", made)
    assert "flexagora database upgrade" in run(*command, exit_code=1)


def test_what_is_no_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", "hidden")
    refused = run("operator", "list", exit_code=1)
    assert "FLEXAGORA_SECRET_KEYS" in refused
    assert "hidden" not in refused
    assert len(refused.splitlines()) == 1


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("FLEXAGORA_PROT", "FLEXAGORA_PORT"),
        ("FLEXAGORA_SECRET_KEY", "FLEXAGORA_SECRET_KEYS"),
        ("flexagora_database", "FLEXAGORA_DATABASE_URL"),
    ],
)
def test_what_is_no_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, misspelt: str, meant: str
) -> None:
    monkeypatch.setenv("FLEXAGORA_TEST_ANYTHING", "this is for the tests")
    run("settings")
    monkeypatch.setenv(misspelt, "hidden")
    for command in (["settings"], ["serve"], ["database", "check"]):
        refused = run(*command, exit_code=1)
        assert f"There is no {misspelt}; did you mean {meant}?" in refused
        assert len(refused.splitlines()) == 1


@pytest.fixture
def on_postgresql(monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> str:
    monkeypatch.setenv("FLEXAGORA_DATABASE_URL", postgres_url)
    monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", Fernet.generate_key().decode())
    return postgres_url


COMMANDS = [["serve"], ["deliver"], ["operator", "list"], ["database", "upgrade"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_that_does_not_answer_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, on_postgresql: str, command: list[str]
) -> None:
    away = make_url(on_postgresql).set(port=free_port(), password="hidden")
    monkeypatch.setenv("FLEXAGORA_DATABASE_URL", away.render_as_string(hide_password=False))
    refused = run(*command, exit_code=1)
    assert "The database cannot be used" in refused
    assert f"port {away.port}" in refused
    assert "hidden" not in refused
    assert len(refused.splitlines()) == 1


def test_what_is_no_database_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEXAGORA_DATABASE_URL", "oracle-of-delphi")
    monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", Fernet.generate_key().decode())
    refused = run("database", "check", exit_code=1)
    assert "The database cannot be used" in refused
    assert len(refused.splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("on_postgresql")
def test_without_the_client_of_postgresql_its_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    refused = run(*command, exit_code=1)
    assert "pip install 'flexagora[postgresql]'" in refused
    assert len(refused.splitlines()) == 1


@pytest.mark.parametrize("command", ["serve", "deliver"])
def test_without_the_client_of_rabbitmq_its_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("FLEXAGORA_BROKER_URL", "amqp://127.0.0.1:1")
    for using in ("marketplace.delivery.quorum", "dramatiq.brokers.rabbitmq"):  # imported before
        monkeypatch.delitem(sys.modules, using, raising=False)
    monkeypatch.setitem(sys.modules, "pika", None)
    refused = run(command, exit_code=1)
    assert "pip install 'flexagora[rabbitmq]'" in refused
    assert len(refused.splitlines()) == 1


def test_a_port_that_is_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("serve", "--port", str(port), exit_code=1)
    assert "in use" in refused
    assert str(port) in refused
    assert len(refused.splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_said_in_one_line(data_dir: Path) -> None:
    data_dir.write_text("a file")
    refused = run("operator", "list", exit_code=1)
    assert str(data_dir) in refused
    assert len(refused.splitlines()) == 1
