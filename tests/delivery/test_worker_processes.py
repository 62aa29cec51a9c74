"""A process that only delivers does what follows from a delivery too."""

import subprocess
import sys
from os import environ

from mpp_sdk.contracts.marketplace.models import SubscriptionState
from tests.functional.marketplace import Marketplace, subscribe, until_state


def test_a_subscription_becomes_active_by_what_a_worker_process_is_acknowledged(
    on_postgresql: Marketplace,
) -> None:
    on_postgresql.start(FLEXAGORA_DELIVER="false")
    worker = subprocess.Popen(
        [sys.executable, "-m", "marketplace", "deliver"],
        env={**environ, **on_postgresql.environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        provider, requester = on_postgresql.provider(), on_postgresql.requester()
        with provider.in_this_process(), requester.in_this_process():
            made = subscribe(requester.company, provider.company)
            until_state(requester.company, made.subscription_id, SubscriptionState.ACTIVE)
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
