"""The way in and back for operators: the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from marketplace.accounts import people
from marketplace.cli import app
from marketplace.core import migrations
from mpp_sdk.database import open_database

from .conftest import ORIGIN, PASSWORD, Accounts

BO = "bo@market.example"


@pytest.fixture
def accounts(accounts: Accounts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Accounts:
    """Return the accounts of the database that the command line works on."""
    url = accounts.environment.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("FLEXAGORA_DATABASE_URL", url)
    monkeypatch.setenv("FLEXAGORA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FLEXAGORA_PUBLIC_URL", "https://market.example")
    return accounts


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    engine = open_database(sqlite_url)
    migrations.upgrade(engine)
    yield engine
    engine.dispose()


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["person", *arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_an_operator_is_invited_listed_and_removed(accounts: Accounts) -> None:
    made = accounts.company()
    link = json.loads(run("invite-operator", "--email", BO, "--name", "Bo Vidal", "--json"))["link"]
    assert link.startswith("https://market.example/invitation?token=")
    assert link in accounts.mails(BO)[0]
    [token] = parse_qs(urlsplit(link).query)["token"]
    with accounts.at_work():
        session = people.accept_invitation(token, "Bo Vidal", PASSWORD, None, None, ORIGIN)
    assert accounts.known(session.token).principal.is_operator
    listed = run("list")
    assert "bo@market.example  Bo Vidal  the marketplace  operator" in listed
    assert "ana@levante.example  Ana Ruiz  Levante  administrator, provider, requester" in listed
    assert "ana@" not in run("list", "--operators")
    assert "Bo Vidal has no access any more" in run("remove", BO)
    assert accounts.signed_in(session.token) is None
    # even the last administrator of a company
    run("remove", "Ana@levante.example")
    assert accounts.signed_in(made.session.token) is None


def test_what_cannot_be_done_is_said(accounts: Accounts) -> None:
    accounts.company()
    assert "e-mail address" in run("invite-operator", "--email", "x", "--name", "X", exit_code=1)
    assert "There is no person" in run("remove", "nobody@x.example", exit_code=1)


def test_the_mail_server_s_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("smtps://me:p@ss-word@mail.example:465", "smtp://pass-word@mail.example"):
        monkeypatch.setenv("FLEXAGORA_SMTP_URL", url)
        monkeypatch.setenv("FLEXAGORA_OIDC_CLIENT_SECRET", "oidc-pass-word")
        shown = CliRunner().invoke(app, ["settings"]).output
        assert "mail.example" in shown
        assert "ss-word" not in shown
        assert "oidc-pass" not in shown
