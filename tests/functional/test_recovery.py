"""The database is destroyed, an older backup restored, and the platforms are asked what they hold.

Real processes over HTTP, on SQLite and on PostgreSQL.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, make_url, select, text, update

from examples.demo.companies import connect_platform, wait_until
from mpp_sdk import clock
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    ActivationState,
    AuditedKind,
    ConsentState,
    DeliveryState,
    MarketPlayerRole,
    SubscriptionState,
)
from mpp_sdk.database import open_database
from mpp_sdk.state.tables import EventRow, SubscriptionRow
from tests.delivery.misbehaving import MisbehavingPlatform
from tests.functional.marketplace import (
    Marketplace,
    Platform,
    audit_trail,
    deliveries,
    subscribe,
    until_state,
)
from tests.functional.platforms import DENIED, GRANTED

REASON = ActionReason(reason="A test of recovery.")
SECONDS = 120.0
SETTINGS = {"FLEXAGORA_API_KEY_GRACE": "PT0S"}


@dataclass
class Report:
    """What `resynchronise` printed, and its status."""

    status: int
    content: dict[str, Any]
    kinds: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = Counter(one["kind"] for one in self.content["findings"])

    def platform(self, platform: Platform) -> dict[str, Any]:
        """Return what became of a platform."""
        wanted = str(platform.company.player_id)
        [found] = [one for one in self.content["platforms"] if one["marketPlayerId"] == wanted]
        return dict(found)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the findings of a kind."""
        return [one for one in self.content["findings"] if one["kind"] == kind]


def command(marketplace: Marketplace, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "marketplace", "database", *arguments],
        env={**os.environ, **marketplace.environment},
        capture_output=True,
        text=True,
        check=False,
    )


def backed_up(marketplace: Marketplace, folder: Path) -> Path:
    file = folder / "backup.tar"
    done = command(marketplace, "backup", str(file))
    assert done.returncode == 0, done.stderr
    return file


def lost_and_restored(marketplace: Marketplace, file: Path) -> None:
    """Destroy the database, restore the backup, and start again."""
    marketplace.process.stop()
    url = marketplace.environment["FLEXAGORA_DATABASE_URL"]
    if url.startswith("sqlite"):
        for one in Path(str(make_url(url).database)).parent.glob("flexagora.db*"):
            one.unlink()
    else:
        engine = open_database(url)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
    done = command(marketplace, "restore", str(file))
    assert done.returncode == 0, done.stderr
    assert "Deliveries are held" in done.stdout
    marketplace.start(**SETTINGS)


def resynchronised(marketplace: Marketplace, *arguments: str) -> Report:
    done = command(marketplace, "resynchronise", "--json", *arguments)
    assert done.stdout, done.stderr
    return Report(done.returncode, json.loads(done.stdout))


def settle_keys(operator: MarketplaceClient, *platforms: Platform) -> None:
    """Wait until each side has replaced the key that it was first told."""

    def refreshed() -> bool:
        trail = operator.list_audit_trail(limit=200).items
        keys = {one.entity_id for one in trail if one.action == "refresh-key"}
        credentials = [one for one in trail if one.action == "refresh"]
        players = {str(one.company.player_id) for one in platforms}
        return players <= keys and len(credentials) >= len(players)

    wait_until("The first refresh of the keys", refreshed)


def pods_of(client: MarketplaceClient, subscription_id: UUID) -> dict[str, tuple[Any, Any]]:
    found = client.list_points_of_delivery(subscription_id, limit=200).items
    return {one.pod_id: (one.consent, one.activation) for one in found}


def until_pods(client: MarketplaceClient, subscription_id: UUID) -> dict[str, tuple[Any, Any]]:
    """Return the points of delivery once the provider's platform has told of all of them."""

    def told() -> dict[str, tuple[Any, Any]] | None:
        pods = pods_of(client, subscription_id)
        active = [one for one in GRANTED if pods.get(one, (0, 0))[1] is ActivationState.ACTIVE]
        denied = pods.get(DENIED, (0, 0))[0] is ConsentState.DENIED
        return pods if denied and len(active) == len(GRANTED) else None

    return wait_until("The points of delivery", told, SECONDS)


def count_in_inbox(platform: Platform) -> int:
    return len(platform.inbox())


