"""What keeps a database safe and quick to read, put aside while it is filled.

Indexes and foreign keys, kept up row by row, cost most; what they check, they check when they are
put back. Tables are not logged any more: nobody needs such a database after a crash.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

_INDEXES = """
SELECT format('DROP INDEX %I', index.relname), pg_get_indexdef(index.oid)
FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
WHERE index.relnamespace = 'public'::regnamespace AND NOT index.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = index.oid)
ORDER BY index.relname
"""
_FOREIGN_KEYS = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
  format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
    pg_get_constraintdef(oid))
FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
ORDER BY conrelid::regclass::text, conname
"""

_UNLOGGED = """
SELECT format('ALTER TABLE %I SET UNLOGGED', relname) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""


@contextmanager
def put_aside(connection: Connection) -> Iterator[None]:
    """Fill tables without their indexes and foreign keys, on PostgreSQL; they are back after it."""
    if connection.dialect.name != "postgresql":
        yield
        return
    found = [
        row for query in (_INDEXES, _FOREIGN_KEYS) for row in connection.execute(text(query)).all()
    ]
    for drop, _ in found:
        connection.execute(text(drop))
    for statement in connection.execute(text(_UNLOGGED)).scalars().all():
        connection.exec_driver_sql(statement)
    yield
    connection.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
    for _, make in found:
        connection.exec_driver_sql(make)
