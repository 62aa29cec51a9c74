"""The command line of a platform, on the database of its settings."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from mpp_sdk.__main__ import app
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.platform import MarketPlayerPlatform
from tests.functional.sdk.support import confirmed


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MarketPlayerPlatform:
    monkeypatch.setenv("MPP_DATABASE_URL", f"sqlite:///{tmp_path / 'platform.db'}")
    return MarketPlayerPlatform()


@pytest.fixture
def subscription_id(platform: MarketPlayerPlatform) -> UUID:
    event = confirmed()
    with platform.transactions() as session:
        platform.subscriptions.add(session, event, PlatformRole.PROVIDER)
    return event.subscription_id


def run(*arguments: str) -> list[Any]:
    """Return what a command shows, line by line."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_a_customer_is_asked_again_after_a_withdrawal(
    platform: MarketPlayerPlatform, subscription_id: UUID
) -> None:
    platform.consents.request(subscription_id, ["POD-1"])
    [granted] = run("consents", "grant", "POD-1")
    [withdrawn] = run("consents", "withdraw", "POD-1", "--reason", "I changed my mind.")
    [asked] = run("consents", "ask-again", "POD-1")
    [again] = run("consents", "grant", "POD-1")

    assert (granted["consent"], granted["activation"]) == ("GRANTED", "ACTIVE")
    assert (withdrawn["consent"], withdrawn["activation"]) == ("WITHDRAWN", "ENDED")
    assert (asked["consent"], asked["activation"]) == ("REQUESTED", "ENDED")
    assert (again["consent"], again["activation"]) == ("GRANTED", "ACTIVE")
