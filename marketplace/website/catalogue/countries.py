"""Countries by name, in the visitor's language."""

import unicodedata
from collections.abc import Sequence

from flask_babel import get_locale


def _codes(names: str) -> frozenset[str]:
    return frozenset(names.split())


_EUROPE = _codes(
    "AD AL AM AT AX AZ BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GE GG GI GR HR HU IE IM IS IT "
    "JE LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE SI SJ SK SM TR UA VA XK"
)
# Codes that the names' source knows and that stand for no country.
_NONE = _codes("AC CP CQ DG EA EU EZ IC QO TA UN XA XB ZZ")

Country = tuple[str, str]


def country_name(code: str) -> str:
    """Return the name of a country with an ISO 3166-1 code; the code itself for an unknown one."""
    locale = get_locale()
    name = locale.territories.get(code) if locale else None
    return str(name or code)


def countries() -> tuple[Sequence[Country], Sequence[Country]]:
    """Return code and name of the countries of Europe, then those of all others, by name."""
    locale = get_locale()
    known = {
        code: str(name)
        for code, name in (locale.territories.items() if locale else ())
        if len(code) == 2 and code.isalpha() and code not in _NONE
    }
    ordered = sorted(known.items(), key=lambda each: _plain(each[1]))
    return (
        [each for each in ordered if each[0] in _EUROPE],
        [each for each in ordered if each[0] not in _EUROPE],
    )


def _plain(name: str) -> str:
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKD", name.casefold())
        if not unicodedata.combining(letter)
    )
