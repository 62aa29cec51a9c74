"""Several companies do everything in any order, legal or not, on the real services and SQLite.

Whatever comes of it, no guard of the design is ever broken, nothing goes wrong but what a caller is
told, and the audit trail tells how everything came into its state.
"""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.activations.domain import ActivationState
from marketplace.activations.tables import Activation
from marketplace.catalogue import service as catalogue
from marketplace.catalogue.domain import VersionState
from marketplace.catalogue.tables import ServiceVersion
from marketplace.consents import service as consents
from marketplace.consents.domain import ConsentState, Validity
from marketplace.consents.tables import Consent
from marketplace.core.audit import AuditEntry
from marketplace.delivery.domain import PlatformRole
from marketplace.identity import service as identity
from marketplace.identity.domain import MarketPlayerState
from marketplace.monitoring.tables import PointOfDelivery, Watch
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.domain import (
    ENDED,
    REQUEST,
    OfferState,
    RequestState,
    SubscriptionState,
)
from marketplace.subscriptions.tables import Offer, ServiceRequest, Subscription
from mpp_sdk import clock
from mpp_sdk.database import open_database, reading
from mpp_sdk.errors import Conflict, Forbidden, NotFound
from tests.unit.marketplace.market import _CLOCKED, OPERATOR, Caller, Company, Market, description

TOLD = (Conflict, Forbidden, NotFound)
"""What a caller may be told; anything else is a failure of the marketplace."""

PODS = st.sampled_from(["A", "B"])
PLAYERS = st.integers(0, 2)
TELLER = st.sampled_from([None, None, None, 0, 1, 2])
"""Who tells: mostly the provider, else anybody."""

MINUTES = st.sampled_from([0, 0, 0, -2, 2]).map(lambda minutes: timedelta(minutes=minutes))


