"""What a revision of an offer changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from marketplace.subscriptions.tables import Offer

MOST_LINES = 400
"""Longer texts are shown whole: comparing them could take long."""


@dataclass(frozen=True)
class Line:
    """A line of two texts laid over each other: `same`, `added` or `removed`."""

    kind: str
    text: str


@dataclass(frozen=True)
class Differences:
    """What differs from the offer before: names of facts, and the terms line by line.

    Without lines the terms are the same, or too long to be compared.
    """

    facts: frozenset[str]
    lines: tuple[Line, ...]


NONE = Differences(frozenset(), ())
"""The first offer differs from nothing."""


def between(before: Offer | None, after: Offer) -> Differences:
    """Return what an offer changes of the one before it."""
    if before is None:
        return NONE
    pairs = {
        "price": (before.price, after.price),
        "validity_start": (before.validity_start, after.validity_start),
        "validity_end": (before.validity_end, after.validity_end),
        "interim_status_interval": (
            before.interim_status_interval,
            after.interim_status_interval,
        ),
        "terms": (before.terms, after.terms),
    }
    facts = frozenset(name for name, (old, new) in pairs.items() if old != new)
    lines = tuple(_lines(before.terms, after.terms)) if "terms" in facts else ()
    return Differences(facts, lines)


def _lines(before: str, after: str) -> Iterator[Line]:
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_LINES:
        return
    for tag, start, end, new_start, new_end in SequenceMatcher(None, old, new).get_opcodes():
        if tag == "equal":
            yield from (Line("same", text) for text in old[start:end])
            continue
        yield from (Line("removed", text) for text in old[start:end])
        yield from (Line("added", text) for text in new[new_start:new_end])
