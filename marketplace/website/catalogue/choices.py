"""What the form of a service lets people choose from: value and words of each."""

from enum import Enum

from marketplace.identity import access
from marketplace.identity import service as identity
from marketplace.website.catalogue.countries import Country, countries
from marketplace.website.frame.labels import label
from mpp_sdk.contracts.marketplace.models import (
    DataStandard,
    MarketPlayerRole,
    PriceModel,
    ServiceCategory,
)

Choices = list[tuple[str, str]]


def choices() -> dict[str, list[Country] | Choices]:
    """Return every list of choices, by the name that the template has for it."""
    company = access.require_market_player()
    held = identity.companies([company])[company].roles
    europe, others = countries()
    return {
        "categories": _of(ServiceCategory),
        "own_roles": [(role.value, label(role)) for role in held],
        "roles": _of(MarketPlayerRole),
        "standards": _of(DataStandard),
        "price_models": _of(PriceModel),
        "europe": list(europe),
        "others": list(others),
    }


def _of(kind: type[Enum]) -> Choices:
    return [(str(one.value), label(one)) for one in kind]
