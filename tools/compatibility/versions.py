"""Which version a contract must have, after what has changed in it."""

import re
from dataclasses import dataclass
from typing import Self

from tools.compatibility.changes import Level

_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_MAJOR_IN_PATH = re.compile(r"/v(\d+)$")


@dataclass(frozen=True, order=True)
class Version:
    """A semantic version, without a pre-release."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the version that a text names. Raises ValueError."""
        match = _SEMVER.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a version like 1.2.0")
        return cls(*map(int, match.groups()))

    def raised(self, level: Level) -> "Version":
        """Return the lowest version that a change of this level needs after this one."""
        if level is Level.BREAKING:
            return Version(self.major + 1, 0, 0)
        if level is Level.ADDITION:
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def major_of_base_path(url: str) -> int | None:
    """Return the major version that a base path ends with, as `/api/v1` does."""
    match = _MAJOR_IN_PATH.search(url)
    return int(match.group(1)) if match else None
