"""Claiming and recording events of a healthy platform, beside the backlog of a dead one."""

import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from cryptography.fernet import Fernet
from sqlalchemy import Engine, MetaData

from benchmarks.delivering import Market, market, resident_mb
from benchmarks.measure import best_of, show, verdict
from mpp_sdk.clock import now
from mpp_sdk.database import open_database
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import Answer, Claim, NewEvent, NoResponse, Outbox, OutboxTables, Response
from mpp_sdk.outbox.model import Sent, Settlement
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


def claims(quick: bool = False) -> None:
    """Print how many events a second are claimed and completed, without a backlog and behind one.

    The backlog is that of dead platforms, whose lanes are parked.
    """
    backlog = 20_000 if quick else 500_000
    print(f"Claim and complete, behind {backlog:,} events of dead platforms and without")
    for backend in ("sqlite", "postgresql"):
        with market(backend) as here:
            healthy = [new_id() for _ in range(100)]
            dead = [new_id() for _ in range(100)]
            without = _complete(here, healthy)
            here.fill(dead, backlog, now())
            _park_all(here)
            here.analyze()
            behind = _complete(here, healthy)
        print(
            f"  {backend:<12} {without:8.0f}/s without, {behind:8.0f}/s behind it: "
            f"{verdict(behind / without, at_least=0.75)} (at least 0.75)"
        )


def memory(quick: bool = False) -> None:
    """Print how much the memory of processes grows with events that are scheduled for later."""
    count = 20_000 if quick else 1_000_000
    print(f"Resident memory, {count:,} events scheduled for later, PostgreSQL")
    with market("postgresql") as here:
        seconds = 12 if quick else 30
        empty = _resident(here, seconds)
        here.fill([new_id() for _ in range(1_000)], count, now() + timedelta(hours=5))
        here.analyze()
        full = _resident(here, seconds)
    for name, before, after in zip(("deliver", "serve"), empty, full, strict=True):
        print(
            f"  {name:<8} {before:.0f} MB without, {after:.0f} MB with them: "
            f"{verdict((after - before) / 50)} of 50 MB more"
        )


def _resident(here: Market, seconds: float) -> tuple[float, float]:
    """Return what a process that delivers holds, and one that serves and delivers."""
    with here.worker() as worker, here.process("serve", "--port", "0") as serving:
        time.sleep(seconds)
        return resident_mb(worker.pid), resident_mb(serving.pid)


def _complete(here: Market, players: Sequence[UUID]) -> float:
    """Return how many events a second are claimed and recorded, 20 of each lane at a time."""
    count, spent = 0, 0.0
    for _ in range(4):
        here.enqueue(players, 20 * len(players), 20)
        begun = time.perf_counter()
        while taken := here.outbox.claim("benchmark", 100, parked=False):
            answer = Response(200)
            here.outbox.settle(
                [
                    Settlement(
                        one.lease, [Sent(event, now(), 1, answer) for event in one.events], True
                    )
                    for one in taken
                ]
            )
            count += sum(len(one.events) for one in taken)
        spent += time.perf_counter() - begun
    return count / spent


def _park_all(here: Market) -> None:
    """Let the dead platforms fail until they are parked."""
    answer = NoResponse("The connection was refused.")
    while taken := here.outbox.claim("benchmark", 200, parked=False):
        here.outbox.settle([_settled(one, answer) for one in taken])


def _settled(claim: Claim, answer: Answer) -> Settlement:
    sent = [Sent(event, now(), 1, answer) for event in claim.events]
    return Settlement(claim.lease, sent, release=True)


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
