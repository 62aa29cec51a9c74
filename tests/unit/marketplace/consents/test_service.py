from datetime import timedelta
from uuid import UUID

import pytest

from marketplace.consents import service
from marketplace.consents.domain import ConsentState, Validity
from marketplace.core.notices import Outcome
from marketplace.subscriptions import service as subscriptions
from mpp_sdk import clock
from mpp_sdk.errors import Conflict, Forbidden, IllegalTransition, InvalidInput, NotFound
from mpp_sdk.ids import new_id
from tests.unit.marketplace.market import DAY, OPERATOR, Company, Market, set_clock

SECOND = timedelta(seconds=1)


@pytest.fixture
def made(market: Market, provider: Company, requester: Company) -> UUID:
    return market.subscribed(provider, requester, market.published(provider))


def test_a_consent_and_its_trail(market: Market, provider: Company, made: UUID) -> None:
    for state in ("REQUESTED", "GRANTED", "WITHDRAWN", "REQUESTED", "DENIED"):
        assert market.consent(provider, made, state) is Outcome.APPLIED
        assert market.consent_state(made) == state
    assert market.trail("Consent") == [
        ("requested", None, "REQUESTED"),
        ("granted", "REQUESTED", "GRANTED"),
        ("withdrawn", "GRANTED", "WITHDRAWN"),
        ("requested", "WITHDRAWN", "REQUESTED"),
        ("denied", "REQUESTED", "DENIED"),
    ]


def test_a_notification_that_comes_twice_changes_nothing(
    market: Market, provider: Company, made: UUID
) -> None:
    event_id = new_id()
    assert market.consent(provider, made, "GRANTED", event_id=event_id) is Outcome.APPLIED
    market.consent(provider, made, "WITHDRAWN")
    assert market.consent(provider, made, "GRANTED", event_id=event_id) is Outcome.DUPLICATE
    assert market.consent_state(made) == "WITHDRAWN"


def test_the_event_id_of_another_company_is_no_duplicate(
    market: Market, provider: Company, requester: Company, stranger: Company, made: UUID
) -> None:
    event_id = new_id()
    other = market.subscribed(stranger, requester, market.published(stranger))
    market.consent(stranger, other, "DENIED", event_id=event_id)
    assert market.consent(provider, made, "GRANTED", event_id=event_id) is Outcome.APPLIED


def test_an_older_notification_undoes_nothing(
    market: Market, provider: Company, made: UUID
) -> None:
    moment = clock.now()
    late = new_id()
    market.consent(provider, made, "WITHDRAWN", at=moment)
    granted = market.consent(provider, made, "GRANTED", at=moment - SECOND, event_id=late)
    assert granted is Outcome.SUPERSEDED
    assert market.consent_state(made) == "WITHDRAWN"
    assert market.consent(provider, made, "GRANTED", event_id=late) is Outcome.DUPLICATE
    assert market.trail("Consent") == [("withdrawn", None, "WITHDRAWN")]


@pytest.mark.parametrize("state", list(ConsentState))
def test_whatever_comes_first_is_taken(
    market: Market, provider: Company, made: UUID, state: ConsentState
) -> None:
    assert market.consent(provider, made, state) is Outcome.APPLIED


def test_what_cannot_come_next_names_what_can(
    market: Market, provider: Company, made: UUID
) -> None:
    market.consent(provider, made, "DENIED")
    with pytest.raises(IllegalTransition) as caught:
        market.consent(provider, made, "GRANTED")
    assert (caught.value.state, caught.value.allowed) == ("DENIED", ("REQUESTED",))
    assert market.consent_state(made) == "DENIED"


def test_only_the_provider_of_the_subscription_tells(
    market: Market, requester: Company, stranger: Company, made: UUID
) -> None:
    with pytest.raises(Forbidden):
        market.consent(requester, made, "GRANTED")
    with pytest.raises(NotFound):
        market.consent(stranger, made, "GRANTED")
    with pytest.raises(NotFound):
        market.consent(stranger, new_id(), "GRANTED")
    assert market.consent_state(made) is None


