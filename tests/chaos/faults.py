"""The faults: each is done to a world that is at work, and is over when its function returns."""

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import dramatiq
import psycopg
from sqlalchemy import make_url

from marketplace.delivery import wake_ups
from tests.chaos.control import Slot, Step
from tests.chaos.processes import Process
from tests.chaos.world import World

HOUR_S = 3600
_REACH_S = 20.0
_FULL_BYTES = 4096
_MANY = 40
_PRLIMIT = shutil.which("prlimit") or "/usr/bin/prlimit"

SENDING = (
    Step.CLAIM_BEFORE,
    Step.CLAIM_COMMIT,
    Step.CLAIM_AFTER,
    Step.SEND_BEFORE,
    Step.SEND_AFTER,
    Step.RECORD_BEFORE,
    Step.RECORD_COMMIT,
    Step.RECORD_AFTER,
)
RECEIVING = (Step.RECEIVED, Step.HANDLED, Step.COMMITTED, Step.ANSWERED)
STEPS: dict[str, tuple[Step, ...]] = {
    "web": (*RECEIVING, Step.WAKE),
    "worker": SENDING,
    "platform": (*RECEIVING, *SENDING),
}


@dataclass
class Faults:
    """What can be done to a world. Each returns once the world is whole again."""

    world: World

    # ------------------------------------------------------------------ processes

    def kill(self, process: Process) -> None:
        """SIGKILL at a random moment."""
        with process.changed:
            process.changed.wait_for(lambda: process.pid is not None, _REACH_S)
        self.world.supervisor.kill(process)

    def kill_at(self, process: Process, step: Step, passage: int = 1) -> bool:
        """SIGKILL at a step; return whether the process came there."""
        return self.world.supervisor.kill_at(process, step, passage, _REACH_S)

    def freeze(self, process: Process, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        self.world.supervisor.freeze(process, seconds)

    def shift_clock(self, processes: list[Process], by_s: int, seconds: float) -> None:
        """Have clocks wrong for a while, then right again."""
        for process in processes:
            process.control.set(Slot.CLOCK_SHIFT_S, by_s)
        time.sleep(seconds)
        for process in processes:
            process.control.set(Slot.CLOCK_SHIFT_S, 0)

    def restart_all(self) -> None:
        """Stop and start every process, one after the other, as an upgrade does."""
        for process in self.world.processes:
            self.world.supervisor.stop(process)
            self.world.supervisor.start(process)

    # ------------------------------------------------------------------ PostgreSQL

    def kill_postgres(self) -> None:
        """End the database server and all of its processes at once; start it again."""
        assert self.world.postgres is not None
        self.world.postgres.kill()
        self.world.postgres.start()

    def restart_postgres(self) -> None:
        """Restart the database server in order."""
        assert self.world.postgres is not None
        self.world.postgres.stop()
        self.world.postgres.start()

    def freeze_postgres(self, seconds: float) -> None:
        """Have the database server stand still."""
        assert self.world.postgres is not None
        self.world.postgres.pause()
        time.sleep(seconds)
        self.world.postgres.resume()

    def cut_connections(self) -> None:
        """End every connection to the database."""
        with self._admin() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = 'chaos'"
            )

    def exhaust_connections(self, seconds: float) -> None:
        """Take every connection that the database server gives, ending those of others."""
        with ExitStack() as taken, contextlib.suppress(psycopg.OperationalError):
            until = time.monotonic() + seconds
            with contextlib.suppress(psycopg.OperationalError):
                self.cut_connections()
            while time.monotonic() < until:
                try:
                    taken.enter_context(self._admin())
                except psycopg.OperationalError:
                    time.sleep(0.05)

    def hold_snapshot(self, seconds: float) -> None:
        """Have a transaction look at the database as it was, so that nothing can be tidied up."""
        with self._admin("chaos", autocommit=False) as admin:
            admin.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            admin.execute("SELECT count(*) FROM outbox_event")
            time.sleep(seconds)

    def _admin(
        self, database: str = "postgres", *, autocommit: bool = True
    ) -> psycopg.Connection[tuple[object, ...]]:
        assert self.world.postgres is not None
        url = make_url(self.world.postgres.url).set(drivername="postgresql", database=database)
        text = url.render_as_string(hide_password=False)
        return psycopg.connect(text, autocommit=autocommit, connect_timeout=5)

    def fill_disk(self, seconds: float) -> bool:
        """Let the database server write nothing for a while; return whether it came to an end.

        By a limit on the size of its files, which its processes get while they run: whatever makes
        one longer, or writes behind the limit, fails as it does on a full disk. That needs no disk
        to fill, and no rights but those over the processes. A server that cannot write its log
        ahead ends by itself, and is started again when there is room.
        """
        assert self.world.postgres is not None
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.world.postgres.pids:
            limit_files(self.world.postgres.pids, _FULL_BYTES)
            time.sleep(0.1)
        ended = not self.world.postgres.pids
        limit_files(self.world.postgres.pids, resource.RLIM_INFINITY)
        if ended:
            self.world.postgres.start()
        return ended

    def fill_disk_of(self, process: Process, seconds: float) -> None:
        """Let one of the product's processes, with its SQLite database, write nothing for a while.

        It goes on logging: what is behind the limit already is on file descriptors that append.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if process.pid is not None:
                limit_files([process.pid], _FULL_BYTES)
            time.sleep(0.05)
        if process.pid is not None:
            limit_files([process.pid], resource.RLIM_INFINITY)

    # ------------------------------------------------------------------ SQLite

    @contextmanager
    def locked(self, file: Path) -> Iterator[None]:
        """Hold the write lock of an SQLite database."""
        with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                holder.execute("ROLLBACK")

    def lock(self, file: Path, seconds: float) -> None:
        """Hold the write lock of an SQLite database for a while."""
        with self.locked(file):
            time.sleep(seconds)

    # ------------------------------------------------------------------ RabbitMQ

    def kill_rabbit(self) -> None:
        """End the broker at once; start it again."""
        assert self.world.rabbit is not None
        self.world.rabbit.kill()
        self.world.rabbit.start()

    def flush_rabbit(self) -> None:
        """Delete the broker's queues with what is in them."""
        assert self.world.rabbit is not None
        self.world.rabbit.flush()

    def repeat_wake_ups(self, count: int = 200) -> None:
        """Have the broker carry the same wake-up again and again."""
        assert self.world.rabbit is not None
        broker = wake_ups.make_broker(self.world.rabbit.url)
        named = dramatiq.actor(queue_name="flexagora.wake-ups", actor_name="wake", broker=broker)
        message = named(_nothing).message()
        with contextlib.suppress(Exception):  # the broker may be away by another fault
            for _ in range(count):
                broker.enqueue(message)
        broker.close()


