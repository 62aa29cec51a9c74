"""Consents and activations, driven at random against a real database."""

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.contracts.notifications.models import ActivationState, ConsentState
from mpp_sdk.errors import Conflict, InvalidInput
from mpp_sdk.inbox import Inbox
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.state.domain import (
    ACTIVATION,
    CONSENT,
    ENDED_SUBSCRIPTION,
    SubscriptionState,
    Validity,
)
from mpp_sdk.state.requested import RequestedPods
from mpp_sdk.state.tables import OUTBOX_TABLES
from tests.functional.sdk.support import canceled, changed, confirmed, settings

PODS = ("POD-1", "POD-2")
STEP = timedelta(seconds=1)  # so short that no event of a whole life is from the future
CONSENT_ACTIONS = ("ask_again", "grant", "deny", "withdraw", "time_out")
ACTIVATION_ACTIONS = ("activate", "suspend", "end")
NAMES = {"ask_again": "request"}


def inbox_of(platform: MarketPlayerPlatform) -> Inbox:
    return Inbox(
        platform.transactions,
        platform.subscriptions,
        platform.activations,
        RequestedPods(platform.transactions),
        platform,
    )


class Lives(RuleBasedStateMachine):
    """Tries every action in every state, legal or not."""

    @initialize(consent_required=st.booleans())
    def confirm(self, consent_required: bool) -> None:
        self.directory = tempfile.TemporaryDirectory()
        path = Path(self.directory.name)
        self.platform = MarketPlayerPlatform(settings(f"sqlite:///{path / 'p.db'}", path))
        self.inbox = inbox_of(self.platform)
        self.event = confirmed(consent_required=consent_required)
        self.inbox.confirmed(PlatformRole.PROVIDER, self.event)
        self.identity = self.event.subscription_id
        self.platform.consents.request(self.identity, PODS)
        self.consent_required = consent_required
        self.passed = timedelta(0)

    def teardown(self) -> None:
        if hasattr(self, "platform"):
            self.platform.engine.dispose()
            self.directory.cleanup()

    @property
    def subscription(self) -> SubscriptionState:
        return self.platform.subscriptions.get(self.identity).state

    @rule(pod=st.sampled_from(PODS), action=st.sampled_from(CONSENT_ACTIONS))
    def consent(self, pod: str, action: str) -> None:
        before = self.platform.points_of_delivery.get(self.identity, pod).consent
        legal = before is not None and CONSENT.allows(before, NAMES.get(action, action))
        if action in ("grant", "ask_again"):
            legal = legal and self.subscription not in ENDED_SUBSCRIPTION
        call = getattr(self.platform.consents, action)
        if legal:
            call(self.identity, pod)
        else:
            with pytest.raises(Conflict):
                call(self.identity, pod)
            assert self.platform.points_of_delivery.get(self.identity, pod).consent == before

    @rule(pod=st.sampled_from(PODS), action=st.sampled_from(ACTIVATION_ACTIONS))
    def activation(self, pod: str, action: str) -> None:
        before = self.platform.points_of_delivery.get(self.identity, pod)
        legal = ACTIVATION.allows(before.activation, action)
        if action == "activate":
            consented = not self.consent_required or before.consent is ConsentState.GRANTED
            legal = legal and consented and self.subscription is SubscriptionState.ACTIVE
        arguments = (self.identity, pod) if action == "activate" else (self.identity, pod, "Why.")
        call = getattr(self.platform.activations, action)
        if legal:
            call(*arguments)
        else:
            with pytest.raises(Conflict):
                call(*arguments)
            assert self.platform.points_of_delivery.get(self.identity, pod) == before

    @rule(what=st.sampled_from(["suspended", "resumed", "suspended", "resumed", "ended"]))
    def tell(self, what: str) -> None:
        self.passed += STEP
        event = (canceled if what == "ended" else changed)(self.event, self.passed)
        getattr(self.inbox, what)(PlatformRole.PROVIDER, event)

    @invariant()
    def data_flows_only_when_it_may(self) -> None:
        for pod in PODS:
            state = self.platform.points_of_delivery.get(self.identity, pod)
            if state.activation is ActivationState.ACTIVE:
                assert self.subscription is SubscriptionState.ACTIVE
                assert not self.consent_required or state.consent is ConsentState.GRANTED

    @invariant()
    def the_marketplace_is_told_exactly_what_is(self) -> None:
        told: dict[tuple[str, str], str] = {}
        moments: dict[str, datetime] = {}
        for kind, payload in self._outbox():
            key = (kind, payload["podId"])
            assert told.get(key) != payload["state"], "A change that is none was told."
            told[key] = payload["state"]
            moment = datetime.fromisoformat(payload["occurredAt"])
            assert moment > moments.get(payload["podId"], datetime.min.replace(tzinfo=UTC))
            moments[payload["podId"]] = moment
        for pod in PODS:
            state = self.platform.points_of_delivery.get(self.identity, pod)
            assert told.get(("service.consent", pod)) == state.consent
            assert told.get(("service.activation", pod)) == state.activation

    def _outbox(self) -> list[tuple[str, dict[str, Any]]]:
        event = OUTBOX_TABLES.event
        with self.platform.engine.connect() as connection:
            rows = connection.execute(
                select(event.c.kind, event.c.payload).order_by(event.c.position)
            )
            return [(kind, json.loads(payload)) for kind, payload in rows]


TestLives = Lives.TestCase
TestLives.settings = hypothesis_settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.generate],  # each try has a database of its own: shrinking would take minutes
)


def test_a_consent_cannot_end_before_it_starts(tmp_path: Path) -> None:
    platform = MarketPlayerPlatform(settings(f"sqlite:///{tmp_path / 'p.db'}", tmp_path))
    inbox = inbox_of(platform)
    event = confirmed()
    inbox.confirmed(PlatformRole.PROVIDER, event)
    platform.consents.request(event.subscription_id, ["POD-1"])
    start = datetime(2026, 12, 1, tzinfo=UTC)
    with pytest.raises(InvalidInput):
        platform.consents.grant(event.subscription_id, "POD-1", Validity(start, start))
    pod = platform.points_of_delivery.get(event.subscription_id, "POD-1")
    assert pod.consent is ConsentState.REQUESTED
    platform.engine.dispose()


def test_customers_who_do_not_answer_are_timed_out(tmp_path: Path) -> None:
    platform = MarketPlayerPlatform(settings(f"sqlite:///{tmp_path / 'p.db'}", tmp_path))
    inbox = inbox_of(platform)
    event = confirmed()
    inbox.confirmed(PlatformRole.PROVIDER, event)
    platform.consents.request(event.subscription_id, PODS)
    platform.consents.grant(event.subscription_id, "POD-1")
    asked_at = platform.points_of_delivery.get(event.subscription_id, "POD-2").updated_at
    day = timedelta(days=1)
    assert platform.consents.time_out_due(day, asked_at + day - timedelta(seconds=1)) == 0
    assert platform.consents.time_out_due(day, asked_at + day) == 1
    pods = platform.points_of_delivery.page(event.subscription_id)
    assert [pod.consent for pod in pods] == [ConsentState.GRANTED, ConsentState.TIMED_OUT]
    platform.engine.dispose()
