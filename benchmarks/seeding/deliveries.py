"""What the platforms were told, and how often it was tried."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, literal, select

from benchmarks.seeding.chance import Chance
from benchmarks.seeding.companies import Company
from benchmarks.seeding.loading import Loader
from benchmarks.seeding.negotiations import Subscription
from benchmarks.seeding.trail import MARKETPLACE, Trail
from marketplace.delivery.domain import SECRET_KINDS, EventKind, PlatformRole, path_of
from marketplace.delivery.tables import OUTBOX
from mpp_sdk.outbox import EventState

KEPT = timedelta(days=29)
"""For how long what was delivered is kept, by the default of the setting."""

_DEAD = (
    ("Given up after 14 attempts over 76 h. The connection was refused.", None),
    ("Given up after 14 attempts over 76 h. The platform answered 503.", 503),
    ("The platform answered 410 Gone.", 410),
)
_KINDS = (EventKind.SERVICE_OFFER_SUSPENDED, EventKind.SERVICE_OFFER_RESUMED)
_ATTEMPT = {
    "event_id": OUTBOX.event.c.event_id,
    "number": OUTBOX.event.c.attempts,
    "started_at": OUTBOX.event.c.finished_at,
    "duration_ms": literal(40),
    "status": literal(200),
    "resulting_state": OUTBOX.event.c.state,
}
_LONG_AGO = timedelta(hours=80)
_DEAD_ATTEMPTS = 14


@dataclass(frozen=True)
class _Told:
    """What a platform was to be told."""

    id: UUID
    subscription: Subscription
    to: Company
    role: PlatformRole
    kind: EventKind
    at: datetime


class Deliveries:
    """Adds deliveries of the last month: a thousandth dead, late where a platform is down."""

    def __init__(self, loader: Loader, chance: Chance, trail: Trail, encrypted: str) -> None:
        self._loader = loader
        self._chance = chance
        self._trail = trail
        self._encrypted = encrypted

    def add(self, subscription: Subscription, count: int) -> None:
        """Add so many deliveries of a subscription, in the order of time."""
        chance = self._chance
        first = max(subscription.created_at, chance.now - KEPT)
        moments = sorted(first + (chance.now - first) * chance.random() for _ in range(count))
        waits: set[UUID] = set()
        for number, at in enumerate(moments):
            role = list(PlatformRole)[number % 2]
            to = subscription.provider if role is PlatformRole.PROVIDER else subscription.requester
            kind = _KINDS[number // 2 % 2]
            if number < 2 and subscription.created_at == first:
                kind = EventKind.SERVICE_OFFER_CONFIRMED
            told = _Told(chance.id_at(at), subscription, to, role, kind, at)
            if to.down_since is not None and at > to.down_since:
                self._add_waiting(told, first=to.id not in waits)
                waits.add(to.id)
            elif at < chance.now - _LONG_AGO and chance.happens(0.00115):
                self._add_dead(told)
            else:
                self._add_delivered(told)

    def finish(self) -> None:
        """Add what each delivery that went well has left: its last attempt, and an audit entry."""
        delivered = OUTBOX.event.c.state == EventState.DELIVERED
        for table, values in (("outbox_attempt", _ATTEMPT), ("audit_entry", _entry(self._loader))):
            columns = list(values)
            found = select(*values.values()).where(delivered)
            self._loader.derive(insert(self._loader.table(table)).from_select(columns, found))

    def _add_delivered(self, told: _Told) -> None:
        failures = self._chance.choices((0, 1, 3), (95, 4, 1))[0]
        at = told.at
        for number in range(1, failures + 1):
            self._attempt(told, number, at, 503, EventState.RETRYING)
            at = min(at + timedelta(seconds=30), self._chance.now)
        self._event(told, EventState.DELIVERED, failures + 1, failures, finished_at=at)

    def _add_dead(self, told: _Told) -> None:
        reason, status = self._chance.choice(_DEAD)
        attempts = 1 if status == 410 else _DEAD_ATTEMPTS
        ended = told.at + timedelta(hours=76 if attempts > 1 else 0)
        for number in range(1, attempts + 1):
            state = EventState.DEAD if number == attempts else EventState.RETRYING
            moment = told.at + (ended - told.at) * (number / attempts) ** 2
            self._attempt(told, number, moment, status, state)
        self._event(
            told, EventState.DEAD, attempts, attempts, finished_at=ended, dead_reason=reason
        )
        self._trail.note(
            "Delivery",
            told.id,
            "give up",
            ended,
            before=EventState.RETRYING,
            after=EventState.DEAD,
            reason=reason,
            subscription=told.subscription.id,
            player=told.to.id,
        )

    def _add_waiting(self, told: _Told, *, first: bool) -> None:
        """Add one that is not delivered yet; only the first of a subscription is tried."""
        if not first:
            self._event(told, EventState.QUEUED, 0, 0)
            return
        for number in range(1, 4):
            at = told.at + timedelta(minutes=number)
            self._attempt(told, number, at, None, EventState.RETRYING)
        later = self._chance.now + timedelta(hours=2) * self._chance.random()
        self._event(told, EventState.RETRYING, 3, 3, next_attempt_at=later)

    def _event(
        self,
        told: _Told,
        state: EventState,
        attempts: int,
        failures: int,
        *,
        finished_at: datetime | None = None,
        next_attempt_at: datetime | None = None,
        dead_reason: str | None = None,
    ) -> None:
        secret = told.kind in SECRET_KINDS and state is not EventState.DELIVERED
        self._loader.add(
            "outbox_event",
            event_id=told.id,
            lane=str(told.to.id),
            ordering_key=str(told.subscription.id),
            kind=told.kind,
            method="POST",
            path=path_of(told.kind, told.role),
            payload=_payload(told),
            encrypted_secrets=self._encrypted if secret else None,
            correlation_id=str(told.id),
            occurred_at=told.at,
            created_at=told.at,
            state=state,
            attempts=attempts,
            failures=failures,
            first_attempt_at=told.at if attempts else None,
            next_attempt_at=next_attempt_at,
            finished_at=finished_at,
            dead_reason=dead_reason,
        )

    def _attempt(
        self, told: _Told, number: int, at: datetime, status: int | None, state: EventState
    ) -> None:
        self._loader.add(
            "outbox_attempt",
            event_id=told.id,
            number=number,
            started_at=at,
            duration_ms=self._chance.randint(5, 200),
            status=status,
            error=None if status else "The connection was refused.",
            response_body=None if status in (None, 200) else '{"title": "Not now"}',
            resulting_state=state,
        )


def _entry(loader: Loader) -> dict[str, ColumnElement[Any]]:
    """Return an audit entry of a delivery, by its columns; it has the delivery's own id."""
    event = OUTBOX.event.c
    return {
        "id": event.event_id,
        "occurred_at": event.finished_at,
        "recorded_at": event.finished_at,
        "actor_subject": literal(MARKETPLACE[0]),
        "actor_name": literal(MARKETPLACE[1]),
        "entity_kind": literal("Delivery"),
        "entity_id": loader.id_as_text(event.event_id),
        "action": literal("deliver"),
        "from_state": literal("QUEUED"),
        "to_state": event.state,
        "subscription_id": loader.text_as_id(event.ordering_key),
        "market_player_id": loader.text_as_id(event.lane),
        "correlation_id": event.correlation_id,
    }


def _payload(told: _Told) -> str:
    return json.dumps(
        {
            "eventId": str(told.id),
            "occurredAt": told.at.isoformat(),
            "subscriptionId": str(told.subscription.id),
            "reason": "Maintenance of the head-end system, announced a week ago by e-mail.",
        }
    )
