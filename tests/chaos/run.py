"""A run: load, faults while it lasts, and in the end the comparison of asked with applied."""

import math
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from mpp_sdk.outbox import EventState
from tests.chaos import wire
from tests.chaos.checker import Fault, Finding, check_duplicates, check_streams, duplicates
from tests.chaos.control import Slot
from tests.chaos.driver import Driver
from tests.chaos.faults import Faults, plan
from tests.chaos.history import explained
from tests.chaos.processes import Loss, read_incidents
from tests.chaos.world import Database, World

_QUIET_S = 240.0
_PART_INBOUND = 0.25


@dataclass
class Outcome:
    """What a run has shown."""

    database: Database
    seed: int
    events_to_platforms: int = 0
    events_to_marketplace: int = 0
    actions: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    in_flight: int = 0
    findings: list[Finding] = field(default_factory=list)
    books: dict[str, int] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    ended_by_themselves: list[str] = field(default_factory=list)
    could_not_be_done: list[str] = field(default_factory=list)
    seconds: float = 0.0
    events_before: int = 0

    @property
    def events(self) -> int:
        """How many events were applied, both ways."""
        return self.events_to_platforms + self.events_to_marketplace - self.events_before

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.findings


def random_run(
    world: World, *, seed: int, events: int, kills: int, minutes: float = math.inf
) -> Outcome:
    """Return what came of so many events, in both directions together, and so many kills.

    After so many minutes nothing is asked for any more: a run that is slow has fewer events then,
    and all of its kills.
    """
    began = time.monotonic()
    inbound = round(events * _PART_INBOUND)
    driver = Driver(world, events - inbound, backlog=min(4_000, max(100, events // 10)))
    faults = Faults(world)
    planned = plan(world, random.Random(seed), kills)
    done: Counter[str] = Counter()
    driver.start(world.count_applied)
    shown = 0.0
    slow, failed = ThreadPoolExecutor(1, "faults"), _Failed()
    try:
        while True:
            applied = world.count_applied()
            passed = (time.monotonic() - began) / 60 / minutes
            progress = min(1.0, max(applied / max(1, events - inbound), passed))
            if passed >= 1:
                driver.enough()
                inbound = min(inbound, world.count_told())
            _let_tell(world, round(inbound * min(1.0, progress + 0.05)))
            if time.monotonic() - shown > 2:
                shown = time.monotonic()
                _show(world, began, applied, driver.target, planned_left=len(planned))
            if planned and planned[0].at <= progress:
                fault = planned.pop(0)
                if fault.is_kill:
                    fault.do(faults)
                else:  # it takes its time, and processes go on being killed meanwhile
                    slow.submit(fault.do, faults).add_done_callback(failed.note)
                    done[fault.name] += 1
                continue
            if not planned and not driver.running:
                break
            if planned and not driver.running and applied >= world.ledger.events:
                # What came too late for the load.
                planned = [replace(one, at=0.0) for one in planned]
                continue
            time.sleep(0.1)
    except KeyboardInterrupt:  # what has come so far is compared
        driver.enough()
        slow.shutdown(wait=False, cancel_futures=True)
        inbound = min(inbound, world.count_told())
    _let_tell(world, inbound)
    slow.shutdown()
    outcome = conclude(world, seed, driver)
    outcome.faults |= done
    outcome.could_not_be_done = failed.why
    outcome.seconds = time.monotonic() - began
    return outcome


Do = Callable[[Faults], list[Finding] | None]
"""Does a fault; returns what it found by itself, beside what is compared afterwards."""


def under_load(world: World, do: Do, *, seed: int = 0) -> Outcome:
    """Return what came of a fault that was done while events were under way."""
    began, losses = time.monotonic(), len(world.losses)
    events, actions = world.count_applied() + world.count_heard(), world.ledger.acknowledged
    driver = Driver(world, sys.maxsize, backlog=400)
    driver.start(world.count_applied)
    over = threading.Event()
    telling = threading.Thread(target=_keep_telling, args=(world, over), daemon=True)
    telling.start()
    try:
        time.sleep(0.5)
        found = do(Faults(world)) or []
    finally:
        over.set()
        telling.join()
        driver.enough()
    outcome = conclude(world, seed, driver, since=losses)
    outcome.findings += found
    outcome.actions -= actions
    outcome.events_before = events
    outcome.seconds = time.monotonic() - began
    return outcome


def conclude(world: World, seed: int, driver: Driver, *, since: int = 0) -> Outcome:
    """Wait until nothing moves any more, and compare. Kills are counted from the since-th loss."""
    _wait_until_quiet(world, driver)
    driver.stop()
    outcome = Outcome(world.database, seed)
    applied, told, heard = world.applied(), world.told(), world.heard()
    excused = world.ledger.excused
    expected = {
        stream: [
            one for one in asked if (stream, one) not in excused or one in applied.get(stream, ())
        ]
        for stream, asked in world.ledger.expected().items()
    }
    found = check_streams(expected, applied) + check_streams(told, heard)
    found += [
        Finding(Fault.UNACKNOWLEDGED, "marketplace", f"action {number}")
        for number in sorted(world.ledger.unacknowledged)
    ]
    platforms = [one.process.wire for one in world.members.values()]
    to_platforms = duplicates(_lines(platforms))
    to_marketplace = duplicates(_lines([web.wire for web in world.webs]))
    losses = [*world.losses, *read_incidents(world.folder / "incidents.jsonl")]
    found += check_duplicates(to_platforms, [_outward(world, one) for one in losses])
    found += check_duplicates(to_marketplace, [_inward(world, one) for one in losses])
    outcome.findings = explained(world, found)
    outcome.duplicates = len(to_platforms) + len(to_marketplace)
    outcome.in_flight = sum(one.in_flight for one in losses)
    outcome.events_to_platforms = sum(map(len, applied.values()))
    outcome.events_to_marketplace = sum(map(len, heard.values()))
    outcome.actions = world.ledger.acknowledged
    outcome.kills = dict(
        Counter(
            f"{_kind(world, one.process)}: {one.how.removeprefix('SIGKILL ')}"
            for one in world.losses[since:]
            if one.how.startswith("SIGKILL")
        )
    )
    outcome.books = world.states()
    outcome.answers = dict(driver.answers)
    outcome.ended_by_themselves = list(world.supervisor.unexpected)
    return outcome


class _Failed:
    """Faults that could not be done, because of another one."""

    def __init__(self) -> None:
        self.why: list[str] = []

    def note(self, done: "Future[None]") -> None:
        error = done.exception()
        if error is not None:
            self.why.append(repr(error))


def _wait_until_quiet(world: World, driver: Driver) -> None:
    """Return when everything has come through, or when nothing has moved for long."""
    moved, before = time.monotonic(), (-1, -1, -1)
    while time.monotonic() - moved < _QUIET_S:
        asked = world.ledger.events - len(world.ledger.excused)
        applied = world.count_applied()
        told, heard = world.count_told(), world.count_heard()
        target = sum(one.process.control.get(Slot.TOLD_TARGET) for one in world.providers)
        come = applied >= asked and heard >= told >= target
        # What is excused may come all the same: then counting does not tell the end.
        if not driver.running and come and (not world.ledger.excused or _all_sent(world)):
            return
        if (now := (asked, applied, heard)) != before:
            moved, before = time.monotonic(), now
        time.sleep(0.3)


def _all_sent(world: World) -> bool:
    return set(world.states()) <= {EventState.DELIVERED, EventState.DEAD}


def _outward(world: World, loss: Loss) -> Loss:
    """Return what of a loss was on its way from the marketplace to the platforms."""
    is_platform = _kind(world, loss.process) == "platform"
    return replace(loss, unrecorded=0) if is_platform else replace(loss, unanswered=0)


def _inward(world: World, loss: Loss) -> Loss:
    is_platform = _kind(world, loss.process) == "platform"
    return replace(loss, unanswered=0) if is_platform else replace(loss, unrecorded=0)


def _kind(world: World, name: str) -> str:
    return next((one.kind for one in world.processes if one.name == name), "harness")


def _lines(files: Sequence[Path]) -> Iterable[wire.Line]:
    return (line for file in files for line in wire.read(file))


def _let_tell(world: World, inbound: int) -> None:
    providers = world.providers
    for one in providers:
        one.process.control.set(Slot.TOLD_TARGET, -(-inbound // len(providers)))


def _keep_telling(world: World, over: threading.Event) -> None:
    while not over.wait(0.5):
        for one in world.providers:
            one.process.control.set(Slot.TOLD_TARGET, one.process.control.get(Slot.TOLD_TARGET) + 3)


def _show(world: World, began: float, applied: int, target: int, planned_left: int) -> None:
    kills = sum(one.how.startswith("SIGKILL") for one in world.losses)
    seconds = time.monotonic() - began
    print(
        f"  {seconds:6.0f} s  asked {world.ledger.events}, applied {applied} of {target} to"
        f" platforms; told {world.count_told()}; kills {kills}; faults to come {planned_left}",
        flush=True,
    )
