"""Alembic's environment: runs migrations on the engine that `marketplace.core.migrations` gives."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.types import TypeDecorator

from marketplace.app import metadata
from marketplace.core.migrations import ENGINE


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write a type of our own as what it is in the database: a migration outlives our code."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


engine = context.config.attributes[ENGINE]

with engine.begin() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata(),
        render_item=render_item,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
