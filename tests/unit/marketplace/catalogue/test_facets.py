from uuid import UUID

import pytest
from sqlalchemy import text

from marketplace.catalogue import service
from marketplace.catalogue.domain import ServiceSort
from marketplace.catalogue.facets import Facets, count_services
from marketplace.catalogue.repository import ServiceFilter
from marketplace.core.unit_of_work import current_session
from mpp_sdk.contracts.marketplace.models import DataStandard
from tests.unit.marketplace.market import OPERATOR, Company, Market


@pytest.fixture
def services(market: Market, provider: Company) -> list[UUID]:
    made = [
        market.published(provider, name="Zonal prices", countries=["ES", "PT"]),
        market.published(provider, name="\u00c9olienne data", consentRequired=False),
        market.published(provider, name="aggregate flows", dataStandard="OTHER"),
    ]
    market.draft(provider, name="A draft")
    return made


def counted(market: Market, caller: Company, **wanted: object) -> Facets:
    asked = ServiceFilter(caller.id, **wanted)  # type: ignore[arg-type] # of several types
    return market.call(caller, count_services, asked)


def test_each_choice_says_what_it_would_find(
    market: Market, stranger: Company, services: list[UUID]
) -> None:
    found = counted(market, stranger)
    assert found.total == 3
    assert found.countries == {"ES": 3, "PT": 1}
    assert found.consent_required == {True: 2, False: 1}
    assert found.data_standards == {DataStandard.CIM_IEC_62325: 2, DataStandard.OTHER: 1}
    assert sum(found.categories.values()) == sum(found.provider_roles.values()) == 3


def test_a_choice_restricts_the_others_but_not_its_own_kind(
    market: Market, stranger: Company, services: list[UUID]
) -> None:
    found = counted(market, stranger, consent_required=False, country="ES")
    assert found.total == 1
    assert found.consent_required == {True: 2, False: 1}
    assert found.data_standards == {DataStandard.CIM_IEC_62325: 1}
    assert found.countries == {"ES": 1}
    by_text = counted(market, stranger, text="prices")
    assert (by_text.total, by_text.countries) == (1, {"ES": 1, "PT": 1})
    assert counted(market, stranger, text="...").total == 0


def test_drafts_count_for_their_owner_alone(
    market: Market, provider: Company, stranger: Company, services: list[UUID]
) -> None:
    assert counted(market, provider).total == 4
    assert counted(market, stranger).total == 3


def names(market: Market, caller: Company, sort: ServiceSort, **wanted: object) -> list[str]:
    asked = ServiceFilter(caller.id, **wanted)  # type: ignore[arg-type] # of several types
    seen, cursor = [], None
    while True:
        page = market.call(caller, service.list_services, asked, 1, cursor, sort)
        seen += [row.described.name for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return seen


def test_they_are_sorted_by_name_without_case_and_accents_or_newest_first(
    market: Market, stranger: Company, services: list[UUID]
) -> None:
    by_name = ["aggregate flows", "\u00c9olienne data", "Zonal prices"]
    assert names(market, stranger, ServiceSort.NAME) == by_name
    newest = ["aggregate flows", "\u00c9olienne data", "Zonal prices"]
    assert names(market, stranger, ServiceSort.NEWEST) == newest
    assert names(market, stranger, ServiceSort.NAME, text="prices") == ["Zonal prices"]
    assert names(market, stranger, ServiceSort.RELEVANCE, text="prices") == ["Zonal prices"]


def test_versions_of_before_are_given_what_they_are_sorted_by(
    market: Market, stranger: Company, services: list[UUID]
) -> None:
    def forget() -> None:
        current_session().execute(text("UPDATE service_version SET name_key = NULL"))

    def versions() -> list[int]:
        page = service.list_services(ServiceFilter(None), 9, None)
        return [row.version for row in page.items]

    before = market.call(OPERATOR, versions)
    market.call(None, forget)
    assert len(names(market, stranger, ServiceSort.NAME)) == 3
    assert market.call(None, service.name_versions) == 4
    assert market.call(None, service.name_versions) == 0
    assert names(market, stranger, ServiceSort.NAME)[0] == "aggregate flows"
    assert market.call(OPERATOR, versions) == before
