"""Two platforms under a subscription to flex-offers: one receives them, the other offers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import requests

from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import PlatformRole, ServiceOfferConfirmed
from mpp_sdk.flexoffer.exchange.client import FlexOfferRequester
from mpp_sdk.flexoffer.exchange.handler import FlexOfferReceiver
from mpp_sdk.flexoffer.model import INTERVAL, Default, FlexOffer, Profile, Slice
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.state.subscriptions import Subscription
from tests.functional.sdk.support import B2B_KEY, confirmed, eu_mp_client, served, settings

OTHER_KEY = "fxb_" + "o" * 40
BASE = "/flexoffer/v1"


class Receiver(FlexOfferReceiver):
    """Notes what is offered, and does with it what the test says."""

    decide: Callable[[Sequence[UUID]], None] | None = None

    def on_offered(self, subscription: Subscription, ids: Sequence[UUID]) -> None:
        if self.decide is not None:
            self.decide(ids)


@dataclass
class Exchange:
    """The receiver, and whoever offers to it."""

    receiver: Receiver
    url: str
    event: ServiceOfferConfirmed
    requester: FlexOfferRequester
    offering: MarketPlayerPlatform

    @property
    def subscription_id(self) -> UUID:
        return self.event.subscription_id

    def call(
        self, method: str, path: str, json: Any = None, *, key: str = B2B_KEY, **headers: str
    ) -> requests.Response:
        """Return the answer to a call of the contract."""
        return requests.request(
            method,
            self.url + BASE + path,
            json=json,
            headers={"X-API-Key": key} | headers,
            timeout=60,
        )


@contextmanager
def exchange(url: str, directory: Path, **options: Any) -> Iterator[Exchange]:
    """Serve both platforms, the receiver's on a database, and give them."""
    aggregator = MarketPlayerPlatform(settings(url, directory))
    receiver = Receiver(aggregator, **options)
    offering = MarketPlayerPlatform(settings(f"sqlite:///{directory / 'offering.db'}", directory))
    with served(aggregator) as receiver_url, served(offering) as offering_url:
        event = subscribed(receiver_url)
        eu_mp_client(receiver_url).confirm_service_offer(PlatformRole.PROVIDER, event)
        eu_mp_client(offering_url).confirm_service_offer(PlatformRole.REQUESTER, event)
        subscription = offering.subscriptions.get(event.subscription_id)
        requester = FlexOfferRequester(offering, subscription, attempts=2)
        yield Exchange(receiver, receiver_url, event, requester, offering)


def subscribed(url: str, key: str = B2B_KEY, **terms: Any) -> ServiceOfferConfirmed:
    """Return the confirmation of a subscription to flex-offers."""
    event = confirmed(base_url=url, key=key, consent_required=False, **terms)
    b2b = event.b2b.model_copy(update={"contract": "flexoffer"})
    return event.model_copy(update={"b2b": b2b})


def in_intervals(count: int) -> datetime:
    """Return the beginning of an interval: 0 is the present one, 1 the next."""
    now = clock.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((now - midnight) // INTERVAL + count) * INTERVAL


def flex_offer(**changes: Any) -> FlexOffer:
    """Return a flex-offer that can start within the next hours."""
    start = in_intervals(8)
    members: dict[str, Any] = {
        "profiles": (Profile((Slice(0, 2_500), Slice(500, 2_500, duration=2))),),
        "default": Default((2_500, 1_200)),
        "accept_before": start - timedelta(minutes=30),
        "assign_before": start - timedelta(minutes=15),
        "start_after": start,
        "start_before": start + 8 * INTERVAL,
        "offered_by": "household-7",
    }
    return FlexOffer(**(members | changes))


def soon(seconds: int = 6, length: int = 2, **changes: Any) -> FlexOffer:
    """Return a flex-offer in intervals of a second that starts in so many seconds, and is short."""
    second = timedelta(seconds=1)
    start = clock.now().replace(microsecond=0) + (seconds + 1) * second
    members: dict[str, Any] = {
        "interval": second,
        "profiles": (Profile((Slice(0, 1_000),) * length),),
        "default": Default((500,) * length),
        "accept_before": start - second,
        "assign_before": start - second / 2,
        "start_after": start,
        "start_before": start + 3600 * second,
    }
    return flex_offer(**(members | changes))