class Orders(RuleBasedStateMachine):
    """Three companies, each provider and requester, and an operator."""

    services = Bundle("services")
    requests = Bundle("requests")
    offers = Bundle("offers")
    made = Bundle("made")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.engine = open_database(f"sqlite:///{self.folder / 'orders.db'}")
        self.market = Market.on(self.engine, self.folder)
        self.companies = [self.market.company(name) for name in ("A", "B", "C")]
        self.offset = timedelta(0)
        self.patch = pytest.MonkeyPatch()
        for module in _CLOCKED:
            self.patch.setattr(module, "now", self.now)

    def teardown(self) -> None:
        self.patch.undo()
        self.engine.dispose()
        shutil.rmtree(self.folder)

    def now(self) -> datetime:
        return clock.now() + self.offset

    def attempt(self, caller: Caller | None, function: Callable[..., Any], *args: Any) -> Any:
        """Return what came of a call; None when the caller was told why it may not be."""
        try:
            return self.market.call(caller, function, *args)
        except TOLD:
            return None

    def caller(self, index: int) -> Caller:
        return self.companies[index] if index < len(self.companies) else OPERATOR

    # Services

    @initialize(target=services, consent=st.booleans())
    def first_service(self, consent: bool) -> UUID:
        return self.market.published(self.companies[0], consentRequired=consent)

    @initialize(target=made)
    def first_subscription(self) -> UUID:
        provider, requester, _ = self.companies
        made = self.market.subscribed(provider, requester, self.market.published(provider))
        self.serve(made, "A")
        assert self.market.activation_state(made, "A") == "ACTIVE"
        return made

    @rule(target=services, who=PLAYERS, consent=st.booleans())
    def draft_service(self, who: int, consent: bool) -> Any:
        made = self.attempt(
            self.companies[who], catalogue.create_service, description(consentRequired=consent)
        )
        return made.service_id if made else multiple()

    @rule(service_id=services, who=PLAYERS)
    def draft_version(self, service_id: UUID, who: int) -> None:
        self.attempt(self.companies[who], catalogue.create_version, service_id, description())

    @rule(
        service_id=services,
        who=st.integers(0, 3),
        number=st.integers(1, 3),
        action=st.sampled_from(["publish", "publish", "deprecate", "withdraw", "delete", "edit"]),
    )
    def move_version(self, service_id: UUID, who: int, number: int, action: str) -> None:
        caller = self.caller(who)
        if action == "publish":
            self.attempt(caller, catalogue.publish, service_id, number, None)
        elif action == "delete":
            self.attempt(caller, catalogue.delete_version, service_id, number, "*")
        elif action == "edit":
            self.attempt(caller, catalogue.edit_version, service_id, number, description(), "*")
        else:
            move = catalogue.deprecate if action == "deprecate" else catalogue.withdraw
            self.attempt(caller, move, service_id, number, "Because.", None)

    # Negotiation

    @rule(target=requests, service_id=services, who=PLAYERS, replaces=st.none() | made)
    def request(self, service_id: UUID, who: int, replaces: UUID | None) -> Any:
        try:
            return self.market.requested(self.companies[who], service_id, supersedes=replaces)
        except TOLD:
            return multiple()

    @rule(target=offers, request_id=requests, who=PLAYERS, hours=st.sampled_from([1, 30, 3000]))
    def offer(self, request_id: UUID, who: int, hours: int) -> Any:
        moment = self.now()
        validity = {"start": moment, "end": moment + timedelta(hours=hours)}
        until = moment + timedelta(hours=24)
        try:
            offer_id = self.market.offered(
                self.companies[who], request_id, validity=validity, validUntil=until
            )
        except TOLD:
            return multiple()
        return request_id, offer_id

    @rule(
        request_id=requests,
        who=st.integers(0, 3),
        action=st.sampled_from(["counter", "reject", "withdraw"]),
    )
    def move_request(self, request_id: UUID, who: int, action: str) -> None:
        caller = self.caller(who)
        before = self.market.call(OPERATOR, negotiation.read_request, request_id).request
        try:
            if action == "counter":
                self.market.countered(caller, request_id)  # type: ignore[arg-type] # an operator too
            else:
                move = (
                    negotiation.reject_request
                    if action == "reject"
                    else negotiation.withdraw_request
                )
                self.market.call(caller, move, request_id, "Because.", None)
        except TOLD:
            return
        assert isinstance(caller, Company)
        assert caller.id in (before.provider_id, before.requester_id)
        assert action in REQUEST.allowed(before.state)

    @rule(found=offers, who=st.integers(0, 3))
    def withdraw_offer(self, found: tuple[UUID, UUID], who: int) -> None:
        self.attempt(self.caller(who), negotiation.withdraw_offer, *found, "A mistake.", None)

    @rule(target=made, found=offers, who=st.integers(0, 3))
    def accept(self, found: tuple[UUID, UUID], who: int) -> Any:
        row = self.attempt(self.caller(who), negotiation.accept_offer, *found, None)
        return row.id if row else multiple()

    @rule(target=made, service_id=services, who=PLAYERS)
    def come_to_terms(self, service_id: UUID, who: int) -> Any:
        """Do at once what chance would seldom do in a row."""
        try:
            provider_id = self.market.call(OPERATOR, catalogue.read_service, service_id).provider_id
            provider = next(one for one in self.companies if one.id == provider_id)
            request_id = self.market.requested(self.companies[who], service_id)
            moment = self.now()
            offer_id = self.market.offered(
                provider,
                request_id,
                validity={"start": moment, "end": moment + timedelta(days=2)},
                validUntil=moment + timedelta(hours=1),
            )
            row = self.market.call(
                self.companies[who], negotiation.accept_offer, request_id, offer_id, None
            )
        except TOLD:
            return multiple()
        subscription_id: UUID = row.id
        return subscription_id

    # Subscriptions

    @rule(made=made, role=st.sampled_from(list(PlatformRole)))
    def acknowledge(self, made: UUID, role: PlatformRole) -> None:
        self.market.acknowledge(made, role)

    @rule(
        made=made,
        who=st.integers(0, 3),
        action=st.sampled_from(["suspend", "resume", "resume", "cancel"]),
    )
    def move_subscription(self, made: UUID, who: int, action: str) -> None:
        move = getattr(subscriptions, f"{action}_subscription")
        caller = self.caller(who)
        before = self.market.subscription(made)
        done = self.attempt(caller, move, made, "Because.", None)
        if isinstance(caller, Company) and caller.id not in (
            before.provider_id,
            before.requester_id,
        ):
            assert done is None
        if before.state in ENDED:
            assert done is None

    @rule(
        who=PLAYERS,
        action=st.sampled_from(["suspend"] * 2 + ["reinstate"] * 8 + ["deregister"]),
    )
    def move_player(self, who: int, action: str) -> None:
        move = getattr(identity, f"{action}_market_player")
        self.attempt(OPERATOR, move, self.companies[who].id, "Because.", None)

    # Notifications

    @rule(
        made=made,
        who=TELLER,
        pod=PODS,
        state=st.sampled_from(list(ConsentState)),
        ago=MINUTES,
        hours=st.sampled_from([None, 1, 50]),
    )
    def tell_consent(
        self,
        made: UUID,
        who: int | None,
        pod: str,
        state: ConsentState,
        ago: timedelta,
        hours: int | None,
    ) -> None:
        at = self.now() - ago
        end = None if hours is None else at + timedelta(hours=hours)
        self.tell(made, who, self.market.consent, state, pod=pod, at=at, validity=Validity(at, end))

    @rule(
        made=made, who=TELLER, pod=PODS, state=st.sampled_from(list(ActivationState)), ago=MINUTES
    )
    def tell_activation(
        self, made: UUID, who: int | None, pod: str, state: ActivationState, ago: timedelta
    ) -> None:
        self.tell(made, who, self.market.activation, state, pod=pod, at=self.now() - ago)

    @rule(made=made, pod=PODS)
    def serve(self, made: UUID, pod: str) -> None:
        """Do at once what chance would seldom do in a row: consent and activation."""
        for role in PlatformRole:
            self.market.acknowledge(made, role)
        self.offset += timedelta(minutes=5)  # later than whatever was told until now
        for tell, states in (
            (self.market.consent, ("REQUESTED", "GRANTED")),
            (self.market.activation, ("REQUESTED", "ACTIVE")),
        ):
            for state in states:
                self.tell(made, None, tell, state, pod=pod, at=self.now())

    @rule(made=made, pod=PODS, state=st.sampled_from(["WITHDRAWN", "EXPIRED"]))
    def end_consent(self, made: UUID, pod: str, state: str) -> None:
        self.offset += timedelta(minutes=5)
        self.tell(made, None, self.market.consent, state, pod=pod, at=self.now())

    def tell(
        self, made: UUID, who: int | None, how: Callable[..., object], state: str, **more: Any
    ) -> None:
        provider_id = self.market.subscription(made).provider_id
        provider = next(one for one in self.companies if one.id == provider_id)
        caller = provider if who is None else self.companies[who]
        try:
            how(caller, made, state, **more)
        except TOLD:
            return
        assert caller is provider

    # Time

    @rule(hours=st.sampled_from([1, 5, 30, 800]))
    def time_passes(self, hours: int) -> None:
        self.offset += timedelta(hours=hours)
        for job in (
            negotiation.expire_due_requests,
            subscriptions.expire_due_subscriptions,
            consents.expire_due_consents,
        ):
            while self.market.call(None, job):
                pass

    # What always holds

    @invariant()
    def no_guard_is_broken(self) -> None:
        with Session(reading(self.engine)) as session:
            self.check_versions(session)
            self.check_negotiations(session)
            self.check_subscriptions(session)
            self.check_points_of_delivery(session)
            self.check_trail(session)

    def check_versions(self, session: Session) -> None:
        published = [
            row.service_id
            for row in session.scalars(select(ServiceVersion))
            if row.state is VersionState.PUBLISHED
        ]
        assert len(published) == len(set(published))

    def check_negotiations(self, session: Session) -> None:
        offers: dict[UUID, list[OfferState]] = defaultdict(list)
        for offer in session.scalars(select(Offer)):
            offers[offer.request_id].append(offer.state)
        made = {row.request_id for row in session.scalars(select(Subscription))}
        for row in session.scalars(select(ServiceRequest)):
            assert row.provider_id != row.requester_id
            is_offered = row.state is RequestState.OFFERED
            assert offers[row.id].count(OfferState.OPEN) == (1 if is_offered else 0)
            is_confirmed = row.state is RequestState.CONFIRMED
            assert offers[row.id].count(OfferState.ACCEPTED) == (1 if is_confirmed else 0)
            assert (row.id in made) == is_confirmed

    def check_subscriptions(self, session: Session) -> None:
        rows = {row.id: row for row in session.scalars(select(Subscription))}
        watched = {row.subscription_id: row for row in session.scalars(select(Watch))}
        states = {
            one.id: self.market.call(OPERATOR, identity.player_state, one.id)
            for one in self.companies
        }
        for row in rows.values():
            both = len(row.acknowledged_by) == 2
            if row.state in (SubscriptionState.ACTIVE, SubscriptionState.SUSPENDED):
                assert both
            if row.state is SubscriptionState.PENDING:
                assert not both
            assert bool(row.holds) == (row.state is SubscriptionState.SUSPENDED)
            is_awaited = row.id in watched and watched[row.id].overdue_from is not None
            assert is_awaited == (row.state is SubscriptionState.ACTIVE)
            partners = {states[row.provider_id], states[row.requester_id]}
            if row.state is SubscriptionState.ACTIVE:
                assert partners == {MarketPlayerState.ACTIVE}
            if MarketPlayerState.DEREGISTERED in partners:
                assert row.state in ENDED
            if row.superseded_by is not None:
                assert row.state is SubscriptionState.CANCELED
                assert rows[row.superseded_by].supersedes == row.id
            self.check_events(row)

    def check_events(self, row: Subscription) -> None:
        kinds = [kind for kind, _, _ in self.market.events(row.id)]
        assert kinds[:2] == ["service-offer.confirmed"] * 2
        ended = ["service-offer.canceled"] * (2 if row.state in ENDED else 0)
        assert kinds[len(kinds) - len(ended) :] == ended
        middle = kinds[2 : len(kinds) - len(ended)]
        turns = ["service-offer.suspended", "service-offer.resumed"]
        assert middle == [turns[number // 2 % 2] for number in range(len(middle))]
        if row.state is SubscriptionState.SUSPENDED:
            assert middle[-1] == "service-offer.suspended"
        if row.state is SubscriptionState.ACTIVE:
            assert not middle or middle[-1] == "service-offer.resumed"

    def check_points_of_delivery(self, session: Session) -> None:
        rows = {row.id: row for row in session.scalars(select(Subscription))}
        consents_now = {
            (row.subscription_id, row.pod_id): row for row in session.scalars(select(Consent))
        }
        seen = {
            (row.subscription_id, row.pod_id): row
            for row in session.scalars(select(PointOfDelivery))
        }
        activations_now = {
            (row.subscription_id, row.pod_id): row for row in session.scalars(select(Activation))
        }
        for key, activation in activations_now.items():
            subscription = rows[key[0]]
            if subscription.state in ENDED:
                assert activation.state is ActivationState.ENDED
            if activation.state is ActivationState.ACTIVE:
                assert subscription.state is SubscriptionState.ACTIVE
                if subscription.consent_required:
                    consent = consents_now[key]
                    assert consent.state is ConsentState.GRANTED
                    assert consent.validity_end is None or self.now() < consent.validity_end
        assert set(seen) == set(consents_now) | set(activations_now)
        for key, row in seen.items():
            consent_row = consents_now.get(key)
            activation_row = activations_now.get(key)
            assert row.consent == (consent_row.state if consent_row else None)
            assert row.activation == (activation_row.state if activation_row else None)

    def check_trail(self, session: Session) -> None:
        """Check that the audit trail leads without a gap to where everything is now."""
        now: dict[tuple[str, str], str | None] = {}
        for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id)):
            key = (entry.entity_kind, entry.entity_id)
            assert entry.from_state == now.get(key), (key, entry.action)
            now[key] = entry.to_state
        kinds: tuple[tuple[str, type[Any]], ...] = (
            ("ServiceVersion", ServiceVersion),
            ("ServiceRequest", ServiceRequest),
            ("Offer", Offer),
            ("Subscription", Subscription),
        )
        for kind, table in kinds:
            for row in session.scalars(select(table)):
                assert now[kind, str(row.id)] == row.state
        of_pods: tuple[tuple[str, type[Any]], ...] = (
            ("Consent", Consent),
            ("Activation", Activation),
        )
        for kind, table in of_pods:
            for row in session.scalars(select(table)):
                assert now[kind, f"{row.subscription_id}/{row.pod_id}"] == row.state


TestOrders = Orders.TestCase
TestOrders.settings = settings(
    max_examples=20,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
