"""What is read of a company along with what belongs to it, in the same query."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from marketplace.identity.tables import MarketPlayer


def with_company(
    statement: Select[*tuple[Any, ...]], owner: InstrumentedAttribute[UUID | None]
) -> Select[*tuple[Any, ...]]:
    """Return a query that also gives the owner's name and state: `company`, `player_state`.

    Both are None for what belongs to no company.
    """
    return statement.outerjoin(MarketPlayer, MarketPlayer.id == owner).add_columns(
        MarketPlayer.name.label("company"), MarketPlayer.state.label("player_state")
    )
