"""Alembic's environment: runs migrations on the engine that `marketplace.core.migrations` gives."""

import time
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.types import TypeDecorator

from marketplace.app import metadata
from marketplace.core.migrations import ENGINE, WATCHERS

_PAUSE_S = 0.2


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write a type of our own as what it is in the database: a migration outlives our code."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


ONE_AT_A_TIME = 0x666C6578
"""The lock that a migration holds, so that a second one that is started finds its work done."""

engine = context.config.attributes[ENGINE]
on_postgresql = engine.dialect.name == "postgresql"
if on_postgresql:  # what is set and locked here ends with its connection
    engine = create_engine(engine.url, poolclass=NullPool)

with engine.connect() as connection:
    if on_postgresql:
        # Who waits for its turn holds no snapshot meanwhile: an index that is built waits for all.
        while not connection.scalar(text(f"SELECT pg_try_advisory_lock({ONE_AT_A_TIME})")):
            connection.commit()
            time.sleep(_PAUSE_S)
        # Whoever waits for a lock stands before all who come after. PostgreSQL looks for deadlocks
        # after a second: a migration has given way by then, so that no call is the victim.
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
