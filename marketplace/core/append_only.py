"""Tables whose rows can be added and never changed, kept so by the database itself."""

from sqlalchemy import DDL, Table, event


def append_only(table: Table) -> None:
    """Protect a table against UPDATE and DELETE wherever `metadata.create_all` makes it."""
    for dialect in ("sqlite", "postgresql"):
        for statement in protect(table.name, dialect):
            event.listen(
                table,
                "after_create",
                DDL(statement.replace("%", "%%")).execute_if(dialect=dialect),  # type: ignore[no-untyped-call] # DDL's constructor has no annotations
            )


def protect(table: str, dialect: str) -> list[str]:
    """Return the statements that protect a table; a migration has its own copy of them."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()",
    ]
