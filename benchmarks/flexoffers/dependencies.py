"""Dependency-based flex-offers: 1,000,000 cars of 96 slices in 64 groups, down and up again.

A car takes up to its power from when it comes to when it leaves, and by then what it needs. Cars of
a group have the same power, leave within the same six hours and have a similar capacity; groups are
done one after the other, so that memory holds one. Beside it stands a triad, c = a + s·b, over the
same bytes. What is kept of the flexibility is the spread between the dearest and the cheapest
schedule over price curves, beside that of some of the cars on their own, by groupings.
"""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from benchmarks.measure import RUNS, verdict
from mpp_sdk.flexoffer.combiners.dependencies import Devices, Positions
from mpp_sdk.flexoffer.linear import Floats, Rows, half_planes, solve

SLICES = 96
GROUPS = 64
POWERS = (3.7, 7.4, 11.0, 22.0)
ALLOWED = 1e-9
_MEASURED = 8
_CURVES = 3


@dataclass(frozen=True)
class Cars:
    """Cars, a number for each: kW, kWh, and between which slices they are there."""

    power: Floats
    need: Floats
    room: Floats
    comes: Floats
    leaves: Floats

    def take(self, chosen: Floats) -> "Cars":
        """Return these cars."""
        columns = (self.power, self.need, self.room, self.comes, self.leaves)
        return Cars(*(column[chosen] for column in columns))

    def devices(self) -> Devices:
        """Return their bounds, in kWh."""
        slices = np.arange(SLICES)[:, None]
        there = (slices >= self.comes) & (slices < self.leaves)
        upper = np.where(there, self.power / 4, 0.0)
        gone = slices >= self.leaves - 1
        return Devices(
            np.zeros_like(upper),
            upper,
            np.where(gone, self.need, 0.0),
            np.broadcast_to(self.room, upper.shape).copy(),
        )


