import pytest

from marketplace.catalogue import service
from marketplace.catalogue.domain import VersionState, current_version
from marketplace.catalogue.repository import ServiceFilter
from marketplace.identity import service as identity
from marketplace.identity.domain import MarketPlayerState
from mpp_sdk.errors import (
    Conflict,
    Forbidden,
    IllegalTransition,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
)
from mpp_sdk.ids import new_id
from tests.unit.marketplace.market import OPERATOR, Company, Market, description

DRAFT, PUBLISHED, DEPRECATED, WITHDRAWN = VersionState


@pytest.mark.parametrize(
    ("states", "own", "everybody"),
    [
        ({}, None, None),
        ({1: DRAFT}, 1, None),
        ({1: DRAFT, 2: DRAFT}, 2, None),
        ({1: PUBLISHED, 2: DRAFT}, 1, 1),
        ({1: DEPRECATED, 2: PUBLISHED, 3: DRAFT}, 2, 2),
        ({1: WITHDRAWN, 2: DRAFT}, 2, 1),
        ({1: DEPRECATED, 2: WITHDRAWN}, 2, 2),
    ],
)
def test_which_version_stands_for_a_service(
    states: dict[int, VersionState], own: int | None, everybody: int | None
) -> None:
    assert current_version(states, with_drafts=True) == own
    assert current_version(states, with_drafts=False) == everybody


def found(market: Market, caller: Company, text: str | None = None) -> set[tuple[object, int]]:
    page = market.call(caller, service.list_services, ServiceFilter(caller.id, text), 50, None)
    return {(row.service_id, row.number) for row in page.items}


def test_a_draft_is_its_providers_own(market: Market, provider: Company, stranger: Company) -> None:
    service_id = market.draft(provider)
    assert found(market, provider) == {(service_id, 1)}
    assert found(market, stranger) == set()
    assert found(market, stranger, "meter") == set()
    for read in (
        lambda caller: market.call(caller, service.read_service, service_id),
        lambda caller: market.call(caller, service.read_version, service_id, 1),
        lambda caller: market.call(caller, service.list_versions, service_id, None, 9, None),
    ):
        read(provider)
        read(OPERATOR)
        with pytest.raises(NotFound):
            read(stranger)
    for change in (
        lambda: market.call(stranger, service.publish, service_id, 1, None),
        lambda: market.call(stranger, service.edit_version, service_id, 1, description(), "*"),
        lambda: market.call(stranger, service.delete_version, service_id, 1, "*"),
        lambda: market.call(stranger, service.create_version, service_id, description()),
    ):
        with pytest.raises(NotFound):
            change()


def test_what_others_published_cannot_be_changed(
    market: Market, provider: Company, stranger: Company
) -> None:
    service_id = market.published(provider)
    for caller in (stranger, OPERATOR):
        with pytest.raises(Forbidden):
            market.call(caller, service.deprecate, service_id, 1, "No.", None)
    with pytest.raises(Forbidden):
        market.call(stranger, service.withdraw, service_id, 1, "No.", None)
    market.call(OPERATOR, service.withdraw, service_id, 1, "It broke the rules.", None)
    assert found(market, stranger) == set()


def test_the_next_version_supersedes_the_published_one(
    market: Market, provider: Company, stranger: Company
) -> None:
    service_id = market.published(provider)
    market.call(provider, service.create_version, service_id, description(name="Better"))
    assert found(market, stranger) == {(service_id, 1)}
    market.call(provider, service.publish, service_id, 2, None)
    assert found(market, stranger) == {(service_id, 2)}
    old = market.call(stranger, service.read_version, service_id, 1)
    assert old.state is DEPRECATED
    assert old.state_reason == "Version 2 was published."
    assert market.trail("ServiceVersion") == [
        ("draft", None, "DRAFT"),
        ("publish", "DRAFT", "PUBLISHED"),
        ("draft", None, "DRAFT"),
        ("deprecate", "PUBLISHED", "DEPRECATED"),
        ("publish", "DRAFT", "PUBLISHED"),
    ]


