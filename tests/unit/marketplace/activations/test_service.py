from datetime import timedelta
from uuid import UUID

import pytest

from marketplace.activations import service
from marketplace.activations.domain import ActivationState
from marketplace.consents.domain import Validity
from marketplace.core.notices import Outcome
from marketplace.subscriptions import service as subscriptions
from mpp_sdk import clock
from mpp_sdk.errors import Conflict, Forbidden, Gone, IllegalTransition, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import EventState
from tests.unit.marketplace.market import DAY, OPERATOR, Company, Market

SECOND = timedelta(seconds=1)


@pytest.fixture
def made(market: Market, provider: Company, requester: Company) -> UUID:
    return market.subscribed(provider, requester, market.published(provider))


def suspend(market: Market, subscription_id: UUID) -> None:
    market.call(OPERATOR, subscriptions.suspend_subscription, subscription_id, "Review.", None)


def resume(market: Market, subscription_id: UUID) -> None:
    market.call(OPERATOR, subscriptions.resume_subscription, subscription_id, "Fine.", None)


def cancel(market: Market, subscription_id: UUID) -> None:
    market.call(OPERATOR, subscriptions.cancel_subscription, subscription_id, "Enough.", None)


def test_an_activation_and_its_trail(market: Market, provider: Company, made: UUID) -> None:
    market.consent(provider, made, "GRANTED")
    for state in ("REQUESTED", "ACTIVE", "SUSPENDED", "ACTIVE", "ENDED", "REQUESTED", "ACTIVE"):
        assert market.activation(provider, made, state) is Outcome.APPLIED
        assert market.activation_state(made) == state
    assert market.trail("Activation")[:4] == [
        ("requested", None, "REQUESTED"),
        ("active", "REQUESTED", "ACTIVE"),
        ("suspended", "ACTIVE", "SUSPENDED"),
        ("active", "SUSPENDED", "ACTIVE"),
    ]


@pytest.mark.parametrize("consent", [None, "REQUESTED", "DENIED", "TIMED_OUT"])
def test_without_consent_it_is_not_active(
    market: Market, provider: Company, made: UUID, consent: str | None
) -> None:
    if consent is not None:
        market.consent(provider, made, consent)
    with pytest.raises(IllegalTransition) as caught:
        market.activation(provider, made, "ACTIVE")
    assert "consent" in caught.value.detail
    assert market.activation_state(made) is None
    assert market.activation(provider, made, "REQUESTED") is Outcome.APPLIED


@pytest.mark.parametrize("consent", ["WITHDRAWN", "EXPIRED"])
def test_after_consent_it_is_not_active(
    market: Market, provider: Company, made: UUID, consent: str
) -> None:
    moment = clock.now()
    market.consent(provider, made, consent, at=moment)
    with pytest.raises(IllegalTransition):
        market.activation(provider, made, "ACTIVE", at=moment + SECOND)
    overtaken = market.activation(provider, made, "ACTIVE", at=moment - SECOND)
    assert overtaken is Outcome.SUPERSEDED
    assert market.activation_state(made) is None