def _nothing() -> None:
    """Never called here."""


@dataclass(frozen=True)
class Planned:
    """A fault of a random run. at: after which part of the run's events, from 0 to 1."""

    at: float
    name: str
    do: Callable[[Faults], None]
    is_kill: bool


def plan(world: World, random: Random, kills: int) -> list[Planned]:
    """Return the faults of a random run; the same for the same seed and the same processes."""
    planned: list[Planned] = []

    def add(name: str, do: Callable[[Faults], None], *, is_kill: bool = False) -> None:
        planned.append(Planned(random.uniform(0.01, 0.97), name, do, is_kill))

    by_kind: dict[str, list[Process]] = {}
    for process in world.processes:
        by_kind.setdefault(process.kind, []).append(process)
    for _ in range(kills):
        kind = random.choice(sorted(by_kind))
        process = random.choice(by_kind[kind])
        steps = STEPS[kind] + (SENDING if kind == "web" and not world.workers else ())
        step = random.choice([None, *steps])
        passage = random.randint(1, 12)
        add(f"SIGKILL of a {kind}", _killing(process, step, passage), is_kill=True)
    others = max(1, kills // _MANY)
    for _ in range(others):
        frozen = random.choice(world.processes)
        seconds = random.uniform(1, 18 if kills >= _MANY else 7)
        add(f"SIGSTOP of a {frozen.kind}", _freezing(frozen, seconds))
        locked = random.choice(sorted(world.members.values(), key=lambda one: one.name))
        add("a platform's database locked", _locking(locked.database))
        if world.postgres is None:
            continue
        add("PostgreSQL killed", Faults.kill_postgres)
        add("PostgreSQL restarted", Faults.restart_postgres)
        add("database connections cut", Faults.cut_connections)
        add("no database connections left", lambda f: f.exhaust_connections(2))
        add("a held snapshot", lambda f: f.hold_snapshot(5))
        add("RabbitMQ killed", Faults.kill_rabbit)
        add("RabbitMQ flushed", Faults.flush_rabbit)
        add("RabbitMQ repeats itself", Faults.repeat_wake_ups)
    return sorted(planned, key=lambda one: one.at)


def _killing(process: Process, step: Step | None, passage: int) -> Callable[[Faults], None]:
    def do(faults: Faults) -> None:
        if step is not None:
            _until_it_answers(process)  # one that only starts comes to no step
            if faults.world.supervisor.kill_at(process, step, passage, 3.0):
                return
        before = _kills(faults.world, process)
        for _ in range(3):  # it may just have ended for another reason
            faults.kill(process)
            if _kills(faults.world, process) > before:
                return

    return do


def _until_it_answers(process: Process) -> None:
    deadline = time.monotonic() + _REACH_S
    while not process.answers() and time.monotonic() < deadline:
        time.sleep(0.1)


def _kills(world: World, process: Process) -> int:
    return sum(
        one.process == process.name and one.how.startswith("SIGKILL") for one in world.losses
    )


def _freezing(process: Process, seconds: float) -> Callable[[Faults], None]:
    return lambda faults: faults.freeze(process, seconds)


def _locking(file: Path) -> Callable[[Faults], None]:
    return lambda faults: faults.lock(file, 2)


def limit_files(pids: Iterable[int], size: int) -> None:
    """Let processes that run make no file longer than this, in bytes; RLIM_INFINITY: any length.

    It is done in the name of whoever they belong to: not every root may do it to others.
    """
    text = "unlimited" if size == resource.RLIM_INFINITY else str(size)
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            owner = Path(f"/proc/{pid}").stat().st_uid
            subprocess.run(
                [_PRLIMIT, f"--pid={pid}", f"--fsize={text}:"],
                user=owner if os.geteuid() == 0 else None,
                check=False,  # it may have ended meanwhile
                capture_output=True,
            )
