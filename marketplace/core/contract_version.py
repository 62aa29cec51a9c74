"""Versions of contracts, and how far two of them are apart."""

import re
from dataclasses import dataclass
from typing import Self

# What comes after a hyphen or a plus names a build of that version, and is passed over.
_SEMVER = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+].*)?", re.ASCII)


@dataclass(frozen=True, order=True)
class ContractVersion:
    """A version of a contract, by Semantic Versioning."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Return the version that a text names; None where it names none."""
        match = _SEMVER.fullmatch(text or "")
        return None if match is None else cls(*map(int, match.groups()))

    @property
    def series(self) -> str:
        """Its major and minor version, such as 1.1: a patch changes words only."""
        return f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        return f"{self.series}.{self.patch}"
