"""What is given to a statement as rows."""

from datetime import datetime

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import StatementError

from marketplace.core.audit import AuditEntry
from marketplace.core.database import Base
from marketplace.core.given import insert_given
from mpp_sdk import clock
from mpp_sdk.ids import new_id


def entry(moment: datetime) -> dict[str, object]:
    return {
        "id": new_id(),
        "occurred_at": moment,
        "recorded_at": clock.now(),
        "actor_subject": "somebody",
        "actor_name": "Somebody",
        "entity_kind": "Thing",
        "entity_id": "1",
        "action": "make",
    }


def test_a_moment_without_an_offset_is_refused(engine: Engine) -> None:
    """PostgreSQL would take it for one of its own time zone."""
    table = Base.metadata.tables[AuditEntry.__tablename__]
    with engine.connect() as connection:
        with pytest.raises((TypeError, StatementError)):  # by us, or by the column's type
            insert_given(connection, table, [entry(clock.now().replace(tzinfo=None))])
        connection.rollback()
        insert_given(connection, table, [entry(clock.now())])
        count = connection.scalar(text("SELECT count(*) FROM audit_entry"))
    assert count == 1
