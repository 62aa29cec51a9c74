"""The faults by name, each to be run alone."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    Delivery,
    DeliveryState,
    PlatformDraft,
)
from tests.chaos.checker import Fault, Finding
from tests.chaos.control import Slot, Step
from tests.chaos.faults import HOUR_S, SENDING, STEPS, Faults
from tests.chaos.hooks import CALL_SECONDS, LEASE
from tests.chaos.ledger import Stream
from tests.chaos.processes import Process
from tests.chaos.proxy import Line, Mode, answer, gzip_bomb
from tests.chaos.run import Do
from tests.chaos.wire import read
from tests.chaos.world import Database, World

_BOTH = tuple(Database)
_POSTGRESQL = (Database.POSTGRESQL,)
_SQLITE = (Database.SQLITE,)
_ELSEWHERE = {"Location": "http://127.0.0.1:1/"}
_PAST_THE_LEASE = LEASE.total_seconds() + 2 * CALL_SECONDS + 2


@dataclass(frozen=True)
class Case:
    """A fault that is done to a world at work; afterwards everything is compared.

    What leaves the world changed is the last to be done to it.
    """

    name: str
    databases: tuple[Database, ...]
    do: Do
    is_last: bool = False


def _of_kind(world: World, kind: str) -> Process:
    return next(one for one in world.processes if one.kind == kind)


def _killed_at(kind: str, step: Step) -> Do:
    def do(faults: Faults) -> list[Finding]:
        found = []
        for process in _who_comes_to(faults.world, kind, step):
            if not faults.kill_at(process, step):
                found.append(Finding(Fault.NOT_DONE, process.name, f"it did not come to: {step}"))
        return found

    return do


def _who_comes_to(world: World, kind: str, step: Step) -> list[Process]:
    processes = [one for one in world.processes if one.kind == kind]
    told = [one.process for one in world.providers]
    if kind == "platform" and step in SENDING:  # only providers' platforms tell anything
        return told
    if kind == "web" and step is Step.ANSWERED:  # counted for what they are told only
        urls = {one.environment["MPP_MARKETPLACE_URL"] for one in told}
        return [one for one in processes if one.url in urls]
    return processes


def _frozen(kind: str) -> Callable[[Faults], None]:
    return lambda faults: faults.freeze(_of_kind(faults.world, kind), _PAST_THE_LEASE)


def _several(do: Callable[[Faults], None], times: int = 3) -> Callable[[Faults], None]:
    def repeat(faults: Faults) -> None:
        for _ in range(times):
            do(faults)
            time.sleep(1)

    return repeat


def _lock_marketplace(faults: Faults) -> None:
    faults.lock(faults.world.folder / "flexagora.db", 5)


def _lock_platforms(faults: Faults) -> None:
    for member in faults.world.members.values():
        faults.lock(member.database, 3)


def _full_sqlite(kind: str) -> Callable[[Faults], None]:
    return lambda faults: faults.fill_disk_of(_of_kind(faults.world, kind), 5)


def _full_postgres(faults: Faults) -> list[Finding]:
    for _ in range(2):
        faults.fill_disk(8)
        time.sleep(2)
    return []


def _no_rabbit_at_the_start(faults: Faults) -> list[Finding]:
    """Have every process of the marketplace start while no broker is to be reached."""
    rabbit = faults.world.rabbit
    assert rabbit is not None
    rabbit.kill()
    try:
        for process in (*faults.world.webs, *faults.world.workers):
            faults.world.supervisor.stop(process)
            faults.world.supervisor.start(process)
        before = faults.world.count_applied()
        time.sleep(8)  # events come through by polling
        came = faults.world.count_applied() - before
    finally:
        rabbit.start()
    time.sleep(5)
    return [] if came else [Finding(Fault.NOT_DONE, "worker", "nothing came without a broker")]


def _lost_acknowledgements(faults: Faults) -> list[Finding]:
    line = faults.world.to_database
    assert line is not None
    line.cut_next_commits(25)
    deadline = time.monotonic() + 40
    while line.cuts_left > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    line.become(Mode.PASS)
    if line.cuts < 10:
        return [Finding(Fault.NOT_DONE, "database", f"{line.cuts} acknowledgements were lost")]
    return []


# ---------------------------------------------------------------- platforms that misbehave


def _behaving(mode: Mode, reply: bytes = b"", seconds: float = 6) -> Do:
    """Have every platform behave in a way for a while."""

    def do(faults: Faults) -> list[Finding]:
        fronts = _fronts(faults.world)
        for front in fronts:
            front.become(mode, reply)
            front.cut_all()
        time.sleep(seconds)
        for front in fronts:
            front.become(Mode.PASS)
            front.cut_all()
        heard = sum(len(front.heard) for front in fronts)
        return [] if heard else [Finding(Fault.NOT_DONE, "platforms", f"nobody was called: {mode}")]

    return do


def _fronts(world: World) -> list[Line]:
    return [one.front for one in world.members.values() if one.front is not None]


def _asks_for_time(value: str, wait_s: float) -> Do:
    """Have every platform answer 429 with a Retry-After; no event may come again before it."""

    def do(faults: Faults) -> list[Finding]:
        fronts = _fronts(faults.world)
        saying = answer("429 Too Many Requests", {"Retry-After": value})
        found = _behaving(Mode.SAY, saying, 3)(faults) or []
        refused: dict[str, float] = {}
        for front in fronts:
            for at, event_id in front.heard:
                if event_id in refused and at < refused[event_id] + wait_s:
                    found.append(Finding(Fault.EARLY, "platforms", f"event {event_id}"))
                refused[event_id] = at
        time.sleep(wait_s + 3)
        for member in faults.world.members.values():
            for line in read(member.process.wire):
                last = refused.get(line.event_id)
                if line.status is None and last is not None and last < line.at < last + wait_s:
                    found.append(Finding(Fault.EARLY, "platforms", f"event {line.event_id}"))
        return found

    return do


def _gone(faults: Faults) -> list[Finding]:
    """Have a platform answer 410: its events are dead, until an operator has them sent again."""
    _behaving(Mode.SAY, answer("410 Gone"), 2)(faults)
    operator = faults.world.operator()
    time.sleep(2)
    page = operator.list_deliveries(state=DeliveryState.DEAD, limit=200)
    dead: list[Delivery] = list(page.items)
    while page.next_cursor is not None:
        page = operator.list_deliveries(
            state=DeliveryState.DEAD, limit=200, cursor=page.next_cursor
        )
        dead += page.items
    names = {str(one.company.player_id): name for name, one in faults.world.members.items()}
    lost: dict[Stream, set[str]] = {}
    for delivery in reversed(dead):
        payload = operator.read_delivery(delivery.event_id).payload or {}
        verb = delivery.kind.rpartition(".")[2]
        stream = Stream(names[str(delivery.market_player_id)], str(delivery.subscription_id))
        lost.setdefault(stream, set()).add(f"{verb} {payload['reason']}")
        operator.replay(delivery.event_id, ActionReason(reason="The platforms are back."))
    # They did not hold up what came after them: a resumption of what a platform had not heard to be
    # suspended changes nothing there, and what is sent again is outdated by then.
    asked = faults.world.ledger.expected()
    for stream, dropped in lost.items():
        first = min(map(asked[stream].index, dropped))
        faults.world.ledger.excused |= {(stream, one) for one in asked[stream][first:]}
    if dead:
        return []
    return [Finding(Fault.NOT_DONE, "platforms", "no event died of 410")]


def _expired_certificate(faults: Faults) -> list[Finding]:
    """Have a platform's certificate expire, and be renewed a while later."""
    world = faults.world
    member = world.members["requester"]
    front = member.front
    assert front is not None

    def certified(ends: datetime) -> ssl.SSLContext:
        issued = world.authority.issue("localhost", ends=ends)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.chain, issued.key)
        return context

    now = datetime.now(UTC)
    front.tls = certified(now + timedelta(hours=1))
    front.cut_all()
    draft = PlatformDraft(
        base_url=f"https://localhost:{front.port}",
        api_key=member.process.environment["MPP_INBOUND_API_KEY"],
    )
    member.company.client.set_platform(member.company.player_id, draft, if_match="*")
    time.sleep(3)
    front.tls = certified(now - timedelta(minutes=1))
    front.cut_all()
    time.sleep(5)
    refusals = front.refusals
    front.tls = certified(now + timedelta(hours=1))
    if refusals:
        return []
    return [Finding(Fault.NOT_DONE, "requester", "nobody refused the expired certificate")]


