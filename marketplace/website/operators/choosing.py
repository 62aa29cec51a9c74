"""The company that a list is narrowed to: by its id, or by a part of its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from marketplace.identity import service as identity
from marketplace.identity.repository import MarketPlayerFilter
from marketplace.identity.tables import MarketPlayer
from marketplace.website.frame import lists

COMPANY = "company"
"""The name of the filter."""

_MOST_OFFERED = 10


@dataclass(frozen=True)
class Chosen:
    """The company that was chosen, if any; else those that are meant, one of which is chosen next.

    given is what was entered. Without a company, but with something given, the list is empty.
    """

    id: UUID | None = None
    given: str = ""
    meant: Sequence[MarketPlayer] = ()

    @property
    def is_open(self) -> bool:
        """Whether something was entered that is not one company yet."""
        return bool(self.given) and self.id is None


def chosen_company() -> Chosen:
    """Return the company that the visitor narrows a list to. Raises InvalidInput."""
    given = lists.text(COMPANY)
    if given is None:
        return Chosen()
    try:
        return Chosen(UUID(given), given)
    except ValueError:
        wanted = MarketPlayerFilter(name_contains=given)
        found = identity.list_market_players(wanted, _MOST_OFFERED, None).items
        if len(found) == 1:
            return Chosen(found[0].id, given)
        return Chosen(None, given, found)
