"""Re-synchronisations with the platforms after a restore: what was found, what waits."""

from functools import partial
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue

from marketplace.core.paging import Page
from marketplace.recovery import service as recovery
from marketplace.recovery.domain import FindingOutcome
from marketplace.recovery.tables import Finding
from marketplace.website.frame import lists
from marketplace.website.frame.lists import Column
from marketplace.website.frame.rights import acts_as
from marketplace.website.operators.blueprint import blueprint
from marketplace.website.operators.naming import companies_of

_COLUMNS = [
    Column[Finding]("findingId", lambda one: one.id),
    Column[Finding]("resynchronisationId", lambda one: one.resynchronisation_id),
    Column[Finding]("kind", lambda one: one.kind),
    Column[Finding]("outcome", lambda one: one.outcome),
    Column[Finding]("marketPlayerId", lambda one: one.market_player_id),
    Column[Finding]("subscriptionId", lambda one: one.subscription_id),
    Column[Finding]("eventId", lambda one: one.event_id),
    Column[Finding]("detail", lambda one: one.detail),
    Column[Finding]("advice", lambda one: one.advice),
    Column[Finding]("foundAt", lambda one: one.found_at),
]


@blueprint.get("/operators/board/resynchronisations")
@acts_as("recovery.list_resynchronisations")
def resynchronisations() -> ResponseReturnValue:
    """Show the runs, the newest first."""
    page = recovery.list_runs(lists.PAGE, lists.cursor())
    return render_template("operators/resynchronisations.html", listed=lists.listed(page))


@blueprint.get("/operators/board/resynchronisations/<uuid:run_id>")
@acts_as("recovery.list_resynchronisation_findings", "recovery.list_resynchronised_platforms")
def resynchronisation(run_id: UUID) -> ResponseReturnValue:
    """Show what a run found, and how far it has come with each platform."""
    run = recovery.read_run(run_id)
    outcome = lists.one_of("outcome", FindingOutcome)
    fetch = partial(recovery.list_findings, run_id, outcome)
    if lists.wants_csv():
        return lists.csv_file("findings", _COLUMNS, fetch)
    page: Page[Finding] = fetch(lists.PAGE, lists.cursor())
    platforms = recovery.list_platforms(run_id, lists.PAGE, None)
    return render_template(
        "operators/resynchronisation.html",
        run=run,
        listed=lists.listed(page),
        platforms=platforms.items,
        more_platforms=platforms.next_cursor is not None,
        companies=companies_of(
            [
                *(one.market_player_id for one in page.items),
                *(one.market_player_id for one in platforms.items),
            ]
        ),
        outcomes=[(one.value, one.value) for one in FindingOutcome],
    )
