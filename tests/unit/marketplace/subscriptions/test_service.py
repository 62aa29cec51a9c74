import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from marketplace.delivery.domain import PlatformRole
from marketplace.identity import service as identity
from marketplace.identity.access import MarketplacePrincipal
from marketplace.subscriptions import service
from marketplace.subscriptions.domain import SubscriptionState
from marketplace.subscriptions.repository import NegotiationFilter
from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import ServiceOfferCanceled, ServiceOfferChanged
from mpp_sdk.errors import Forbidden, IllegalTransition, NotFound, PreconditionFailed
from mpp_sdk.ids import new_id
from tests.unit.marketplace.market import DAY, OPERATOR, Company, Market, set_clock


@pytest.fixture
def service_id(market: Market, provider: Company) -> UUID:
    return market.published(provider)


def kinds(market: Market, subscription_id: UUID) -> list[str]:
    return [f"{path} {kind}" for kind, path, _ in market.events(subscription_id)]


def both(kind: str) -> list[str]:
    path = f"/{kind.replace('.', '/')}"
    return [f"{path}/{role} {kind}" for role in ("provider", "requester")]


def test_both_platforms_are_told_all_that_they_need(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    made = market.pending(provider, requester, service_id)
    assert market.subscription(made).state is SubscriptionState.PENDING
    assert kinds(market, made) == both("service-offer.confirmed")
    for _, _, payload in market.events(made):
        assert payload["subscriptionId"] == str(made)
        assert payload["service"]["consentRequired"] is True
        assert payload["provider"]["name"] == provider.name
        assert payload["requester"]["name"] == requester.name
        assert payload["terms"]["interimStatusInterval"] == "PT1H"
        assert payload["b2b"] == {
            "baseUrl": "http://127.0.0.1:9",
            "contract": "metering",
            "contractVersion": "1.0.0",
        }


def test_the_b2b_key_is_one_and_nowhere_in_clear(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    made = market.pending(provider, requester, service_id)
    box = market.environment.settings.secret_box
    with market.environment.engine.connect() as connection:
        tables = [
            row[0]
            for row in connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'table'")
            )
        ]
        rows = [
            value
            for table in tables
            for row in connection.execute(text(f'SELECT * FROM "{table}"'))
            for value in row
            if isinstance(value, str)
        ]
    secrets = []
    for value in rows:
        assert "fxb_" not in value
        if value.startswith("gAAAA"):
            secrets.append(box.decrypt(value))
    keys = [json.loads(s)["b2b"]["apiKey"] for s in secrets if "b2b" in s]
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert keys[0].startswith("fxb_")
    assert len(keys[0]) > 40
    assert market.subscription(made).id == made


@pytest.mark.parametrize("first", list(PlatformRole))
def test_active_when_both_have_acknowledged(
    market: Market,
    provider: Company,
    requester: Company,
    service_id: UUID,
    first: PlatformRole,
) -> None:
    made = market.pending(provider, requester, service_id)
    market.acknowledge(made, first)
    market.acknowledge(made, first)
    seen = market.subscription(made)
    assert (seen.state, seen.acknowledged_by) == (SubscriptionState.PENDING, [first])
    second = next(role for role in PlatformRole if role is not first)
    market.acknowledge(made, second)
    seen = market.subscription(made)
    assert seen.state is SubscriptionState.ACTIVE
    assert seen.activated_at is not None
    assert len(market.events(made)) == 2  # they know: it became ACTIVE by what they said
    assert market.trail("Subscription") == [
        ("confirm", None, "PENDING"),
        ("activate", "PENDING", "ACTIVE"),
    ]


@pytest.mark.parametrize("who", ["provider", "requester", "operator"])
@pytest.mark.parametrize("active", [True, False])
def test_either_company_or_an_operator_cancels(
    market: Market,
    provider: Company,
    requester: Company,
    service_id: UUID,
    who: str,
    active: bool,
) -> None:
    make = market.subscribed if active else market.pending
    made = make(provider, requester, service_id)
    callers: dict[str, Company | MarketplacePrincipal] = {
        "provider": provider,
        "requester": requester,
        "operator": OPERATOR,
    }
    caller = callers[who]
    ended = market.call(caller, service.cancel_subscription, made, "Enough.", None)
    assert (ended.state, ended.reason) == (SubscriptionState.CANCELED, "Enough.")
    assert kinds(market, made)[2:] == both("service-offer.canceled")
    told = ServiceOfferCanceled.model_validate(market.events(made)[-1][2])
    assert (told.state, told.reason, told.superseded_by) == ("CANCELED", "Enough.", None)
    with pytest.raises(IllegalTransition):
        market.call(caller, service.cancel_subscription, made, "Again.", None)


def test_a_late_acknowledgement_revives_nothing(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    made = market.pending(provider, requester, service_id)
    market.call(requester, service.cancel_subscription, made, "Enough.", None)
    for role in PlatformRole:
        market.acknowledge(made, role)
    seen = market.subscription(made)
    assert seen.state is SubscriptionState.CANCELED
    assert seen.acknowledged_by == list(PlatformRole)


def test_suspended_and_resumed_by_the_same_hand(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    made = market.subscribed(provider, requester, service_id)
    with pytest.raises(Forbidden):
        market.call(requester, service.suspend_subscription, made, "x", None)
    market.call(provider, service.suspend_subscription, made, "Repairs.", None)
    assert kinds(market, made)[2:] == both("service-offer.suspended")
    told = ServiceOfferChanged.model_validate(market.events(made)[-1][2])
    assert told.reason == "Repairs."
    with pytest.raises(IllegalTransition, match="PROVIDER"):
        market.call(OPERATOR, service.resume_subscription, made, "x", None)
    market.call(OPERATOR, service.suspend_subscription, made, "Review.", None)
    assert len(market.events(made)) == 4  # it was suspended already
    kept = market.call(provider, service.resume_subscription, made, "Repaired.", None)
    assert kept.state is SubscriptionState.SUSPENDED
    resumed = market.call(OPERATOR, service.resume_subscription, made, "Reviewed.", None)
    assert (resumed.state, resumed.reason) == (SubscriptionState.ACTIVE, None)
    assert kinds(market, made)[4:] == both("service-offer.resumed")


def test_a_pending_subscription_is_not_suspended(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    made = market.pending(provider, requester, service_id)
    with pytest.raises(IllegalTransition):
        market.call(provider, service.suspend_subscription, made, "x", None)


@pytest.mark.parametrize("whose", ["provider", "requester"])
def test_a_suspended_player_suspends_its_subscriptions(
    market: Market, provider: Company, requester: Company, service_id: UUID, whose: str
) -> None:
    made = market.subscribed(provider, requester, service_id)
    waiting = market.pending(provider, requester, service_id)
    player = provider if whose == "provider" else requester
    market.call(OPERATOR, identity.suspend_market_player, player.id, "Review.", None)
    assert market.subscription(made).state is SubscriptionState.SUSPENDED
    for role in PlatformRole:
        market.acknowledge(waiting, role)
    assert market.subscription(waiting).state is SubscriptionState.SUSPENDED
    with pytest.raises(IllegalTransition):
        market.call(OPERATOR, service.resume_subscription, made, "x", None)
    market.call(OPERATOR, identity.reinstate_market_player, player.id, "Fine.", None)
    assert market.subscription(made).state is SubscriptionState.ACTIVE
    assert market.subscription(waiting).state is SubscriptionState.ACTIVE


def test_reinstating_a_player_lifts_no_other_suspension(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    made = market.subscribed(provider, requester, service_id)
    market.call(provider, service.suspend_subscription, made, "Repairs.", None)
    market.call(OPERATOR, identity.suspend_market_player, requester.id, "Review.", None)
    market.call(OPERATOR, identity.reinstate_market_player, requester.id, "Fine.", None)
    assert market.subscription(made).state is SubscriptionState.SUSPENDED
    market.call(provider, service.resume_subscription, made, "Repaired.", None)
    assert market.subscription(made).state is SubscriptionState.ACTIVE


def test_a_player_that_leaves_cancels_its_subscriptions(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    made = [
        market.subscribed(provider, requester, service_id),
        market.pending(provider, requester, service_id),
    ]
    market.call(OPERATOR, identity.deregister_market_player, requester.id, "Gone.", None)
    for subscription_id in made:
        seen = market.subscription(subscription_id)
        assert (seen.state, seen.reason) == (SubscriptionState.CANCELED, "Gone.")


def test_new_terms_replace_the_old_ones_once_active(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    old = market.subscribed(provider, requester, service_id)
    new = market.pending(provider, requester, service_id, supersedes=old)
    assert market.events(new)[0][2]["supersedes"] == str(old)
    market.acknowledge(new, PlatformRole.PROVIDER)
    assert market.subscription(old).state is SubscriptionState.ACTIVE
    market.acknowledge(new, PlatformRole.REQUESTER)
    seen = market.subscription(old)
    assert (seen.state, seen.superseded_by) == (SubscriptionState.CANCELED, new)
    assert market.subscription(new).state is SubscriptionState.ACTIVE
    told = ServiceOfferCanceled.model_validate(market.events(old)[-1][2])
    assert told.superseded_by == new


def test_new_terms_are_no_way_out_of_a_suspension(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    old = market.subscribed(provider, requester, service_id)
    market.call(OPERATOR, service.suspend_subscription, old, "Review.", None)
    new = market.subscribed(provider, requester, service_id, supersedes=old)
    assert market.subscription(old).state is SubscriptionState.CANCELED
    assert market.subscription(new).state is SubscriptionState.SUSPENDED
    market.call(OPERATOR, service.resume_subscription, new, "Reviewed.", None)


def test_it_expires_at_the_end_of_its_validity(
    market: Market,
    provider: Company,
    requester: Company,
    service_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = clock.now()
    validity = {"start": moment, "end": moment + 2 * DAY}
    made = market.subscribed(provider, requester, service_id, validity=validity)
    endless = market.subscribed(provider, requester, service_id, validity={"start": moment})
    set_clock(monkeypatch, moment + DAY)
    assert market.call(None, service.expire_due_subscriptions) == 0
    set_clock(monkeypatch, moment + 2 * DAY)
    assert market.call(None, service.expire_due_subscriptions) == 1
    assert market.subscription(made).state is SubscriptionState.EXPIRED
    told = ServiceOfferCanceled.model_validate(market.events(made)[-1][2])
    assert told.state == "EXPIRED"
    assert market.subscription(endless).state is SubscriptionState.ACTIVE


def test_what_comes_later_happened_later_whatever_a_clock_says(
    market: Market,
    provider: Company,
    requester: Company,
    service_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = market.subscribed(provider, requester, service_id)
    moment = clock.now()
    set_clock(monkeypatch, moment + timedelta(hours=1))  # of a process whose clock is wrong
    market.call(OPERATOR, service.suspend_subscription, made, "Wrong.", None)
    set_clock(monkeypatch, moment)
    market.call(OPERATOR, service.resume_subscription, made, "Right.", None)
    told = [payload for _, _, payload in market.events(made)]
    suspended, resumed = (
        datetime.fromisoformat(next(one["occurredAt"] for one in told if one.get("reason") == why))
        for why in ("Wrong.", "Right.")
    )
    assert suspended < resumed  # a platform takes the newer one


def test_another_company_finds_nothing(
    market: Market,
    provider: Company,
    requester: Company,
    stranger: Company,
    service_id: UUID,
) -> None:
    made = market.subscribed(provider, requester, service_id)
    with pytest.raises(NotFound):
        market.call(stranger, service.read_subscription, made)
    for change in (
        service.cancel_subscription,
        service.suspend_subscription,
        service.resume_subscription,
    ):
        with pytest.raises(NotFound):
            market.call(stranger, change, made, "x", None)
    wanted = NegotiationFilter(stranger.id)
    assert market.call(stranger, service.list_subscriptions, wanted, 9, None).items == []
    with pytest.raises(NotFound):
        market.call(provider, service.read_subscription, new_id())


def test_if_match_protects_an_action(
    market: Market, provider: Company, requester: Company, service_id: UUID
) -> None:
    made = market.subscribed(provider, requester, service_id)
    for action in (service.cancel_subscription, service.suspend_subscription):
        with pytest.raises(PreconditionFailed):
            market.call(provider, action, made, "x", '"99"')
