"""Companies: all that take part or want to, and one of them with all that it does here."""

from enum import StrEnum
from functools import partial
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue

from marketplace.accounts import people
from marketplace.catalogue import service as catalogue
from marketplace.catalogue.repository import ServiceFilter
from marketplace.core.audit import AuditFilter
from marketplace.core.etag import etag
from marketplace.delivery import lanes
from marketplace.delivery import service as delivery
from marketplace.delivery.sender import EU_MP_BASE_PATH
from marketplace.identity import service as identity
from marketplace.identity.domain import MARKET_PLAYER, MarketPlayerRole, MarketPlayerState
from marketplace.identity.overview import PlayerOverview, PlayerSort, list_players
from marketplace.identity.repository import MarketPlayerFilter
from marketplace.identity.tables import IntegrationTest
from marketplace.monitoring import service as monitoring
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.repository import NegotiationFilter
from marketplace.website.frame import forms, lists
from marketplace.website.frame.labels import label
from marketplace.website.frame.lists import Column
from marketplace.website.frame.rights import operators
from marketplace.website.frame.versions import spoken_by
from marketplace.website.operators.blueprint import blueprint
from marketplace.website.operators.naming import companies_of, page_of

_FEW = 10
_COLUMNS = [
    Column[PlayerOverview]("marketPlayerId", lambda one: one.player.id),
    Column[PlayerOverview]("name", lambda one: one.player.name),
    Column[PlayerOverview]("state", lambda one: one.player.state),
    Column[PlayerOverview]("roles", lambda one: one.player.roles),
    Column[PlayerOverview]("country", lambda one: one.player.country),
    Column[PlayerOverview]("eicCode", lambda one: one.player.eic_code),
    Column[PlayerOverview]("contactEmail", lambda one: one.player.contact_email),
    Column[PlayerOverview]("website", lambda one: one.player.website),
    Column[PlayerOverview]("createdAt", lambda one: one.player.created_at),
    Column[PlayerOverview](
        "lastTest", lambda one: _outcome(one.last_test) if one.last_test else None
    ),
    Column[PlayerOverview](
        "lastTestAt", lambda one: one.last_test.started_at if one.last_test else None
    ),
]


class TestOutcome(StrEnum):
    """How the last integration test of a platform ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"


@blueprint.get("/operators/companies")
@operators
def players() -> ResponseReturnValue:
    """Show the companies, with how their platforms' last tests ended."""
    test = lists.one_of("test", TestOutcome)
    wanted = MarketPlayerFilter(
        state=lists.one_of("state", MarketPlayerState),
        role=lists.one_of("role", MarketPlayerRole),
        name_contains=lists.text("q"),
        last_test_passed=None if test is None else test is TestOutcome.PASSED,
    )
    sort = lists.one_of("sort", PlayerSort) or PlayerSort.NEWEST
    fetch = partial(list_players, wanted, sort=sort)
    if lists.wants_csv():
        return lists.csv_file("companies", _COLUMNS, fetch)
    page = fetch(lists.PAGE, lists.cursor())
    return render_template(
        "operators/companies.html",
        listed=lists.listed(page),
        states=[(one.value, one.value) for one in MarketPlayerState],
        roles=[(one.value, label(one)) for one in MarketPlayerRole],
        outcomes=[(one.value, one.value) for one in TestOutcome],
        sort=sort.value,
    )


@blueprint.get("/operators/companies/<uuid:market_player_id>")
@operators
def player(market_player_id: UUID) -> ResponseReturnValue:
    """Show a company: what it states, who acts for it, how its platform stands, what it does."""
    found = identity.read_market_player(market_player_id)
    has_platform = identity.platform_base_url(market_player_id) is not None
    platform = identity.read_platform(market_player_id) if has_platform else None
    agreed = subscriptions.list_subscriptions(NegotiationFilter(market_player_id), _FEW, None)
    concerning = AuditFilter(market_player_id=market_player_id)
    standing = lanes.read(market_player_id)
    return render_template(
        "operators/company.html",
        player=found,
        version=etag(found),
        actions=MARKET_PLAYER.allowed(found.state),
        platform=platform,
        spoken=spoken_by(platform.platform) if platform else "",
        base_path=EU_MP_BASE_PATH,
        tests=identity.list_platform_tests(market_player_id, None, 5, None).items,
        credentials=identity.list_credentials(market_player_id, None, _FEW, None),
        people=people.list_people(market_player_id, _FEW),
        standing=standing,
        lane_tag=lanes.tag(standing.lane),
        services=catalogue.list_services(
            ServiceFilter(viewer=None, provider_id=market_player_id), _FEW, None
        ),
        subscriptions=agreed,
        companies=companies_of(
            one for row in agreed.items for one in (row.provider_id, row.requester_id)
        ),
        deliveries=delivery.list_deliveries(limit=_FEW, market_player_id=market_player_id),
        trail=monitoring.list_audit_trail(concerning, _FEW, None),
        page_of=partial(page_of, operator=True),
        form=forms.form_of(),
    )


def _outcome(test: IntegrationTest) -> TestOutcome:
    return TestOutcome.PASSED if test.passed else TestOutcome.FAILED