def test_what_the_platforms_hold_comes_back(marketplace: Marketplace, tmp_path: Path) -> None:
    marketplace.start(**SETTINGS)
    provider, requester = marketplace.provider(), marketplace.requester()
    for platform in (provider, requester):
        platform.process.start()
    operator = marketplace.operator()
    settle_keys(operator, provider, requester)
    canceled, suspended = (
        subscribe(requester.company, provider.company).subscription_id for _ in range(2)
    )
    for one in (canceled, suspended):
        until_state(requester.company, one, SubscriptionState.ACTIVE, SECONDS)
        until_pods(operator, one)
    requester.process.stop()
    under_way = subscribe(requester.company, provider.company).subscription_id

    file = backed_up(marketplace, tmp_path)

    requester.process.start()
    until_state(requester.company, under_way, SubscriptionState.ACTIVE, SECONDS)
    made = subscribe(requester.company, provider.company).subscription_id
    until_state(requester.company, made, SubscriptionState.ACTIVE, SECONDS)
    before = {one: until_pods(operator, one) for one in (under_way, made)}
    requester.company.client.cancel_subscription(canceled, REASON)
    operator.suspend_subscription(suspended, REASON)
    late = marketplace.company("Late Trading", MarketPlayerRole.RETAILER)
    connect_platform(late, "http://127.0.0.1:9", "the-key-of-a-platform-that-is-down")
    unknown = subscribe(late, provider.company).subscription_id
    wait_until("The provider's events", lambda: count_in_inbox(provider) == 7 or None)
    wait_until("The requester's events", lambda: count_in_inbox(requester) == 6 or None)
    told = {one: (provider.told(one), requester.told(one)) for one in (canceled, under_way, made)}
    was = operator.read_subscription(made).body

    lost_and_restored(marketplace, file)
    operator = marketplace.operator()

    # Deliveries are held: what was under way at the backup is not sent before the platforms spoke.
    assert operator.read_subscription(under_way).body.state is SubscriptionState.PENDING
    assert operator.read_subscription(canceled).body.state is SubscriptionState.ACTIVE
    waiting = [one for one in deliveries(operator, under_way) if one.state != "DELIVERED"]
    assert waiting
    report = resynchronised(marketplace)

    assert report.status == 1
    assert report.kinds == {
        "SUBSCRIPTION_RECONSTRUCTED": 1,
        "SUBSCRIPTION_ENDED": 1,
        "STATE_CONFLICT": 2,
        "SUBSCRIPTION_UNKNOWN": 1,
        # both were told of made, canceled and suspended, the provider of the late one as well
        "EVENT_UNKNOWN": 7,
    }
    [lost] = report.of("SUBSCRIPTION_UNKNOWN")
    assert lost["subscriptionId"] == str(unknown)
    assert all(name in lost["detail"] for name in ("Late Trading", provider.company.name))
    assert lost["outcome"] == "OPEN"
    assert lost["advice"]
    assert {one["subscriptionId"] for one in report.of("STATE_CONFLICT")} == {str(suspended)}
    taken = sum(report.platform(one)["eventsDelivered"] for one in (provider, requester))
    assert taken == len(waiting)
    assert report.platform(provider)["notificationsSentAgain"] > 0

    # The new one is back with its terms, and what was said of its points of delivery.
    back = operator.read_subscription(made).body
    assert back.state is SubscriptionState.ACTIVE
    assert (back.terms, back.validity, back.price) == (was.terms, was.validity, was.price)
    for one in (under_way, made):
        until_state(requester.company, one, SubscriptionState.ACTIVE, SECONDS)

        def same(one: UUID = one) -> bool | None:
            return pods_of(operator, one) == before[one] or None

        wait_until("The points of delivery as they were", same)
    ended = operator.read_subscription(canceled).body
    assert (ended.state, ended.reason) == (SubscriptionState.CANCELED, REASON.reason)
    assert {one.action for one in audit_trail(operator, made)} >= {"reconstruct"}
    by_run = [one for one in audit_trail(operator, under_way) if one.action == "resynchronise"]
    assert len(by_run) == len(waiting)

    # Nothing reached a platform twice, nor did anything that its code would have seen.
    assert (count_in_inbox(provider), count_in_inbox(requester)) == (7, 6)
    for one, lines in told.items():
        assert (provider.told(one), requester.told(one)) == lines
    assert all(one.state is DeliveryState.DELIVERED for one in deliveries(operator, under_way))

    # Deliveries go on.
    operator.suspend_subscription(made, REASON)
    wait_until("The suspension", lambda: "suspended" in requester.told(made) or None)
    again = resynchronised(marketplace)
    assert again.kinds["SUBSCRIPTION_RECONSTRUCTED"] == 0
    assert again.kinds["SUBSCRIPTION_ENDED"] == 0
    actions = [
        one.action
        for one in operator.list_audit_trail(
            entity_kind=AuditedKind.SUBSCRIPTION, subscription_id=made, limit=200
        ).items
    ]
    assert actions.count("reconstruct") == 1


