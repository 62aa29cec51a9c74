"""How many services there are behind each choice of a search."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from marketplace.catalogue import repository
from marketplace.catalogue.repository import ServiceFilter
from marketplace.core.unit_of_work import current_session
from mpp_sdk.contracts.marketplace.models import DataStandard, MarketPlayerRole, ServiceCategory


@dataclass(frozen=True)
class Facets:
    """How many services there are in all, and with each value of what can be chosen.

    Each count keeps to what else is chosen, but not to what is chosen of its own kind: it says
    what another choice would find. What nothing has is left out.
    """

    total: int
    categories: Mapping[ServiceCategory, int]
    provider_roles: Mapping[MarketPlayerRole, int]
    data_standards: Mapping[DataStandard, int]
    consent_required: Mapping[bool, int]
    countries: Mapping[str, int]


def count_services(wanted: ServiceFilter) -> Facets:
    """Return the counts of a search, in two queries; the filter's viewer is the caller."""
    session = current_session()
    chosen = (
        wanted.category,
        wanted.provider_role,
        wanted.data_standard,
        wanted.consent_required,
    )
    counts: list[Counter[object]] = [Counter() for _ in chosen]
    total = 0
    for *values, count in repository.count_by_choices(session, wanted):
        fits = [one is None or one == value for one, value in zip(chosen, values, strict=True)]
        total += count if all(fits) else 0
        for place, value in enumerate(values):
            if all(fits[:place]) and all(fits[place + 1 :]):
                counts[place][value] += count
    categories, roles, standards, consent = counts
    return Facets(
        total,
        {ServiceCategory(str(key)): count for key, count in categories.most_common()},
        {MarketPlayerRole(str(key)): count for key, count in roles.most_common()},
        {DataStandard(str(key)): count for key, count in standards.most_common()},
        {bool(key): count for key, count in consent.most_common()},
        repository.count_by_country(session, wanted),
    )
