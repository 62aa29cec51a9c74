"""Alembic's environment: runs migrations on the engine that `marketplace.core.migrations` gives."""

from alembic import context

from marketplace.app import metadata
from marketplace.core.migrations import ENGINE

engine = context.config.attributes[ENGINE]

with engine.begin() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata(),
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
