"""By what a search can be narrowed, each choice with the link that makes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from flask import request
from flask_babel import gettext as _

from marketplace.catalogue.domain import OPEN, VersionState
from marketplace.catalogue.facets import Facets
from marketplace.identity import access
from marketplace.website.catalogue.countries import country_name
from marketplace.website.frame.labels import label
from marketplace.website.frame.lists import url_with
from marketplace.website.frame.rights import may

E = TypeVar("E", bound=Enum)

_MOST = 12  # choices of a facet; every country is in the search's own list


@dataclass(frozen=True)
class Choice:
    """A value of a facet: its words, where it leads, and whether it is chosen.

    A chosen one leads to the same search without it.
    """

    words: str
    url: str
    chosen: bool
    count: int | None


@dataclass(frozen=True)
class Facet:
    """A property of services and its values."""

    title: str
    choices: tuple[Choice, ...]

    @property
    def chosen(self) -> bool:
        """Return whether one of its values is chosen."""
        return any(choice.chosen for choice in self.choices)


def facets(counts: Facets) -> list[Facet]:
    """Return the facets of a search of which the catalogue has counted the choices."""
    consent = {str(value).lower(): count for value, count in counts.consent_required.items()}
    return [
        _facet("category", _("Category"), _coded(counts.categories)),
        _facet("country", _("Country"), counts.countries),
        _facet("standard", _("Data standard"), _coded(counts.data_standards)),
        _facet("role", _("Provider acts as"), _coded(counts.provider_roles)),
        _facet("consent", _("Customer's consent"), consent),
        _facet("state", _("State"), dict.fromkeys(_states())),
    ]


def _coded(counts: Mapping[E, int]) -> dict[str, int]:
    return {str(code.value): count for code, count in counts.items()}


def _states() -> list[str]:
    """Return the states that somebody can look for: of others' services there are two."""
    principal = access.current_principal()
    own = principal.is_operator or may(principal, "catalogue.create_service")
    return [state.value for state in VersionState if own or state in OPEN]


def _facet(name: str, title: str, counts: Mapping[str, int | None]) -> Facet:
    now = request.args.get(name)
    shown = [value for place, value in enumerate(counts) if place < _MOST or value == now]
    return Facet(
        title,
        tuple(
            Choice(
                _words(name, value),
                url_with(**{name: None if value == now else value}),
                chosen=value == now,
                count=counts[value],
            )
            for value in shown
        ),
    )


def _words(name: str, value: str) -> str:
    if name == "country":
        return country_name(value)
    if name == "consent":
        return str(_("needed") if value == "true" else _("not needed"))
    return value if name == "state" else label(value)
