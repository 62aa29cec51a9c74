"""Notifications as the edge gets them, and two markets of one kind to compare what becomes of them.

A world is a set of subscriptions in the states that matter. What is told in one world one by one,
and in the other together, must end in the same answers and the same rows.
"""

import json
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select

from marketplace.activations import api as activations
from marketplace.activations.tables import Activation, ActivationNotice
from marketplace.consents import api as consents
from marketplace.consents.tables import Consent, ConsentNotice
from marketplace.core.audit import AuditEntry
from marketplace.core.edge import Grouped, MarketplaceEdge
from marketplace.core.unit_of_work import current_session
from marketplace.identity import access
from marketplace.identity.access import MarketplacePrincipal
from marketplace.monitoring import api as monitoring
from marketplace.monitoring.tables import InterimStatus, PointOfDelivery, Watch
from marketplace.subscriptions import service as subscriptions
from mpp_sdk.contracts.notifications.models import (
    ActivationNotification,
    ConsentNotification,
    InterimNotification,
)
from mpp_sdk.errors import FlexagoraError
from mpp_sdk.web.call import Call, Reply, Waiting
from mpp_sdk.web.contract import Contract
from tests.unit.marketplace.market import OPERATOR, Company, Market

CONTRACT = Contract.load("notifications")
HANDLERS: dict[str, tuple[Callable[..., BaseModel], type[BaseModel], str]] = {
    "activation": (
        activations.notify_activation,
        ActivationNotification,
        "activations.notify_activation",
    ),
    "consent": (consents.notify_consent, ConsentNotification, "consents.notify_consent"),
    "interim": (monitoring.notify_interim, InterimNotification, "monitoring.notify_interim"),
}
_TABLES = (
    Activation,
    ActivationNotice,
    Consent,
    ConsentNotice,
    PointOfDelivery,
    InterimStatus,
    Watch,
    AuditEntry,
)
_BY_CHANCE = {"id", "received_at", "recorded_at"}


@dataclass(frozen=True)
class Told:
    """A notification that a company sends. subscription is a place in the world's list."""

    kind: str
    sender: str
    subscription: int
    body: dict[str, Any]
    key: str | None = None
    number: int = 0


class World:
    """The subscriptions of one market that notifications are about."""

    def __init__(self, market: Market, companies: dict[str, Company]) -> None:
        self.market = market
        self.companies = companies
        provider, requester = companies["provider"], companies["requester"]

        def made(**changes: object) -> UUID:
            service_id = market.published(provider, **changes)
            return market.subscribed(provider, requester, service_id)

        suspended, canceled = made(consentRequired=False), made()
        market.call(OPERATOR, subscriptions.suspend_subscription, suspended, "Review.", None)
        market.call(OPERATOR, subscriptions.cancel_subscription, canceled, "Over.", None)
        pending = market.pending(provider, requester, market.published(provider))
        self.ids = [made(), made(consentRequired=False), suspended, canceled, pending]

    def waiting(self, told: Told) -> Grouped:
        """Return a notification as the binding gives it to the edge."""
        function, model, operation_id = HANDLERS[told.kind]
        body = model.model_validate(
            {**told.body, "subscriptionId": str(self.ids[told.subscription])}
        )
        operation = CONTRACT.by_id[operation_id]
        call = Call(
            contract=CONTRACT,
            operation=operation,
            principal=self._principal(told.sender),
            headers={},
            method="POST",
            path=operation.path,
            query="",
            body=b"",
            correlation_id=f"call-{told.number}",
            fingerprint=json.dumps(told.body, sort_keys=True, default=str)[-64:],
            idempotency_key=None if told.key is None else f"{told.key}-{self.ids[0]}",
        )

        def proceed() -> Reply:
            answer = function(body)
            return Reply(answer.model_dump_json(by_alias=True).encode(), operation.success_status)

        return Grouped(function, Waiting(call, {"body": body}, proceed))

    def _principal(self, sender: str) -> MarketplacePrincipal:
        if sender == "operator":
            return OPERATOR
        company = self.companies[sender]
        roles = frozenset({"provider", "requester"})
        return MarketplacePrincipal(
            f"company:{company.name}", company.name, roles, None, company.id
        )

    def answer(self, answer: Reply | Exception) -> object:
        """Return an answer in a form that can be compared between worlds."""
        if isinstance(answer, FlexagoraError):
            return type(answer).__name__, self._neutral(answer.detail), answer.errors
        if isinstance(answer, Exception):
            raise answer
        return answer.status, answer.body

    def rows(self) -> dict[str, list[dict[str, object]]]:
        """Return what the database holds of the world, without what differs by chance."""
        found = {}
        with self.market.working(None):
            for table in _TABLES:
                rows = current_session().scalars(
                    select(table).where(table.subscription_id.in_(self.ids))
                )
                found[table.__name__] = [
                    {
                        column.key: self._neutral(getattr(row, column.key))
                        for column in table.__table__.columns
                        if column.key not in _BY_CHANCE
                    }
                    for row in sorted(rows, key=_order)
                    if not isinstance(row, AuditEntry) or row.correlation_id is not None
                ]
        return found

    def _neutral(self, value: object) -> object:
        if isinstance(value, UUID) and value in self.ids:
            return f"subscription {self.ids.index(value)}"
        if isinstance(value, str):
            for number, one in enumerate(self.ids):
                value = value.replace(str(one), f"subscription {number}")
        return value


def _order(row: Any) -> str:
    if isinstance(row, AuditEntry):
        return str(row.id)
    names = ("subscription_id", "pod_id", "event_id")
    return " ".join(str(getattr(row, name, "")) for name in names)


def one_by_one(edge: MarketplaceEdge, group: Sequence[Grouped]) -> list[Reply | Exception]:
    """Return the answers to calls that come one after the other, each in its own transaction."""
    answers: list[Reply | Exception] = []
    for one in group:
        try:
            answers.append(copy_context().run(edge, one.waiting.call, one.waiting.proceed))
        except FlexagoraError as error:
            answers.append(error)
    return answers


def edge_of(market: Market) -> MarketplaceEdge:
    """Return the edge of a market, whose calls are carried out when a test says so."""
    return MarketplaceEdge(market.environment, access.entering)
