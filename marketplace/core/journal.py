"""What is written at the end of a unit of work, with one statement for each table.

That are rows that are written down and never read again by whoever writes them (notices, audit),
columns that are set without having been read, and the changes of rows whose kind says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.orm.exc import StaleDataError

from marketplace.core.database import Base
from marketplace.core.given import insert_given, insert_or_update_given, update_given

B = TypeVar("B", bound=Base)

_GATHERED = "journal"
_SET = "columns_set"
_COUNT = "written_down"
_changed_together: set[type[object]] = set()


def changed_together(kind: type[B]) -> type[B]:
    """Have the changes of a kind's rows written together.

    All of its columns are written: something must keep others from changing such a row meanwhile,
    as the lock on its subscription does. Its attributes are named as its columns.
    """
    _changed_together.add(kind)
    return kind


def write_down(session: Session, kind: type[Base], values: Mapping[str, Any]) -> None:
    """Have a row inserted when this unit of work ends. Its columns are named as in the table."""
    session.info.setdefault(_GATHERED, {}).setdefault(kind, []).append(values)
    _count(session)


def set_columns(
    session: Session, kind: type[DeclarativeBase], key: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Have columns of a row set when this unit of work ends, and the row made if there is none.

    key has the columns of its primary key. What is set last counts. Columns are named as in the
    table; those of a new row that are not set are NULL.
    """
    rows = session.info.setdefault(_SET, {}).setdefault((kind, tuple(values)), {})
    rows[tuple(key.values())] = {**key, **values}
    _count(session)


def _count(session: Session) -> None:
    session.info[_COUNT] = session.info.get(_COUNT, 0) + 1


def written_down(session: Session) -> int:
    """Return how often something was written down that waits to be written."""
    count: int = session.info.get(_COUNT, 0)
    return count


def write_gathered(session: Session) -> None:
    """Write what waits, before and after what the session itself has to write.

    It is the last thing that a unit of work does: the session forgets the rows that were changed.
    """
    _write_changed(session)
    if not session.info.pop(_COUNT, 0):
        return
    session.flush()
    connection = session.connection()
    for (kind, _), changes in session.info.pop(_SET, {}).items():
        rows = list(changes.values())
        insert_or_update_given(connection, kind.metadata.tables[kind.__tablename__], rows)
    for kind, rows in session.info.pop(_GATHERED, {}).items():
        insert_given(connection, kind.metadata.tables[kind.__tablename__], rows)


def _write_changed(session: Session) -> None:
    changed: dict[type[Base], list[Base]] = {}
    for row in session.dirty:
        if type(row) in _changed_together:
            changed.setdefault(type(row), []).append(row)
    for kind, rows in changed.items():
        if len(rows) == 1:
            continue  # the session writes less, for the same price
        table = kind.metadata.tables[kind.__tablename__]
        names = table.columns.keys()
        values = [{name: getattr(row, name) for name in names} for row in rows]
        if update_given(session.connection(), table, values) != len(rows):
            raise StaleDataError(f"Rows of {table.name} are gone.")
        _forget(session, rows)


def _forget(session: Session, rows: Sequence[Base]) -> None:
    if not session.new and not session.deleted and len(session.dirty) == len(rows):
        session.expunge_all()  # nothing is left to write, and one by one takes long
        return
    for row in rows:
        session.expunge(row)
