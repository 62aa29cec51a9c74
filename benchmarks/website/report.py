"""What was measured, as text, and what of it is beyond its limit."""

from collections.abc import Iterator
from pprint import pformat

from benchmarks.website.measuring import Cost, Key, Measured

LIMIT_MS = 200
ASSETS_LIMIT_KB = 150
_HEAD = f"{'page':<58} {'p50':>7} {'p95':>7} {'p99':>7}  {'queries':>11} {'kB':>7}"


def show(full: Measured, part: Measured, named: str) -> None:
    """Print a line for each page: milliseconds, queries on the large and the small market, kB."""
    print(f"{_HEAD}   on {named}")
    for key, cost in sorted(full.costs.items()):
        other = part.costs.get(key)
        beside = "" if other is None else f" ({other.queries})"
        times = " ".join(f"{cost.percentile(one):7.1f}" for one in (0.5, 0.95, 0.99))
        print(f"{_name(key):<58} {times}  {f'{cost.queries}{beside}':>11} {cost.size / 1000:7.1f}")
    heaviest = max(cost.assets for cost in full.costs.values())
    print(f"Files besides the page on first load, as transferred: {heaviest / 1000:.1f} kB at most")


def beyond(full: Measured, part: Measured) -> list[str]:
    """Return what no page may do, a line for each that does."""
    return [*_slow(full), *_growing(full, part), *_unseen(full), *_heavy(full)]


def slowest(full: Measured, count: int = 10) -> list[Cost]:
    """Return the pages with the slowest queries."""
    costs = [cost for cost in full.costs.values() if cost.slowest is not None]
    return sorted(costs, key=lambda cost: -cost.slowest.seconds if cost.slowest else 0)[:count]


def told(cost: Cost) -> str:
    """Return the slowest query of a page as a text."""
    query = cost.slowest
    if query is None:
        return f"{cost.address} asks nothing."
    return (
        f"{query.seconds * 1000:.1f} ms on {cost.address}:\n{query.statement}\n"
        f"{pformat(query.parameters)}"
    )


def _name(key: Key) -> str:
    way = f" ?{key.way}" if key.way else ""
    return f"{key.visitor[:9]:<9} {key.endpoint}{way}"[:58]


def _slow(full: Measured) -> Iterator[str]:
    for key, cost in full.costs.items():
        # A file to keep is made row by row while it is read, however long it is.
        if cost.is_page and cost.percentile(0.95) > LIMIT_MS:
            yield f"{_name(key)}: {cost.percentile(0.95):.0f} ms, the limit is {LIMIT_MS}"


def _growing(full: Measured, part: Measured) -> Iterator[str]:
    for key, cost in full.costs.items():
        other = part.costs.get(key)
        if cost.is_page and other is not None and cost.queries != other.queries:
            yield f"{_name(key)}: {other.queries} queries with fewer rows, {cost.queries} with more"


def _unseen(full: Measured) -> Iterator[str]:
    seen = {key.endpoint for key in full.costs}
    for endpoint, statuses in full.answered.items():
        failed = any(status >= 500 for status in statuses)
        leads_on = statuses and all(300 <= status < 400 for status in statuses)
        if failed or (endpoint not in seen and not leads_on):
            kind = "it failed" if failed else "nobody saw it"
            yield f"{endpoint}: {kind}, the answers were {dict(statuses) or 'none'}"


def _heavy(full: Measured) -> Iterator[str]:
    for key, cost in full.costs.items():
        if cost.assets > ASSETS_LIMIT_KB * 1000:
            yield f"{_name(key)}: loads {cost.assets / 1000:.0f} kB, the limit is {ASSETS_LIMIT_KB}"
