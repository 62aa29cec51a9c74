"""Market players as others see them, as the contract has it."""

from collections.abc import Iterable
from uuid import UUID

from marketplace.identity import service
from mpp_sdk.contracts.marketplace.models import CompanyReference, MarketPlayerRole


def references(ids: Iterable[UUID]) -> dict[UUID, CompanyReference]:
    """Return the companies with these ids, by their ids."""
    return {
        key: CompanyReference(
            market_player_id=company.market_player_id,
            name=company.name,
            eic_code=company.eic_code,
            roles=[MarketPlayerRole(role.value) for role in company.roles],
        )
        for key, company in service.companies(ids).items()
    }
