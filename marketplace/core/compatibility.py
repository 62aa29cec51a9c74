"""What the schema says of the code: how old a version may be that still works on it."""

from sqlalchemy import CheckConstraint, Column, Connection, Integer, String, Table, inspect, select

from marketplace.core.database import Base

SCHEMA_COMPATIBILITY = Table(
    "schema_compatibility",
    Base.metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("oldest_revision", String(32), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""One row: the revision of the oldest version of the code that works on this schema.

A migration that only adds leaves it; one that takes away what older versions use raises it.
"""


def oldest_that_works(connection: Connection) -> str | None:
    """Return the revision of the oldest code that works here; None when the schema does not say."""
    if not inspect(connection).has_table(SCHEMA_COMPATIBILITY.name):
        return None
    return connection.scalar(select(SCHEMA_COMPATIBILITY.c.oldest_revision))
