"""Marketplaces for the tests: a process each, on a database that was prepared once."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import create_engine, make_url, text

from tests.functional.marketplace import Account, Marketplace


@dataclass(frozen=True)
class Prepared:
    """An operator's account, and what gives a copy of the database that it is in."""

    account: Account
    copy: Callable[[Path], str]


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    original = folder / "original.db"
    account = make_account(f"sqlite:///{original}", folder)

    def copy(target: Path) -> str:
        shutil.copyfile(original, target / "flexagora.db")
        return f"sqlite:///{target / 'flexagora.db'}"

    return Prepared(account, copy)


@pytest.fixture(scope="session")
def prepared_postgresql(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prepared]:
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    names: list[str] = []

    def create(template: str) -> str:
        names.append(f"flexagora_test_{uuid4().hex}")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {names[-1]} TEMPLATE {template}"))
        return make_url(postgres_server).set(database=names[-1]).render_as_string(False)

    url = create("template0")
    folder = tmp_path_factory.mktemp("prepared")
    flexagora("database", "upgrade", FLEXAGORA_DATABASE_URL=url, FLEXAGORA_DATA_DIR=str(folder))
    original = names[0]
    yield Prepared(make_account(url, folder), lambda _: create(original))
    with admin.connect() as connection:
        for name in names:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def make_account(database_url: str, folder: Path) -> Account:
    """Return an operator's account, made on the command line."""
    key = Fernet.generate_key().decode()
    printed = flexagora(
        "operator",
        "create",
        "--name=Test",
        "--json",
        FLEXAGORA_DATABASE_URL=database_url,
        FLEXAGORA_DATA_DIR=str(folder),
        FLEXAGORA_SECRET_KEYS=key,
    )
    created = json.loads(printed)
    return Account(created["clientId"], created["clientSecret"], key)


def flexagora(*arguments: str, **environment: str) -> str:
    """Return what the marketplace's command line prints."""
    return subprocess.run(
        [sys.executable, "-m", "marketplace", *arguments],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture
def on_sqlite(prepared_sqlite: Prepared, tmp_path: Path) -> Iterator[Marketplace]:
    """Return a marketplace on SQLite that is not started yet."""
    yield from _on(prepared_sqlite, tmp_path)


@pytest.fixture
def on_postgresql(prepared_postgresql: Prepared, tmp_path: Path) -> Iterator[Marketplace]:
    """Return a marketplace on PostgreSQL that is not started yet."""
    yield from _on(prepared_postgresql, tmp_path)


@pytest.fixture(params=["on_sqlite", "on_postgresql"])
def marketplace(request: pytest.FixtureRequest) -> Marketplace:
    """Return a marketplace that is not started yet: once on SQLite, once on PostgreSQL."""
    found: Marketplace = request.getfixturevalue(request.param)
    return found


def _on(prepared: Prepared, folder: Path) -> Iterator[Marketplace]:
    marketplace = Marketplace(folder, prepared.copy(folder), prepared.account)
    yield marketplace
    marketplace.close()
