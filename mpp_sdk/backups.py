"""Backups of a database, SQLite or PostgreSQL: one file each, complete or not there at all.

The file is a tar archive that `tar` opens: the database as its own tools know it
(`database.sqlite3`, or `database.pgdump` for `pg_restore`), and `facts.json`. Encryption keys are
never in it. A canary is: a value that only the right keys decrypt.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata as distribution
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from sqlalchemy import Connection, Engine, func, inspect, make_url, select, table, text

from mpp_sdk import clock
from mpp_sdk.database import open_database
from mpp_sdk.errors import Conflict, InvalidInput, Unavailable
from mpp_sdk.secrets import SecretBox

_FORMAT = 1
_FACTS = "facts.json"
_MEMBERS = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}
_PIECE = 1_048_576
_MOST_FACTS = 1_048_576
_SAID = 2_000


@dataclass(frozen=True)
class Facts:
    """What a backup says of itself.

    kind is whose database it is, `marketplace` or `platform`. rows counts each table's rows.
    """

    kind: str
    product_version: str
    taken_at: datetime
    database: str
    revision: str | None
    rows: Mapping[str, int]
    canary: str
    size: int
    sha256: str


class Prepare(Protocol):
    """Makes a restored database ready; what it raises says why it cannot be used."""

    def __call__(self, engine: Engine, facts: Facts, /) -> None:
        """Work on the database that was restored."""


def back_up(
    engine: Engine, file: Path, box: SecretBox, *, kind: str, revision: str | None
) -> Facts:
    """Write a backup of one moment, also while others write; return what it says of itself.

    Only its owner may read the file. Raises Conflict when it exists already, Unavailable when
    `pg_dump` is missing or fails.
    """
    if file.exists():
        raise Conflict(f"{file} exists already, and is not overwritten.")
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as out:
            facts = _write(engine, out, file.parent, box, kind, revision)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            raise Conflict(f"{file} exists already, and is not overwritten.") from None
    finally:
        Path(draft).unlink()
    return facts


def read_facts(file: Path) -> Facts:
    """Return what a backup says of itself. Raises InvalidInput when it is none."""
    with _opened(file) as archive:
        try:
            member = archive.getmember(_FACTS)
        except KeyError:
            raise InvalidInput(f"{file} is no backup: it says nothing of itself.") from None
        content = archive.extractfile(member)
        if content is None or member.size > _MOST_FACTS:
            raise InvalidInput(f"{file} is no backup.")
        try:
            said = json.loads(content.read())
            found = said.pop("format")
            facts = Facts(**{**said, "taken_at": datetime.fromisoformat(said["taken_at"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidInput(f"{file} is no backup of this product.") from error
    if found != _FORMAT or facts.database not in _MEMBERS:
        raise InvalidInput(f"{file} is a backup of another version of the product.")
    return facts


def restore(
    url: str,
    file: Path,
    box: SecretBox,
    *,
    kind: str,
    replace: bool,
    prepare: Prepare,
) -> Facts:
    """Put a backup into the database at a URL and have it prepared; return what it says of itself.

    Nothing is touched before the file proved to be whole, of this kind and product, and the keys
    proved to be the right ones. On SQLite nothing is touched before `prepare` has succeeded either.
    Raises InvalidInput for a file that cannot be used, Conflict for a database that has tables
    unless it is to be replaced, or that others use, and Unavailable when the keys are not those of
    the backup or `pg_restore` is missing or fails.
    """
    facts = read_facts(file)
    backend = make_url(url).get_backend_name()
    if facts.kind != kind:
        raise InvalidInput(f"{file} is the backup of a {facts.kind}, not of a {kind}.")
    if facts.database != backend:
        raise InvalidInput(f"{file} is a backup of {facts.database}, the database is {backend}.")
    _check_whole(file, facts)
    _check_keys(box, facts)
    if backend == "sqlite":
        _restore_sqlite(Path(str(make_url(url).database)), file, facts, replace, prepare)
    else:
        _restore_postgresql(url, file, facts, replace, prepare)
    return facts


# ---- writing


def _write(
    engine: Engine, out: BinaryIO, folder: Path, box: SecretBox, kind: str, revision: str | None
) -> Facts:
    taken_at = clock.now()  # before the snapshot: what came after this may be missing
    backend = engine.dialect.name
    dump = _sqlite_copy if backend == "sqlite" else _postgresql_dump
    with dump(engine, folder) as (pieces, rows):
        size, digest = _add_stream(out, _MEMBERS[backend], pieces)
    facts = Facts(
        kind=kind,
        product_version=distribution.version("flexagora"),
        taken_at=taken_at,
        database=backend,
        revision=revision,
        rows=rows,
        canary=box.encrypt(secrets.token_urlsafe(16)),
        size=size,
        sha256=digest,
    )
    said = {"format": _FORMAT, **asdict(facts), "taken_at": taken_at.isoformat()}
    _add_stream(out, _FACTS, iter([json.dumps(said, indent=1, sort_keys=True).encode()]))
    out.write(b"\0" * (2 * tarfile.BLOCKSIZE))
    return facts


def _add_stream(out: BinaryIO, name: str, pieces: Iterator[bytes]) -> tuple[int, str]:
    """Add a member whose size is known only at its end; return its size and SHA-256."""
    header_at = out.tell()
    out.write(_header(name, 0))
    size, digest = 0, hashlib.sha256()
    for piece in pieces:
        out.write(piece)
        size += len(piece)
        digest.update(piece)
    out.write(b"\0" * (-size % tarfile.BLOCKSIZE))
    end = out.tell()
    out.seek(header_at)
    out.write(_header(name, size))
    out.seek(end)
    return size, digest.hexdigest()


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    return member.tobuf(tarfile.GNU_FORMAT)


@contextlib.contextmanager
def _sqlite_copy(engine: Engine, beside: Path) -> Iterator[tuple[Iterator[bytes], dict[str, int]]]:
    """Give a copy by SQLite's online backup, whose one step sees one moment."""
    with tempfile.TemporaryDirectory(prefix=".backup.", dir=beside) as folder:
        copy = Path(folder) / "copy"
        with _connected(Path(str(engine.url.database))) as source, _connected(copy) as target:
            source.backup(target)
        copied = open_database(f"sqlite:///{copy}")
        try:
            with copied.connect() as connection:
                rows = _count(connection)
        finally:
            copied.dispose()
        with _connected(copy) as target:
            target.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        with copy.open("rb") as source_file:
            yield _pieces(source_file), rows


