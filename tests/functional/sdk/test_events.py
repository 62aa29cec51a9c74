"""Events of the marketplace: applied once, whatever the order and however often they come."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import requests
from pydantic import SecretStr

from mpp_sdk import clock
from mpp_sdk.client import ProblemError
from mpp_sdk.contracts.eu_mp.models import AcknowledgementOutcome as Outcome
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.state.domain import SubscriptionState
from mpp_sdk.state.subscriptions import Subscription
from mpp_sdk.webhooks import new_signing_secret, sign
from tests.functional.sdk.support import (
    FIRST_INBOUND,
    canceled,
    changed,
    confirmed,
    eu_mp_client,
    served,
    settings,
)

MINUTE = timedelta(minutes=1)
REQUESTER, PROVIDER = PlatformRole.REQUESTER, PlatformRole.PROVIDER


class Recorder(MarketPlayerPlatform):
    """Writes down which callbacks ran."""

    told: list[tuple[str, UUID]]
    fail_next = False

    def _note(self, what: str, subscription: Subscription) -> None:
        if self.fail_next:
            self.fail_next = False
            raise RuntimeError("The integrator's code fails once.")
        self.told.append((what, subscription.id))

    def on_subscription_confirmed(self, subscription: Subscription) -> None:
        self._note("confirmed", subscription)

    def on_subscription_canceled(self, subscription: Subscription) -> None:
        self._note("canceled", subscription)

    def on_subscription_suspended(self, subscription: Subscription) -> None:
        self._note("suspended", subscription)

    def on_subscription_resumed(self, subscription: Subscription) -> None:
        self._note("resumed", subscription)


@pytest.fixture
def platform(database_url: str, tmp_path: Path) -> Recorder:
    platform = Recorder(settings(database_url, tmp_path))
    platform.told = []
    return platform


def test_a_subscription_follows_its_events(platform: Recorder) -> None:
    event = confirmed()
    suspended, resumed = changed(event, MINUTE), changed(event, 2 * MINUTE)
    over = canceled(event, 3 * MINUTE)
    with served(platform) as url:
        client = eu_mp_client(url)
        assert client.test_connection().contract == "eu-mp"
        assert client.confirm_service_offer(REQUESTER, event).outcome is Outcome.APPLIED
        assert client.suspend_service_offer(REQUESTER, suspended).outcome is Outcome.APPLIED
        assert client.resume_service_offer(REQUESTER, resumed).outcome is Outcome.APPLIED
        assert client.cancel_service_offer(REQUESTER, over).outcome is Outcome.APPLIED
        subscription = platform.subscriptions.get(event.subscription_id)
    assert subscription.state is SubscriptionState.CANCELED
    assert subscription.counterpart == event.provider
    assert subscription.reason == "The portfolio was sold."
    assert [what for what, _ in platform.told] == ["confirmed", "suspended", "resumed", "canceled"]


def test_an_event_that_comes_twice_is_applied_once(platform: Recorder) -> None:
    event = confirmed()
    with served(platform) as url:
        client = eu_mp_client(url)
        outcomes = [client.confirm_service_offer(PROVIDER, event).outcome for _ in range(3)]
    assert outcomes == [Outcome.APPLIED, Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert platform.told == [("confirmed", event.subscription_id)]


def test_an_older_event_does_not_undo_a_newer_state(platform: Recorder) -> None:
    event = confirmed()
    suspended, resumed = changed(event, MINUTE), changed(event, 2 * MINUTE)
    with served(platform) as url:
        client = eu_mp_client(url)
        client.confirm_service_offer(PROVIDER, event)
        client.resume_service_offer(PROVIDER, resumed)
        late = client.suspend_service_offer(PROVIDER, suspended)
        state = platform.subscriptions.get(event.subscription_id).state
    assert late.outcome is Outcome.SUPERSEDED
    assert state is SubscriptionState.ACTIVE
    assert platform.told == [("confirmed", event.subscription_id)]


def test_an_event_from_the_future_is_refused_and_taken_once_the_clocks_agree(
    platform: Recorder,
) -> None:
    event = confirmed()
    with served(platform) as url:
        client = eu_mp_client(url)
        client.confirm_service_offer(PROVIDER, event)
        ahead = changed(event, 6 * MINUTE)
        with pytest.raises(ProblemError) as refused:
            client.suspend_service_offer(PROVIDER, ahead)
        assert platform.subscriptions.get(event.subscription_id).state is SubscriptionState.ACTIVE
        soon = ahead.model_copy(update={"occurred_at": clock.now() + 4 * MINUTE})
        assert client.suspend_service_offer(PROVIDER, soon).outcome is Outcome.APPLIED
    assert refused.value.status == 409
    assert platform.told == [
        ("confirmed", event.subscription_id),
        ("suspended", event.subscription_id),
    ]


def test_an_end_that_overtakes_its_confirmation_stays_the_end(platform: Recorder) -> None:
    event = confirmed()
    with served(platform) as url:
        client = eu_mp_client(url)
        assert client.cancel_service_offer(PROVIDER, canceled(event, MINUTE)).outcome
        late = client.confirm_service_offer(PROVIDER, event)
        subscription = platform.subscriptions.get(event.subscription_id)
    assert late.outcome is Outcome.SUPERSEDED
    assert subscription.state is SubscriptionState.CANCELED
    assert platform.told == []


def test_a_callback_that_fails_leaves_nothing_and_the_event_can_come_again(
    platform: Recorder,
) -> None:
    event = confirmed()
    platform.fail_next = True
    with served(platform) as url:
        client = eu_mp_client(url)
        with pytest.raises(ProblemError) as failed:
            client.confirm_service_offer(PROVIDER, event)
        assert failed.value.status == 500
        assert platform.subscriptions.all() == []
        assert client.confirm_service_offer(PROVIDER, event).outcome is Outcome.APPLIED
    assert platform.told == [("confirmed", event.subscription_id)]


def test_the_other_role_of_a_known_subscription_is_a_conflict(platform: Recorder) -> None:
    event = confirmed()
    other = confirmed(subscription_id=event.subscription_id)
    with served(platform) as url:
        client = eu_mp_client(url)
        client.confirm_service_offer(PROVIDER, event)
        for again in (event, other):
            with pytest.raises(ProblemError) as refused:
                client.confirm_service_offer(REQUESTER, again)
            assert refused.value.status == 409


def test_the_requesters_key_is_stored_encrypted_and_the_providers_only_hashed(
    platform: Recorder,
) -> None:
    as_requester, as_provider = confirmed(key="fxb_" + "r" * 40), confirmed(key="fxb_" + "p" * 40)
    with served(platform) as url:
        client = eu_mp_client(url)
        client.confirm_service_offer(REQUESTER, as_requester)
        client.confirm_service_offer(PROVIDER, as_provider)
        key = platform.subscriptions.key_for(as_requester.subscription_id)
        with platform.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM mpp_subscription").all()
            found = platform.subscriptions.with_key("fxb_" + "p" * 40)
            not_ours = platform.subscriptions.with_key("fxb_" + "r" * 40)
    assert key == "fxb_" + "r" * 40
    assert found is not None
    assert found.id == as_provider.subscription_id
    assert not_ours is None
    assert "r" * 40 not in repr(rows)
    assert "p" * 40 not in repr(rows)


@pytest.mark.parametrize("headers", ["none", "wrong", "old", "right", "second"])
def test_only_signed_events_pass_where_a_signing_secret_is_known(
    database_url: str, tmp_path: Path, headers: str
) -> None:
    secret, next_secret, foreign = (new_signing_secret() for _ in range(3))
    given = settings(database_url, tmp_path).model_copy(
        update={"signing_secrets": _secrets(secret, next_secret)}
    )
    platform = Recorder(given)
    platform.told = []
    event = confirmed()
    body, identity = event.to_json(), str(event.event_id)
    signed = {
        "none": {},
        "wrong": sign(identity, clock.now(), body, [foreign]),
        "old": sign(identity, clock.now() - timedelta(minutes=6), body, [secret]),
        "right": sign(identity, clock.now(), body, [secret]),
        "second": sign(identity, clock.now(), body, [foreign, next_secret]),
    }[headers]
    with served(platform) as url:
        answer = requests.post(
            f"{url}/eu-mp/v1/service-offer/confirmed/provider",
            data=body,
            headers=signed | {"X-API-Key": FIRST_INBOUND, "Content-Type": "application/json"},
            timeout=10,
        )
        assert eu_mp_client(url).test_connection()  # what is not signed by contract still passes
    passes = headers in ("right", "second")
    assert answer.status_code == (200 if passes else 401)
    assert bool(platform.told) is passes


def _secrets(*values: str) -> tuple[SecretStr, ...]:
    return tuple(SecretStr(value) for value in values)
