"""What two platforms agree on comes back; what one says alone does not."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from marketplace.core.audit import AuditEntry
from marketplace.core.unit_of_work import current_session
from marketplace.delivery.tables import OUTBOX
from marketplace.recovery.comparing import Found, compare
from marketplace.subscriptions import recovering
from marketplace.subscriptions.events import service_of, terms_of
from marketplace.subscriptions.tables import ServiceRequest, Subscription
from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import (
    CompanyReference,
    HeldServiceOffer,
    HeldServiceOfferState,
    PlatformRole,
)
from mpp_sdk.ids import new_id
from mpp_sdk.outbox.resending import queue_again
from tests.unit.marketplace.market import Company, Market

ROLES = (PlatformRole.PROVIDER, PlatformRole.REQUESTER)


@pytest.fixture
def known(market: Market, provider: Company, requester: Company) -> UUID:
    """An ACTIVE subscription."""
    return market.subscribed(provider, requester, market.published(provider))


def copies(market: Market, known: UUID, **changes: Any) -> dict[UUID, HeldServiceOffer]:
    """Return what both platforms hold of a subscription, changed where asked for."""
    row = market.subscription(known)

    def company(market_player_id: UUID) -> CompanyReference:
        return CompanyReference(market_player_id=market_player_id, name="Whoever", roles=[])

    held = {
        role: HeldServiceOffer(
            **{
                "subscription_id": row.id,
                "platform_role": role,
                "state": HeldServiceOfferState.ACTIVE,
                "state_since": row.created_at,
                "confirmed_at": row.created_at,
                "service": service_of(row),
                "provider": company(row.provider_id),
                "requester": company(row.requester_id),
                "terms": terms_of(row),
                **changes,
            }
        )
        for role in ROLES
    }
    return {
        row.provider_id: held[PlatformRole.PROVIDER],
        row.requester_id: held[PlatformRole.REQUESTER],
    }


def renamed(held: dict[UUID, HeldServiceOffer]) -> tuple[UUID, dict[UUID, HeldServiceOffer]]:
    """Return the same copies of a subscription that the database does not have."""
    lost = new_id()
    return lost, {
        player: offer.model_copy(update={"subscription_id": lost}) for player, offer in held.items()
    }


def compared(
    market: Market,
    subscription_id: UUID,
    held: dict[UUID, HeldServiceOffer],
    asked_at: datetime | None = None,
) -> list[Found]:
    return market.call(None, compare, subscription_id, held, asked_at or clock.now())


def kinds(found: list[Found]) -> list[tuple[str, str]]:
    return [(one.kind.value, one.outcome.value) for one in found]


def test_what_is_as_it_was_is_not_spoken_of(market: Market, known: UUID) -> None:
    assert compared(market, known, copies(market, known)) == []


@pytest.mark.parametrize("state", list(HeldServiceOfferState))
def test_what_both_hold_is_made_again(
    market: Market, known: UUID, state: HeldServiceOfferState
) -> None:
    since = clock.now()
    held = copies(market, known, state=state, state_since=since, reason="A reason.")
    lost, held = renamed(held)
    outcome = "OPEN" if state.value == "SUSPENDED" else "RESTORED"
    assert kinds(compared(market, lost, held)) == [("SUBSCRIPTION_RECONSTRUCTED", outcome)]

    row, original = market.subscription(lost), market.subscription(known)
    assert row.state.value == state.value
    assert (row.provider_id, row.requester_id) == (original.provider_id, original.requester_id)
    assert (row.terms, row.price, row.validity_end) == (
        original.terms,
        original.price,
        original.validity_end,
    )
    assert row.holds == (["OPERATOR"] if state.value == "SUSPENDED" else [])
    with market.working(None):
        request = current_session().get_one(ServiceRequest, row.request_id)
        assert request.state.value == "CONFIRMED"
        trail = current_session().scalars(
            select(AuditEntry.action)
            .where(AuditEntry.subscription_id == lost)
            .order_by(AuditEntry.id)
        )
        assert next(iter(trail)) == "reconstruct"
    assert compared(market, lost, held) == []


def _one_alone(held: dict[UUID, HeldServiceOffer]) -> None:
    held.pop(next(iter(held)))


def _another_text(held: dict[UUID, HeldServiceOffer]) -> None:
    player = next(iter(held))
    terms = held[player].terms.model_copy(update={"text": "Other terms."})
    held[player] = held[player].model_copy(update={"terms": terms})


def _another_state(held: dict[UUID, HeldServiceOffer]) -> None:
    player = next(iter(held))
    held[player] = held[player].model_copy(update={"state": HeldServiceOfferState.CANCELED})


def _an_unknown_predecessor(held: dict[UUID, HeldServiceOffer]) -> None:
    before = new_id()
    for player in held:
        held[player] = held[player].model_copy(update={"supersedes": before})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_one_alone, "only the requester's platform"),
        (_another_text, "differ in the terms"),
        (_another_state, "differ in its state"),
        (_an_unknown_predecessor, "that it replaces is not known"),
    ],
)
def test_what_they_do_not_agree_on_is_left_to_people(
    market: Market, known: UUID, change: Any, why: str
) -> None:
    lost, held = renamed(copies(market, known))
    change(held)
    [found] = compared(market, lost, held)
    assert kinds([found]) == [("SUBSCRIPTION_UNKNOWN", "OPEN")]
    assert why in found.detail
    assert found.advice
    with market.working(None):
        assert current_session().get(Subscription, lost) is None


def test_a_company_that_is_not_registered_has_no_subscription(
    market: Market, known: UUID, provider: Company
) -> None:
    lost, held = renamed(copies(market, known))
    nobody = CompanyReference(market_player_id=new_id(), name="Nobody", roles=[])
    held = {
        player: offer.model_copy(update={"requester": nobody})
        for player, offer in (
            (provider.id, held[provider.id]),
            (nobody.market_player_id, next(o for p, o in held.items() if p != provider.id)),
        )
    }
    [found] = compared(market, lost, held)
    assert kinds([found]) == [("SUBSCRIPTION_UNKNOWN", "OPEN")]
    assert "not in the register" in found.detail


def test_nobody_speaks_for_another_company(
    market: Market, known: UUID, provider: Company, stranger: Company
) -> None:
    """Two companies that conspire cannot give a third one a subscription, nor end one of its."""
    held = copies(market, known, state=HeldServiceOfferState.CANCELED)
    conspired = {
        stranger.id: held.pop(next(p for p in held if p != provider.id)),
        provider.id: held[provider.id],
    }
    assert ("TERMS_CONFLICT", "OPEN") in kinds(compared(market, known, conspired))
    assert market.subscription(known).state.value == "ACTIVE"
    lost, invented = renamed(conspired)
    found = kinds(compared(market, lost, invented))
    assert ("SUBSCRIPTION_RECONSTRUCTED", "RESTORED") not in found
    with market.working(None):
        assert recovering.find(lost) is None


@pytest.mark.parametrize("state", ["CANCELED", "EXPIRED"])
def test_what_both_hold_as_ended_is_ended(market: Market, known: UUID, state: str) -> None:
    since = clock.now()
    held = copies(market, known, state=state, state_since=since, reason="Sold.")
    assert kinds(compared(market, known, held)) == [("SUBSCRIPTION_ENDED", "RESTORED")]
    row = market.subscription(known)
    assert (row.state.value, row.reason, row.state_since) == (state, "Sold.", since)
    assert compared(market, known, held) == []


def test_what_one_holds_otherwise_is_a_conflict(
    market: Market, known: UUID, provider: Company
) -> None:
    held = copies(market, known)
    held[provider.id] = held[provider.id].model_copy(
        update={"state": HeldServiceOfferState.SUSPENDED}
    )
    assert compared(market, known, held) == []  # something is on its way there
    with market.working(None):
        current_session().execute(update(OUTBOX.event).values(finished_at=clock.now()))
    before = clock.now() - timedelta(minutes=1)
    assert compared(market, known, held, before) == []  # it has come there since
    [found] = compared(market, known, held)
    assert kinds([found]) == [("STATE_CONFLICT", "OPEN")]
    assert found.market_player_id == provider.id

    held = copies(market, known)
    _another_text(held)
    assert kinds(compared(market, known, held)) == [("TERMS_CONFLICT", "OPEN")]


def test_nothing_is_queued_again_for_nothing(market: Market) -> None:
    with market.working(None):
        assert queue_again(current_session().connection(), OUTBOX, []) == []
