"""Notifications to the marketplace: none is lost, and each subscription's arrive in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.contracts.notifications.models import InterimNotification, ServiceStatus
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.state.pods import SubscribedPod
from mpp_sdk.state.subscriptions import Subscription
from tests.functional.sdk.support import (
    FakeMarketplace,
    canceled,
    changed,
    confirmed,
    eu_mp_client,
    served,
    settings,
    wait_for,
)

PROVIDER = PlatformRole.PROVIDER
MINUTE = timedelta(minutes=1)
REPOSITORY = Path(__file__).parents[3]

GRANT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from mpp_sdk.platform import MarketPlayerPlatform
from tests.functional.sdk.support import settings

url, directory, marketplace, subscription, pod = sys.argv[1:]
platform = MarketPlayerPlatform(settings(url, Path(directory), marketplace))
platform.start()
with platform.transactions():
    # The first thing after the commit, before the sender is waked:
    platform.transactions.after_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    platform.consents.grant(UUID(subscription), pod)
    platform.activations.activate(UUID(subscription), pod)
"""


class Provider(MarketPlayerPlatform):
    """Grants and activates whatever it is asked for."""

    def on_points_of_delivery_requested(
        self, subscription: Subscription, pods: Sequence[SubscribedPod]
    ) -> None:
        raise NotImplementedError

    def service_status(self, subscription: Subscription) -> ServiceStatus:
        return ServiceStatus.DEGRADED


def test_a_subscription_ends_its_activations_and_tells_in_order(
    database_url: str, tmp_path: Path
) -> None:
    marketplace = FakeMarketplace(tmp_path)
    event = confirmed()
    with marketplace.served() as marketplace_url:
        platform = Provider(settings(database_url, tmp_path, marketplace_url))
        with served(platform) as url:
            client = eu_mp_client(url)
            client.confirm_service_offer(PROVIDER, event)
            identity = event.subscription_id
            platform.consents.request(identity, ["POD-1", "POD-2", "POD-3"])
            for pod in ("POD-1", "POD-2"):
                platform.consents.grant(identity, pod)
                platform.activations.activate(identity, pod)
            platform.consents.deny(identity, "POD-3", "No, thank you.")
            platform.activations.suspend(identity, "POD-2", "The meter is being replaced.")
            client.suspend_service_offer(PROVIDER, changed(event, MINUTE))
            client.resume_service_offer(PROVIDER, changed(event, 2 * MINUTE))
            client.cancel_service_offer(PROVIDER, canceled(event, 3 * MINUTE))
            wait_for(lambda: len(marketplace.received) == 15)
    asked = ["Consent REQUESTED", "Consent GRANTED", "Activation REQUESTED", "Activation ACTIVE"]
    assert marketplace.story("POD-1") == [
        *asked,
        "Activation SUSPENDED",
        "Activation ACTIVE",
        "Activation ENDED",
    ]
    # What the provider itself suspended is not resumed with the subscription.
    assert marketplace.story("POD-2") == [*asked, "Activation SUSPENDED", "Activation ENDED"]
    assert marketplace.story("POD-3") == ["Consent REQUESTED", "Consent DENIED"]
    moments = [one.occurred_at for one in marketplace.received]
    for pod in ("POD-1", "POD-2"):
        of_pod = [
            one.occurred_at
            for one in marketplace.received
            if not isinstance(one, InterimNotification) and one.pod_id == pod
        ]
        assert of_pod == sorted(set(of_pod))
    assert len({one.event_id for one in marketplace.received}) == len(moments)


def test_a_withdrawal_ends_the_activation_in_the_same_transaction(
    database_url: str, tmp_path: Path
) -> None:
    platform = Provider(settings(database_url, tmp_path))
    event = confirmed()
    with served(platform) as url:
        eu_mp_client(url).confirm_service_offer(PROVIDER, event)
    identity = event.subscription_id
    platform.consents.request(identity, ["POD-1"])
    platform.consents.grant(identity, "POD-1")
    platform.activations.activate(identity, "POD-1")

    def fail_beside_it() -> None:
        with platform.transactions():
            platform.consents.withdraw(identity, "POD-1", "I changed my mind.")
            raise RuntimeError("What the integrator does beside it fails.")

    with pytest.raises(RuntimeError):
        fail_beside_it()
    still = platform.points_of_delivery.get(identity, "POD-1")
    assert (still.consent, still.activation) == ("GRANTED", "ACTIVE")
    platform.consents.withdraw(identity, "POD-1", "I changed my mind.")
    ended = platform.points_of_delivery.get(identity, "POD-1")
    assert (ended.consent, ended.activation) == ("WITHDRAWN", "ENDED")
    assert ended.reason == "I changed my mind."


