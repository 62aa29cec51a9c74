"""Replays: many deliveries that are sent again, after a look at how many they are."""

from functools import partial
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.core.paging import Page
from marketplace.delivery import replaying
from marketplace.delivery.domain import EventKind
from marketplace.website.frame import forms, lists
from marketplace.website.frame.labels import label
from marketplace.website.frame.lists import Column
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.operators.blueprint import blueprint
from marketplace.website.operators.choosing import Chosen, chosen_company
from marketplace.website.operators.naming import companies_of
from mpp_sdk.contracts.marketplace.models import FinishedDeliveryState
from mpp_sdk.errors import InvalidInput
from mpp_sdk.outbox import EventState, Replay, ReplayFilter, ReplayState, Skipped

_COLUMNS = [
    Column[Replay]("replayId", lambda one: one.id),
    Column[Replay]("state", lambda one: one.state),
    Column[Replay]("states", lambda one: sorted(one.wanted.states)),
    Column[Replay]("marketPlayerId", lambda one: one.wanted.lane),
    Column[Replay]("subscriptionId", lambda one: one.wanted.ordering_key),
    Column[Replay]("kind", lambda one: one.wanted.kind),
    Column[Replay]("since", lambda one: one.wanted.since),
    Column[Replay]("until", lambda one: one.wanted.until),
    Column[Replay]("reasonContains", lambda one: one.wanted.reason_contains),
    Column[Replay]("reason", lambda one: one.reason),
    Column[Replay]("requestedBy", lambda one: one.requested_by),
    Column[Replay]("requestedAt", lambda one: one.requested_at),
    Column[Replay]("replayed", lambda one: one.replayed),
    Column[Replay]("skipped", lambda one: one.skipped),
    Column[Replay]("finishedAt", lambda one: one.finished_at),
]
_SKIPPED_COLUMNS = [
    Column[Skipped]("eventId", lambda one: one.event_id),
    Column[Skipped]("reason", lambda one: one.reason),
]


@blueprint.get("/replays")
@acts_as("delivery.list_replays")
def deliveries_replays() -> ResponseReturnValue:
    """Show the replays that the visitor may see, the newest first."""
    fetch = partial(replaying.list_replays, state=lists.one_of("state", ReplayState))
    if lists.wants_csv():
        return lists.csv_file(
            "replays", _COLUMNS, lambda limit, cursor: fetch(limit=limit, cursor=cursor)
        )
    page = fetch(limit=lists.PAGE, cursor=lists.cursor())
    return render_template(
        "operators/replays.html",
        listed=lists.listed(page),
        companies=companies_of(one.wanted.lane for one in page.items),
        states=[(one.value, one.value) for one in ReplayState],
    )


@blueprint.get("/replays/new")
@acts_as("delivery.request_replay")
def new_replay() -> ResponseReturnValue:
    """Show which deliveries would be sent again, and how many."""
    choice = chosen_company()
    count, problem = None, None
    if request.args and not choice.is_open:
        try:
            count = replaying.count(_wanted(choice))
        except InvalidInput as error:
            problem = error
    return render_template(
        "operators/new_replay.html",
        choice=choice,
        companies=companies_of([choice.id]),
        count=count,
        most=replaying.MOST,
        problem=problem,
        kinds=[(one.value, label(one)) for one in EventKind],
        states=[one.value for one in FinishedDeliveryState],
        form=forms.form_of(),
    )


@blueprint.post("/replays/new")
@acts_as("delivery.request_replay")
@shown_again(new_replay)
def request_replay() -> ResponseReturnValue:
    """Begin a replay of what the address of this page selects."""
    choice = chosen_company()
    if choice.is_open:
        raise InvalidInput.field("/company", "unknown", _("Choose one company first."))
    replay = replaying.request(_wanted(choice), forms.reason())
    flash(_("The replay has begun. This page shows how far it is."), "success")
    return redirect(url_for("operators.replay", replay_id=replay.id), 303)


@blueprint.get("/replays/<uuid:replay_id>")
@acts_as("delivery.read_replay", "delivery.list_skipped")
def replay(replay_id: UUID) -> ResponseReturnValue:
    """Show a replay: what it sends again, how far it is, and what it passed over."""
    found = replaying.read(replay_id)
    fetch = partial(replaying.list_skipped, replay_id)
    if lists.wants_csv():
        return lists.csv_file(
            "skipped", _SKIPPED_COLUMNS, lambda limit, cursor: fetch(limit=limit, cursor=cursor)
        )
    page: Page[Skipped] = fetch(limit=lists.PAGE, cursor=lists.cursor())
    return render_template(
        "operators/replay.html",
        replay=found,
        companies=companies_of([found.wanted.lane]),
        listed=lists.listed(page),
        form=forms.form_of(),
    )


@blueprint.get("/replays/<uuid:replay_id>/progress")
@acts_as("delivery.read_replay")
def replay_progress(replay_id: UUID) -> ResponseReturnValue:
    """Show the part of a replay's page that changes while it runs."""
    return render_template("operators/_replay_progress.html", replay=replaying.read(replay_id))


@blueprint.post("/replays/<uuid:replay_id>/cancel")
@acts_as("delivery.cancel_replay")
@shown_again(replay)
def cancel_replay(replay_id: UUID) -> ResponseReturnValue:
    """Have a replay queue nothing more."""
    replaying.cancel(replay_id, forms.reason())
    flash(_("The replay is canceled. What it has queued already stays queued."), "success")
    return redirect(url_for("operators.replay", replay_id=replay_id), 303)


def _wanted(choice: Chosen) -> ReplayFilter:
    """Return the filter that the address of the page tells. Raises InvalidInput."""
    states = lists.some_of("state", FinishedDeliveryState) or [FinishedDeliveryState.DEAD]
    subscription_id = lists.identifier("subscription")
    return ReplayFilter(
        states=frozenset(EventState(state.value) for state in states),
        lane=None if choice.id is None else str(choice.id),
        ordering_key=None if subscription_id is None else str(subscription_id),
        kind=lists.one_of("kind", EventKind),
        since=lists.moment("since"),
        until=lists.moment("until"),
        reason_contains=lists.text("reason"),
    )
