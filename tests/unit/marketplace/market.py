"""A marketplace without HTTP, for tests of what it can do: companies act one after another."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, update

from marketplace import app
from marketplace.activations import service as activations
from marketplace.activations.domain import ActivationState
from marketplace.activations.service import ActivationChange
from marketplace.catalogue import service as catalogue
from marketplace.consents import service as consents
from marketplace.consents.domain import ConsentState, Validity
from marketplace.consents.service import ConsentChange
from marketplace.core.audit import AuditEntry
from marketplace.core.environment import Environment, in_environment
from marketplace.core.notices import Outcome
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import current_session, unit_of_work
from marketplace.delivery import service as delivery
from marketplace.delivery.domain import EventKind, PlatformRole
from marketplace.delivery.listeners import Notice, tell
from marketplace.delivery.tables import OUTBOX
from marketplace.identity import access
from marketplace.identity import service as identity
from marketplace.identity.access import MarketplacePrincipal
from marketplace.identity.domain import MarketPlayerRole, MarketPlayerState
from marketplace.identity.service import PlatformStatement, Statement
from marketplace.monitoring import service as monitoring
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.tables import Subscription
from mpp_sdk import clock
from mpp_sdk.contracts.marketplace.models import (
    CounterProposal,
    OfferDraft,
    ServiceDescription,
    ServiceRequestDraft,
)
from mpp_sdk.ids import new_id
from mpp_sdk.outbox import EventState

T = TypeVar("T")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
OPERATOR = MarketplacePrincipal("credential:operator", "Operator", frozenset({"operator"}))
_CLOCKED: tuple[ModuleType, ...] = (
    catalogue,
    negotiation,
    subscriptions,
    consents,
    activations,
    monitoring,
)


@dataclass(frozen=True)
class Company:
    """A market player that acts with every role a company can have."""

    id: UUID
    name: str


Caller = Company | MarketplacePrincipal


def description(**changes: object) -> ServiceDescription:
    """Return the description of a service, changed where asked for."""
    return ServiceDescription.model_validate(
        {
            "name": "Validated meter data",
            "summary": "Quarter-hourly readings",
            "category": "METERING_DATA",
            "providerRole": "DSO",
            "countries": ["ES"],
            "dataStandard": "CIM_IEC_62325",
            "consentRequired": True,
            "price": {"model": "FREE"},
            "terms": "By noon.",
            "interimStatusInterval": "PT1H",
            "integration": {"contract": "metering", "contractVersion": "1.0.0"},
            **changes,
        }
    )


def offer_draft(**changes: object) -> OfferDraft:
    """Return an offer that stands for a day and runs for a year."""
    moment = clock.now()
    return OfferDraft.model_validate(
        {
            "terms": "By noon.",
            "price": {"model": "FREE"},
            "validity": {"start": moment, "end": moment + 365 * DAY},
            "interimStatusInterval": "PT1H",
            "validUntil": moment + DAY,
            **changes,
        }
    )


class Market:
    """The marketplace and what companies do in it, each call a unit of work of its own."""

    def __init__(self, environment: Environment) -> None:
        app.wire()
        self.environment = environment

    @classmethod
    def on(cls, engine: Engine, folder: Path) -> "Market":
        """Return the marketplace on a database, with every table made."""
        app.metadata().create_all(engine)
        settings = Settings(data_dir=folder, allow_private_addresses=True, allow_http=True)
        return cls(Environment(settings, engine))

    @contextmanager
    def working(self, caller: Caller | None) -> Iterator[None]:
        """Run a block in a unit of work for a caller, or for a job when there is none."""
        with in_environment(self.environment):
            if caller is None:
                with unit_of_work(self.environment.engine):
                    yield
            else:
                principal = self._principal(caller)
                with access.acting_for(principal), unit_of_work(self.environment.engine):
                    yield

    def call(self, caller: Caller | None, function: Callable[..., T], *args: Any, **more: Any) -> T:
        """Return what a function of a service does for a caller."""
        with self.working(caller):
            return function(*args, **more)

    def _principal(self, caller: Caller) -> MarketplacePrincipal:
        if isinstance(caller, MarketplacePrincipal):
            return caller
        with unit_of_work(self.environment.engine, read_only=True):
            state = identity.player_state(caller.id)
        roles = frozenset({"provider", "requester"})
        return MarketplacePrincipal(
            f"company:{caller.id}", caller.name, roles, None, caller.id, state
        )

    # What companies do

    def company(
        self,
        name: str,
        *roles: MarketPlayerRole,
        platform: bool = True,
        state: MarketPlayerState = MarketPlayerState.ACTIVE,
    ) -> Company:
        """Return a new company; an ACTIVE DSO with a platform unless told otherwise."""
        statement = Statement(
            name, frozenset(roles or {MarketPlayerRole.DSO}), "ES", "a@company.example"
        )
        with self.working(None):
            player, _ = identity.register_market_player(statement)
        made = Company(player.id, name)
        if state is not MarketPlayerState.PENDING:
            self.call(OPERATOR, identity.activate_market_player, made.id, "Fine.", None)
        if platform:
            self.state_platform(made)
        return made

    def state_platform(self, company: Company) -> None:
        """State a company's connection settings."""
        statement = PlatformStatement("http://127.0.0.1:9", "a-key-of-20-characters", False)
        self.call(company, identity.set_platform, company.id, statement, None)

    def draft(self, provider: Company, **changes: object) -> UUID:
        """Return a service with a draft."""
        return self.call(provider, catalogue.create_service, description(**changes)).service_id

    def published(self, provider: Company, **changes: object) -> UUID:
        """Return a service that is published."""
        service_id = self.draft(provider, **changes)
        self.call(provider, catalogue.publish, service_id, 1, None)
        return service_id

    def requested(self, requester: Company, service_id: UUID, **more: Any) -> UUID:
        """Return a request for a service."""
        draft = ServiceRequestDraft(service_id=service_id, **more)
        return self.call(requester, negotiation.request_service, draft).request.id

    def offered(self, provider: Company, request_id: UUID, **changes: object) -> UUID:
        """Return an offer to a request."""
        return self.call(provider, negotiation.make_offer, request_id, offer_draft(**changes)).id

    def countered(self, requester: Company, request_id: UUID) -> None:
        """Have a requester counter the open offer."""
        proposal = CounterProposal(message="Cheaper, please.")
        self.call(requester, negotiation.counter_offer, request_id, proposal, None)

    def pending(
        self, provider: Company, requester: Company, service_id: UUID, **changes: Any
    ) -> UUID:
        """Return a subscription of which the platforms have not heard yet."""
        supersedes = changes.pop("supersedes", None)
        request_id = self.requested(requester, service_id, supersedes=supersedes)
        offer_id = self.offered(provider, request_id, **changes)
        return self.call(requester, negotiation.accept_offer, request_id, offer_id, None).id

    def subscribed(
        self, provider: Company, requester: Company, service_id: UUID, **changes: Any
    ) -> UUID:
        """Return an ACTIVE subscription."""
        subscription_id = self.pending(provider, requester, service_id, **changes)
        for role in PlatformRole:
            self.acknowledge(subscription_id, role)
        return subscription_id

    def acknowledge(self, subscription_id: UUID, role: PlatformRole) -> None:
        """Have a platform acknowledge the service offer details."""
        notice = Notice(
            event_id=new_id(),
            kind=EventKind.SERVICE_OFFER_CONFIRMED,
            market_player_id=new_id(),
            platform_role=role,
            subscription_id=subscription_id,
            state=EventState.DELIVERED,
            at=clock.now(),
            reason=None,
        )
        self.call(None, tell, notice)

    # What platforms tell

    def consent(
        self,
        provider: Company,
        subscription_id: UUID,
        state: str,
        *,
        pod: str = "POD1",
        at: datetime | None = None,
        event_id: UUID | None = None,
        validity: Validity | None = None,
    ) -> Outcome:
        """Have a platform tell of a consent."""
        change = ConsentChange(
            event_id or new_id(),
            at or clock.now(),
            subscription_id,
            pod,
            ConsentState(state),
            validity or Validity(),
            None,
        )
        return self.call(provider, consents.apply, change)

    def activation(
        self,
        provider: Company,
        subscription_id: UUID,
        state: str,
        *,
        pod: str = "POD1",
        at: datetime | None = None,
        event_id: UUID | None = None,
    ) -> Outcome:
        """Have a platform tell of an activation."""
        change = ActivationChange(
            event_id or new_id(),
            at or clock.now(),
            subscription_id,
            pod,
            ActivationState(state),
            None,
        )
        return self.call(provider, activations.apply, change)

    def all_heard(self, state: EventState = EventState.DELIVERED) -> None:
        """Have the platforms acknowledge everything that they were to be told, or never hear it."""
        with self.working(None):
            values = {"state": state, "finished_at": clock.now()}
            current_session().execute(update(OUTBOX.event).values(values))

    # What can be seen

    def subscription(self, subscription_id: UUID) -> Subscription:
        """Return a subscription as it is now."""
        return self.call(OPERATOR, subscriptions.read_subscription, subscription_id)

    def consent_state(self, subscription_id: UUID, pod: str = "POD1") -> str | None:
        """Return the state of a consent, None when there is none."""
        page = self.call(OPERATOR, consents.list_consents, subscription_id, None, pod, 9, None)
        return page.items[0].state.value if page.items else None

    def activation_state(self, subscription_id: UUID, pod: str = "POD1") -> str | None:
        """Return the state of an activation, None when there is none."""
        page = self.call(
            OPERATOR, activations.list_activations, subscription_id, None, pod, 9, None
        )
        return page.items[0].state.value if page.items else None

    def events(self, subscription_id: UUID) -> list[tuple[str, str, dict[str, Any]]]:
        """Return kind, path and payload of every event of a subscription, the oldest first."""
        with self.working(OPERATOR):
            page = delivery.list_deliveries(limit=200, subscription_id=subscription_id)
            return [
                (event.kind, event.path, json.loads(event.payload))
                for event in reversed(page.items)
            ]

    def trail(self, kind: str) -> list[tuple[str, str | None, str | None]]:
        """Return action, state before and state after of every audit entry of a kind, in order."""
        with self.working(None):
            rows = current_session().scalars(
                select(AuditEntry).where(AuditEntry.entity_kind == kind).order_by(AuditEntry.id)
            )
            return [(row.action, row.from_state, row.to_state) for row in rows]


def set_clock(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Have the marketplace believe that it is another moment."""
    for module in _CLOCKED:
        monkeypatch.setattr(module, "now", lambda: moment)
