"""Deliveries: how many a second, how late, and what dead platforms cost the others."""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from benchmarks.delivering import (
    Market,
    broker,
    cpu_seconds,
    first_bytes,
    market,
    simulated_platforms,
)
from benchmarks.measure import verdict
from marketplace.delivery.wake_ups import WakeUps, make_broker
from mpp_sdk.clock import now

_PLATFORMS = 100


def throughput(quick: bool = False) -> None:
    """Print how many signed deliveries one worker records, beside a script that records none."""
    print("Deliveries signed, sent, acknowledged and recorded by one worker, 100 platforms")
    count = 6_000 if quick else 30_000
    with simulated_platforms(_PLATFORMS) as ports, broker() as broker_url:
        urls = [f"http://127.0.0.1:{port}/p" for port in ports]
        for backend, share in (("postgresql", 1.0), ("sqlite", 0.5)):
            before = _bare_script(urls, 3 if quick else 6)
            used = broker_url if backend == "postgresql" else ""
            reached = _drained(backend, used, urls, count)
            after = _bare_script(urls, 3 if quick else 6)
            limit = share * (before.rate + after.rate) / 2
            print(
                f"  {backend:<12} {reached.rate:7.0f}/s   limit {limit:7.0f}/s "
                f"({share:g} x a script of 32 threads)   "
                f"{verdict(reached.rate / limit, at_least=1)}"
            )
            print(
                f"  {'':<12} processor time of each: {reached.cpu_us:.0f} us, "
                f"the script's {(before.cpu_us + after.cpu_us) / 2:.0f} us"
            )


@dataclass(frozen=True)
class _Rate:
    """Deliveries a second, and the processor time of the sending process that each takes."""

    rate: float
    cpu_us: float


def _bare_script(urls: Sequence[str], seconds: float) -> _Rate:
    command = [sys.executable, "-m", "benchmarks.bare_script", str(seconds), *urls]
    said = subprocess.run(command, capture_output=True, check=True).stdout.split()
    return _Rate(float(said[0]), float(said[1]) * 1e6)


