"""Faults of the events that a platform takes, and of what it answers to them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from mpp_sdk import clock, inbox
from mpp_sdk.contracts.eu_mp.models import (
    AcknowledgementOutcome,
    PlatformRole,
    ServiceOfferCanceled,
    ServiceOfferConfirmed,
)
from mpp_sdk.errors import Conflict
from mpp_sdk.inbox import Inbox
from mpp_sdk.state.domain import SubscriptionState
from mpp_sdk.state.tables import EventRow, SubscriptionRow
from tests.conformance.altering import Answered, Asked, acknowledged, altering, refusal
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken

Outcome = AcknowledgementOutcome


def is_event(asked: Asked) -> bool:
    """Return whether a call tells an event."""
    return asked.method == "POST" and "eventId" in asked.fields


def acknowledging(broken: Broken, change: Callable[[Asked, Answered], None]) -> None:
    """Change every acknowledgement of an event."""

    def answer(asked: Asked, given: Answered) -> None:
        if given.status == 200 and is_event(asked):
            change(asked, given)

    broken.wrap(altering(answer=answer))


@fault("An event is answered 201.", caught_by=("EU-MP-EVENT-01", "EU-MP-EVENT-02"))
def answers_201(broken: Broken) -> None:
    def change(_: Asked, given: Answered) -> None:
        given.status = 201

    acknowledging(broken, change)


@fault("An acknowledgement does not name its event.", caught_by=("EU-MP-EVENT-01",))
def acknowledges_no_event(broken: Broken) -> None:
    acknowledging(broken, lambda _, given: given.write(eventId=None))


@fault("An acknowledgement names the subscription for the event.", caught_by=("EU-MP-EVENT-01",))
def acknowledges_another_event(broken: Broken) -> None:
    acknowledging(broken, lambda asked, given: given.write(eventId=asked.fields["subscriptionId"]))


@fault("An acknowledgement has an outcome of its own making.", caught_by=("EU-MP-EVENT-01",))
def acknowledges_with_ok(broken: Broken) -> None:
    acknowledging(broken, lambda _, given: given.write(outcome="OK"))


@fault("Answers are of the type text/plain.", caught_by=("EU-MP-EVENT-01", "EU-MP-TEST-01"))
def answers_text(broken: Broken) -> None:
    def answer(_: Asked, given: Answered) -> None:
        given.headers["content-type"] = "text/plain"

    broken.wrap(altering(answer=answer))


def _tested(broken: Broken, **fields: object) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        if asked.path.endswith("/test") and given.status == 200:
            given.write(**fields)

    broken.wrap(altering(answer=answer))


@fault("The connection test names another contract.", caught_by=("EU-MP-TEST-01",))
def says_another_contract(broken: Broken) -> None:
    _tested(broken, contract="notifications")


@fault("The connection test leaves out the version.", caught_by=("EU-MP-TEST-01",))
def says_no_version(broken: Broken) -> None:
    _tested(broken, contractVersion=None)


@fault("The clock is an hour behind.", caught_by=("EU-MP-TEST-02",))
def clock_is_behind(broken: Broken) -> None:
    _tested(broken, time=(clock.now() - timedelta(hours=1)).isoformat())


def _only(broken: Broken, role: str) -> None:
    def ask(asked: Asked) -> Answered | None:
        other = asked.method == "POST" and is_event(asked) and not asked.path.endswith(role)
        return refusal(404) if other else None

    broken.wrap(altering(ask))


@fault("Events are taken in the provider's role only.", caught_by=("EU-MP-EVENT-01",))
def is_a_provider_only(broken: Broken) -> None:
    _only(broken, "/provider")


@fault("Events are taken in the requester's role only.", caught_by=("EU-MP-EVENT-02",))
def is_a_requester_only(broken: Broken) -> None:
    _only(broken, "/requester")


@fault("Every subscription is recorded as a provider's.", caught_by=("EU-MP-EVENT-01",))
def records_one_role(broken: Broken) -> None:
    original = inbox._entry

    def entry(event_id: UUID, subscription_id: UUID, role: PlatformRole, *rest: Any) -> EventRow:
        return original(event_id, subscription_id, PlatformRole.PROVIDER, *rest)

    def confirm(
        self: Inbox, session: Session, role: PlatformRole, event: ServiceOfferConfirmed
    ) -> Outcome:
        return confirmed(self, session, PlatformRole.PROVIDER, event)

    confirmed = Inbox._confirm
    broken.patch.setattr(inbox, "_entry", entry)
    broken.patch.setattr(Inbox, "_confirm", confirm)


@fault("An event is acknowledged and not applied.", caught_by=("EU-MP-EVENT-01", "EU-MP-EVENT-10"))
def acknowledges_and_does_nothing(broken: Broken) -> None:
    def ask(asked: Asked) -> Answered | None:
        return acknowledged(asked.fields["eventId"], "APPLIED") if is_event(asked) else None

    broken.wrap(altering(ask))


@fault("An expiry is recorded as a cancelation.", caught_by=("EU-MP-EVENT-03",))
def expires_as_canceled(broken: Broken) -> None:
    def ended(self: Inbox, role: PlatformRole, event: ServiceOfferCanceled) -> Outcome:
        return self._told(role, event, SubscriptionState.CANCELED)

    broken.patch.setattr(Inbox, "ended", ended)


@fault("Points of delivery that come a second time are an error.", caught_by=("EU-MP-EVENT-04",))
def stumbles_over_known_points(broken: Broken) -> None:
    seen: set[str] = set()

    def ask(asked: Asked) -> Answered | None:
        pods = set(asked.fields.get("podIds", ()))
        known = bool(pods & seen)
        seen.update(pods)
        return refusal(409) if known else None

    broken.wrap(altering(ask))


@fault(
    "The role of an event is not compared with that of the subscription.",
    caught_by=("EU-MP-EVENT-05",),
)
def compares_no_roles(broken: Broken) -> None:
    broken.patch.setattr(inbox, "_check_role", lambda known, entry: None)


@fault("What is to happen next year is applied now.", caught_by=("EU-MP-EVENT-06",))
def takes_the_future(broken: Broken) -> None:
    broken.patch.setattr(inbox, "CLOCK_TOLERANCE", timedelta(days=3650))


@fault("What is from the future is refused, and recorded.", caught_by=("EU-MP-EVENT-06",))
def records_the_future(broken: Broken) -> None:
    original = Inbox._once

    def once(self: Inbox, entry: EventRow, apply: Callable[[Session], Outcome]) -> Outcome:
        ahead = entry.occurred_at > clock.now() + timedelta(minutes=5)
        outcome = original(self, entry, apply)
        if ahead:
            raise Conflict("It is not that late yet.")
        return outcome

    broken.patch.setattr(inbox, "CLOCK_TOLERANCE", timedelta(days=3650))
    broken.patch.setattr(Inbox, "_once", once)


@fault("A clock that is a minute ahead is not put up with.", caught_by=("EU-MP-EVENT-07",))
def puts_up_with_no_clock(broken: Broken) -> None:
    broken.patch.setattr(inbox, "CLOCK_TOLERANCE", timedelta(0))


@fault("What happened more than a month ago is refused.", caught_by=("EU-MP-EVENT-08",))
def refuses_the_past(broken: Broken) -> None:
    original = inbox._check_occurred_at

    def check(entry: EventRow) -> None:
        original(entry)
        if entry.occurred_at < clock.now() - timedelta(days=31):
            raise Conflict("That is too long ago.")

    broken.patch.setattr(inbox, "_check_occurred_at", check)


@fault("A subscription that supersedes another one ends it at once.", caught_by=("EU-MP-EVENT-09",))
def ends_what_is_superseded(broken: Broken) -> None:
    original = Inbox._confirm

    def confirm(
        self: Inbox, session: Session, role: PlatformRole, event: ServiceOfferConfirmed
    ) -> Outcome:
        old = session.get(SubscriptionRow, event.supersedes) if event.supersedes else None
        if old is not None:
            old.state = SubscriptionState.CANCELED
        return original(self, session, role, event)

    broken.patch.setattr(Inbox, "_confirm", confirm)


@fault("What a subscription supersedes is forgotten.", caught_by=("EU-MP-EVENT-09",))
def forgets_what_is_superseded(broken: Broken) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        if asked.path.endswith("/service-offers"):
            items = given.fields.get("items", [])
            given.write(items=[{n: v for n, v in i.items() if n != "supersedes"} for i in items])

    broken.wrap(altering(answer=answer))


@fault("Every event is listed as a confirmation.", caught_by=("EU-MP-EVENT-10",))
def lists_confirmations_only(broken: Broken) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        if asked.path.endswith("/events"):
            items = given.fields.get("items", [])
            given.write(items=[{**item, "kind": "service-offer.confirmed"} for item in items])

    broken.wrap(altering(answer=answer))


@fault("An event is answered 500 after it was applied.", caught_by=("EU-MP-EVENT-01",))
def fails_after_the_work(broken: Broken) -> None:
    def change(_: Asked, given: Answered) -> None:
        given.status, given.body = 500, json.dumps({"error": "oops"}).encode()

    acknowledging(broken, change)
