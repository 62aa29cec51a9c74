"""Many rows in one statement.

PostgreSQL takes the rows as arrays, one for each column; SQLite, which is in this process, is given
one after the other, which costs it no round trip.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Table,
    TableValuedAlias,
    any_,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy import Update as UpdateStatement
from sqlalchemy.dialects.postgresql import ARRAY

Rows = Sequence[Mapping[str, Any]]


def is_postgresql(connection: Connection) -> bool:
    """Return whether statements of PostgreSQL's own can be used."""
    return connection.dialect.name == "postgresql"


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, all with the same columns."""
    if not rows:
        return
    names = tuple(rows[0])
    if is_postgresql(connection):
        connection.execute(_insert(table, names), arrays(names, rows))
    else:
        connection.execute(insert(table), [dict(row) for row in rows])


def update_rows(connection: Connection, table: Table, key: str, rows: Rows) -> None:
    """Set in the rows that a column's values find what stands beside each of the values."""
    if not rows:
        return
    names = tuple(rows[0])
    if is_postgresql(connection):
        connection.execute(_update(table, key, names), arrays(names, rows))
    else:
        connection.execute(
            _update_one(table, key, names),
            [{_parameter(name): value for name, value in row.items()} for row in rows],
        )


def among(
    connection: Connection, of: ColumnElement[Any], values: Sequence[Any]
) -> ColumnElement[bool]:
    """Return the condition that a column has one of these values.

    On PostgreSQL they are one parameter: however many they are, it is the same statement, which is
    then planned once.
    """
    if is_postgresql(connection):
        return of == any_(bindparam(None, list(values), type_=ARRAY(of.type)))
    return of.in_(list(values))


def values_of(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """Return, for PostgreSQL, given values as a table with some columns of another."""
    of = [bindparam(_parameter(name), type_=ARRAY(table.c[name].type)) for name in names]
    columns = [column(name, table.c[name].type) for name in names]
    return func.unnest(*of).table_valued(*columns, name="given").render_derived()


def arrays(names: Sequence[str], rows: Rows) -> dict[str, list[Any]]:
    """Return the parameters of such a table."""
    return {_parameter(name): [row[name] for row in rows] for name in names}


def _parameter(name: str) -> str:
    return f"given_{name}"


@lru_cache
def _insert(table: Table, names: tuple[str, ...]) -> Insert:
    return insert(table).from_select(names, select(*values_of(table, names).c))


@lru_cache
def _update(table: Table, key: str, names: tuple[str, ...]) -> UpdateStatement:
    given = values_of(table, names)
    return (
        update(table)
        .where(table.c[key] == given.c[key])
        .values({name: given.c[name] for name in names if name != key})
    )


@lru_cache
def _update_one(table: Table, key: str, names: tuple[str, ...]) -> UpdateStatement:
    return (
        update(table)
        .where(table.c[key] == bindparam(_parameter(key), type_=table.c[key].type))
        .values(
            {
                name: bindparam(_parameter(name), type_=table.c[name].type)
                for name in names
                if name != key
            }
        )
    )
