"""Requests, offers, and the subscriptions that came of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from benchmarks.seeding.chance import Chance, Uneven
from benchmarks.seeding.companies import Company
from benchmarks.seeding.loading import Loader
from benchmarks.seeding.services import Service
from benchmarks.seeding.trail import MARKETPLACE, Trail
from benchmarks.seeding.words import REASONS
from marketplace.subscriptions.domain import OfferState, RequestState, SubscriptionState

_MONTH = timedelta(days=30)
_YEAR = timedelta(days=365)
_STATES = {
    SubscriptionState.ACTIVE: 80,
    SubscriptionState.PENDING: 2,
    SubscriptionState.SUSPENDED: 3,
    SubscriptionState.CANCELED: 10,
    SubscriptionState.EXPIRED: 5,
}
_WITHOUT = {
    RequestState.REQUESTED: 5,
    RequestState.OFFERED: 5,
    RequestState.REJECTED: 2,
    RequestState.WITHDRAWN: 2,
    RequestState.EXPIRED: 2,
}
_CLOSED_OFFER = {
    RequestState.OFFERED: OfferState.OPEN,
    RequestState.CONFIRMED: OfferState.ACCEPTED,
    RequestState.REJECTED: OfferState.REJECTED,
    RequestState.WITHDRAWN: OfferState.WITHDRAWN,
    RequestState.EXPIRED: OfferState.EXPIRED,
}


@dataclass(frozen=True)
class Subscription:
    """A subscription, as far as what follows from it needs to know."""

    id: UUID
    service: Service
    requester: Company
    state: SubscriptionState
    created_at: datetime
    active_since: datetime | None

    @property
    def provider(self) -> Company:
        """The company that has the service."""
        return self.service.provider


@dataclass(frozen=True)
class _Request:
    id: UUID
    service: Service
    requester: Company
    state: RequestState
    created_at: datetime


class Negotiations:
    """Makes requests by a few large requesters, and many small ones, for popular services."""

    def __init__(
        self,
        loader: Loader,
        chance: Chance,
        trail: Trail,
        services: list[Service],
        requesters: list[Company],
    ) -> None:
        self._loader = loader
        self._chance = chance
        self._trail = trail
        self._services = Uneven([one for one in services if one.subscribable], 0.3)
        self._requesters = Uneven(requesters, 0.9)

    def add_subscription(self) -> Subscription:
        """Add a subscription, with the request and the offers that it came of, and return it."""
        chance = self._chance
        state = chance.choices(list(_STATES), list(_STATES.values()))[0]
        # What is PENDING is so for hours, not for years.
        oldest = timedelta(days=2) if state is SubscriptionState.PENDING else 3 * _YEAR
        request = self._request(RequestState.CONFIRMED, chance.ago(oldest, timedelta(hours=2)))
        return self._subscription(request, state)

    def add_request(self) -> None:
        """Add a request that has led to nothing yet, or never will."""
        state = self._chance.choices(list(_WITHOUT), list(_WITHOUT.values()))[0]
        under_way = state in (RequestState.REQUESTED, RequestState.OFFERED)
        self._request(state, self._chance.ago(_MONTH if under_way else 3 * _YEAR))

    def _request(self, state: RequestState, created: datetime) -> _Request:
        chance = self._chance
        service, requester = self._services.draw(chance), self._requesters.draw(chance)
        request = _Request(chance.id_at(created), service, requester, state, created)
        updated = chance.after(created, timedelta(hours=1))
        self._loader.add(
            "service_request",
            id=request.id,
            service_id=service.id,
            service_number=service.number,
            service_name=service.name,
            provider_id=service.provider.id,
            requester_id=requester.id,
            state=state,
            message="We would like to begin next month." if chance.happens(0.5) else None,
            expected_pods=chance.randint(1, 500),
            reason=chance.choice(REASONS) if state is RequestState.REJECTED else None,
            created_at=created,
            updated_at=updated,
            expires_at=created + _MONTH + timedelta(minutes=1),
            version=2,
        )
        self._note("ServiceRequest", request.id, "request", created, request, "REQUESTED")
        if state is not RequestState.REQUESTED:
            self._offers(request, updated)
            self._note("ServiceRequest", request.id, "offer", updated, request, state)
        return request

    def _offers(self, request: _Request, at: datetime) -> None:
        revisions = 2 if self._chance.happens(0.15) else 1
        for revision in range(1, revisions + 1):
            state = OfferState.SUPERSEDED
            if revision == revisions:
                state = _CLOSED_OFFER[request.state]
            offer = self._chance.id_at(at)
            self._loader.add(
                "offer",
                id=offer,
                request_id=request.id,
                revision=revision,
                state=state,
                terms=request.service.terms,
                price=request.service.price,
                validity_start=at,
                validity_end=at + _YEAR,
                interim_status_interval=request.service.interval,
                valid_until=self._chance.now + timedelta(days=14) * self._chance.random(),
                created_at=at,
                version=2,
            )
            self._note("Offer", offer, "offer", at, request, "OPEN")

    def _subscription(self, request: _Request, state: SubscriptionState) -> Subscription:
        chance, service = self._chance, request.service
        created = chance.after(request.created_at, timedelta(days=5))
        pending = state is SubscriptionState.PENDING
        activated = None if pending else chance.after(created, timedelta(minutes=5))
        since = activated or created
        if state not in (SubscriptionState.PENDING, SubscriptionState.ACTIVE):
            since = chance.after(since, _YEAR)
        ends = chance.now + _YEAR * chance.random()
        if state is SubscriptionState.EXPIRED:
            ends = since
        subscription = chance.id_at(created)
        running = state is SubscriptionState.ACTIVE
        self._loader.add(
            "subscription",
            id=subscription,
            request_id=request.id,
            service_id=service.id,
            service_number=service.number,
            service_name=service.name,
            category=service.category,
            data_standard=service.standard,
            consent_required=service.consent_required,
            provider_id=service.provider.id,
            requester_id=request.requester.id,
            state=state,
            holds='["PROVIDER"]' if state is SubscriptionState.SUSPENDED else "[]",
            reason=chance.choice(REASONS) if since != created and not running else None,
            provider_acknowledged_at=activated or (created if chance.happens(0.5) else None),
            requester_acknowledged_at=activated,
            terms=service.terms,
            price=service.price,
            validity_start=created,
            validity_end=None if running and chance.happens(0.3) else ends,
            interim_status_interval=service.interval,
            created_at=created,
            activated_at=activated,
            active_since=activated,
            state_since=since,
            updated_at=since,
            version=3,
        )
        self._note(
            "Subscription", subscription, "accept", created, request, "PENDING", subscription
        )
        if activated is not None:
            self._note(
                "Subscription", subscription, "activate", activated, request, "ACTIVE", subscription
            )
        if activated is not None and not running:
            action = state.value.lower()
            self._note("Subscription", subscription, action, since, request, state, subscription)
        return Subscription(subscription, service, request.requester, state, created, activated)

    def _note(
        self,
        kind: str,
        entity: UUID,
        action: str,
        at: datetime,
        request: _Request,
        after: str,
        subscription: UUID | None = None,
    ) -> None:
        actor = request.requester.administrator
        if kind == "Offer":
            actor = request.service.provider.administrator
        elif action in ("activate", "expired"):
            actor = MARKETPLACE
        self._trail.note(
            kind,
            entity,
            action,
            at,
            actor=actor,
            after=after,
            subscription=subscription,
            provider=request.service.provider.id,
            requester=request.requester.id,
        )
