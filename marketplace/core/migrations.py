"""Brings the database's schema to what the code needs, with Alembic, configured in code."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import OperationalError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from marketplace.core.compatibility import oldest_that_works
from mpp_sdk.errors import InvalidInput, Unavailable

ENGINE = "engine"
"""The attribute of Alembic's configuration that holds the database to work on."""

WATCHERS = "watchers"
"""The attribute that holds what is called in each migration's transaction, at its end."""

_LOG = logging.getLogger(__name__)
_FULL_TEXT = "fts_"
_CONTENTION = frozenset({"55P03", "57014", "40P01"})  # no lock in time, canceled, deadlock
_PATIENCE_S = 300.0
_LONGEST_PAUSE_S = 10.0
_INSTALLED = Path(__file__).parents[1] / "migrations"
_CHECKOUT = Path(__file__).parents[2] / "migrations"


def configuration(engine: Engine) -> Config:
    """Return Alembic's configuration for a database."""
    config = Config()
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes[ENGINE] = engine
    return config


def upgrade(
    engine: Engine, revision: str = "head", *, patience_seconds: float = _PATIENCE_S
) -> None:
    """Bring the schema forward to a revision, while processes work on it.

    A step that does not get its locks at once gives way and is tried again, for patience_seconds.
    A schema that a newer version has made, and that this one works on, is left as it is. Raises
    InvalidInput when there is no such revision, Unavailable as `check_usable` does, and when the
    locks could not be had.
    """
    if is_newer(engine):
        check_usable(engine)
        return
    attempts = Retrying(
        retry=retry_if_exception(_is_contention),
        wait=wait_random_exponential(multiplier=0.2, max=_LONGEST_PAUSE_S),
        stop=stop_after_delay(patience_seconds),
        before_sleep=_say_that_it_waits,
        reraise=True,
    )
    with _named_revision():
        try:
            attempts(command.upgrade, configuration(engine), revision)
        except OperationalError as error:
            if not _is_contention(error):
                raise
            raise Unavailable(
                f"Transactions of others have held what the migration changes for"
                f" {patience_seconds:.0f} s. Find the oldest in pg_stat_activity, end it or wait"
                " for it, and run this again; what is done is done."
            ) from error


def downgrade(engine: Engine, revision: str) -> None:
    """Bring the schema back to a revision; `base` takes everything away.

    Raises InvalidInput when there is no such revision, Unavailable when a newer version has made
    the schema that there is.
    """
    if is_newer(engine):
        raise Unavailable(
            f"The database is at revision {revision_of(engine)}, which this version does not know."
            " Go back with the version that made it."
        )
    with _named_revision():
        command.downgrade(configuration(engine), revision)


def check_usable(engine: Engine) -> None:
    """Raise Unavailable unless this version of the code works on the schema that there is.

    It does on the revision that it was written for, and on newer ones that say so.
    """
    found, needed = revision_of(engine), newest_revision(engine)
    if found == needed:
        return
    if not is_newer(engine):
        raise Unavailable(
            f"The database is at revision {found or 'none'}, this version needs {needed}: run "
            "`flexagora database upgrade`."
        )
    with engine.connect() as connection:
        oldest = oldest_that_works(connection)
    if oldest is None or not _is_known(engine, oldest):
        raise Unavailable(
            f"The database is at revision {found}, which this version does not know"
            + (f", and which needs one that knows {oldest}" if oldest else "")
            + ". Run the newer version that made it, or go back with that version's "
            "`flexagora database downgrade`."
        )


def is_newer(engine: Engine) -> bool:
    """Return whether a newer version of the code has changed the schema."""
    found = revision_of(engine)
    return found is not None and not _is_known(engine, found)


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
        partitions = _partitions(connection)

        def is_mapped(name: str | None, kind: str, _parents: object) -> bool:
            """Leave out SQLite's full-text index, and partitions: they belong to their table."""
            return not (
                kind == "table" and ((name or "").startswith(_FULL_TEXT) or name in partitions)
            )

        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": is_mapped,
            },
        )
        return [str(difference) for difference in compare_metadata(context, metadata)]


def _partitions(connection: Connection) -> set[str]:
    """Return the names of the tables that are parts of others."""
    if connection.dialect.name != "postgresql":
        return set()
    parts = text("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
    return set(connection.execute(parts).scalars())


def _is_known(engine: Engine, revision: str) -> bool:
    try:
        ScriptDirectory.from_config(configuration(engine)).get_revision(revision)
    except CommandError:
        return False
    return True


def _is_contention(error: BaseException) -> bool:
    """Return whether somebody else's transaction was in the way, which passes."""
    return (
        isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) in _CONTENTION
    )


def _say_that_it_waits(state: RetryCallState) -> None:
    pause = state.next_action.sleep if state.next_action else 0
    _LOG.info("Others hold what the migration changes; it tries again in %.1f s", pause)


@contextmanager
def _named_revision() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise InvalidInput(f"{error}.") from error
