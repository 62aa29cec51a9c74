"""Alembic's environment: runs migrations on the engine that `marketplace.core.migrations` gives."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import text
from sqlalchemy.types import TypeDecorator

from marketplace.app import metadata
from marketplace.core.migrations import ENGINE, WATCHERS


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write a type of our own as what it is in the database: a migration outlives our code."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


ONE_AT_A_TIME = 0x666C6578
"""The lock that a migration holds, so that a second one that is started finds its work done."""

engine = context.config.attributes[ENGINE]

with engine.connect() as connection:
    on_postgresql = connection.dialect.name == "postgresql"
    if on_postgresql:
        # Whoever waits for a lock stands before all who come after. PostgreSQL looks for deadlocks
        # after a second: a migration has given way by then, so that no call is the victim.
        connection.detach()
        connection.execute(text(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})"))
        connection.execute(text("SET lock_timeout = '500ms'"))
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata(),
        render_item=render_item,
        render_as_batch=not on_postgresql,
        # Each is tried again by itself, and holds its locks no longer than it must.
        transaction_per_migration=on_postgresql,
        transactional_ddl=True,
        on_version_apply=context.config.attributes.get(WATCHERS, ()),
    )
    with context.begin_transaction():
        context.run_migrations()
