"""Deliveries: what platforms are told, how each attempt went, and what is done about it."""

import json
from functools import partial
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.core.paging import Page
from marketplace.delivery import service
from marketplace.delivery.domain import EventKind, role_of
from marketplace.delivery.requests import request_of
from marketplace.website.frame import forms, lists
from marketplace.website.frame.labels import label
from marketplace.website.frame.lists import Column
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.operators.blueprint import blueprint
from marketplace.website.operators.choosing import chosen_company
from marketplace.website.operators.naming import companies_of
from mpp_sdk import tracing
from mpp_sdk.outbox import Attempt, Event, EventState

_COLUMNS = [
    Column[Event]("eventId", lambda one: one.event_id),
    Column[Event]("kind", lambda one: one.kind),
    Column[Event]("marketPlayerId", lambda one: one.lane),
    Column[Event]("platformRole", lambda one: role_of(one.path)),
    Column[Event]("subscriptionId", lambda one: one.ordering_key),
    Column[Event]("state", lambda one: one.state),
    Column[Event]("attempts", lambda one: one.attempts),
    Column[Event]("occurredAt", lambda one: one.occurred_at),
    Column[Event]("nextAttemptAt", lambda one: one.next_attempt_at),
    Column[Event]("finishedAt", lambda one: one.finished_at),
    Column[Event]("reason", lambda one: one.dead_reason),
]


@blueprint.get("/deliveries")
@acts_as("delivery.list_deliveries")
def deliveries() -> ResponseReturnValue:
    """Show the deliveries that the visitor may see, the newest first."""
    choice = chosen_company()
    fetch = partial(
        service.list_deliveries,
        state=lists.one_of("state", EventState),
        market_player_id=choice.id,
        subscription_id=lists.identifier("subscription"),
        kind=lists.one_of("kind", EventKind),
        reason_contains=lists.text("reason"),
        since=lists.moment("since"),
        until=lists.moment("until"),
    )
    if lists.wants_csv() and not choice.is_open:
        return lists.csv_file(
            "deliveries", _COLUMNS, lambda limit, cursor: fetch(limit=limit, cursor=cursor)
        )
    page: Page[Event] = Page([])
    if not choice.is_open:
        page = fetch(limit=lists.PAGE, cursor=lists.cursor())
    return render_template(
        "operators/deliveries.html",
        listed=lists.listed(page),
        choice=choice,
        companies=companies_of([*(one.lane for one in page.items), choice.id]),
        states=[(one.value, one.value) for one in EventState],
        kinds=[(one.value, label(one)) for one in EventKind],
    )


@blueprint.get("/dead-deliveries")
@acts_as("delivery.list_dead_letter_reasons")
def dead_letter_reasons() -> ResponseReturnValue:
    """Show why deliveries are dead, the most frequent reason first."""
    choice = chosen_company()
    return render_template(
        "operators/dead_deliveries.html",
        choice=choice,
        reasons=[] if choice.is_open else service.list_dead_letter_reasons(choice.id),
        longest=lists.LONGEST_FILTER,
        companies=companies_of([choice.id]),
    )


@blueprint.get("/deliveries/<uuid:event_id>")
@acts_as("delivery.read_delivery", "delivery.list_attempts")
def delivery(event_id: UUID) -> ResponseReturnValue:
    """Show a delivery: what is sent, and each attempt with what came of it."""
    event = service.read_delivery(event_id)
    attempts: Page[Attempt] = service.list_attempts(
        event_id, limit=lists.PAGE, cursor=lists.cursor()
    )
    sent = request_of(event_id, attempts.items[0]) if attempts.items else None
    return render_template(
        "operators/delivery.html",
        event=event,
        role=role_of(event.path),
        companies=companies_of([event.lane]),
        payload=json.dumps(json.loads(event.payload), indent=2, ensure_ascii=False),
        sent=sent,
        trace_id=tracing.trace_id_of(event.trace_parent) if event.trace_parent else None,
        listed=lists.listed(attempts),
        slowest=max((one.duration_ms for one in attempts.items), default=0),
        form=forms.form_of(),
    )


@blueprint.get("/deliveries/<uuid:event_id>/standing")
@acts_as("delivery.read_delivery")
def delivery_standing(event_id: UUID) -> ResponseReturnValue:
    """Show the part of a delivery's page that changes while it is tried."""
    event = service.read_delivery(event_id)
    attempts = service.list_attempts(event_id, limit=lists.PAGE)
    return render_template(
        "operators/_delivery_standing.html",
        event=event,
        listed=lists.Listed(attempts.items, None, None, ""),
        slowest=max((one.duration_ms for one in attempts.items), default=0),
    )


@blueprint.post("/deliveries/<uuid:event_id>/replay")
@acts_as("delivery.replay")
@shown_again(delivery)
def replay_delivery(event_id: UUID) -> ResponseReturnValue:
    """Queue a dead delivery again."""
    service.replay(event_id, forms.reason())
    flash(_("The delivery is queued again. This page shows what becomes of it."), "success")
    return redirect(url_for("operators.delivery", event_id=event_id), 303)


@blueprint.post("/deliveries/<uuid:event_id>/discard")
@acts_as("delivery.discard")
@shown_again(delivery)
def discard_delivery(event_id: UUID) -> ResponseReturnValue:
    """Give a delivery up, so that what waits behind it goes on."""
    service.discard(event_id, forms.reason())
    flash(_("The delivery is given up. What waited behind it goes on."), "success")
    return redirect(url_for("operators.delivery", event_id=event_id), 303)
