"""Backup and restore of the marketplace's database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Column, Engine, select

from marketplace.core import migrations, restoration
from marketplace.core.actor import Actor, acting_as
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from mpp_sdk import backups
from mpp_sdk.backups import Facts
from mpp_sdk.database import open_database, reading
from mpp_sdk.errors import InvalidInput, Unavailable
from mpp_sdk.secrets import SecretBox

_KIND = "marketplace"
_BATCH = 1_000


@dataclass(frozen=True)
class Restored:
    """What was restored, and to which revision its schema was brought."""

    facts: Facts
    revision: str | None


def back_up(engine: Engine, settings: Settings, file: Path) -> Facts:
    """Write a backup, and return what it says of itself. Raises as `mpp_sdk.backups.back_up`."""
    settings.check_keys()
    revision = migrations.revision_of(engine)
    if revision is None:
        raise InvalidInput("There is nothing to back up: the database is empty.")
    return backups.back_up(engine, file, settings.secret_box, kind=_KIND, revision=revision)


def restore(
    settings: Settings,
    file: Path,
    encrypted: Sequence[Column[Any]],
    actor: Actor,
    *,
    replace: bool,
) -> Restored:
    """Put a backup in place of the database, marked as restored and with deliveries held.

    Its schema is brought to what this version needs. encrypted are the columns of which every value
    must be readable. Raises as `mpp_sdk.backups.restore`, and Unavailable for a revision that this
    version does not know or a secret that the keys do not decrypt.
    """
    settings.check_keys()
    facts = backups.read_facts(file)

    def prepare(engine: Engine, facts: Facts) -> None:
        migrations.upgrade(engine)
        _check_readable(engine, settings.secret_box, encrypted)
        mark(engine, facts.taken_at, facts.product_version, actor)

    url = settings.effective_database_url
    engine = open_database(url)
    try:
        _check_revision(engine, facts)
        box = settings.secret_box
        restored = backups.restore(url, file, box, kind=_KIND, replace=replace, prepare=prepare)
        return Restored(restored, migrations.revision_of(engine))
    finally:
        engine.dispose()


def mark(engine: Engine, backup_taken_at: datetime, version: str | None, actor: Actor) -> None:
    """Mark a database as restored to how it was at a moment."""
    with acting_as(actor), unit_of_work(engine):
        restoration.mark(backup_taken_at, version)


def _check_revision(engine: Engine, facts: Facts) -> None:
    try:
        scripts = ScriptDirectory.from_config(migrations.configuration(engine))
        scripts.get_revision(facts.revision or "")
    except CommandError as error:
        raise Unavailable(
            f"The backup is at revision {facts.revision}, which this version does not know: restore"
            f" it with version {facts.product_version} of the product. Nothing was changed."
        ) from error


def _check_readable(engine: Engine, box: SecretBox, encrypted: Sequence[Column[Any]]) -> None:
    unreadable: dict[str, int] = {}
    with reading(engine).connect() as connection:
        for column in encrypted:
            rows = connection.execution_options(yield_per=_BATCH).execute(
                select(column).where(column.is_not(None))
            )
            for value in rows.scalars():
                try:
                    box.decrypt(value)
                except Unavailable:
                    unreadable[str(column)] = unreadable.get(str(column), 0) + 1
    if unreadable:
        found = ", ".join(f"{count} in {column}" for column, count in unreadable.items())
        raise Unavailable(
            f"Stored secrets cannot be read with these keys: {found}. Add the older keys that were "
            "in use when the backup was made to the list, and restore again."
        )
