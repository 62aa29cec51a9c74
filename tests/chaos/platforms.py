"""The platforms of the harness: the SDK's real inbox and outbox, and a log of what they did.

The log is written in the transaction that applies an event, or that makes a change of the
platform's own, and knows nothing of event ids: it holds the words that the harness has put in.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select
from starlette.types import ASGIApp

from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.contracts.notifications.models import ActivationState
from mpp_sdk.outbox import EventState
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.pods import SubscribedPod
from mpp_sdk.state.subscriptions import Subscription
from mpp_sdk.state.tables import OUTBOX_TABLES
from tests.chaos.control import Control, Slot, Step
from tests.chaos.stepping import at
from tests.chaos.wire import Watched, Wire

TALKATIVE = "A service whose provider tells much"
PODS = ("POD-1", "POD-2", "POD-3")
_AT_ONCE = 20
_AHEAD = 200
_OUTBOX = OUTBOX_TABLES.event.c

_METADATA = MetaData()
APPLIED = Table(
    "chaos_applied",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("subscription_id", String(36), nullable=False),
    Column("what", String(20), nullable=False),
    Column("reason", String(200), nullable=True),
)
"""What the callbacks were called for, in order."""

TOLD = Table(
    "chaos_told",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("subscription_id", String(36), nullable=False),
    Column("what", String(100), nullable=False),
)
"""What the platform has changed by itself and told the marketplace, in order."""


_unsent = (
    select(_OUTBOX.position)
    .where(_OUTBOX.state.in_((EventState.QUEUED, EventState.RETRYING)))
    .limit(_AHEAD)
    .subquery()
)


class ChaosPlatform(MarketPlayerPlatform):
    """Writes down what it applies; as a provider it also changes its activations by itself."""

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        super().__init__(settings)
        _METADATA.create_all(self.engine)
        self._control = Control(Path(os.environ["CHAOS_CONTROL"]))
        self._talkative: list[UUID] = []
        self.every(timedelta(seconds=0.2), self._tell)

    def app(self) -> ASGIApp:
        return Watched(super().app(), Wire(Path(os.environ["CHAOS_WIRE"])), self._control)

    def on_subscription_confirmed(self, subscription: Subscription) -> None:
        self._note(subscription, "confirmed")

    def on_subscription_suspended(self, subscription: Subscription) -> None:
        self._note(subscription, "suspended")

    def on_subscription_resumed(self, subscription: Subscription) -> None:
        self._note(subscription, "resumed")

    def on_points_of_delivery_added(self, subscription_id: UUID, pod_ids: Sequence[str]) -> None:
        super().on_points_of_delivery_added(subscription_id, pod_ids)
        for pod_id in pod_ids:  # each has the name of what was asked for
            self._write(subscription_id, "requested", pod_id.replace("-", " "))

    def request_points_of_delivery(
        self, subscription: Subscription, pod_ids: Sequence[str]
    ) -> None:
        """Ask nobody: between the platforms there is no fault here."""

    def _note(self, subscription: Subscription, what: str) -> None:
        self._write(subscription.id, what, subscription.reason)

    def _write(self, subscription_id: UUID, what: str, reason: str | None) -> None:
        with self.transactions() as session:
            values = {"subscription_id": str(subscription_id), "what": what}
            session.execute(insert(APPLIED).values(**values, reason=reason))
            session.flush()
            at(Step.HANDLED)

    def _tell(self) -> None:
        """Change activations until as many changes were made as the harness wants."""
        target = self._control.get(Slot.TOLD_TARGET)
        if target == 0:
            return
        with self.transactions.reading() as session:
            made = session.scalars(select(func.coalesce(func.max(TOLD.c.number), 0))).one()
            waiting = session.scalars(select(func.count()).select_from(_unsent)).one()
        if made >= target or waiting >= _AHEAD:
            return
        subscriptions = self._talkative = self._talkative or [
            one.id
            for one in self.subscriptions.all(PlatformRole.PROVIDER)
            if one.service.name == TALKATIVE
        ]
        with self.transactions():  # a few at a time: who sends them needs the database too
            for number in range(made, min(made + _AT_ONCE, target)):
                self._change(subscriptions[number % len(subscriptions)], number)

    def _change(self, subscription_id: UUID, number: int) -> None:
        pod_id = PODS[number // 7 % len(PODS)]
        known = {
            pod.pod_id: pod for pod in self.points_of_delivery.page(subscription_id, limit=200)
        }
        changed: SubscribedPod
        if pod_id not in known:
            (changed,) = self.consents.request(subscription_id, [pod_id])
        elif known[pod_id].activation is ActivationState.ACTIVE:
            changed = self.activations.suspend(subscription_id, pod_id, f"Change {number}")
        else:
            changed = self.activations.activate(subscription_id, pod_id)
        with self.transactions() as session:
            what = f"{pod_id} {changed.activation} {changed.updated_at.isoformat()}"
            session.execute(insert(TOLD).values(subscription_id=str(subscription_id), what=what))
