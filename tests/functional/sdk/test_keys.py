"""API keys in both directions: no call fails while they change, and no lost answer locks out."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from sqlalchemy import text

from mpp_sdk.client import ProblemError
from mpp_sdk.platform import MarketPlayerPlatform
from tests.functional.sdk.support import (
    FIRST_INBOUND,
    FIRST_OUTBOUND,
    Caller,
    FakeMarketplace,
    eu_mp_client,
    served,
    settings,
    wait_for,
)


def has_made(caller: Caller, calls: int) -> bool:
    return caller.made >= calls


def test_no_inbound_call_fails_while_the_marketplace_rotates_its_key(
    database_url: str, tmp_path: Path
) -> None:
    platform = MarketPlayerPlatform(settings(database_url, tmp_path))
    keys = [FIRST_INBOUND]
    with served(platform) as url:
        session = requests.Session()

        def call() -> None:
            answer = session.get(
                f"{url}/eu-mp/v1/test", headers={"X-API-Key": keys[-1]}, timeout=10
            )
            answer.raise_for_status()

        callers = [Caller(call, 10), Caller(call, 10)]
        for caller in callers:
            caller.start()
        for _ in range(5):
            issued = eu_mp_client(url, keys[-1]).refresh_api_key(idempotency_key=str(uuid4()))
            keys.append(issued.api_key)
            already = callers[0].made
            wait_for(partial(has_made, callers[0], already + 5))
        for caller in callers:
            caller.stop()
    assert sum(caller.made for caller in callers) >= 40
    assert [failure for caller in callers for failure in caller.failures] == []
    assert len(set(keys)) == 6


def test_a_lost_answer_with_a_new_inbound_key_can_be_asked_for_again(
    database_url: str, tmp_path: Path
) -> None:
    platform = MarketPlayerPlatform(settings(database_url, tmp_path))
    with served(platform) as url:
        client = eu_mp_client(url)
        lost = client.refresh_api_key(idempotency_key="once")
        again = client.refresh_api_key(idempotency_key="once")
        another = client.refresh_api_key(idempotency_key="twice")
        with platform.engine.connect() as connection:
            stored = repr(connection.execute(text("SELECT * FROM mpp_inbound_key")).all())
            stored += repr(connection.execute(text("SELECT * FROM idempotent_reply")).all())
    assert again == lost
    assert another.api_key != lost.api_key
    assert lost.api_key not in stored


def test_the_previous_inbound_key_ends_a_grace_after_the_new_one_is_used(
    database_url: str, tmp_path: Path
) -> None:
    given = settings(database_url, tmp_path).model_copy(update={"key_grace": timedelta(0)})
    with served(MarketPlayerPlatform(given)) as url:
        old = eu_mp_client(url)
        new = eu_mp_client(url, old.refresh_api_key().api_key)
        assert old.test_connection()  # the new one is not used yet
        assert new.test_connection()
        with pytest.raises(ProblemError) as refused:
            old.test_connection()
        assert refused.value.status == 401
        assert "WWW-Authenticate" in refused.value.headers
        assert new.test_connection()


def test_no_notification_fails_while_the_platform_rotates_its_key(tmp_path: Path) -> None:
    marketplace = FakeMarketplace(tmp_path)
    with marketplace.served() as marketplace_url:
        given = settings(f"sqlite:///{tmp_path / 'platform.db'}", tmp_path, marketplace_url)
        platform = MarketPlayerPlatform(given)
        platform.adopt_keys()
        caller = Caller(platform.marketplace.test, 20)
        caller.start()
        for _ in range(5):
            platform.marketplace.refresh_key()
            already = caller.made
            wait_for(partial(has_made, caller, already + 10))
        caller.stop()
        present = platform.outbound_key.current()
    assert caller.made >= 50
    assert caller.failures == []
    assert present != FIRST_OUTBOUND


def test_a_lost_answer_with_a_new_outbound_key_leads_to_the_same_key(tmp_path: Path) -> None:
    marketplace = FakeMarketplace(tmp_path)
    marketplace.lose_answers_to = {"refresh_api_key"}
    with marketplace.served() as marketplace_url:
        given = settings(f"sqlite:///{tmp_path / 'platform.db'}", tmp_path, marketplace_url)
        first = MarketPlayerPlatform(given)
        first.adopt_keys()
        with pytest.raises(ProblemError):
            first.marketplace.refresh_key()
        assert first.outbound_key.current() == FIRST_OUTBOUND
        restarted = MarketPlayerPlatform(given)  # as after the death of the process
        assert restarted.outbound_key.is_due(timedelta(0))
        restarted.marketplace.refresh_key()
        restarted.marketplace.test()
    assert marketplace.calls.count("refresh_api_key") == 2
    assert len(marketplace.keys.all()) == 2  # the first key and one new one: none was made twice
    assert not restarted.outbound_key.is_due(timedelta(0))


def test_a_served_platform_replaces_the_key_that_went_through_a_persons_hands(
    tmp_path: Path,
) -> None:
    marketplace = FakeMarketplace(tmp_path)
    with marketplace.served() as marketplace_url:
        given = settings(f"sqlite:///{tmp_path / 'platform.db'}", tmp_path, marketplace_url)
        platform = MarketPlayerPlatform(given)
        with served(platform):
            wait_for(lambda: platform.outbound_key.known_end() is not None)
            assert platform.outbound_key.current() != FIRST_OUTBOUND


def test_another_configured_key_replaces_the_stored_one(tmp_path: Path) -> None:
    given = settings(f"sqlite:///{tmp_path / 'platform.db'}", tmp_path)
    platform = MarketPlayerPlatform(given)
    platform.outbound_key.adopt("first-key")
    platform.outbound_key.adopt("first-key")
    assert platform.outbound_key.current() == "first-key"
    platform.outbound_key.adopt("a-key-that-the-operator-issued-anew")
    assert platform.outbound_key.current() == "a-key-that-the-operator-issued-anew"
