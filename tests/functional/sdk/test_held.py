"""What a platform tells a marketplace that was restored, over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import requests
from pydantic import SecretStr
from typer.testing import CliRunner

from examples.demo.processes import free_port
from mpp_sdk import clock
from mpp_sdk.__main__ import app
from mpp_sdk.client import ProblemError, api_key
from mpp_sdk.contracts.eu_mp.client import EuMpClient
from mpp_sdk.contracts.eu_mp.models import (
    HeldEventKind,
    HeldServiceOfferState,
    NotificationReplayOrder,
    PlatformRole,
    ServiceOfferChanged,
)
from mpp_sdk.ids import new_id
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.secrets import hash_secret
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.web.server import BackgroundServer
from mpp_sdk.webhooks import new_signing_secret
from tests.functional.sdk.support import (
    FIRST_INBOUND,
    FIRST_OUTBOUND,
    FakeMarketplace,
    confirmed,
    wait_for,
)

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def marketplace(tmp_path: Path) -> FakeMarketplace:
    return FakeMarketplace(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> PlatformSettings:
    return PlatformSettings(
        database_url=f"sqlite:///{tmp_path / 'platform.db'}",
        inbound_api_key=SecretStr(FIRST_INBOUND),
        api_key=SecretStr(FIRST_OUTBOUND),
        allow_private_addresses=True,
        allow_http=True,
    )


@pytest.fixture
def platform(
    settings: PlatformSettings, marketplace: FakeMarketplace
) -> Iterator[tuple[MarketPlayerPlatform, EuMpClient]]:
    with marketplace.served() as url:
        made = MarketPlayerPlatform(settings.model_copy(update={"marketplace_url": url}))
        port = free_port()
        with BackgroundServer(made.app(), port=port) as base:
            session = requests.Session()
            yield made, EuMpClient(f"{base}/eu-mp/v1", session, api_key(FIRST_INBOUND))


def test_events_and_subscriptions_are_listed_by_their_ids_in_pages(
    platform: tuple[MarketPlayerPlatform, EuMpClient],
) -> None:
    _, client = platform
    events = [confirmed() for _ in range(5)]
    for event in events:
        client.confirm_service_offer(PlatformRole.PROVIDER, event)
    suspension = ServiceOfferChanged(
        event_id=new_id(),
        occurred_at=clock.now(),
        subscription_id=events[0].subscription_id,
        reason="A review.",
    )
    client.suspend_service_offer(PlatformRole.PROVIDER, suspension)

    held, cursor = [], None
    while True:
        page = client.list_held_events(LONG_AGO, limit=2, cursor=cursor)
        assert len(page.items) <= 2
        held += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    ids = [one.event_id for one in held]
    assert ids == sorted(ids)
    assert set(ids) == {one.event_id for one in events} | {suspension.event_id}
    assert {one.kind for one in held if one.event_id == suspension.event_id} == {
        HeldEventKind.SERVICE_OFFER_SUSPENDED
    }
    late = client.list_held_events(clock.now() + timedelta(minutes=1))
    assert (late.items, late.next_cursor) == ([], None)

    first = client.list_held_service_offers(limit=3)
    rest = client.list_held_service_offers(limit=3, cursor=first.next_cursor)
    offers = {one.subscription_id: one for one in (*first.items, *rest.items)}
    assert (len(first.items), len(rest.items), rest.next_cursor) == (3, 2, None)
    for event in events:
        offer = offers[event.subscription_id]
        assert (offer.terms, offer.service, offer.provider, offer.requester) == (
            event.terms,
            event.service,
            event.provider,
            event.requester,
        )
        assert offer.confirmed_at == event.occurred_at
    assert offers[events[0].subscription_id].state is HeldServiceOfferState.SUSPENDED
    assert events[0].b2b.api_key not in first.to_json().decode() + rest.to_json().decode()


@pytest.mark.parametrize("cursor", ["nothing", "AAAA", "0" * 31, "=" * 36])
def test_a_cursor_of_something_else_is_refused(
    platform: tuple[MarketPlayerPlatform, EuMpClient], cursor: str
) -> None:
    _, client = platform
    for call in (
        lambda: client.list_held_events(LONG_AGO, cursor=cursor),
        lambda: client.list_held_service_offers(cursor=cursor),
        lambda: client.replay_notifications(NotificationReplayOrder(since=LONG_AGO, cursor=cursor)),
    ):
        with pytest.raises(ProblemError, match="400"):
            call()


def test_acknowledged_notifications_are_sent_again_under_their_ids(
    platform: tuple[MarketPlayerPlatform, EuMpClient], marketplace: FakeMarketplace
) -> None:
    made, client = platform
    event = confirmed()
    client.confirm_service_offer(PlatformRole.PROVIDER, event)
    made.consents.request(event.subscription_id, ["POD-1"])
    made.consents.grant(event.subscription_id, "POD-1")
    wait_for(lambda: not list(made.notifications.all()), 60)
    told: list[UUID] = [one.event_id for one in marketplace.received]

    nothing = client.replay_notifications(
        NotificationReplayOrder(since=clock.now() + timedelta(minutes=1))
    )
    assert nothing.queued == 0
    replayed = client.replay_notifications(NotificationReplayOrder(since=LONG_AGO))
    assert replayed.queued == len(told)
    assert replayed.next_cursor is None
    assert replayed.kept_since < clock.now()
    assert replayed.api_key_hash == hash_secret(made.outbound_key.current())
    assert told
    # The marketplace gives each its first answer again: it is asked twice, and applies it once.
    wait_for(lambda: len([one for one in marketplace.calls if "notify" in one]) >= 2 * len(told))
    assert [one.event_id for one in marketplace.received] == told


def test_the_order_to_send_again_is_signed(settings: PlatformSettings) -> None:
    secret = SecretStr(new_signing_secret())
    made = MarketPlayerPlatform(settings.model_copy(update={"signing_secrets": (secret,)}))
    with BackgroundServer(made.app(), port=free_port()) as base:
        client = EuMpClient(f"{base}/eu-mp/v1", requests.Session(), api_key(FIRST_INBOUND))
        with pytest.raises(ProblemError, match="401"):
            client.replay_notifications(NotificationReplayOrder(since=LONG_AGO))
        stranger = EuMpClient(f"{base}/eu-mp/v1", requests.Session(), api_key("no-such-key"))
        for call in (
            lambda: stranger.list_held_events(LONG_AGO),
            stranger.list_held_service_offers,
        ):
            with pytest.raises(ProblemError, match="401"):
                call()


def test_a_platform_is_backed_up_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPP_DATABASE_URL", f"sqlite:///{tmp_path / 'mine.db'}")
    made = MarketPlayerPlatform()
    event = confirmed()
    with made.transactions() as session:
        made.subscriptions.add(session, event, PlatformRole.REQUESTER)
    file = tmp_path / "backup.tar"
    run = CliRunner().invoke
    assert "NOT in it" in run(app, ["database", "backup", str(file)]).output
    later = confirmed()
    with made.transactions() as session:
        made.subscriptions.add(session, later, PlatformRole.REQUESTER)

    assert run(app, ["database", "restore", str(file)]).exit_code == 1
    said = run(app, ["database", "restore", str(file), "--replace"]).output
    assert "resynchronise --since" in said
    assert [one.id for one in made.subscriptions.all()] == [event.subscription_id]
    assert made.subscriptions.key_for(event.subscription_id) == event.b2b.api_key
