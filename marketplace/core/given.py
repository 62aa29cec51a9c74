"""Rows that are given to a statement: as many as there are, for the price of one.

On PostgreSQL they are one parameter, in JSON, so that the statement's text is the same for every
number of rows: it is compiled, parsed and planned once, and no value is converted by itself.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    JSON,
    Connection,
    Insert,
    Result,
    Select,
    Table,
    TableValuedAlias,
    Text,
    Update,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from marketplace.core.database import Base

_GIVEN = "given"
_TOGETHER = {"populate_existing": True}

Row = Mapping[str, Any]
Entities = tuple[Any, ...]
"""What a select returns: a mapped class, or columns."""


def select_given(
    session: Session,
    entities: Entities,
    kind: type[Base],
    names: tuple[str, ...],
    keys: Collection[Any],
    *,
    lock: bool = False,
) -> Result[*tuple[Any, ...]]:
    """Return what belongs to the rows of a kind whose columns have one of the given values.

    A key is a value, or a tuple of as many as there are names. With lock, nobody else changes
    the rows until the end; they are locked in the order of their first column.
    """
    statement: Select[Any]
    if session.get_bind().dialect.name != "postgresql":
        columns = [getattr(kind, name) for name in names]
        among = columns[0].in_(keys) if len(names) == 1 else tuple_(*columns).in_(keys)
        statement = select(*entities).where(among)
        return session.execute(statement, execution_options=_TOGETHER)
    rows = [{names[0]: key} for key in keys] if len(names) == 1 else _named(names, keys)
    statement = _selected(entities, kind, names, lock)
    return session.execute(statement, _as_parameter(rows), execution_options=_TOGETHER)


def insert_given(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows; a column that one of them lacks is NULL."""
    if connection.dialect.name == "postgresql":
        connection.execute(_inserted(table), _as_parameter(rows))
    else:
        connection.execute(insert(table), rows)


def insert_or_update_given(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Set columns of rows, each with its primary key; rows that there are not yet are inserted.

    All have the same columns, and each is there once.
    """
    names = tuple(rows[0])
    if connection.dialect.name == "postgresql":
        connection.execute(_inserted_or_updated(table, names), _as_parameter(rows))
    else:
        connection.execute(_inserted_or_updated_one(table, names), rows)


def update_given(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Set every column of rows that their primary keys find; return how many were found."""
    if connection.dialect.name == "postgresql":
        return connection.execute(_updated(table), _as_parameter(rows)).rowcount
    values = [{_parameter(name): value for name, value in row.items()} for row in rows]
    return connection.execute(_updated_one(table), values).rowcount


def _named(names: tuple[str, ...], keys: Collection[Any]) -> list[Row]:
    return [dict(zip(names, key, strict=True)) for key in keys]


def _parameter(name: str) -> str:
    return f"{_GIVEN}_{name}"


@lru_cache
def _selected(
    entities: Entities, kind: type[Base], names: tuple[str, ...], lock: bool
) -> Select[Any]:
    given = _values(_table(kind), names)
    columns = [getattr(kind, name) for name in names]
    statement = select(*entities).where(
        *(each == given.c[name] for each, name in zip(columns, names, strict=True))
    )
    return statement.order_by(columns[0]).with_for_update(of=kind) if lock else statement


@lru_cache
def _inserted(table: Table) -> Insert:
    names = tuple(table.columns.keys())
    return insert(table).from_select(
        names, select(*_values(table, names).c), include_defaults=False
    )


@lru_cache
def _inserted_or_updated(table: Table, names: tuple[str, ...]) -> Insert:
    statement = postgresql.insert(table).from_select(
        names, select(*_values(table, names).c), include_defaults=False
    )
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: statement.excluded[name] for name in _changeable(table) if name in names},
    )


@lru_cache
def _inserted_or_updated_one(table: Table, names: tuple[str, ...]) -> Insert:
    statement = sqlite.insert(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: statement.excluded[name] for name in _changeable(table) if name in names},
    )


@lru_cache
def _updated(table: Table) -> Update:
    given = _values(table, tuple(table.columns.keys()))
    return (
        update(table)
        .where(*(key == given.c[key.name] for key in table.primary_key))
        .values({name: given.c[name] for name in _changeable(table)})
    )


@lru_cache
def _updated_one(table: Table) -> Update:
    return (
        update(table)
        .where(
            *(key == bindparam(_parameter(key.name), type_=key.type) for key in table.primary_key)
        )
        .values(
            {
                name: bindparam(_parameter(name), type_=table.c[name].type)
                for name in _changeable(table)
            }
        )
    )


def _changeable(table: Table) -> list[str]:
    return [column.name for column in table.columns if not column.primary_key]


def _table(kind: type[Base]) -> Table:
    return Base.metadata.tables[kind.__tablename__]


def _values(table: Table, names: tuple[str, ...]) -> TableValuedAlias:
    """Return the given rows as a table with some columns of another."""
    columns = [column(name, table.c[name].type) for name in names]
    given = cast(bindparam(_GIVEN, type_=Text), JSON)
    alias = func.json_to_recordset(given).table_valued(*columns, name=_GIVEN)
    return alias.render_derived(with_types=True)


def _as_parameter(rows: Sequence[Row]) -> dict[str, str]:
    for row in rows:
        for value in row.values():
            if isinstance(value, datetime) and value.tzinfo is None:
                raise TypeError(f"{value!r} cannot be given to the database")
    return {_GIVEN: to_json(rows).decode()}
