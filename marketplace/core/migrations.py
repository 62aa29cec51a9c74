"""Brings the database's schema to what the code needs, with Alembic, configured in code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, MetaData

from mpp_sdk.errors import InvalidInput, Unavailable

ENGINE = "engine"
"""The attribute of Alembic's configuration that holds the database to work on."""

_FULL_TEXT = "fts_"
_INSTALLED = Path(__file__).parents[1] / "migrations"
_CHECKOUT = Path(__file__).parents[2] / "migrations"


def configuration(engine: Engine) -> Config:
    """Return Alembic's configuration for a database."""
    config = Config()
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes[ENGINE] = engine
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema forward to a revision.

    Raises InvalidInput when there is no such revision, Unavailable as `check_known` does.
    """
    with _revisions_of(engine):
        command.upgrade(configuration(engine), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Bring the schema back to a revision; `base` takes everything away.

    Raises InvalidInput when there is no such revision, Unavailable as `check_known` does.
    """
    with _revisions_of(engine):
        command.downgrade(configuration(engine), revision)


def check_known(engine: Engine) -> None:
    """Raise Unavailable for a database that a newer version of the code has changed."""
    found = revision_of(engine)
    if found is None:
        return
    try:
        ScriptDirectory.from_config(configuration(engine)).get_revision(found)
    except CommandError as error:
        raise Unavailable(
            f"The database is at revision {found}, which this version does not know. Run the newer "
            "version that made it, or go back with that version's `flexagora database downgrade`."
        ) from error


def revision_of(engine: Engine) -> str | None:
    """Return the revision that the database is at; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision(engine: Engine) -> str | None:
    """Return the revision that this version of the code needs."""
    return ScriptDirectory.from_config(configuration(engine)).get_current_head()


def differences(engine: Engine, metadata: MetaData) -> list[str]:
    """Return what a database has otherwise than the mappings say, a line for each."""

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": _is_mapped,
            },
        )
        return [str(difference) for difference in compare_metadata(context, metadata)]


def _is_mapped(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out SQLite's full-text index, which is a set of tables that no mapping knows."""
    return not (kind == "table" and (name or "").startswith(_FULL_TEXT))


@contextmanager
def _revisions_of(engine: Engine) -> Iterator[None]:
    check_known(engine)
    try:
        yield
    except CommandError as error:
        raise InvalidInput(f"{error}.") from error
