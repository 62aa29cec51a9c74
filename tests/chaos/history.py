"""What the product's own books say of what is wrong: only to read by, nothing is judged by it."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import text

from mpp_sdk.database import open_database
from tests.chaos.checker import Finding
from tests.chaos.world import World

_AT_MOST = 20
_QUERY = text(
    "SELECT e.event_id, e.lane, e.state, e.attempts, a.number, a.started_at, a.status, a.error"
    " FROM outbox_event e LEFT JOIN outbox_attempt a ON a.event_id = e.event_id"
    " WHERE e.payload LIKE :words ORDER BY e.position, a.number"
)


def explained(world: World, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, the first ones with the events that they are about."""
    if not findings:
        return []
    engine = open_database(world.database_url)
    found = []
    with engine.connect() as connection:
        for finding in findings[:_AT_MOST]:
            words = finding.what.partition(" ")[2]
            rows = connection.execute(_QUERY, {"words": f'%"{words}"%'}).all() if words else []
            lines = tuple(" ".join(str(value) for value in row) for row in rows)
            found.append(replace(finding, history=lines))
    engine.dispose()
    return [*found, *findings[_AT_MOST:]]
