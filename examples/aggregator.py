"""An aggregator: it wants the meter readings of its portfolio, from whoever has them.

Run it with `python -m mpp_sdk serve examples.aggregator:Aggregator`. Once the marketplace tells it
that an offer is confirmed, it asks the provider for its points of delivery and fetches what their
customers allow, into a store of its own. Nobody copies an address or a key.
"""

import logging
import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from mpp_sdk import clock
from mpp_sdk.client import CallFailed
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.contracts.metering.models import ActivationState, PointOfDeliveryStatus
from mpp_sdk.metering.client import DataRefused, MeteringRequester, series_of
from mpp_sdk.metering.store import MeteringStore
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.domain import SubscriptionState
from mpp_sdk.state.subscriptions import Subscription

LOG = logging.getLogger(__name__)
PORTFOLIO = os.environ.get(
    "AGGREGATOR_PODS", "ZIVxxxxxxxxxx,571313000000002000,HOUSEHOLD-A,HOUSEHOLD-B,HOUSEHOLD-C"
).split(",")
HISTORY_FROM = datetime.fromisoformat(
    os.environ.get("AGGREGATOR_HISTORY_FROM", "2010-01-01T00:00:00Z")
).astimezone(UTC)
POINTS_PER_PAGE = int(os.environ.get("AGGREGATOR_POINTS_PER_PAGE", "5000"))
PAUSE_SECONDS = float(os.environ.get("AGGREGATOR_PAUSE_SECONDS", "0"))
FETCH_AGAIN_AFTER = timedelta(minutes=15)


class Aggregator(MarketPlayerPlatform):
    """The aggregator's platform."""

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        super().__init__(settings)
        self.store = MeteringStore(self.engine)
        self.store.create()
        self.fetched_until: dict[tuple[UUID, str], datetime] = {}
        self.collecting = self.every(timedelta(seconds=2), self.collect)

    def on_subscription_confirmed(self, subscription: Subscription) -> None:
        """Begin to collect, as soon as the subscription is recorded."""
        self.wake_later(self.collecting)

    def collect(self) -> None:
        """Collect under every running subscription to meter data."""
        running = self.subscriptions.all(PlatformRole.REQUESTER, SubscriptionState.ACTIVE)
        for subscription in running:
            if subscription.contract != "metering":
                continue
            try:
                self.collect_from(MeteringRequester(self, subscription))
            except CallFailed as error:  # nobody else's readings wait for it
                LOG.warning("%s gave nothing: %s", subscription.provider.name, error)

    def collect_from(self, provider: MeteringRequester) -> None:
        """Ask for what was not asked for yet, and fetch what is active."""
        pods = {pod.pod_id: pod for pod in provider.points_of_delivery()}
        missing = [pod_id for pod_id in PORTFOLIO if pod_id not in pods]
        if missing:
            pods |= {pod.pod_id: pod for pod in provider.request(missing)}
        for pod in pods.values():
            try:
                self.fetch(provider, pod)
            except DataRefused as refused:
                self.forget(provider, refused)

    def fetch(self, provider: MeteringRequester, pod: PointOfDeliveryStatus) -> None:
        """Fetch the readings since the last time. Raises DataRefused when there is no consent."""
        key = (provider.subscription.id, pod.pod_id)
        if pod.activation is ActivationState.ENDED:
            raise DataRefused(pod.pod_id, pod.reason or "The activation has ended.")
        start, end = self.fetched_until.get(key, HISTORY_FROM), clock.now()
        if pod.activation is not ActivationState.ACTIVE or end - start < FETCH_AGAIN_AFTER:
            return
        for document in provider.documents(pod.pod_id, start, end, max_points=POINTS_PER_PAGE):
            self.store.upsert(series_of(document), validated_at=document.header.created_at)
            time.sleep(PAUSE_SECONDS)
        self.fetched_until[key] = end

    def forget(self, provider: MeteringRequester, refused: DataRefused) -> None:
        """Delete the readings of a customer who no longer allows us to have them."""
        self.fetched_until.pop((provider.subscription.id, refused.pod_id), None)
        if self.store.delete(refused.pod_id):
            LOG.warning("The readings of %s are deleted: %s", refused.pod_id, refused.reason)