def test_an_older_draft_cannot_supersede_a_newer_version(market: Market, provider: Company) -> None:
    service_id = market.draft(provider)
    market.call(provider, service.create_version, service_id, description())
    market.call(provider, service.publish, service_id, 2, None)
    with pytest.raises(Conflict, match="Version 2"):
        market.call(provider, service.publish, service_id, 1, None)


def test_a_published_version_never_changes(market: Market, provider: Company) -> None:
    service_id = market.published(provider)
    with pytest.raises(IllegalTransition):
        market.call(provider, service.edit_version, service_id, 1, description(), "*")
    with pytest.raises(IllegalTransition):
        market.call(provider, service.delete_version, service_id, 1, "*")


def test_an_edit_names_the_version_that_was_read(market: Market, provider: Company) -> None:
    service_id = market.draft(provider)
    row = market.call(provider, service.read_version, service_id, 1)
    read = f'"{row.version}"'
    with pytest.raises(PreconditionRequired):
        market.call(provider, service.edit_version, service_id, 1, description(), None)
    market.call(provider, service.edit_version, service_id, 1, description(name="New"), read)
    with pytest.raises(PreconditionFailed):
        market.call(provider, service.edit_version, service_id, 1, description(), read)
    with pytest.raises(PreconditionFailed):
        market.call(provider, service.publish, service_id, 1, read)
    with pytest.raises(PreconditionFailed):
        market.call(provider, service.delete_version, service_id, 1, read)
    now = market.call(provider, service.read_version, service_id, 1)
    assert now.description.name == "New"


def test_a_service_goes_with_its_last_draft(market: Market, provider: Company) -> None:
    service_id = market.draft(provider)
    market.call(provider, service.delete_version, service_id, 1, "*")
    with pytest.raises(NotFound):
        market.call(provider, service.read_service, service_id)
    published = market.published(provider)
    market.call(provider, service.create_version, published, description())
    market.call(provider, service.delete_version, published, 2, "*")
    assert market.call(provider, service.read_service, published).number == 1
    assert market.call(provider, service.create_version, published, description()).number == 3


def test_only_an_active_player_publishes(market: Market) -> None:
    newcomer = market.company("Newcomer", state=MarketPlayerState.PENDING)
    service_id = market.draft(newcomer)
    with pytest.raises(Forbidden, match="PENDING"):
        market.call(newcomer, service.publish, service_id, 1, None)


def test_a_player_that_leaves_takes_its_services_along(
    market: Market, provider: Company, stranger: Company
) -> None:
    service_id = market.published(provider)
    market.call(OPERATOR, identity.deregister_market_player, provider.id, "Gone.", None)
    assert found(market, stranger) == set()
    assert market.call(stranger, service.read_version, service_id, 1).state is WITHDRAWN


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"price": {"model": "PER_POD"}}, "/price/amount"),
        ({"price": {"model": "FLAT_FEE", "amount": "1"}}, "/price/currency"),
        ({"price": {"model": "FREE", "amount": "1", "currency": "EUR"}}, "/price/amount"),
        (
            {"price": {"model": "PER_POD", "amount": "1", "currency": "EUR", "interval": "PT0S"}},
            "/price/interval",
        ),
        ({"interimStatusInterval": "PT0S"}, "/interimStatusInterval"),
        ({"resolution": "P0D"}, "/resolution"),
        ({"delay": "PT0M"}, "/delay"),
        ({"providerRole": "TSO"}, "/providerRole"),
    ],
)
def test_what_the_contract_cannot_express_is_checked(
    market: Market, provider: Company, changes: dict[str, object], pointer: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        market.draft(provider, **changes)
    assert pointer in {error.pointer for error in caught.value.errors}


def test_an_unknown_service_is_not_found(market: Market, provider: Company) -> None:
    with pytest.raises(NotFound):
        market.call(provider, service.read_service, new_id())
    service_id = market.draft(provider)
    with pytest.raises(NotFound):
        market.call(provider, service.read_version, service_id, 7)
    with pytest.raises(NotFound):
        market.call(provider, service.publish, service_id, 7, None)
