"""Faults of events that come more than once, or in another order than they happened."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Receive, Scope, Send

from mpp_sdk import inbox
from mpp_sdk.contracts.eu_mp.models import (
    AcknowledgementOutcome,
    PlatformRole,
    ServiceOfferConfirmed,
)
from mpp_sdk.inbox import Inbox
from mpp_sdk.state.domain import ENDED_SUBSCRIPTION, SubscriptionState
from mpp_sdk.state.tables import EventRow, SubscriptionRow
from tests.conformance.altering import Answered, Asked, acknowledged, altering, refusal
from tests.conformance.faults.eu_mp_events import acknowledging, is_event
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken

Outcome = AcknowledgementOutcome
Apply = Callable[[Session], Outcome]


# ---- twice


@fault("An event that comes again is answered APPLIED.", caught_by=("EU-MP-ONCE-01",))
def says_applied_again(broken: Broken) -> None:
    def change(_: Asked, given: Answered) -> None:
        if given.fields["outcome"] == "DUPLICATE":
            given.write(outcome="APPLIED")

    acknowledging(broken, change)


@fault("An event that comes again is answered 409.", caught_by=("EU-MP-ONCE-01",))
def refuses_what_comes_again(broken: Broken) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        if is_event(asked) and given.fields.get("outcome") == "DUPLICATE":
            conflict = refusal(409)
            given.status, given.headers, given.body = 409, conflict.headers, conflict.body

    broken.wrap(altering(answer=answer))


def _apply_again(broken: Broken, said: Outcome) -> None:
    """Have an event that is known do its work once more, in the state and in the callbacks."""
    original = Inbox._once

    def once(self: Inbox, entry: EventRow, apply: Apply) -> Outcome:
        outcome = original(self, entry, apply)
        if outcome is not Outcome.DUPLICATE:
            return outcome
        with self._transactions() as session:
            row = session.get(SubscriptionRow, entry.subscription_id)
            if row is not None:
                told = entry.told_state
                row.state = SubscriptionState.ACTIVE if told == "CONFIRMED" else told
                self._follow(session, row, entry.reason or "")
        return said

    broken.patch.setattr(Inbox, "_once", once)


@fault(
    "An event that comes again is applied again, and answered APPLIED.",
    caught_by=("EU-MP-ONCE-01", "EU-MP-ONCE-02"),
)
def applies_again(broken: Broken) -> None:
    _apply_again(broken, Outcome.APPLIED)


@fault(
    "An event that comes again is applied again, and answered DUPLICATE.",
    caught_by=("EU-MP-ONCE-02",),
)
def applies_again_and_says_duplicate(broken: Broken) -> None:
    _apply_again(broken, Outcome.DUPLICATE)


@fault(
    "Two arrivals of an event at the same moment are both applied.", caught_by=("EU-MP-ONCE-03",)
)
def applies_twice_at_once(broken: Broken) -> None:
    under_way: set[str] = set()

    def ask(asked: Asked) -> Answered | None:
        event_id = str(asked.fields.get("eventId"))
        if is_event(asked) and event_id in under_way:
            return acknowledged(event_id, "APPLIED")
        under_way.add(event_id)
        return None

    def answer(asked: Asked, _: Answered) -> None:
        under_way.discard(str(asked.fields.get("eventId")))

    broken.wrap(slowly)
    broken.wrap(altering(ask, answer))


def slowly(app: ASGIApp) -> ASGIApp:
    """Return an application that takes a moment longer, so that calls at once are at once."""

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(0.05)
        await app(scope, receive, send)

    return slow


def with_peer(app: ASGIApp) -> ASGIApp:
    """Return an application that is told the port that a call comes from, in a header."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            port = str(scope["client"][1]).encode()
            scope = {**scope, "headers": [*scope["headers"], (b"x-port", port)]}
        await app(scope, receive, send)

    return told


@fault(
    "An event is known again only on the connection on which it came.",
    caught_by=("EU-MP-ONCE-04",),
)
def remembers_by_connection(broken: Broken) -> None:
    known: set[tuple[str, str]] = set()

    def change(asked: Asked, given: Answered) -> None:
        this = (asked.headers["x-port"], str(asked.fields["eventId"]))
        if given.fields["outcome"] == "DUPLICATE" and this not in known:
            given.write(outcome="APPLIED")
        known.add(this)

    acknowledging(broken, change)
    broken.wrap(with_peer)


@fault("A second body under a known event id replaces the first.", caught_by=("EU-MP-ONCE-05",))
def takes_a_second_body(broken: Broken) -> None:
    original = Inbox.confirmed

    def confirmed(self: Inbox, role: PlatformRole, event: ServiceOfferConfirmed) -> Outcome:
        outcome = original(self, role, event)
        with self._transactions() as session:
            row = session.get(SubscriptionRow, event.subscription_id)
            if outcome is Outcome.DUPLICATE and row is not None:
                terms = event.terms.model_dump(mode="json", by_alias=True, exclude_none=True)
                row.details = {**row.details, "terms": terms}
        return outcome

    broken.patch.setattr(Inbox, "confirmed", confirmed)