# ---------------------------------------------------------------- clocks


def _clock(kind: str, by_s: int) -> Do:
    """Have the clocks of all processes of a kind wrong for a while.

    What was put off by a wrong clock waits until it is that late. So at the end an hour passes for
    everybody.
    """

    def do(faults: Faults) -> None:
        processes = [one for one in faults.world.processes if one.kind == kind]
        faults.shift_clock(processes[:1] if kind == "web" else processes, by_s, 8)
        time.sleep(2)
        for process in faults.world.processes:
            process.control.set(Slot.CLOCK_SHIFT_S, HOUR_S + 60)

    return do


CASES: tuple[Case, ...] = (
    *(
        Case(
            f"kill {kind}: {step}",
            _BOTH if kind != "worker" else _POSTGRESQL,
            _killed_at(kind, step),
        )
        for kind, steps in STEPS.items()
        for step in steps
    ),
    *(Case(f"kill web: {step}", _SQLITE, _killed_at("web", step)) for step in SENDING),
    Case("freeze web past the lease", _BOTH, _frozen("web")),
    Case("freeze worker past the lease", _POSTGRESQL, _frozen("worker")),
    Case("freeze platform past the lease", _BOTH, _frozen("platform")),
    Case("PostgreSQL killed", _POSTGRESQL, _several(Faults.kill_postgres)),
    Case("PostgreSQL restarted", _POSTGRESQL, _several(Faults.restart_postgres)),
    Case("PostgreSQL stands still", _POSTGRESQL, lambda faults: faults.freeze_postgres(8)),
    Case("database connections cut", _POSTGRESQL, _several(Faults.cut_connections)),
    Case("no database connections left", _POSTGRESQL, lambda f: f.exhaust_connections(5)),
    Case("a held snapshot", _POSTGRESQL, lambda faults: faults.hold_snapshot(10)),
    Case("marketplace's database locked", _SQLITE, _lock_marketplace),
    Case("platforms' databases locked", _BOTH, _lock_platforms),
    Case("RabbitMQ killed", _POSTGRESQL, Faults.kill_rabbit),
    Case("RabbitMQ unreachable from the start", _POSTGRESQL, _no_rabbit_at_the_start),
    Case("RabbitMQ flushed", _POSTGRESQL, _several(Faults.flush_rabbit)),
    Case("RabbitMQ repeats itself", _POSTGRESQL, _several(Faults.repeat_wake_ups)),
    Case("PostgreSQL's disk full", _POSTGRESQL, _full_postgres),
    Case("marketplace's disk full", _SQLITE, _full_sqlite("web")),
    Case("a platform's disk full", _BOTH, _full_sqlite("platform")),
    Case("acknowledgements of commits lost", _POSTGRESQL, _lost_acknowledgements),
    Case("platforms reset connections", _BOTH, _behaving(Mode.RESET)),
    Case("platforms are black holes", _BOTH, _behaving(Mode.BLACK_HOLE, seconds=10)),
    Case("platforms answer a byte at a time", _BOTH, _behaving(Mode.DRIP, answer("200 OK"), 10)),
    Case("platforms' answers get lost", _BOTH, _behaving(Mode.CUT_ANSWER)),
    Case("platforms redirect", _BOTH, _behaving(Mode.SAY, answer("302 Found", _ELSEWHERE))),
    Case("platforms send gzip bombs", _BOTH, _behaving(Mode.SAY, gzip_bomb())),
    Case("platforms answer 410", _BOTH, _gone, is_last=True),
    Case("platforms answer 429 with Retry-After", _BOTH, _asks_for_time("6", 6)),
    Case("platforms answer 429 with a bad Retry-After", _BOTH, _asks_for_time("soon", 0)),
    Case("a platform's certificate expires", _BOTH, _expired_certificate, is_last=True),
    *(
        Case(f"clock of {kind} {by:+d} h", databases, _clock(kind, by * HOUR_S), is_last=True)
        for kind, databases in (("web", _BOTH), ("worker", _POSTGRESQL), ("platform", _BOTH))
        for by in (1, -1)
    ),
    Case("rolling restart of everything", _BOTH, Faults.restart_all),
)
