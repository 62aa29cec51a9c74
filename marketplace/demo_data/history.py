"""What has happened in the demonstration until now: a month of a small market."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.activations import service as activations
from marketplace.activations.domain import ActivationState
from marketplace.activations.service import ActivationChange
from marketplace.catalogue import api_documents
from marketplace.catalogue import service as catalogue
from marketplace.consents import service as consents
from marketplace.consents.domain import ConsentState, Validity
from marketplace.consents.service import ConsentChange
from marketplace.core.etag import etag
from marketplace.delivery import replaying
from marketplace.demo_data.cast import (
    OTHERS,
    PROVIDER,
    REQUESTER,
    SUSPENDED,
    WAITING,
    Part,
)
from marketplace.demo_data.services import API_DOCUMENT, TERMS, offered
from marketplace.demo_data.stage import Access, Stage
from marketplace.identity import service as identity
from marketplace.monitoring import service as monitoring
from marketplace.monitoring.domain import ServiceStatus
from marketplace.monitoring.service import StatusReport
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from mpp_sdk import clock
from mpp_sdk.contracts.marketplace.models import (
    CounterProposal,
    OfferDraft,
    Period,
    Price,
    PriceModel,
    ServiceDescription,
    ServiceRequestDraft,
)
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import Answer, Event, EventState, NoResponse, ReplayFilter, Response

DAYS = 30
"""How long the market of the demonstration has been open."""

_HOUR = timedelta(hours=1)
_TAKEN = Response(200, body='{"outcome":"APPLIED"}')
_GONE = Response(410, body='{"title":"This platform takes no events of this kind any more"}')
_REFUSED = NoResponse("Connection refused.")
_BROKEN_DAYS = 2.0
_DENIED = 7  # each seventh customer says no
_WITHDRAWN = 11  # and each eleventh withdraws the consent later


class History:
    """Plays the month. Live companies are registered, and take part in what has ended only."""

    def __init__(self, stage: Stage, until: datetime, platforms: Mapping[str, Access]) -> None:
        self._stage = stage
        self._until = until
        self._platforms = platforms
        self._services: dict[str, UUID] = {}
        self._down = OTHERS[-1]
        self._gone = OTHERS[5]

    def play(self) -> None:
        """Fill the marketplace with what has happened."""
        self._arrive()
        self._publish()
        pairs = [
            (OTHERS[0], "Smart meter readings", 24, 14),
            (OTHERS[3], "Smart meter readings", 23, 22),
            (OTHERS[3], "Zählwerte der Kunden", 22, 18),
            (OTHERS[6], "Zählwerte der Kunden", 19, 9),
            (OTHERS[4], "Flex-offers of heat pumps", 18, 0),
            (OTHERS[2], "Building flexibility", 15, 12),
            (OTHERS[1], "Imbalance forecast", 12, 0),
            (OTHERS[3], "Ancillary services market", 9, 0),
            (OTHERS[6], "Grid tariffs", 6, 0),
            (OTHERS[0], "Meter data of islands", 1.5, 0),
        ]
        made = [self._subscribe(*pair) for pair in pairs]
        self._run(made[:-1])
        self._disturb(made)
        self._negotiations()

    def _at(self, days: float) -> datetime:
        return self._until - timedelta(days=days)

    def _answer(self, event: Event) -> Answer:
        companies = self._stage.companies
        if event.lane == str(companies[self._gone.name]) and "canceled" in event.kind:
            return _GONE
        down = clock.now() > self._at(_BROKEN_DAYS)
        if event.lane == str(companies[self._down.name]) and down:
            return _REFUSED
        return _TAKEN

    def _arrive(self) -> None:
        stage = self._stage
        with clock.at(self._at(DAYS)):
            for part in (PROVIDER, REQUESTER, *OTHERS, SUSPENDED):
                stage.register(part)
        with clock.at(self._at(DAYS - 0.5)):
            for part in (PROVIDER, REQUESTER, *OTHERS, SUSPENDED):
                stage.approve(part)
        with clock.at(self._at(DAYS - 1)):
            for part in OTHERS:
                access = self._platforms[part.name]
                stage.connect(part, access.base_url, access.api_key)
        with clock.at(self._at(5)), stage.operator():
            reason = "The licence has run out; a new one was asked for."
            identity.suspend_market_player(stage.companies[SUSPENDED.name], reason, None)
        for days, part in zip((0.6, 0.1), WAITING, strict=True):
            with clock.at(self._at(days)):
                stage.register(part)

    def _publish(self) -> None:
        for number, service in enumerate(offered()):
            with clock.at(self._at(DAYS - 2 - number / 4)), self._stage.acting(service.by):
                draft = catalogue.create_service(service.description)
                if service.description.name != "Congestion forecast":  # that one is still a draft
                    catalogue.publish(draft.service_id, draft.number, None)
                self._services[service.description.name] = draft.service_id
        with clock.at(self._at(8)), self._stage.acting(PROVIDER):
            again = self.described("Validated meter data").model_copy(update={"delay": "PT6H"})
            newer = catalogue.create_version(self._services["Validated meter data"], again)
            text, tag = API_DOCUMENT, etag(newer)
            api_documents.write_api_document(newer.service_id, newer.number, text, tag)
            catalogue.publish(newer.service_id, newer.number, None)

    def described(self, name: str) -> ServiceDescription:
        """Return the description of a service by its name."""
        return next(one.description for one in offered() if one.description.name == name)

    def service_id(self, name: str) -> UUID:
        """Return the id of a service by its name."""
        return self._services[name]

    def _provider_of(self, name: str) -> Part:
        return next(one.by for one in offered() if one.description.name == name)

    def _request(self, requester: Part, name: str, message: str, pods: int | None = None) -> UUID:
        with self._stage.acting(requester):
            draft = ServiceRequestDraft(
                service_id=self._services[name], message=message, expected_pods=pods or None
            )
            return negotiation.request_service(draft).request.id

    def _offer(self, request_id: UUID, name: str, *, amount: str | None = None) -> UUID:
        price = self.described(name).price
        if amount is not None:
            price = price.model_copy(update={"amount": amount})
        with self._stage.acting(self._provider_of(name)):
            moment = clock.now()
            draft = OfferDraft(
                terms=TERMS,
                price=price,
                validity=Period(start=moment, end=moment + timedelta(days=365)),
                interim_status_interval="P1D",
                valid_until=moment + timedelta(days=14),
            )
            return negotiation.make_offer(request_id, draft).id

    def _subscribe(self, requester: Part, name: str, days: float, pods: int) -> UUID:
        """Have two companies agree; return the subscription."""
        asked = self._at(days)
        with clock.at(asked):
            request_id = self._request(requester, name, "We would like to begin soon.", pods)
        with clock.at(asked + 2 * _HOUR):
            offer_id = self._offer(request_id, name)
        with clock.at(asked + 5 * _HOUR), self._stage.acting(requester):
            subscription_id = negotiation.accept_offer(request_id, offer_id, None).id
        with clock.at(asked + 5 * _HOUR + timedelta(seconds=1)):
            self._stage.deliver(self._answer)
        if pods and days > _BROKEN_DAYS:
            self._consents(subscription_id, self._provider_of(name), asked + 6 * _HOUR, pods)
        return subscription_id

    def _consents(self, subscription_id: UUID, provider: Part, first: datetime, pods: int) -> None:
        for number in range(pods):
            pod_id = f"{provider.country}{31_000_000_000_000 + number * 7_919:018d}"
            moment = first + number * timedelta(minutes=37)
            denied = number % _DENIED == _DENIED - 1
            with clock.at(moment), self._stage.acting(provider):
                state = ConsentState.DENIED if denied else ConsentState.GRANTED
                words = "The customer said no." if denied else None
                self._consent(subscription_id, pod_id, ConsentState.REQUESTED, None)
                self._consent(subscription_id, pod_id, state, words)
                if not denied:
                    activations.apply(
                        ActivationChange(
                            new_id(), moment, subscription_id, pod_id, ActivationState.ACTIVE, None
                        )
                    )
            later = moment + timedelta(days=3)
            if number % _WITHDRAWN == _WITHDRAWN - 1 and later < self._until and not denied:
                with clock.at(later), self._stage.acting(provider):
                    words = "The customer has moved out."
                    self._consent(subscription_id, pod_id, ConsentState.WITHDRAWN, words)

    def _consent(
        self, subscription_id: UUID, pod_id: str, state: ConsentState, reason: str | None
    ) -> None:
        consents.apply(
            ConsentChange(new_id(), clock.now(), subscription_id, pod_id, state, Validity(), reason)
        )

    def _run(self, made: Sequence[UUID]) -> None:
        """Have the providers report every day that all is well, or nearly."""
        for number, subscription_id in enumerate(made):
            with self._stage.operator():
                row = subscriptions.read_subscription(subscription_id)
            names = {company: name for name, company in self._stage.companies.items()}
            provider = next(one for one in OTHERS if one.name == names[row.provider_id])
            moment = row.created_at + 12 * _HOUR
            silent_since = self._at(1.6 if number == 1 else 0)
            while moment < silent_since:
                degraded = number == 2 and self._at(4) < moment < self._at(3)
                status = ServiceStatus.DEGRADED if degraded else ServiceStatus.OPERATIONAL
                words = "One of three meter gateways is being replaced." if degraded else None
                with clock.at(moment), self._stage.acting(provider):
                    monitoring.report(
                        StatusReport(new_id(), moment, subscription_id, status, None, words)
                    )
                moment += 23 * _HOUR

    def _disturb(self, made: Sequence[UUID]) -> None:
        """End and suspend some; one platform takes no cancelation, one is down."""
        with clock.at(self._at(3)), self._stage.acting(OTHERS[2]):
            subscriptions.cancel_subscription(made[5], "The buildings were sold.", None)
        with clock.at(self._at(3) + timedelta(seconds=2)):
            self._stage.deliver(self._answer)
        with clock.at(self._at(1)), self._stage.acting(OTHERS[2]):
            reason = "The quality of the readings is being checked."
            subscriptions.suspend_subscription(made[3], reason, None)
        with clock.at(self._at(0.2)), self._stage.operator():
            again = OTHERS[2].name
            lane = str(self._stage.companies[again])
            wanted = ReplayFilter(frozenset({EventState.DELIVERED}), lane, since=self._at(25))
            replaying.request(wanted, f"{again} has restored its platform from a backup.")
        for minutes in (1, 3, 9, 30, 120, 360, 720, 1200):
            moment = self._at(1) + timedelta(minutes=minutes)
            with clock.at(moment):
                self._stage.deliver(self._answer)

    def _negotiations(self) -> None:
        """Leave requests between the live companies and others in every state."""
        meter, feeders = "Validated meter data", "Load profiles of feeders"
        with clock.at(self._at(2.2)):
            self._request(OTHERS[0], meter, "We supply 4,000 customers in your area.", 4_000)
        with clock.at(self._at(13.7)):
            asked = self._request(OTHERS[3], meter, "For our pool of heat pumps.", 250)
        with clock.at(self._at(13.5)):
            self._offer(asked, meter)
        with clock.at(self._at(3)):
            other = self._request(REQUESTER, "Smart meter readings", "For a pilot.", 60)
        with clock.at(self._at(2)):
            self._offer(other, "Smart meter readings")
        with clock.at(self._at(1.8)):
            third = self._request(REQUESTER, "Imbalance forecast", "Is a trial possible?")
        with clock.at(self._at(1.5)):
            self._offer(third, "Imbalance forecast")
        with clock.at(self._at(1.2)), self._stage.acting(REQUESTER):
            wanted = Price(model=PriceModel.FLAT_FEE, amount="80", currency="EUR", interval="P30D")
            proposal = CounterProposal(message="80 EUR in the first year?", price=wanted)
            negotiation.counter_offer(third, proposal, None)
        with clock.at(self._at(1.1)):
            self._offer(third, "Imbalance forecast", amount="95")
        with clock.at(self._at(10)):
            no = self._request(REQUESTER, "Meter data of islands", "For a study.", 20)
        with clock.at(self._at(9)), self._stage.acting(self._provider_of("Meter data of islands")):
            negotiation.reject_request(no, "We serve suppliers on the island only.", None)
        with clock.at(self._at(0.3)):
            self._request(REQUESTER, feeders, "For our congestion model.")
