"""Limits of calls, over real HTTP, as the marketplace and a platform have them."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from mpp_sdk.contracts.marketplace.models import MarketPlayerRole
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer
from tests.functional.marketplace import Marketplace

KEY = "fxk_a-key-that-the-marketplace-presents-in-this-test"
CONTRACTS = ("eu_mp", "marketplace", "metering", "notifications")


@contextmanager
def platform(folder: Path, **settings: object) -> Iterator[str]:
    """Serve a platform and give the address of its test operation."""
    served = MarketPlayerPlatform(
        PlatformSettings.model_validate(
            {
                "database_url": f"sqlite:///{folder / 'platform.db'}",
                "inbound_api_key": KEY,
                "marketplace_url": "http://127.0.0.1:9",
                **settings,
            }
        )
    )
    with BackgroundServer(served.app()) as url:
        yield f"{url}/eu-mp/v1/test"


def call(url: str, key: str = KEY, **headers: str) -> requests.Response:
    return requests.get(url, headers={"X-API-Key": key, **headers}, timeout=10)


def statuses(url: str, count: int, key: str = KEY, **headers: str) -> Counter[int]:
    return Counter(call(url, key, **headers).status_code for _ in range(count))


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_operation_declares_that_it_may_be_called_too_often(name: str) -> None:
    for operation in Contract.load(name).operations:
        assert "429" in operation.statuses, operation.operation_id


def test_an_answer_of_too_many_calls_says_when_to_come_again(tmp_path: Path) -> None:
    with platform(tmp_path, rate_limit_failures=1) as url:
        assert call(url, "wrong").status_code == 401
        refused = call(url, "wrong")
    assert refused.status_code == 429
    assert refused.headers["Content-Type"] == "application/problem+json"
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert refused.headers["RateLimit-Policy"] == '"failures";q=1;w=60'
    assert refused.headers["RateLimit"] == f'"failures";r=0;t={wait}'
    problem = refused.json()
    assert (problem["status"], problem["title"]) == (429, "Too many calls")
    assert "wrong" not in refused.text


def test_guessing_keys_is_stopped_and_whoever_has_one_goes_on(tmp_path: Path) -> None:
    with platform(tmp_path, rate_limit_failures=5) as url:
        assert statuses(url, 1) == {200: 1}
        guesses = Counter(call(url, f"guess-{n}").status_code for n in range(20))
        assert guesses == {401: 5, 429: 15}
        assert statuses(url, 20) == {200: 20}


def test_a_credential_is_limited_wherever_it_calls_from(tmp_path: Path) -> None:
    settings = {
        "rate_limit_credential": 1,  # ten at once
        "rate_limit_address": 0,
        "trusted_proxies": "127.0.0.1",
    }
    with platform(tmp_path, **settings) as url:
        taken = Counter(
            call(url, **{"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(30)
        )
    assert 10 <= taken[200] < 20
    assert taken[200] + taken[429] == 30


def test_an_address_is_limited_before_its_credential_is_looked_at(tmp_path: Path) -> None:
    with platform(tmp_path, rate_limit_address=1, trusted_proxies="127.0.0.1") as url:
        one = {"X-Forwarded-For": "192.0.2.1"}
        assert 10 <= statuses(url, 30, **one)[200] < 20
        assert call(url, "wrong", **one).headers["RateLimit-Policy"].startswith('"address"')
        assert statuses(url, 5, **{"X-Forwarded-For": "192.0.2.2"}) == {200: 5}
        # What a client adds on the left is not believed.
        assert call(url, **{"X-Forwarded-For": "198.51.100.1, 192.0.2.1"}).status_code == 429


def test_an_address_cannot_be_made_up_where_no_proxy_is_named(tmp_path: Path) -> None:
    with platform(tmp_path, rate_limit_address=1) as url:
        taken = Counter(
            call(url, **{"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(30)
        )
    assert taken[429] > 10


def test_health_is_not_limited(tmp_path: Path) -> None:
    with platform(tmp_path, rate_limit_address=1) as url:
        health = url.replace("/eu-mp/v1/test", "/healthz")
        assert statuses(health, 50) == {200: 50}


def test_a_limited_caller_is_let_in_again_after_the_wait(tmp_path: Path) -> None:
    with platform(tmp_path, rate_limit_address=1) as url:
        answers = [call(url) for _ in range(15)]
        refused = [one for one in answers if one.status_code == 429]
        assert refused
        time.sleep(int(refused[-1].headers["Retry-After"]))
        assert call(url).status_code == 200


def sign_up(marketplace: Marketplace, name: str) -> requests.Response:
    draft: Mapping[str, object] = {
        "name": name,
        "roles": [MarketPlayerRole.DSO.value],
        "country": "ES",
        "contactEmail": "integration@crevillent.example",
    }
    return requests.post(f"{marketplace.url}/api/v1/market-players", json=draft, timeout=10)


def ask_for_a_token(marketplace: Marketplace, secret: str) -> requests.Response:
    return requests.post(
        f"{marketplace.url}/api/v1/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(f"fxc_{'0' * 24}", secret),
        timeout=10,
    )


def test_signing_up_and_asking_for_tokens_are_limited_each_by_itself(
    on_sqlite: Marketplace,
) -> None:
    on_sqlite.start(FLEXAGORA_RATE_LIMIT_ANONYMOUS="4")
    signed_up = Counter(sign_up(on_sqlite, f"Company {uuid4()}").status_code for _ in range(10))
    assert signed_up == {201: 4, 429: 6}
    asked = Counter(ask_for_a_token(on_sqlite, f"guess-{n}").status_code for n in range(10))
    assert asked[429] == 6
    assert asked[200] == 0
