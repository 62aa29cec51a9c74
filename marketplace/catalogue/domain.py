"""The rules of the register of services: what may become of a version, and what a search means."""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum

from marketplace.core.lifecycle import Lifecycle

_WORD = re.compile(r"[^\W_]+")
_LONGEST_WORD = 64
_MOST_WORDS = 16


class VersionState(StrEnum):
    """The state of one version of a service."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    DEPRECATED = "DEPRECATED"
    WITHDRAWN = "WITHDRAWN"


VERSION = Lifecycle(
    "ServiceVersion",
    {
        VersionState.DRAFT: {
            "edit": VersionState.DRAFT,
            "delete": VersionState.DRAFT,
            "publish": VersionState.PUBLISHED,
        },
        VersionState.PUBLISHED: {
            "request": VersionState.PUBLISHED,
            "deprecate": VersionState.DEPRECATED,
            "withdraw": VersionState.WITHDRAWN,
        },
        VersionState.DEPRECATED: {"withdraw": VersionState.WITHDRAWN},
        VersionState.WITHDRAWN: {},
    },
)
"""A draft is edited, deleted or published; only a published version is requested. Publishing a new
version deprecates the one published before."""


class ServiceSort(StrEnum):
    """The order of a list of services."""

    NEWEST = "newest"
    NAME = "name"
    RELEVANCE = "relevance"


OPEN = frozenset({VersionState.PUBLISHED, VersionState.DEPRECATED})
"""The states in which everybody finds a version in the catalogue."""


def current_version(states: Mapping[int, VersionState], *, with_drafts: bool) -> int | None:
    """Return which version of a service stands for it: the published one, else the newest.

    Without drafts it is what everybody may see; None when there is no such version.
    """
    seen = {
        number: state
        for number, state in states.items()
        if with_drafts or state is not VersionState.DRAFT
    }
    published = [number for number, state in seen.items() if state is VersionState.PUBLISHED]
    return max(published or seen, default=None)


def fold(text: str) -> list[str]:
    """Return the words of a text in order, without case and accents.

    Index and query go through here, so that both databases find the same.
    """
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(letter)
    )
    return [word[:_LONGEST_WORD] for word in _WORD.findall(plain)]


def search_words(text: str) -> tuple[str, ...]:
    """Return the words whose beginnings a search looks for, at most sixteen of them.

    Any text is safe: nothing but letters and digits comes out.
    """
    return tuple(dict.fromkeys(fold(text)))[:_MOST_WORDS]