def test_what_was_told_while_the_marketplace_was_down_arrives_later_in_order(
    tmp_path: Path,
) -> None:
    marketplace = FakeMarketplace(tmp_path)
    with marketplace.served() as marketplace_url:
        port = int(marketplace_url.rpartition(":")[2])
    platform = Provider(
        settings(f"sqlite:///{tmp_path / 'platform.db'}", tmp_path, marketplace_url)
    )
    event = confirmed()
    with served(platform) as url:
        eu_mp_client(url).confirm_service_offer(PROVIDER, event)
        platform.consents.request(event.subscription_id, ["POD-1"])
        platform.consents.grant(event.subscription_id, "POD-1")
        platform.activations.activate(event.subscription_id, "POD-1")
        time.sleep(3)  # more than one attempt
        with marketplace.served(port):
            wait_for(lambda: len(marketplace.received) == 4, seconds=30)
    assert marketplace.story("POD-1") == [
        "Consent REQUESTED",
        "Consent GRANTED",
        "Activation REQUESTED",
        "Activation ACTIVE",
    ]


def test_a_change_that_was_committed_before_the_process_was_killed_is_told_after_restart(
    database_url: str, tmp_path: Path
) -> None:
    marketplace = FakeMarketplace(tmp_path)
    event = confirmed()
    with marketplace.served() as marketplace_url:
        given = settings(database_url, tmp_path, marketplace_url)
        platform = Provider(given)
        with served(platform) as url:
            eu_mp_client(url).confirm_service_offer(PROVIDER, event)
            platform.consents.request(event.subscription_id, ["POD-1"])
            wait_for(lambda: len(marketplace.received) == 1)
        killed = subprocess.run(
            [
                sys.executable,
                "-c",
                GRANT_AND_DIE,
                database_url,
                str(tmp_path),
                marketplace_url,
                str(event.subscription_id),
                "POD-1",
            ],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            check=False,
            timeout=60,
        )
        assert killed.returncode == -signal.SIGKILL
        assert marketplace.story("POD-1") == ["Consent REQUESTED"]
        with served(Provider(given)):
            wait_for(lambda: len(marketplace.received) == 4)
    assert marketplace.story("POD-1") == [
        "Consent REQUESTED",
        "Consent GRANTED",
        "Activation REQUESTED",
        "Activation ACTIVE",
    ]


def test_the_interim_status_goes_out_at_the_agreed_interval(tmp_path: Path) -> None:
    marketplace = FakeMarketplace(tmp_path)
    often, never, requested = (confirmed(interval=i) for i in ("PT1S", "PT1H", "PT1S"))
    with marketplace.served() as marketplace_url:
        given = settings(f"sqlite:///{tmp_path / 'platform.db'}", tmp_path, marketplace_url)
        platform = Provider(given)
        with served(platform) as url:
            client = eu_mp_client(url)
            client.confirm_service_offer(PROVIDER, often)
            client.confirm_service_offer(PROVIDER, never)
            client.confirm_service_offer(PlatformRole.REQUESTER, requested)
            platform.consents.request(often.subscription_id, ["POD-1"])
            platform.consents.grant(often.subscription_id, "POD-1")
            platform.activations.activate(often.subscription_id, "POD-1")
            wait_for(lambda: len(_interims(marketplace)) >= 3)
            client.suspend_service_offer(PROVIDER, changed(often, MINUTE))
            wait_for(lambda: "Activation SUSPENDED" in marketplace.story("POD-1"))
            by_then = len(_interims(marketplace))
            wait_for(lambda: platform.subscriptions.get(often.subscription_id) is not None)
    assert {one.subscription_id for one in _interims(marketplace)} == {often.subscription_id}
    assert _interims(marketplace)[-1].active_pods == 1
    assert {one.status for one in _interims(marketplace)} == {ServiceStatus.DEGRADED}
    assert len(_interims(marketplace)) == by_then


def _interims(marketplace: FakeMarketplace) -> list[InterimNotification]:
    return [one for one in marketplace.received if isinstance(one, InterimNotification)]
