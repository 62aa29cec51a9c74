"""Claiming and recording events of a healthy platform, beside the backlog of a dead one."""

import tempfile
from datetime import timedelta
from pathlib import Path

from cryptography.fernet import Fernet
from sqlalchemy import Engine, MetaData

from benchmarks.measure import best_of, show
from mpp_sdk.clock import now
from mpp_sdk.database import open_database
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import NewEvent, NoResponse, Outbox, OutboxTables, Response
from mpp_sdk.outbox.model import Sent
from mpp_sdk.secrets import SecretBox

_METADATA = MetaData()
_TABLES = OutboxTables.define(_METADATA)
_BATCH = 1_000
_SUBSCRIPTIONS = 500
_TURN = 20


def run() -> None:
    """Print what a turn of a healthy lane costs while another lane's queue grows tenfold."""
    print(f"A turn of {_TURN} events of a healthy lane: enqueued, claimed, recorded, on SQLite")
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{Path(folder) / 'outbox.db'}")
        _METADATA.create_all(engine)
        box = SecretBox([Fernet.generate_key().decode()])
        outbox = Outbox(engine, _TABLES, box, lease_duration=timedelta(hours=1))
        empty = best_of(lambda: _turn(engine, outbox))
        waiting = 0
        for target in (1_000, 10_000, 100_000):
            while waiting < target:
                with engine.begin() as connection:
                    outbox.enqueue_all(connection, _events("dead", _BATCH))
                waiting += _BATCH
            _park(outbox)
            cost = best_of(lambda: _turn(engine, outbox))
            show(f"{target:,} events wait for a dead platform", cost, "no backlog", empty)
        engine.dispose()


def _events(lane: str, count: int) -> list[NewEvent]:
    return [
        NewEvent(
            event_id=new_id(),
            lane=lane,
            ordering_key=f"subscription-{number % _SUBSCRIPTIONS}",
            kind="service-offer.confirmed",
            path="/service-offer/confirmed/requester",
            payload="{}",
            occurred_at=now(),
        )
        for number in range(count)
    ]


def _turn(engine: Engine, outbox: Outbox) -> None:
    with engine.begin() as connection:
        outbox.enqueue_all(connection, _events("healthy", _TURN))
    for claim in outbox.claim("benchmark", 10):
        answer = Response(200)
        outbox.release(claim.lease, [Sent(event, now(), 1, answer) for event in claim.events])


def _park(outbox: Outbox) -> None:
    """Let the dead platform fail until its breaker opens, as it has long done."""
    for _ in range(20):
        for claim in outbox.claim("benchmark", 10):
            answer = NoResponse("The connection was refused.")
            outbox.release(claim.lease, [Sent(event, now(), 1, answer) for event in claim.events])