@contextlib.contextmanager
def _postgresql_dump(
    engine: Engine, _beside: Path
) -> Iterator[tuple[Iterator[bytes], dict[str, int]]]:
    """Give a dump of the snapshot in which the rows were counted."""
    program = _program("pg_dump")
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        rows = _count(connection)
        command = [program, "--format=custom", f"--snapshot={snapshot}", *_reached(engine)]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                command, stdout=subprocess.PIPE, stderr=said, env=_environment(engine)
            )
            if process.stdout is None:
                raise RuntimeError("There is no pipe to read from.")
            try:
                yield _pieces(process.stdout), rows
            except BaseException:
                process.kill()
                raise
            finally:
                process.stdout.close()
                status = process.wait()
            if status:
                raise Unavailable(f"pg_dump failed: {_what_was_said(said)}")


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece


def _count(connection: Connection) -> dict[str, int]:
    names = sorted(inspect(connection).get_table_names())
    return {
        name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
        for name in names
    }


# ---- reading


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as archive:
            yield archive
    except tarfile.TarError as error:
        raise InvalidInput(f"{file} is no backup of this product, or not whole.") from error


@contextlib.contextmanager
def _database_in(file: Path, facts: Facts) -> Iterator[Iterator[bytes]]:
    with _opened(file) as archive:
        try:
            content = archive.extractfile(_MEMBERS[facts.database])
        except KeyError:
            content = None
        if content is None:
            raise InvalidInput(f"{file} is not whole: the database is not in it.")
        yield iter(lambda: content.read(_PIECE), b"")


def _check_whole(file: Path, facts: Facts) -> None:
    digest = hashlib.sha256()
    with _database_in(file, facts) as pieces:
        for piece in pieces:
            digest.update(piece)
    if digest.hexdigest() != facts.sha256:
        raise InvalidInput(f"{file} was damaged: what is in it is not what was written.")


