"""The flex-offer contract as it is served, ready to be fuzzed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.flexoffer.documents import offer_of
from mpp_sdk.flexoffer.exchange.handler import FlexOfferReceiver
from mpp_sdk.flexoffer.exchange.stream import FlexOfferStreams
from mpp_sdk.flexoffer.lifecycle import FlexOfferState
from mpp_sdk.flexoffer.model import Schedule
from mpp_sdk.flexoffer.terms import DelegatedTerms, FlexibilityContract
from mpp_sdk.ids import new_id
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.subscriptions import Subscription
from mpp_sdk.testing import ServedPlatform
from mpp_sdk.web.contract import Contract, Operation

from .fuzzing import Target

_KEY = "fxb_the-key-of-the-subscription-that-is-fuzzed"
_NEWEST = 40


class _Decided(FlexOfferReceiver):
    """Accepts every other flex-offer, and gives every fourth what is its default as a schedule."""

    def on_offered(self, subscription: Subscription, ids: Sequence[UUID]) -> None:
        self.accept(ids[::2])
        for flex_offer_id in ids[::4]:
            offer = self.store.get(subscription.id, flex_offer_id).offer
            schedule = offer.default_schedule(clock.now())
            if schedule.start > clock.now():
                profile, energies = schedule.profile, schedule.energies
                self.assign({flex_offer_id: Schedule(schedule.start, energies, profile)})


class _Platform(MarketPlayerPlatform):
    def __init__(self, settings: PlatformSettings) -> None:
        super().__init__(settings)
        self.receiver = _Decided(self)
        # A stream that is open does not end, and a fuzzer waits for every answer.
        self.receiver.streams = FlexOfferStreams(self.receiver.store, most_readers=0)


@dataclass(frozen=True)
class Offerer:
    """Who offers under a subscription: its key, its flex-offers, and what it calls itself."""

    key: str
    subscription_id: UUID
    name: str
    flex_offer_ids: Sequence[str]


@contextmanager
def served_to_two(folder: Path) -> Iterator[tuple[str, Sequence[Offerer]]]:
    """Give the URL of a receiver of flex-offers, and two who offer, each with some of them."""
    with ServedPlatform(_Platform, folder) as served:
        yield (
            served.url,
            [_offering(served, f"{_KEY}-{name}", name) for name in ("the-first", "the-second")],
        )


def _offering(served: ServedPlatform[_Platform], key: str, name: str) -> Offerer:
    receiver, random = served.platform.receiver, Random(name)
    subscription_id = _subscribed(served, key)
    drafts = [_draft(random) | {"offeredBy": f"{name}-household"} for _ in range(_NEWEST)]
    documents = [{name: one for name, one in draft.items() if one is not None} for draft in drafts]
    taken = [(offer_of(document), document) for document in documents]
    receiver.store.add(subscription_id, taken, clock.now())
    return Offerer(key, subscription_id, name, [str(offer.id) for offer, _ in taken])


def _subscribed(served: ServedPlatform[_Platform], key: str) -> UUID:
    """Return a new subscription with a flexibility contract, whose requester has this key."""
    b2b = {
        "baseUrl": served.url,
        "contract": "flexoffer",
        "contractVersion": Contract.load("flexoffer").version,
        "apiKey": key,
    }
    subscription_id = new_id()
    fields = {"b2b": b2b, "subscriptionId": str(subscription_id)}
    served.tell("confirm_service_offer", PlatformRole.PROVIDER, fields)
    served.platform.receiver.set_contract(
        subscription_id,
        FlexibilityContract(
            receiver="The receiver",
            offered_by="The offerer",
            currency="EUR",
            zone=ZoneInfo("Europe/Madrid"),
            valid_from=datetime(2000, 1, 1, tzinfo=UTC),
            terms=DelegatedTerms(),
        ),
    )
    return subscription_id


@contextmanager
def served_flexoffers(folder: Path) -> Iterator[Target]:
    """Give the contract as a receiver of flex-offers serves it."""
    contract = Contract.load("flexoffer")
    with ServedPlatform(_Platform, folder) as served:
        receiver = served.platform.receiver
        _subscribed(served, _KEY)

        def known(operation: Operation, random: Random) -> dict[str, str]:
            offers = list(receiver.offers(states=tuple(FlexOfferState)))[-_NEWEST:]
            start = clock.now() + timedelta(hours=random.randrange(-48, 48))
            period = {"start": start, "from": start}
            after = start + timedelta(hours=random.randrange(1, 48))
            return {
                **{name: moment.isoformat() for name, moment in period.items()},
                **{name: after.isoformat() for name in ("end", "to")},
                **({"id": str(random.choice(offers).id)} if offers else {}),
            }

        def body(operation: Operation, random: Random) -> dict[str, Any]:
            if operation.name in ("offer", "replace_flex_offer"):
                return _draft(random)
            return {}

        yield Target(
            "flexoffer",
            contract,
            served.url + contract.base_path,
            lambda operation, random: {"X-API-Key": _KEY},
            known,
            body,
            lenient=frozenset({"offer"}),
        )


def _draft(random: Random) -> dict[str, Any]:
    """Return members that make a flex-offer that can be taken; None takes a member away."""
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    start = now + timedelta(hours=random.randrange(3, 30))
    slices = [{"lower": 0, "upper": 2.5}] * random.randrange(1, 9)
    return {
        "acceptBefore": (start - timedelta(hours=1)).isoformat(),
        "assignBefore": (start - timedelta(hours=1)).isoformat(),
        "startAfter": start.isoformat(),
        "startBefore": (start + timedelta(hours=4)).isoformat(),
        "startBeforeDuration": None,
        "interval": None,
        "profiles": [{"slices": slices}],
        "default": {"energies": [1.5] * len(slices)},
        "twoMode": None,
    }