def _drained(backend: str, broker_url: str, urls: Sequence[str], count: int) -> _Rate:
    with market(backend, broker_url) as here:
        players = here.add_platforms(urls)
        here.enqueue(players, count)
        with here.worker() as worker:
            here.await_delivered(count // 20, 60)
            begun, before = here.delivered(), cpu_seconds(worker.pid)
            here.await_delivered(count, 120)
            spent, done = cpu_seconds(worker.pid) - before, here.delivered() - begun
        return _Rate(here.rate(), 1e6 * spent / max(1, done))


@dataclass(frozen=True)
class Lateness:
    """Milliseconds from an event's commit to the first byte at its platform.

    Beside them, what one transaction that writes an event takes: how busy the machine is.
    """

    p50: float
    p99: float
    missing: int
    writing_p50: float

    def __str__(self) -> str:
        return (
            f"p50 {self.p50:6.1f} ms   p99 {self.p99:7.1f} ms   missing {self.missing}   "
            f"(to write an event: p50 {self.writing_p50:.1f} ms)"
        )


def latency(quick: bool = False) -> None:
    """Print how late platforms are told at 100 events a second, with a broker and without."""
    print("From commit to the first byte at the platform, at 100 events a second, PostgreSQL")
    seconds = 6 if quick else 20
    with simulated_platforms(_PLATFORMS) as ports:
        urls = [f"http://127.0.0.1:{port}/p" for port in ports]
        with broker() as broker_url, market("postgresql", broker_url) as here:
            found = _lateness(here, here.add_platforms(urls), ports[0], seconds, broker_url)
        print(f"  with wake-ups     {found}   p50 {verdict(found.p50 / 50)} of 50 ms")
        print(f"                    p99 {verdict(found.p99 / 250)} of 250 ms")
        down = "amqp://guest:guest@127.0.0.1:1"
        with market("postgresql", down) as here:
            found = _lateness(here, here.add_platforms(urls), ports[0], seconds, down)
        print(f"  broker down       {found}   p99 {verdict(found.p99 / 1500)} of 1500 ms")


def isolation(quick: bool = False) -> None:
    """Print what black-holed platforms and a dead backlog cost the healthy ones."""
    platforms = 200 if quick else 1_000
    silent = platforms // 10
    print(f"Healthy platforms beside dead ones, {platforms:,} platforms, PostgreSQL")
    with simulated_platforms(_PLATFORMS) as ports, broker() as broker_url:
        healthy = [f"http://127.0.0.1:{ports[i % 100]}/p{i}" for i in range(platforms - silent)]
        holes = [f"http://127.0.0.1:{ports[i % 100]}/silent{i}" for i in range(silent)]
        _beside_black_holes(healthy, holes, ports[0], broker_url, 8 if quick else 25)
        _behind_backlog(
            healthy[:_PLATFORMS],
            holes,
            broker_url,
            4_000 if quick else 20_000,
            20_000 if quick else 500_000,
        )


def _beside_black_holes(
    healthy: Sequence[str], holes: Sequence[str], port: int, broker_url: str, seconds: float
) -> None:
    """Measure before, with and after them: what else the machine does changes as well."""
    with market("postgresql", broker_url) as calm, market("postgresql", broker_url) as here:
        others, players = calm.add_platforms(healthy), here.add_platforms(healthy)
        here.enqueue(here.add_platforms(holes), len(holes) * 20, 20)
        before = _lateness(calm, others, port, seconds, broker_url)
        beside = _lateness(here, players, port, seconds, broker_url)
        after = _lateness(calm, others, port, seconds, broker_url)
    alone = (before.p99 + after.p99) / 2
    print(f"  all well                   {before}")
    print(f"  {len(holes)} of them black-holed    {beside}")
    print(f"  all well                   {after}")
    print(f"  p99 rises to {verdict(beside.p99 / alone, limit=1.2)} (limit 1.20)")


def _behind_backlog(
    healthy: Sequence[str], holes: Sequence[str], broker_url: str, count: int, backlog: int
) -> None:
    before = _drained("postgresql", broker_url, healthy, count).rate
    with market("postgresql", broker_url) as here:
        players = here.add_platforms(healthy)
        here.fill(here.add_platforms(holes), backlog, now())
        here.analyze()
        with here.worker():
            deadline = time.monotonic() + 90
            while here.parked() < len(holes) and time.monotonic() < deadline:
                time.sleep(1)
        parked = here.parked()
        here.enqueue(players, count)
        with here.worker():
            here.await_delivered(count, 120)
        behind = here.rate()
    after = _drained("postgresql", broker_url, healthy, count).rate
    print(
        f"  {before:.0f}/s and {after:.0f}/s without, {behind:.0f}/s behind {backlog:,} events of "
        f"{len(holes)} dead ones, {parked} of them parked: "
        f"{verdict(2 * behind / (before + after), at_least=0.75)} (at least 0.75)"
    )


def growth(quick: bool = False) -> None:
    """Print the cost of a delivery with 10 and 100 times as many platforms and subscriptions."""
    print("Growth, PostgreSQL: platforms, subscriptions, deliveries a second, cost of each")
    count = 4_000 if quick else 20_000
    with simulated_platforms(_PLATFORMS) as ports, broker() as broker_url:
        for platforms in (100, 1_000) if quick else (100, 1_000, 10_000):
            urls = [f"http://127.0.0.1:{ports[i % 100]}/p{i}" for i in range(platforms)]
            found = _drained("postgresql", broker_url, urls, max(count, 2 * platforms))
            print(
                f"  {platforms:>7,} {10 * platforms:>9,} {found.rate:7.0f}/s "
                f"{1e6 / found.rate:7.0f} us an event, {found.cpu_us:.0f} us of the worker's "
                "processor"
            )


def _lateness(
    here: Market, players: Sequence[UUID], port: int, seconds: float, broker_url: str
) -> Lateness:
    committed: dict[str, float] = {}
    writing: list[float] = []
    wake_ups = WakeUps(make_broker(broker_url))
    wake_ups.start()
    with here.worker():
        here.enqueue(players[:1], 1)
        here.await_delivered(here.delivered() + 1, 20)
        begun = time.monotonic()
        number = 0
        while (elapsed := time.monotonic() - begun) < seconds:
            if number > elapsed * 100:
                time.sleep(0.002)
                continue
            began = time.monotonic()
            (event_id,) = here.enqueue([players[number * 7 % len(players)]], 1)
            writing.append((time.monotonic() - began) * 1000)
            committed[str(event_id)] = time.monotonic()
            wake_ups.send()
            number += 1
        time.sleep(3)
        first = first_bytes(port)
    wake_ups.stop()
    took = [(first[one] - at) * 1000 for one, at in committed.items() if one in first]
    cuts = statistics.quantiles(took, n=100)
    missing = len(committed) - len(took)
    return Lateness(cuts[49], cuts[98], missing, statistics.median(writing))