def cars(count: int, group: int | None, seed: int) -> Cars:
    """Return cars of one of the 64 groups, or of any."""
    rng = np.random.default_rng(seed)
    which = np.full(count, group) if group is not None else rng.integers(0, GROUPS, count)
    power = np.array(POWERS)[which % 4]
    room = rng.uniform(0, 1, count) * 8 + 8 + 8 * (which // 4 % 4)
    leaves = 72 + 6 * (which // 16) + rng.integers(0, 6, count)
    comes = leaves - np.ceil(room / power * 4 * rng.uniform(1.2, 2.0, count))
    comes = np.maximum(comes, 0.0)
    most = np.minimum(room, (leaves - comes) * power / 4)
    return Cars(power, most * rng.uniform(0.5, 0.9, count), room, comes, leaves.astype(float))


def run(quick: bool) -> None:
    """Measure and print time beside a triad, the largest violation, and what is kept."""
    each = (16_000 if quick else 1_000_000) // GROUPS
    runs = 1 if quick else RUNS
    combining, splitting, triad_seconds, worst = 0.0, 0.0, 0.0, 0.0
    kept = []
    for group in range(GROUPS):
        fleet = cars(each, group, group)
        devices = fleet.devices()
        positions = devices.combine()
        energies = _best(positions, _curves()[0])
        combining += _median(devices.combine, runs)
        splitting += _median(lambda p=positions, e=energies: p.split(e), runs)  # type: ignore[misc]
        a, b, c = devices.lower, devices.upper, np.empty_like(devices.upper)
        triad_seconds += _median(lambda a=a, b=b, c=c: _triad(a, b, c), runs)  # type: ignore[misc]
        worst = max(worst, _violation(devices, positions.split(energies), energies))
        if group % 8 == 0:
            kept.append(_kept(fleet, positions))
    total = each * GROUPS
    print(f"  {total:,} cars x {SLICES} slices in {GROUPS} groups; triad {triad_seconds:.3f} s")
    print(f"  aggregate    {combining:7.3f} s   {combining / triad_seconds:5.2f} x the triad")
    print(f"  disaggregate {splitting:7.3f} s   {splitting / triad_seconds:5.2f} x the triad")
    print(f"  largest violation {worst:.1e} kWh, of {ALLOWED}: {verdict(worst / ALLOWED)}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    column = total * SLICES * 8 / 2**20
    print(f"  peak memory {peak:,.0f} MiB; one column of all would be {column:,.0f} MiB")
    by_all = statistics.mean(kept)
    print(f"  kept, by power, capacity and end ({GROUPS} groups): {by_all:.0%}")
    for name, key in (
        ("all in one group", lambda g: 0 * g),
        ("by power (4 groups)", lambda g: g % 4),
        ("by power and capacity (16 groups)", lambda g: g % 16),
    ):
        print(f"  kept, {name}: {_kept_by(key, min(each, 250)):.0%}")


def _kept_by(key: Callable[[int], int], each: int) -> float:
    """Return what is kept when groups with the same key are one; some keys stand for all."""
    shares = []
    for chosen in sorted({key(group) for group in range(GROUPS)})[::3]:
        parts = [cars(each, group, group) for group in range(GROUPS) if key(group) == chosen]
        columns = [
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("power", "need", "room", "comes", "leaves")
        ]
        fleet = Cars(*columns)
        shares.append(_kept(fleet, fleet.devices().combine()))
    return statistics.mean(shares)


def _kept(fleet: Cars, positions: Positions) -> float:
    """Return the spread of the group beside that of its cars, of which some stand for all."""
    count = len(fleet.power)
    chosen = np.linspace(0, count - 1, min(count, _MEASURED)).round().astype(int)
    alone = [fleet.take(chosen[i : i + 1]).devices().combine() for i in range(len(chosen))]
    own = sum(_spread(one) for one in alone) * count / len(chosen)
    return _spread(positions) / own


def _spread(positions: Positions) -> float:
    return sum(
        float(prices @ (_best(positions, prices) - _best(positions, -prices)))
        for prices in _curves()
    )


def _best(positions: Positions, prices: Floats) -> Floats:
    """Return the energies that make the most of prices: x and, per slice, what was before it."""
    a, b = [], []
    for number, polygon in enumerate(positions.polygons):
        for p, q, r in half_planes(polygon):
            row = np.zeros(SLICES)  # of the energy in all after each slice: x is a difference
            row[number] = q
            if number:
                row[number - 1] = p - q
            a.append(row)
            b.append(r)
    reached = solve(
        prices - np.append(prices[1:], 0.0),
        Rows(np.array(a), np.array(b)),
        [(None, None)] * SLICES,
    )
    assert reached is not None, "what devices can do together is never empty"
    return np.diff(reached, prepend=0.0)


def _curves() -> Floats:
    """Return prices by the hour: a wave over the day, and noise."""
    rng = np.random.default_rng(SLICES)
    hours = np.arange(SLICES) / SLICES * 2 * np.pi
    phases = rng.uniform(0, 2 * np.pi, (_CURVES, 2, 1))
    waves = np.sin(hours + phases[:, 0]) + np.sin(2 * hours + phases[:, 1])
    noise = np.repeat(rng.standard_normal((_CURVES, SLICES // 4)), 4, axis=1)
    return np.asarray(waves + noise / 2)


def _violation(devices: Devices, parts: Floats, energies: Floats) -> float:
    """Return by how much, in kWh, some bound of some car or the sum in some slice is missed."""
    reached = np.cumsum(parts, axis=0)
    return max(
        float((devices.lower - parts).max()),
        float((parts - devices.upper).max()),
        float((devices.least - reached).max()),
        float((reached - devices.most).max()),
        float(np.abs(parts.sum(axis=1) - energies).max()),
    )


@njit(cache=True)
def _triad(a: Floats, b: Floats, c: Floats) -> None:
    for t in range(a.shape[0]):
        for i in range(a.shape[1]):
            c[t, i] = a[t, i] + 3.0 * b[t, i]


def _median(function: Callable[[], object], runs: int) -> float:
    function()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)
