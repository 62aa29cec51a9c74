"""What differs between two versions of a contract, and how much it matters."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

Json = Any
"""A value of a parsed document: dict, list, str, int, float, bool or None."""

ABSENT = "(absent)"
"""What stands for a value that is not there."""


class Level(IntEnum):
    """How much a change matters. Each level needs a higher part of the version raised."""

    WORDS = 1
    ADDITION = 2
    BREAKING = 3


class Side(StrEnum):
    """In which direction a value goes: to the server or from it."""

    REQUEST = "request"
    RESPONSE = "response"


@dataclass(frozen=True)
class Use:
    """Where a part of a contract is used: by an operation, on one side of it."""

    operation: str
    side: Side | None = None

    def __str__(self) -> str:
        return self.operation if self.side is None else f"{self.side} of {self.operation}"


@dataclass
class Change:
    """One difference.

    rule says what happened, place is a JSON pointer into the bundled document (the old one where
    something was removed), uses are the operations that it reaches.
    """

    level: Level
    rule: str
    place: str
    was: Json
    now: Json
    uses: list[Use] = field(default_factory=list)


class Changes:
    """Collects the changes of a contract. What many operations share is one change."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Change] = {}

    def note(
        self, level: Level, rule: str, place: str, was: Json, now: Json, use: Use | None = None
    ) -> None:
        """Take down a change, or another use of one that is known; the higher level stays."""
        change = self._found.setdefault(
            (rule, place, repr((was, now))), Change(level, rule, place, was, now)
        )
        change.level = max(change.level, level)
        if use is not None and use not in change.uses:
            change.uses.append(use)

    def __iter__(self) -> Iterator[Change]:
        """Yield the changes, the most serious first."""
        yield from sorted(self._found.values(), key=lambda c: (-c.level, c.place, c.rule))