def _check_keys(box: SecretBox, facts: Facts) -> None:
    try:
        box.decrypt(facts.canary)
    except Unavailable as error:
        raise Unavailable(
            "The encryption keys are not those of the backup. Nothing was changed. Set the keys "
            "that were kept apart from it, and restore again."
        ) from error


# ---- restoring


def _restore_sqlite(
    target: Path, file: Path, facts: Facts, replace: bool, prepare: Prepare
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not replace:
        with _connected(target) as connection:
            [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        if tables:
            raise _not_empty()
    with tempfile.TemporaryDirectory(prefix=".restore.", dir=target.parent) as folder:
        copy = Path(folder) / "copy"
        with _database_in(file, facts) as pieces, copy.open("wb") as out:
            for piece in pieces:
                out.write(piece)
        engine = open_database(f"sqlite:///{copy}")
        try:
            prepare(engine, facts)
        finally:
            engine.dispose()
        # By SQLite's own means and in one transaction: whoever has the old one open sees the new.
        with _connected(copy) as source, _connected(target) as connection:
            try:
                source.backup(connection)
            except sqlite3.OperationalError as error:
                raise Conflict(f"The database is in use: stop every process. ({error})") from error
    target.chmod(0o600)


def _restore_postgresql(
    url: str, file: Path, facts: Facts, replace: bool, prepare: Prepare
) -> None:
    program = _program("pg_restore")
    engine = open_database(url)
    try:
        with engine.begin() as connection:
            if inspect(connection).get_table_names() and not replace:
                raise _not_empty()
            _check_alone(connection)
            _clear(connection)
        command = [program, "--single-transaction", "--exit-on-error", "--no-owner"]
        command += ["--no-privileges", *_reached(engine)]
        _feed(command, file, facts, _environment(engine))
        prepare(engine, facts)
    finally:
        engine.dispose()


def _feed(command: list[str], file: Path, facts: Facts, environment: dict[str, str]) -> None:
    with tempfile.TemporaryFile() as said, _database_in(file, facts) as pieces:
        process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
            command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment
        )
        if process.stdin is None:
            raise RuntimeError("There is no pipe to write to.")
        with contextlib.suppress(BrokenPipeError):  # then it says why itself
            for piece in pieces:
                process.stdin.write(piece)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        if process.wait():
            raise Unavailable(f"pg_restore failed: {_what_was_said(said)}")


def _check_alone(connection: Connection) -> None:
    others = connection.execute(
        text(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
    ).scalar_one()
    if others:
        raise Conflict(
            f"{others} other sessions use the database: stop every process of the marketplace."
        )


def _clear(connection: Connection) -> None:
    """Drop the tables and functions of the schema, whichever version made them."""
    quote = connection.dialect.identifier_preparer.quote
    tables = text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    for name in connection.execute(tables).scalars().all():
        connection.execute(text(f"DROP TABLE IF EXISTS {quote(name)} CASCADE"))
    functions = text(
        "SELECT p.oid::regprocedure::text FROM pg_proc p "
        "JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = current_schema() "
        "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
    )
    for name in connection.execute(functions).scalars().all():
        connection.execute(text(f"DROP FUNCTION {name} CASCADE"))


def _not_empty() -> Conflict:
    return Conflict(
        "The database is not empty. Restore into an empty one, or say --replace: then what is in "
        "it is lost."
    )


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(
            f"{name} is not installed here. Install PostgreSQL's client programs, of the server's "
            "version or a newer one."
        )
    return found


def _reached(engine: Engine) -> list[str]:
    """Return where the database is, without the password, which others could read in a list."""
    bare = engine.url.set(drivername="postgresql", password=None)
    return [f"--dbname={bare.render_as_string(hide_password=False)}"]


def _environment(engine: Engine) -> dict[str, str]:
    password = engine.url.password
    return {**os.environ, **({"PGPASSWORD": str(password)} if password is not None else {})}


def _what_was_said(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read(_SAID).decode("utf-8", "replace").strip() or "it did not say why."


@contextlib.contextmanager
def _connected(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(file, timeout=30)
    try:
        yield connection
    finally:
        connection.close()
