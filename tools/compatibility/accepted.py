"""Breaking changes that were accepted without a major version, each with its reason.

`openapi/released/accepted.yaml` lists them since the last release. An entry that fits no change any
more is an error, so that the list says what is, and a release empties it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.compatibility.changes import Change, Json
from tools.compatibility.released import folder_of

_FIELDS = ("document", "rule", "place", "reason")
_HEADER = """\
# Breaking changes since the last release that are accepted without a major version, each with the
# reason why. `python -m tools.compatibility` names the rule and the place; a release empties it.
"""


class AcceptedError(Exception):
    """The list cannot be read."""


@dataclass(frozen=True)
class Accepted:
    """A breaking change that was accepted. value is the one that came or went, where many could."""

    document: str
    rule: str
    place: str
    reason: str
    value: Json = None

    def fits(self, document: str, change: Change) -> bool:
        """Return whether this is what was accepted."""
        return (self.document, self.rule, self.place) == (document, change.rule, change.place) and (
            self.value is None or self.value in (change.was, change.now)
        )


def file_of(contracts: Path) -> Path:
    """Return where the list is."""
    return folder_of(contracts) / "accepted.yaml"


def read(contracts: Path) -> Sequence[Accepted]:
    """Return what was accepted since the last release. Raises AcceptedError."""
    file = file_of(contracts)
    if not file.exists():
        return ()
    entries = yaml.safe_load(file.read_text(encoding="utf-8")) or []
    return [_entry(index, entry) for index, entry in enumerate(entries, 1)]


def empty(contracts: Path) -> None:
    """Forget what was accepted: the release is compared with from now on."""
    file_of(contracts).write_text(f"{_HEADER}[]\n", encoding="utf-8")


def _entry(index: int, entry: Json) -> Accepted:
    if not isinstance(entry, dict) or not {*_FIELDS} <= set(entry) <= {*_FIELDS, "value"}:
        raise AcceptedError(
            f"accepted.yaml, entry {index}: it has {', '.join(_FIELDS)} and may have value"
        )
    for name in _FIELDS:
        if not isinstance(entry[name], str) or not entry[name].strip():
            raise AcceptedError(f"accepted.yaml, entry {index}: {name} is a text")
    return Accepted(**entry)
