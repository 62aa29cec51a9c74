"""A platform that receives flex-offers, in this process, as the kit is pointed at it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import requests
from pydantic import SecretStr
from starlette.types import ASGIApp

from mpp_sdk import clock
from mpp_sdk.client import api_key
from mpp_sdk.conformance import Credentials, Run, Target, cases_of, flexoffers, run
from mpp_sdk.conformance.samples import sample_of
from mpp_sdk.conformance.subject import opened
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.contracts.flexoffer.client import FlexofferClient
from mpp_sdk.contracts.flexoffer.models import FlexOfferDraft, FlexOffersToOffer
from mpp_sdk.flexoffer.exchange.handler import FlexOfferReceiver
from mpp_sdk.flexoffer.terms import DelegatedTerms, FlexibilityContract
from mpp_sdk.ids import new_id
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.secrets import load_or_create_key, new_secret
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.subscriptions import Subscription
from mpp_sdk.transport import AddressPolicy
from mpp_sdk.web import streaming
from mpp_sdk.web.contract import Contract
from tests.conformance.faults.registry import Fault
from tests.conformance.stage import Server
from tests.functional.sdk.support import FIRST_INBOUND, confirmed, eu_mp_client

CONTRACT = "flexoffer"
_DEAR, _TOO_DEAR = Decimal(10), Decimal(1_000)


class Receiver(FlexOfferReceiver):
    """Accepts what is offered and has it do its baseline, but for what costs too much."""

    def on_offered(self, subscription: Subscription, ids: Sequence[UUID]) -> None:
        """Accept what is not too dear, and schedule what is not dear."""
        now = clock.now()
        offers = [self.store.get(subscription.id, one).offer for one in ids]
        prices = {
            one.id: max(part.price or Decimal(0) for each in one.profiles for part in each.slices)
            for one in offers
        }
        accepted = [one for one in offers if prices[one.id] < _TOO_DEAR]
        self.accept([one.id for one in accepted])
        self.assign(
            {one.id: one.default_schedule(now) for one in accepted if prices[one.id] < _DEAR}
        )


class ReceivingPlatform(MarketPlayerPlatform):
    """An aggregator's platform that takes flex-offers."""

    def __init__(self, configured: PlatformSettings | None = None) -> None:
        super().__init__(configured)
        self.receiver = Receiver(self)


@dataclass(frozen=True)
class ExchangeStage:
    """What the kit is pointed at."""

    server: Server
    database_url: str
    target: Target

    def run(
        self,
        ids: Sequence[str] | None = None,
        fault: Fault | None = None,
        changes: Mapping[str, object] | None = None,
    ) -> Run:
        """Return what comes of the cases of these ids, or of all, under a fault."""
        target = replace(self.target, **(changes or {}))  # type: ignore[arg-type]
        wanted = [one for one in cases_of(CONTRACT) if ids is None or one.id in ids]
        if fault is not None:  # it need not be waited for so long
            self.server.front.patch.setattr(flexoffers, "NOTICED_S", 2.0)
        with (
            nullcontext() if fault is None else self.server.front.broken_by(fault),
            opened(target, Contract.load(CONTRACT), self.server) as subject,
        ):
            return run(subject, wanted)


@contextmanager
def exchange_staged(folder: Path, database_url: str | None = None) -> Iterator[ExchangeStage]:
    """Give the platform while a block runs, with two subscriptions and a contract for the first."""
    url = database_url or f"sqlite:///{folder / 'receiver.db'}"
    configured = PlatformSettings(
        database_url=url,
        encryption_keys=(SecretStr(load_or_create_key(folder / "platform.key")),),
        marketplace_url="http://127.0.0.1:9",
        inbound_api_key=SecretStr(FIRST_INBOUND),
        allow_private_addresses=True,
        allow_http=True,
        rate_limit_address=0,
        rate_limit_credential=0,
        rate_limit_failures=0,
    )
    platforms: list[ReceivingPlatform] = []
    patch = pytest.MonkeyPatch()
    patch.setattr(streaming, "BEAT_SECONDS", 0.5)
    patch.setattr(flexoffers, "_LEADS_S", (3, 15, 40))

    def make() -> ASGIApp:
        platforms.append(ReceivingPlatform(configured))
        return platforms[-1].app()

    server = Server(make)
    server.start()
    try:
        own, foreign = (_subscribed(server) for _ in range(2))
        platforms[-1].receiver.set_contract(own.subscription_id, _contract())
        target = Target(
            server.url,
            CONTRACT,
            Credentials(own.key),
            AddressPolicy(allow_private=True, allow_http=True),
            timeout=timedelta(seconds=60),
        )
        made = [_offered(server, target, one) for one in (own, own, own, foreign)]
        yield ExchangeStage(server, url, replace(target, foreign_flex_offer_id=made[-1]))
    finally:
        server.stop()
        patch.undo()


@dataclass(frozen=True)
class _Subscribed:
    subscription_id: UUID
    key: str


def _subscribed(server: Server) -> _Subscribed:
    key = new_secret("fxb")
    event = confirmed(consent_required=False, key=key, base_url=server.url)
    b2b = event.b2b.model_copy(update={"contract": CONTRACT})
    client = eu_mp_client(server.url)
    client.confirm_service_offer(PlatformRole.PROVIDER, event.model_copy(update={"b2b": b2b}))
    return _Subscribed(event.subscription_id, key)


def _offered(server: Server, target: Target, subscription: _Subscribed) -> UUID | None:
    contract = Contract.load(CONTRACT)
    body = sample_of(contract, contract.by_id["offer"], target).body
    with requests.Session() as session:
        client = FlexofferClient(f"{server.url}/flexoffer/v1", session, api_key(subscription.key))
        draft = FlexOfferDraft.model_validate(body)
        [told] = client.offer(FlexOffersToOffer(draft)).items
    return told.id


def _contract() -> FlexibilityContract:
    return FlexibilityContract(
        id=new_id(),
        receiver="Levante Aggregation",
        offered_by="Home Energy",
        currency="EUR",
        zone=ZoneInfo("Europe/Madrid"),
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
        valid_until=datetime(2040, 1, 1, tzinfo=UTC),
        terms=DelegatedTerms(
            per_hour=Decimal("0.01"), per_kwh=Decimal("0.005"), activation=Decimal("0.08")
        ),
    )
