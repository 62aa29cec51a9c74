"""Two small platforms, built as an integrator would: one has meter data, one wants it."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Column, Integer, MetaData, String, Table, insert

from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.metering.client import MeteringRequester
from mpp_sdk.metering.handler import MeteringProvider
from mpp_sdk.metering.store import MeteringStore
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.domain import SubscriptionState
from mpp_sdk.state.pods import SubscribedPod
from mpp_sdk.state.subscriptions import Subscription

GRANTED = ("GRANTED-1", "GRANTED-2")
DENIED = "DENIED-1"
UNANSWERED = "UNANSWERED-1"
PODS = (*GRANTED, DENIED, UNANSWERED)

TOLD = Table(
    "told",
    MetaData(),
    Column("number", Integer, primary_key=True),
    Column("subscription_id", String(36), nullable=False),
    Column("what", String(20), nullable=False),
)
"""What a platform's callbacks were called for: a line for each time."""


class Remembering(MarketPlayerPlatform):
    """Writes down each event in the transaction that applies it."""

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        super().__init__(settings)
        TOLD.create(self.engine, checkfirst=True)

    def on_subscription_confirmed(self, subscription: Subscription) -> None:
        self._note(subscription, "confirmed")

    def on_subscription_canceled(self, subscription: Subscription) -> None:
        self._note(subscription, "canceled")

    def on_subscription_suspended(self, subscription: Subscription) -> None:
        self._note(subscription, "suspended")

    def on_subscription_resumed(self, subscription: Subscription) -> None:
        self._note(subscription, "resumed")

    def _note(self, subscription: Subscription, what: str) -> None:
        with self.transactions() as session:
            session.execute(insert(TOLD).values(subscription_id=str(subscription.id), what=what))


class Provider(Remembering):
    """Its customers answer by the name of their point of delivery."""

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        super().__init__(settings)
        store = MeteringStore(self.engine)
        store.create()
        self.serve_contract(MeteringProvider(self, store))

    def on_points_of_delivery_requested(
        self, subscription: Subscription, pods: Sequence[SubscribedPod]
    ) -> None:
        for pod in pods:
            if pod.pod_id.startswith("GRANTED"):
                self.consents.grant(subscription.id, pod.pod_id)
                self.activations.activate(subscription.id, pod.pod_id)
            elif pod.pod_id.startswith("DENIED"):
                self.consents.deny(subscription.id, pod.pod_id, "The customer said no.")


class Requester(Remembering):
    """Asks every provider for the same points of delivery, once."""

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        super().__init__(settings)
        self._asked: set[object] = set()
        self._asking = self.every(timedelta(seconds=1), self._ask)

    def on_subscription_confirmed(self, subscription: Subscription) -> None:
        super().on_subscription_confirmed(subscription)
        self.wake_later(self._asking)

    def _ask(self) -> None:
        for subscription in self.subscriptions.all(
            PlatformRole.REQUESTER, SubscriptionState.ACTIVE
        ):
            if subscription.id not in self._asked:
                MeteringRequester(self, subscription).request(PODS)
                self._asked.add(subscription.id)
