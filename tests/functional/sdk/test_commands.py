"""The command line of a platform, on the database of its settings."""

import json
import socket
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from mpp_sdk import clock
from mpp_sdk.__main__ import app, main
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.errors import IllegalTransition, InvalidInput, NotFound
from mpp_sdk.outbox import EventState, NoResponse, Outbox, ReplayFilter, Response, Sent
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.state.tables import OUTBOX_TABLES
from tests.functional.sdk.support import confirmed, wait_for

PROBLEM = '{"title": "Not valid", "status": 422, "detail": "The point of delivery is unknown."}'


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MarketPlayerPlatform:
    monkeypatch.setenv("MPP_DATABASE_URL", f"sqlite:///{tmp_path / 'platform.db'}")
    monkeypatch.setenv("MPP_MARKETPLACE_URL", "http://127.0.0.1:9")
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


def attempt(platform: MarketPlayerPlatform, answer: Response | NoResponse) -> None:
    """Let one attempt to send the next notification have an answer."""
    outbox = Outbox(platform.engine, OUTBOX_TABLES, platform.settings.secret_box())
    [claim] = outbox.claim("the test", 1)
    outbox.release(claim.lease, [Sent(claim.events[0], clock.now(), 1, answer)])


def test_notifications_are_listed_with_what_became_of_them_and_the_dead_are_replayed(
    platform: MarketPlayerPlatform, subscription_id: UUID
) -> None:
    for number in (1, 2, 3, 4):
        platform.consents.request(subscription_id, [f"POD-{number}"])
    attempt(platform, Response(200))
    attempt(platform, Response(422, body=PROBLEM))
    attempt(platform, NoResponse("No connection could be made."))
    shown = {line["podId"]: line for line in run("notifications", "list")}
    [dead] = run("notifications", "list", "--state", "DEAD")

    assert {
        pod: (one["state"], one["attempts"], one.get("reason")) for pod, one in shown.items()
    } == {
        "POD-4": ("QUEUED", 0, None),
        "POD-3": ("RETRYING", 1, "No connection could be made."),
        "POD-2": ("DEAD", 1, "The marketplace answered 422: The point of delivery is unknown."),
    }
    assert list(shown) == ["POD-4", "POD-3", "POD-2"]
    assert "nextAttemptAt" in shown["POD-3"]
    assert dead == shown["POD-2"]
    assert (dead["kind"], dead["subscriptionId"]) == ("service.consent", str(subscription_id))

    [queued] = run("notifications", "replay", dead["eventId"])
    assert (queued["eventId"], queued["state"]) == (dead["eventId"], "QUEUED")
    assert run("notifications", "list", "--state", "DEAD") == []
    with pytest.raises(IllegalTransition):
        run("notifications", "replay", dead["eventId"])
    with pytest.raises(NotFound):
        run("notifications", "replay", str(uuid4()))


def test_many_notifications_are_replayed_by_filter_and_since_a_moment(
    platform: MarketPlayerPlatform, subscription_id: UUID
) -> None:
    before = (clock.now() - timedelta(hours=1)).isoformat(timespec="seconds")
    after = (clock.now() + timedelta(hours=1)).isoformat(timespec="seconds")
    for number in (1, 2, 3):
        platform.consents.request(subscription_id, [f"POD-{number}"])
    for answer in (Response(200), Response(422, body=PROBLEM), Response(410)):
        attempt(platform, answer)

    [none] = run("notifications", "replay", "--reason-contains", "%")
    [refused] = run("notifications", "replay", "--reason-contains", "answered 422")
    [nothing_yet] = run("notifications", "replay", "--state", "DELIVERED", "--since", after)
    arguments = ("--state", "DELIVERED", "--state", "DEAD", "--since", before)
    [rest] = run("notifications", "replay", *arguments, "--subscription", str(subscription_id))

    found = [one["replayed"] for one in (none, refused, nothing_yet, rest)]
    assert found == [0, 1, 0, 2]
    assert (rest["state"], rest["percent"]) == ("DONE", 100)
    assert [one.state for one in platform.notifications.all()] == [EventState.QUEUED] * 3
    with pytest.raises(InvalidInput):
        run("notifications", "replay", "--state", "DELIVERED")


def test_a_platform_goes_on_with_a_replay_that_was_stopped(
    platform: MarketPlayerPlatform, subscription_id: UUID
) -> None:
    platform.consents.request(subscription_id, ["POD-1"])
    attempt(platform, Response(422, body=PROBLEM))
    platform.notifications.request_replay(ReplayFilter(), "It is stopped before its first batch.")
    platform.start()
    wait_for(lambda: all(one.attempts > 1 for one in platform.notifications.all()))
    platform.stop()


def test_delivered_notifications_are_forgotten_after_the_retention(
    platform: MarketPlayerPlatform, subscription_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.consents.request(subscription_id, ["POD-1", "POD-2"])
    attempt(platform, Response(200))
    delivered = (EventState.DELIVERED,)

    platform.start()  # runs each job once
    time.sleep(0.5)
    platform.stop()
    assert [one.pod_id for one in platform.notifications.all(delivered)] == ["POD-1"]

    later = clock.now() + timedelta(days=30, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    hurried = MarketPlayerPlatform()
    hurried.start()
    wait_for(lambda: not list(hurried.notifications.all(delivered)))
    hurried.stop()
    assert EventState.QUEUED in [
        one.state for one in hurried.notifications.all() if one.pod_id == "POD-2"
    ]


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    """Return the one line with which a command ends that cannot do its work."""
    monkeypatch.setattr(sys, "argv", ["mpp_sdk", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    [line] = shown.err.splitlines()
    return line


SERVE = ("serve", "mpp_sdk.platform:MarketPlayerPlatform")


@pytest.mark.usefixtures("platform")
def test_a_port_in_use_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refused(monkeypatch, capsys, *SERVE, "--port", port)
    assert "in use" in line
    assert port in line
    assert "MPP_PORT" in line


@pytest.mark.parametrize("command", [SERVE, ("consents", "list"), ("notifications", "list")])
def test_a_database_that_does_not_answer_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MPP_ENCRYPTION_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("MPP_DATABASE_URL", "postgresql+psycopg://me:hidden@127.0.0.1:9/mpp")
    line = refused(monkeypatch, capsys, *command)
    assert "The database cannot be used" in line
    assert "MPP_DATABASE_URL" in line
    assert "hidden" not in line


def test_a_database_of_no_known_kind_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPP_DATABASE_URL", "oracle-of-delphi")
    assert "MPP_DATABASE_URL" in refused(monkeypatch, capsys, *SERVE)


def test_a_setting_that_cannot_be_read_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPP_PORT", "eighty")
    assert refused(monkeypatch, capsys, *SERVE).startswith("MPP_PORT: ")


def test_an_extra_that_is_missing_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "needs_lxml.py").write_text("from lxml import etree")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "lxml", None)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    line = refused(monkeypatch, capsys, "serve", "needs_lxml:Handler")
    assert "pip install 'flexagora[metering]'" in line
    monkeypatch.setenv("MPP_DATABASE_URL", "postgresql+psycopg://postgres@127.0.0.1:9/mpp")
    assert "pip install 'flexagora[postgresql]'" in refused(monkeypatch, capsys, *SERVE)
