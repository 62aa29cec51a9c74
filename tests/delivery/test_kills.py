"""Processes that die at the worst moment: each event arrives all the same, and is applied once."""

import contextlib
import signal
from pathlib import Path
from uuid import UUID

import pytest

from examples.demo.companies import wait_until
from examples.demo.processes import DidNotStart
from mpp_sdk.client import ConnectionFailed
from mpp_sdk.contracts.marketplace.models import (
    ActivationState,
    ConsentState,
    DeliveryState,
    SubscriptionState,
)
from tests.delivery.killed_marketplace import Step, last_words
from tests.functional.marketplace import (
    Marketplace,
    audit_trail,
    deliveries,
    negotiate,
    publish,
    subscribe,
    until_state,
)
from tests.functional.platforms import GRANTED

SIGKILLED = -signal.SIGKILL


def test_a_marketplace_killed_at_every_step_has_each_event_applied_once(
    marketplace: Marketplace, tmp_path: Path
) -> None:
    def start_doomed(step: Step) -> None:
        # The time that a call may take is part of a lease, which outlives the process.
        module = ["tests.delivery.killed_marketplace", step]
        marketplace.start(module, FLEXAGORA_REQUEST_TIMEOUT="PT1S")

    def has_died(step: Step) -> None:
        assert marketplace.process.wait(30) == SIGKILLED
        assert last_words(step) in (tmp_path / "marketplace.log").read_text()

    start_doomed(Step.COMMITTED)
    provider, requester = marketplace.provider(), marketplace.requester()
    offer = negotiate(requester.company, provider.company, publish(provider.company))

    def accept() -> UUID:
        accepted = requester.company.client.accept_offer(
            offer.service_request_id, offer.offer_id, idempotency_key="accept"
        )
        return accepted.body.subscription_id

    with provider.in_this_process(), requester.in_this_process():
        with pytest.raises(ConnectionFailed):
            accept()
        has_died(Step.COMMITTED)
        assert {**provider.inbox(), **requester.inbox()} == {}

        for step in (Step.CLAIMED, Step.SENT):
            with contextlib.suppress(DidNotStart):  # it may die before it is seen to run
                start_doomed(step)
            has_died(step)
            received = {**provider.inbox(), **requester.inbox()}
            assert bool(received) == (step is Step.SENT)

        marketplace.start()
        subscription_id = accept()  # whose answer was lost gets it now: it is the same one
        until_state(requester.company, subscription_id, SubscriptionState.ACTIVE)
        for platform in (provider, requester):
            assert platform.told(subscription_id) == ["confirmed"]
        sent = deliveries(marketplace.operator(), subscription_id)
        assert [one.state for one in sent] == [DeliveryState.DELIVERED] * 2
        assert {one.event_id for one in sent} == {*provider.inbox(), *requester.inbox()}
        states = [
            entry.to_state
            for entry in audit_trail(marketplace.operator(), subscription_id)
            if entry.entity_id == str(subscription_id)
        ]
        assert states == ["PENDING", "ACTIVE"]


def test_what_a_killed_platform_had_committed_is_told_once_after_its_restart(
    on_sqlite: Marketplace,
) -> None:
    on_sqlite.start()
    provider, requester = on_sqlite.provider(), on_sqlite.requester()
    doomed = provider.with_module("tests.delivery.killed_platform")
    doomed.start()
    try:
        with requester.in_this_process():
            subscription_id = subscribe(requester.company, provider.company).subscription_id
            assert doomed.wait(30) == SIGKILLED
            client = requester.company.client
            consents = client.list_consents(subscription_id).items
            assert ConsentState.GRANTED not in {one.state for one in consents}

            provider.process.start()

            def all_active() -> bool:
                active = client.list_activations(subscription_id, state=ActivationState.ACTIVE)
                return [one.pod_id for one in active.items] == list(GRANTED)

            wait_until("The activation", all_active, 30)
    finally:
        doomed.kill()
    told = [
        entry.to_state
        for entry in audit_trail(on_sqlite.operator(), subscription_id)
        if entry.entity_id == f"{subscription_id}/{GRANTED[0]}"
    ]
    assert told == ["REQUESTED", "GRANTED", "REQUESTED", "ACTIVE"]