def test_moments_and_periods_make_sense(market: Market, provider: Company, made: UUID) -> None:
    moment = clock.now()
    with pytest.raises(InvalidInput) as caught:
        market.consent(provider, made, "GRANTED", validity=Validity(moment, moment - DAY))
    assert caught.value.errors[0].pointer == "/validity/end"
    with pytest.raises(Conflict) as conflict:  # it can be taken later
        market.consent(provider, made, "GRANTED", at=moment + timedelta(minutes=6))
    assert conflict.value.errors[0].pointer == "/occurredAt"
    market.consent(provider, made, "GRANTED", at=moment + timedelta(minutes=4))


def test_each_pod_has_its_own(market: Market, provider: Company, made: UUID) -> None:
    market.consent(provider, made, "GRANTED", pod="A")
    market.consent(provider, made, "DENIED", pod="B")
    assert market.consent_state(made, "A") == "GRANTED"
    assert market.consent_state(made, "B") == "DENIED"


def test_it_expires_at_the_end_of_its_period(
    market: Market, provider: Company, made: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = clock.now()
    market.consent(provider, made, "GRANTED", validity=Validity(moment, moment + DAY))
    market.consent(provider, made, "GRANTED", pod="B", validity=Validity(moment))
    market.activation(provider, made, "ACTIVE")
    set_clock(monkeypatch, moment + DAY - SECOND)
    assert market.call(None, service.expire_due_consents) == 0
    set_clock(monkeypatch, moment + DAY)
    assert market.call(None, service.expire_due_consents) == 1
    assert market.consent_state(made) == "EXPIRED"
    assert market.consent_state(made, "B") == "GRANTED"
    assert market.activation_state(made) == "ENDED"
    # The platform says so too; that is no second step, and only once no contradiction.
    after = moment + DAY + SECOND
    assert market.consent(provider, made, "EXPIRED", at=after) is Outcome.APPLIED
    with pytest.raises(IllegalTransition):
        market.consent(provider, made, "EXPIRED", at=after + SECOND)
    assert [step[0] for step in market.trail("Consent")].count("expired") == 1


@pytest.mark.parametrize("end", ["WITHDRAWN", "EXPIRED"])
def test_a_consent_that_ends_ends_its_activation(
    market: Market, provider: Company, made: UUID, end: str
) -> None:
    for pod in ("A", "B"):
        market.consent(provider, made, "GRANTED", pod=pod)
        market.activation(provider, made, "ACTIVE", pod=pod)
    market.consent(provider, made, end, pod="A")
    assert market.activation_state(made, "A") == "ENDED"
    assert market.activation_state(made, "B") == "ACTIVE"


def test_the_list_is_filtered_paged_and_ones_own(
    market: Market, provider: Company, requester: Company, stranger: Company, made: UUID
) -> None:
    for number in range(5):
        state = "GRANTED" if number % 2 else "REQUESTED"
        market.consent(provider, made, state, pod=f"P{number}")
    seen, cursor = [], None
    while True:
        page = market.call(requester, service.list_consents, made, None, None, 2, cursor)
        seen += [row.pod_id for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"P{number}" for number in range(5)]
    granted = market.call(
        provider, service.list_consents, made, ConsentState.GRANTED, None, 9, None
    )
    assert [row.pod_id for row in granted.items] == ["P1", "P3"]
    with pytest.raises(NotFound):
        market.call(stranger, service.list_consents, made, None, None, 9, None)


def test_a_consent_is_told_whatever_the_subscription_does(
    market: Market, provider: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED")
    market.call(OPERATOR, subscriptions.cancel_subscription, made, "Enough.", None)
    assert market.consent(provider, made, "WITHDRAWN") is Outcome.APPLIED
