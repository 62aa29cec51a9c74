"""Brings a platform's database to what this version of the SDK needs; it has no migrations.

What is missing is added: tables, indexes, and columns that old rows can do without. Nothing is
taken away or changed, so that the version before can go on working on the same database.
"""

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Inspector,
    MetaData,
    Table,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.schema import CreateColumn

from mpp_sdk.errors import FlexagoraError

_LOCK = 0x464C_4558  # a number of our own among PostgreSQL's advisory locks


class SchemaError(FlexagoraError):
    """The database cannot be brought to what the code needs without a person's help."""

    title = "The database cannot be used by this version"


def bring_up_to_date(engine: Engine, metadata: MetaData) -> list[str]:
    """Add to a database what the metadata has and it lacks; return what was added to old tables.

    It is one transaction, and safe for several processes that start at once. A new column must be
    nullable or have a server default, and be part of no key. Raises SchemaError, having changed
    nothing, for what cannot be added, and for a column that the metadata does not know and that
    nothing could be written without.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        inspector = inspect(connection)
        old = set(inspector.get_table_names())
        tables = [table for table in metadata.sorted_tables if table.name in old]
        problems = [problem for table in tables for problem in _problems(inspector, table)]
        if problems:
            raise SchemaError(" ".join(problems))
        added = [addition for table in tables for addition in _complete(connection, table)]
        metadata.create_all(connection)
        return added


def _problems(inspector: Inspector, table: Table) -> list[str]:
    """Return why an existing table cannot be used, a sentence for each reason."""
    found = {column["name"]: column for column in inspector.get_columns(table.name)}
    problems = [
        f"The column {table.name}.{column.name} is missing and cannot be added: {obstacle}."
        for column in table.columns
        if column.name not in found and (obstacle := _obstacle(column))
    ]
    keys = set(inspector.get_pk_constraint(table.name)["constrained_columns"])
    problems += [
        f"The column {table.name}.{name} is not known to this version, and must have a value:"
        " a newer version has made it."
        for name, column in found.items()
        if name not in table.columns
        and not column["nullable"]
        and column["default"] is None
        and name not in keys
    ]
    return problems


def _obstacle(column: Column[object]) -> str | None:
    """Return what keeps a column from being added to rows that are there; None if nothing does."""
    if column.primary_key:
        return "it belongs to the primary key"
    if column.foreign_keys:
        return "it refers to another table"
    constraints = (one for one in column.table.constraints if isinstance(one, UniqueConstraint))
    if any(column.name in one.columns for one in constraints):
        return "it must be unique"
    if not column.nullable and column.server_default is None:
        return "it needs a value, and no default says which"
    return None


def _complete(connection: Connection, table: Table) -> list[str]:
    """Add the columns and indexes that an existing table lacks; return their names."""
    inspector = inspect(connection)
    columns = {column["name"] for column in inspector.get_columns(table.name)}
    added = []
    quoted = connection.dialect.identifier_preparer.format_table(table)
    for column in table.columns:
        if column.name not in columns:
            definition = CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {quoted} ADD COLUMN {definition}")
            added.append(f"{table.name}.{column.name}")
    indexes = {index["name"] for index in inspector.get_indexes(table.name)}
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        if index.name not in indexes:
            index.create(connection)
            added.append(str(index.name))
    return added