@fault("An event is recorded before it is checked.", caught_by=("EU-MP-ONCE-06",))
def records_before_it_checks(broken: Broken) -> None:
    recorded: set[str] = set()

    def ask(asked: Asked) -> Answered | None:
        event_id = str(asked.fields.get("eventId"))
        return acknowledged(event_id, "DUPLICATE") if event_id in recorded else None

    def answer(asked: Asked, given: Answered) -> None:
        if is_event(asked) and given.status == 400:
            recorded.add(str(asked.fields["eventId"]))

    broken.wrap(altering(ask, answer))


@fault("Event ids are compared as text.", caught_by=("EU-MP-ONCE-07",))
def compares_ids_as_text(broken: Broken) -> None:
    known: set[str] = set()

    def change(asked: Asked, given: Answered) -> None:
        if given.fields["outcome"] == "DUPLICATE" and asked.fields["eventId"] not in known:
            given.write(outcome="APPLIED")
        known.add(asked.fields["eventId"])

    acknowledging(broken, change)


@fault("A second suspension is taken for the first one.", caught_by=("EU-MP-ONCE-08",))
def knows_events_by_their_kind(broken: Broken) -> None:
    known: set[tuple[str, str]] = set()

    def ask(asked: Asked) -> Answered | None:
        this = (asked.path, str(asked.fields.get("subscriptionId")))
        if is_event(asked) and this in known:
            return acknowledged(asked.fields["eventId"], "DUPLICATE")
        known.add(this)
        return None

    broken.wrap(altering(ask))


@fault(
    "An event whose signature was refused is known when it comes again.",
    caught_by=("EU-MP-SIGN-01", "EU-MP-SIGN-02"),
)
def records_what_is_forged(broken: Broken) -> None:
    recorded: set[str] = set()

    def ask(asked: Asked) -> Answered | None:
        event_id = str(asked.fields.get("eventId"))
        return acknowledged(event_id, "DUPLICATE") if event_id in recorded else None

    def answer(asked: Asked, given: Answered) -> None:
        if is_event(asked) and given.status == 401:
            recorded.add(str(asked.fields["eventId"]))

    broken.wrap(altering(ask, answer))


# ---- in another order


def _change_when(broken: Broken, superseded: Callable[[SubscriptionRow, EventRow], bool]) -> None:
    """Have another rule say when an event of a known subscription is superseded."""

    def change(self: Inbox, session: Session, entry: EventRow) -> Outcome:
        row = session.get(SubscriptionRow, entry.subscription_id)
        if row is None:
            return Outcome.APPLIED
        if superseded(row, entry):
            return Outcome.SUPERSEDED
        inbox._set_state(row, entry)
        return Outcome.APPLIED

    broken.patch.setattr(Inbox, "_change", change)


@fault(
    "What arrives last holds, whenever it happened.",
    caught_by=("EU-MP-ORDER-01", "EU-MP-ORDER-02", "EU-MP-TIME-02", "EU-MP-TIME-03"),
)
def last_come_holds(broken: Broken) -> None:
    _change_when(broken, lambda row, entry: row.state in ENDED_SUBSCRIPTION)


@fault(
    "What comes before the confirmation is forgotten.",
    caught_by=("EU-MP-ORDER-03", "EU-MP-ORDER-06", "EU-MP-ORDER-07", "EU-MP-RESTART-02"),
)
def forgets_what_comes_first(broken: Broken) -> None:
    broken.patch.setattr(inbox, "_newest", lambda session, subscription_id: None)


@fault("A newer event brings an ended subscription back.", caught_by=("EU-MP-ORDER-04",))
def comes_back_to_life(broken: Broken) -> None:
    _change_when(broken, lambda row, entry: entry.occurred_at < row.state_since)


@fault("An end that is older than the last event is passed over.", caught_by=("EU-MP-ORDER-05",))
def passes_over_late_ends(broken: Broken) -> None:
    def superseded(row: SubscriptionRow, entry: EventRow) -> bool:
        return row.state in ENDED_SUBSCRIPTION or entry.occurred_at < row.state_since

    _change_when(broken, superseded)


@fault(
    "Of what comes before the confirmation the first arrival holds.", caught_by=("EU-MP-ORDER-07",)
)
def first_come_holds(broken: Broken) -> None:
    def newest(session: Session, subscription_id: UUID) -> EventRow | None:
        told: Sequence[EventRow] = session.scalars(
            select(EventRow)
            .where(EventRow.subscription_id == subscription_id, EventRow.told_state != "CONFIRMED")
            .order_by(EventRow.received_at.desc())
        ).all()
        return told[0] if told else None

    broken.patch.setattr(inbox, "_newest", newest)


@fault(
    "A newer event of one subscription makes those of others old.", caught_by=("EU-MP-ORDER-08",)
)
def compares_subscriptions(broken: Broken) -> None:
    newest = [""]

    def ask(asked: Asked) -> Answered | None:
        occurred_at = str(asked.fields.get("occurredAt", ""))
        if is_event(asked) and occurred_at < newest[0]:
            return acknowledged(asked.fields["eventId"], "SUPERSEDED")
        newest[0] = max(newest[0], occurred_at)
        return None

    broken.wrap(altering(ask))