def test_a_platform_that_was_restored_is_told_again(on_sqlite: Marketplace, tmp_path: Path) -> None:
    on_sqlite.start(**SETTINGS)
    provider, requester = on_sqlite.provider(), on_sqlite.requester()
    for platform in (provider, requester):
        platform.process.start()
    operator = on_sqlite.operator()
    settle_keys(operator, provider, requester)
    kept = subscribe(requester.company, provider.company).subscription_id
    gone = subscribe(requester.company, provider.company).subscription_id
    for one in (kept, gone):
        until_state(requester.company, one, SubscriptionState.ACTIVE, SECONDS)
    since = clock.now() - timedelta(minutes=5)
    operator.suspend_subscription(kept, REASON)
    wait_until("The suspension", lambda: "suspended" in requester.told(kept) or None)

    # As if its database were an older one: it was told less.
    requester.process.stop()
    engine = open_database(requester.environment["MPP_DATABASE_URL"])
    with engine.begin() as connection:
        forgotten = (EventRow.subscription_id == gone) | (EventRow.told_state == "SUSPENDED")
        connection.execute(delete(EventRow).where(forgotten))
        connection.execute(delete(SubscriptionRow).where(SubscriptionRow.id == gone))
        kept_row = update(SubscriptionRow).where(SubscriptionRow.id == kept)
        connection.execute(kept_row.values(state="ACTIVE"))
    engine.dispose()
    requester.process.start()
    report = resynchronised(on_sqlite, "--since", since.isoformat())

    assert report.status == 1
    assert report.kinds == {"SUBSCRIPTION_MISSING": 1}
    assert report.of("SUBSCRIPTION_MISSING")[0]["subscriptionId"] == str(gone)
    assert report.platform(requester)["eventsQueuedAgain"] == 1
    assert report.platform(provider)["eventsQueuedAgain"] == 0

    def state() -> str | None:
        engine = open_database(requester.environment["MPP_DATABASE_URL"])
        with engine.connect() as connection:
            query = select(SubscriptionRow.state).where(SubscriptionRow.id == kept)
            found = connection.execute(query).scalar_one()
        engine.dispose()
        return found if found == "SUSPENDED" else None

    wait_until("The suspension, told again", state)
    assert provider.told(kept) == ["confirmed", "suspended"]


def test_keys_that_were_replaced_after_the_backup_are_named(
    on_sqlite: Marketplace, tmp_path: Path
) -> None:
    on_sqlite.start(**SETTINGS)
    provider, requester = on_sqlite.provider(), on_sqlite.requester()
    operator = on_sqlite.operator()
    requester.process.start()
    with provider.in_this_process(MPP_KEY_GRACE="PT0S") as platform:
        settle_keys(operator, provider, requester)
        subscription_id = subscribe(requester.company, provider.company).subscription_id
        until_state(requester.company, subscription_id, SubscriptionState.ACTIVE, SECONDS)
        file = backed_up(on_sqlite, tmp_path)
        platform.marketplace.refresh_key()
        platform.marketplace.test()
        lost_and_restored(on_sqlite, file)

        report = resynchronised(on_sqlite)
        assert report.status == 1
        assert report.kinds == {"KEY_UNKNOWN": 1}
        [found] = report.of("KEY_UNKNOWN")
        assert found["marketPlayerId"] == str(provider.company.player_id)
        assert "OAuth 2 client" in found["advice"]

        # Now the other direction: the key that the marketplace presents is replaced and lost.
        issued = platform.inbound_keys.issue()
        provider.eu_mp(issued.api_key).test_connection()
        report = resynchronised(on_sqlite)
        assert report.status == 1
        assert report.kinds == {"NOT_REACHED": 1}
        assert report.platform(provider)["step"] == "NOT_REACHED"
        assert report.platform(requester)["step"] == "DONE"
        assert "issue a new inbound key" in report.of("NOT_REACHED")[0]["advice"]


def test_a_platform_of_another_make_is_reported_and_harms_nobody(on_sqlite: Marketplace) -> None:
    on_sqlite.start(**SETTINGS)
    buyer = on_sqlite.company("Ponent Energia", MarketPlayerRole.AGGREGATOR)
    with MisbehavingPlatform() as other:
        connect_platform(buyer, other.url, "test-key-that-stays-as-it-is")
        report = resynchronised(on_sqlite, "--since", "2026-01-01T00:00:00Z")
    assert report.status == 1
    assert len(report.content["findings"]) == 1
    assert report.content["findings"][0]["kind"] in ("NOT_SUPPORTED", "NOT_REACHED")
