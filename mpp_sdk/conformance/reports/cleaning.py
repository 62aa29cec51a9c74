"""Text of a server that is not trusted, made fit to be shown: no secrets, no hidden characters."""

import re
import unicodedata
from collections.abc import Iterable

HIDDEN = "***"
_LINES = "\n\t"
_NO_TEXT = ("Cc", "Cs", "Co", "Cn")  # control, halves of pairs, private, not assigned
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Secrets by their looks, for those that nobody told the kit of.
_SECRETS = re.compile(r"\b(fxk_|fxs_|fxt_|whsec_)[A-Za-z0-9+/=_-]{8,}")
_SHORTEST = 6
"""A shorter secret is left: to hide each of its places would hide half of the report."""


class Cleaner:
    """Makes text fit to be shown. secrets may grow while it is used."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = secrets

    def text(self, text: str) -> str:
        """Return a text without the secrets, and without what a terminal or XML has no place for.

        What would change the direction or the colour of what comes after it becomes U+FFFD.
        """
        for secret in sorted(self._secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST:
                text = text.replace(secret, HIDDEN)
        text = _SECRETS.sub(lambda found: found[1] + HIDDEN, text)
        return "".join(one if _is_shown(one) else "\N{REPLACEMENT CHARACTER}" for one in text)


def _is_shown(character: str) -> bool:
    if character in _LINES:
        return True
    return character not in _REORDERING and unicodedata.category(character) not in _NO_TEXT
