"""The countries of the world, by the names that the visitor's language has for them."""

from flask_babel import get_locale

_NO_COUNTRIES = frozenset(
    {"AC", "AN", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
)
"""Codes of unions, parts and the unknown, which the list of names holds, too."""


def countries() -> list[tuple[str, str]]:
    """Return the ISO 3166-1 alpha-2 code and the name of each country, by their names."""
    locale = get_locale()
    names = {} if locale is None else locale.territories
    found = [
        (code, str(name))
        for code, name in names.items()
        if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRIES
    ]
    return sorted(found, key=lambda one: one[1].casefold())


def country(code: str) -> str:
    """Return the name of a country; a code that is none stays as it is."""
    return dict(countries()).get(code, code)
