"""A backup is whole or not there, and a restore touches nothing before it is sure."""

import gc
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, func, select, text
from typer.testing import CliRunner

from marketplace.cli import app
from marketplace.core.audit import AuditEntry
from marketplace.core.restoration import Restoration
from marketplace.identity.tables import Credential
from mpp_sdk import backups
from mpp_sdk.database import open_database

runner = CliRunner()


@pytest.fixture
def engine(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database at the newest revision with one operator, A."""
    monkeypatch.setenv("FLEXAGORA_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("FLEXAGORA_DATABASE_URL", database_url)
    monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", Fernet.generate_key().decode())
    run("database", "upgrade")
    run("operator", "create", "--name=A")
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def run(*arguments: str, exit_code: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    gc.collect()  # a command ends with its process; here its connections end like this
    assert result.exit_code == exit_code, result.output
    return result.output


def operators(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        found = set(connection.execute(select(Credential.label)).scalars())
    engine.dispose()  # a restore insists on being alone
    return found


def test_what_came_after_the_backup_is_gone_and_deliveries_are_held(
    engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "backup.tar"
    said = run("database", "backup", str(file))
    assert "The encryption keys are NOT in it" in said
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".backup")] == []
    facts = backups.read_facts(file)
    assert facts.rows["credential"] == 1
    run("operator", "create", "--name=B")
    assert operators(engine) == {"A", "B"}

    assert "not empty" in run("database", "restore", str(file), exit_code=1)
    assert operators(engine) == {"A", "B"}
    said = run("database", "restore", str(file), "--replace")

    assert facts.taken_at.isoformat() in said
    assert "Deliveries are held" in said
    assert operators(engine) == {"A"}
    assert "as it should be" in run("database", "check")
    with engine.connect() as connection:
        [row] = connection.execute(select(Restoration.__table__)).all()
        audited = connection.execute(
            select(AuditEntry.action).where(AuditEntry.entity_kind == "Restoration")
        ).scalars()
        assert list(audited) == ["restore"]
    assert row.backup_taken_at == facts.taken_at
    assert row.released_at is None
    run("database", "release", "--reason=A test.")
    assert "not held" in run("database", "release", "--reason=Again.", exit_code=1)


def test_it_is_restored_into_an_empty_database(
    engine: Engine, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup.tar"
    run("database", "backup", str(file))
    if engine.dialect.name == "sqlite":
        other = f"sqlite:///{tmp_path / 'other' / 'new.db'}"
        monkeypatch.setenv("FLEXAGORA_DATABASE_URL", other)
    else:
        other = database_url
        engine.dispose()
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
    run("database", "restore", str(file))
    restored = open_database(other)
    assert operators(restored) == {"A"}


def test_nothing_is_overwritten(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    file.write_text("mine")
    assert "exists already" in run("database", "backup", str(file), exit_code=1)
    assert file.read_text() == "mine"


def test_a_backup_is_of_one_moment_while_others_write(engine: Engine, tmp_path: Path) -> None:
    stop = threading.Event()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE left_side (n INTEGER)"))
        connection.execute(text("CREATE TABLE right_side (n INTEGER)"))

    def write() -> None:
        number = 0
        while not stop.is_set() and number < 5_000:
            number += 1
            with engine.begin() as connection:
                for side in ("left_side", "right_side"):
                    connection.execute(text(f"INSERT INTO {side} VALUES ({number})"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            run("database", "backup", str(tmp_path / f"{number}.tar"))
    finally:
        stop.set()
        writer.join()
    rows = [backups.read_facts(tmp_path / f"{number}.tar").rows for number in range(3)]
    assert rows[0]["left_side"] > 0
    assert rows[-1]["left_side"] > rows[0]["left_side"]
    assert all(one["left_side"] == one["right_side"] for one in rows)


def test_other_keys_change_nothing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup.tar"
    run("database", "backup", str(file))
    run("operator", "create", "--name=B")
    monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", Fernet.generate_key().decode())

    said = run("database", "restore", str(file), "--replace", exit_code=1)
    assert "The encryption keys are not those of the backup" in said
    assert operators(engine) == {"A", "B"}


def test_a_damaged_file_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    run("database", "backup", str(file))
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[20_000] ^= 1
    for content in (bytes(changed), whole[: len(whole) // 2], b"something else", b""):
        file.write_bytes(content)
        assert run("database", "restore", str(file), "--replace", exit_code=1)
        assert operators(engine) == {"A"}


def _rewritten(file: Path, **changes: Any) -> None:
    """Change what a backup says of itself."""
    with tarfile.open(file) as archive:
        members = [(one, archive.extractfile(one)) for one in archive.getmembers()]
        contents = [(one.name, found.read()) for one, found in members if found is not None]
    with tarfile.open(file, "w") as archive:
        for name, content in contents:
            if name == "facts.json":
                content = json.dumps(json.loads(content) | changes).encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"revision": "9999"}, "which this version does not know"),
        ({"kind": "platform"}, "the backup of a platform"),
        ({"format": 2}, "another version of the product"),
        ({"database": "oracle"}, "another version of the product"),
    ],
)
def test_a_backup_of_something_else_changes_nothing(
    engine: Engine, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    file = tmp_path / "backup.tar"
    run("database", "backup", str(file))
    _rewritten(file, **changes)
    assert why in run("database", "restore", str(file), "--replace", exit_code=1)
    assert operators(engine) == {"A"}


def test_a_secret_that_no_key_reads_is_said(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = os.environ["FLEXAGORA_SECRET_KEYS"]
    older = Fernet(Fernet.generate_key()).encrypt(b"older").decode()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO idempotent_reply (subject, operation, key, fingerprint, reply, "
                "created_at) VALUES ('a', 'b', 'c', 'd', :reply, '2026-01-01 00:00:00+00')"
            ),
            {"reply": older},
        )
    engine.dispose()
    file = tmp_path / "backup.tar"
    run("database", "backup", str(file))
    monkeypatch.setenv("FLEXAGORA_SECRET_KEYS", key)
    said = run("database", "restore", str(file), "--replace", exit_code=1)
    assert "1 in idempotent_reply.reply" in said


def test_postgresql_s_programs_must_be_there(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status = 1 if engine.dialect.name == "postgresql" else 0
    said = run("database", "backup", str(tmp_path / "backup.tar"), exit_code=status)
    assert ("pg_dump is not installed here" in said) == (status == 1)
    assert (tmp_path / "backup.tar").exists() == (status == 0)


def test_a_database_in_use_is_not_replaced(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    run("database", "backup", str(file))
    with engine.begin() as connection:
        connection.execute(select(func.count()).select_from(Credential)).scalar_one()
        if engine.dialect.name == "postgresql":
            said = run("database", "restore", str(file), "--replace", exit_code=1)
            assert "stop every process" in said
    assert operators(engine) == {"A"}