def test_the_consent_of_another_pod_does_not_count(
    market: Market, provider: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED", pod="OTHER")
    with pytest.raises(IllegalTransition):
        market.activation(provider, made, "ACTIVE")


@pytest.mark.parametrize(
    ("start", "end", "allowed"),
    [
        (-2 * DAY, -DAY, False),
        (-DAY, DAY, True),
        (DAY, 2 * DAY, False),
        (-DAY, None, True),
    ],
)
def test_the_consents_period_counts(
    market: Market,
    provider: Company,
    made: UUID,
    start: timedelta,
    end: timedelta | None,
    allowed: bool,
) -> None:
    moment = clock.now()
    validity = Validity(moment + start, None if end is None else moment + end)
    market.consent(provider, made, "GRANTED", validity=validity)
    if allowed:
        market.activation(provider, made, "ACTIVE")
    else:
        with pytest.raises(IllegalTransition, match="period"):
            market.activation(provider, made, "ACTIVE")


def test_a_service_without_consent_needs_none(
    market: Market, provider: Company, requester: Company
) -> None:
    service_id = market.published(provider, consentRequired=False)
    made = market.subscribed(provider, requester, service_id)
    assert market.activation(provider, made, "ACTIVE") is Outcome.APPLIED


def test_under_a_pending_subscription_it_is_not_active(
    market: Market, provider: Company, requester: Company
) -> None:
    made = market.pending(provider, requester, market.published(provider))
    market.consent(provider, made, "GRANTED")
    assert market.activation(provider, made, "REQUESTED") is Outcome.APPLIED
    with pytest.raises(IllegalTransition, match="PENDING"):
        market.activation(provider, made, "ACTIVE")


def test_a_suspended_subscription_suspends_and_resumes_what_was_active(
    market: Market, provider: Company, made: UUID
) -> None:
    for pod in ("ACTIVE", "PAUSED", "ASKED", "WITHDRAWN"):
        market.consent(provider, made, "GRANTED", pod=pod)
        market.activation(provider, made, "REQUESTED", pod=pod)
    for pod in ("ACTIVE", "PAUSED", "WITHDRAWN"):
        market.activation(provider, made, "ACTIVE", pod=pod)
    market.activation(provider, made, "SUSPENDED", pod="PAUSED")
    suspend(market, made)
    assert market.activation_state(made, "ACTIVE") == "SUSPENDED"
    assert market.activation_state(made, "ASKED") == "REQUESTED"
    market.all_heard()
    with pytest.raises(IllegalTransition, match="SUSPENDED"):
        market.activation(provider, made, "ACTIVE", pod="ACTIVE")
    market.consent(provider, made, "WITHDRAWN", pod="WITHDRAWN")
    resume(market, made)
    assert market.activation_state(made, "ACTIVE") == "ACTIVE"
    assert market.activation_state(made, "PAUSED") == "SUSPENDED"
    assert market.activation_state(made, "ASKED") == "REQUESTED"
    assert market.activation_state(made, "WITHDRAWN") == "ENDED"


def test_what_became_active_before_its_platform_heard_of_the_suspension_holds_nothing_up(
    market: Market, provider: Company, made: UUID
) -> None:
    for pod in ("BEFORE", "NEW", "WITHDRAWN"):
        market.consent(provider, made, "GRANTED", pod=pod)
    market.activation(provider, made, "REQUESTED", pod="BEFORE")
    suspend(market, made)
    for pod in ("BEFORE", "NEW", "WITHDRAWN"):
        assert market.activation(provider, made, "ACTIVE", pod=pod) is Outcome.SUPERSEDED
        assert market.activation_state(made, pod) == "SUSPENDED"
    assert market.consent(provider, made, "WITHDRAWN", pod="WITHDRAWN") is Outcome.APPLIED
    with pytest.raises(IllegalTransition):
        market.activation(provider, made, "ACTIVE", pod="WITHOUT CONSENT")
    resume(market, made)
    assert market.activation_state(made, "BEFORE") == "ACTIVE"
    assert market.activation_state(made, "NEW") == "ACTIVE"
    assert market.activation_state(made, "WITHDRAWN") == "ENDED"


def test_a_platform_that_will_never_hear_of_the_suspension_holds_nothing_up_either(
    market: Market, provider: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED")
    suspend(market, made)
    market.all_heard(EventState.DEAD)
    assert market.activation(provider, made, "ACTIVE") is Outcome.SUPERSEDED
    assert market.activation_state(made) == "SUSPENDED"


def test_what_the_platform_suspends_meanwhile_stays_suspended(
    market: Market, provider: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED")
    market.activation(provider, made, "ACTIVE")
    suspend(market, made)
    assert market.activation(provider, made, "SUSPENDED") is Outcome.APPLIED
    resume(market, made)
    assert market.activation_state(made) == "SUSPENDED"


def test_the_platform_may_say_what_the_marketplace_concluded(
    market: Market, provider: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED")
    market.activation(provider, made, "ACTIVE")
    suspend(market, made)
    resume(market, made)
    assert market.activation(provider, made, "ACTIVE") is Outcome.APPLIED
    market.consent(provider, made, "WITHDRAWN")
    assert market.activation(provider, made, "ENDED") is Outcome.APPLIED
    with pytest.raises(IllegalTransition):
        market.activation(provider, made, "ENDED")
    assert [step[0] for step in market.trail("Activation")] == [
        "active",
        "suspended",
        "active",
        "ended",
    ]


@pytest.mark.parametrize("state", ["REQUESTED", "ACTIVE", "SUSPENDED"])
def test_an_ended_subscription_ends_every_activation(
    market: Market, provider: Company, made: UUID, state: str
) -> None:
    market.consent(provider, made, "GRANTED")
    market.activation(provider, made, state)
    cancel(market, made)
    assert market.activation_state(made) == "ENDED"
    for wanted in ("REQUESTED", "ACTIVE", "SUSPENDED"):
        with pytest.raises(Gone, match="CANCELED"):
            market.activation(provider, made, wanted)
        with pytest.raises(Gone, match="CANCELED"):
            market.activation(provider, made, wanted, pod="ANOTHER")
    for pod in ("POD1", "ANOTHER"):
        assert market.activation(provider, made, "ENDED", pod=pod) is Outcome.APPLIED


def test_what_came_too_late_for_an_ended_subscription_is_recorded_in_any_order(
    market: Market, provider: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED")
    market.activation(provider, made, "ACTIVE")
    market.activation(provider, made, "ENDED")
    before = clock.now()
    cancel(market, made)
    assert market.activation(provider, made, "ACTIVE", at=before) is Outcome.SUPERSEDED
    assert market.activation_state(made) == "ENDED"


def test_a_consent_is_recorded_after_the_end_of_the_subscription(
    market: Market, provider: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED")
    cancel(market, made)
    assert market.consent(provider, made, "WITHDRAWN") is Outcome.APPLIED
    assert market.consent_state(made) == "WITHDRAWN"


def test_what_happened_before_the_end_is_recorded_and_changes_nothing(
    market: Market, provider: Company, made: UUID
) -> None:
    before = clock.now()
    market.consent(provider, made, "GRANTED")
    cancel(market, made)
    assert market.activation(provider, made, "ACTIVE", at=before) is Outcome.SUPERSEDED
    assert market.activation_state(made) is None


def test_twice_late_and_impossible(market: Market, provider: Company, made: UUID) -> None:
    moment = clock.now()
    market.consent(provider, made, "GRANTED", at=moment - DAY)
    event_id = new_id()
    market.activation(provider, made, "ACTIVE", at=moment, event_id=event_id)
    duplicate = market.activation(provider, made, "ENDED", event_id=event_id)
    assert duplicate is Outcome.DUPLICATE
    late = market.activation(provider, made, "ENDED", at=moment - SECOND)
    assert late is Outcome.SUPERSEDED
    assert market.activation_state(made) == "ACTIVE"
    with pytest.raises(IllegalTransition) as caught:
        market.activation(provider, made, "REQUESTED")
    assert caught.value.allowed == ("SUSPENDED", "ENDED")
    with pytest.raises(Conflict):
        market.activation(provider, made, "ENDED", at=clock.now() + timedelta(minutes=6))
    market.activation(provider, made, "ENDED")
    with pytest.raises(IllegalTransition) as caught:
        market.activation(provider, made, "ACTIVE")
    assert caught.value.allowed == ("REQUESTED",)


def test_only_the_provider_of_the_subscription_tells(
    market: Market, requester: Company, stranger: Company, made: UUID
) -> None:
    with pytest.raises(Forbidden):
        market.activation(requester, made, "REQUESTED")
    with pytest.raises(NotFound):
        market.activation(stranger, made, "REQUESTED")


def test_the_list_is_filtered_and_ones_own(
    market: Market, provider: Company, requester: Company, stranger: Company, made: UUID
) -> None:
    market.consent(provider, made, "GRANTED", pod="A")
    market.activation(provider, made, "ACTIVE", pod="A")
    market.activation(provider, made, "REQUESTED", pod="B")
    page = market.call(
        requester, service.list_activations, made, ActivationState.ACTIVE, None, 9, None
    )
    assert [row.pod_id for row in page.items] == ["A"]
    page = market.call(requester, service.list_activations, made, None, "B", 9, None)
    assert [row.pod_id for row in page.items] == ["B"]
    with pytest.raises(NotFound):
        market.call(stranger, service.list_activations, made, None, None, 9, None)


def test_new_terms_end_the_activations_under_the_old_ones(
    market: Market, provider: Company, requester: Company
) -> None:
    service_id = market.published(provider)
    old = market.subscribed(provider, requester, service_id)
    market.consent(provider, old, "GRANTED")
    market.activation(provider, old, "ACTIVE")
    market.subscribed(provider, requester, service_id, supersedes=old)
    assert market.activation_state(old) == "ENDED"
