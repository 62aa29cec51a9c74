"""How the benchmarks measure and print."""

import time
from collections.abc import Callable

RUNS = 5


def best_of(function: Callable[[], object], runs: int = RUNS) -> float:
    """Return the shortest time that a call took, in seconds; the first call is not counted."""
    function()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times)


def show(what: str, seconds: float, beside: str, beside_seconds: float) -> None:
    """Print a line: what was measured, and how many times as long as what stands beside it."""
    ratio = seconds / beside_seconds
    print(f"{what:<58} {seconds * 1000:9.1f} ms   {ratio:6.2f} x {beside}")


def verdict(ratio: float, *, limit: float = 1.0, at_least: float | None = None) -> str:
    """Return a ratio with whether it keeps to a limit: at most it, or at least."""
    kept = ratio <= limit if at_least is None else ratio >= at_least
    return f"{ratio:.2f} {'PASS' if kept else 'OVER THE LIMIT'}"
