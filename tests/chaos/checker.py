"""Compares what was asked for with what was applied. It knows nothing of the product's tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.ledger import Stream
from tests.chaos.processes import Loss
from tests.chaos.wire import Line

_LATE_S = 60.0  # a frozen receiver reads long afterwards what its caller has given up
_CLOCK_S = 0.5  # a loss is noticed, and so written down, a little later than it happens


class Fault(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    TWICE = "applied twice"
    ORDER = "out of order"
    UNASKED = "applied without being asked for"
    UNACKNOWLEDGED = "never acknowledged"
    EARLY = "came earlier than was asked for"
    NOT_DONE = "the fault did not take place"
    DUPLICATE = "came again though nothing was in flight"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: what, where, and what it is about."""

    fault: Fault
    where: str
    what: str
    history: tuple[str, ...] = ()


def check_streams(
    expected: Mapping[Stream, Sequence[str]], applied: Mapping[Stream, Sequence[str]]
) -> list[Finding]:
    """Return what was lost, applied twice, out of order or unasked for, in every stream."""
    found: list[Finding] = []
    for stream in {**expected, **applied}:
        where = f"{stream.receiver}, subscription {stream.subscription_id}"
        asked, done = expected.get(stream, ()), applied.get(stream, ())
        counts, places = Counter(done), {what: place for place, what in enumerate(asked)}
        found += [Finding(Fault.LOST, where, what) for what in asked if not counts[what]]
        found += [Finding(Fault.TWICE, where, what) for what in counts if counts[what] > 1]
        found += [Finding(Fault.UNASKED, where, what) for what in counts if what not in places]
        latest = -1
        for what in dict.fromkeys(done):
            place = places.get(what)
            if place is None:
                continue
            if place < latest:
                found.append(Finding(Fault.ORDER, where, what))
            latest = max(latest, place)
    return found


@dataclass(frozen=True)
class Duplicate:
    """An event that came again, after a time at which it was not refused."""

    event_id: str
    first_at: float
    again_at: float


def duplicates(lines: Iterable[Line]) -> list[Duplicate]:
    """Return each arrival of an event after one that was answered well, or not at all.

    What was refused comes again by right.
    """
    arrivals: dict[str, list[float]] = {}
    refused: Counter[str] = Counter()
    for line in lines:
        if line.status is None:
            arrivals.setdefault(line.event_id, []).append(line.at)
        elif not 200 <= line.status < 300:
            refused[line.event_id] += 1
    found = []
    for event_id, moments in arrivals.items():
        moments.sort()
        again = len(moments) - refused[event_id] - 1
        for number in range(max(0, again)):
            place = len(moments) - 1 - number
            found.append(Duplicate(event_id, moments[0], moments[place]))
    return found


def unexplained(found: Iterable[Duplicate], losses: Sequence[Loss]) -> list[Duplicate]:
    """Return the duplicates beyond what was in flight at the kills and losses between.

    Each loss explains at most as many duplicates as were in flight then, and only those whose
    earlier arrival lies before it and whose later one lies after it.
    """
    waiting = sorted(found, key=lambda one: one.again_at)
    for loss in sorted(losses, key=lambda one: one.at):
        left = loss.in_flight
        rest = []
        for one in waiting:
            early, late = _slack(loss)
            lies_in = one.first_at - early <= loss.at <= one.again_at + late
            if left and lies_in:
                left -= 1
            else:
                rest.append(one)
        waiting = rest
    return waiting


def _slack(loss: Loss) -> tuple[float, float]:
    """Return by how many seconds a loss may lie before the first arrival, and after the second.

    Who has lost a lease while the database was away learns it when the database is back, and
    somebody else may have sent the same again by then.
    """
    early = _LATE_S if loss.how.startswith("answer lost") else _CLOCK_S
    late = _LATE_S if loss.how.startswith("record lost") else _CLOCK_S
    return early, late


def check_duplicates(found: Sequence[Duplicate], losses: Sequence[Loss]) -> list[Finding]:
    """Return a finding for each duplicate that nothing in flight explains."""
    return [
        Finding(
            Fault.DUPLICATE,
            "on the wire",
            f"event {one.event_id}, {one.again_at - one.first_at:.3f} s after it had come",
        )
        for one in unexplained(found, losses)
    ]
