"""The board: what needs a hand, at one glance, and anew whenever that may have changed."""

from functools import partial

from flask import render_template
from flask.typing import ResponseReturnValue

from marketplace.monitoring import service as monitoring
from marketplace.monitoring.service import Overdue
from marketplace.website.frame import lists
from marketplace.website.frame.lists import Column
from marketplace.website.frame.rights import operators
from marketplace.website.operators.attention import cards
from marketplace.website.operators.blueprint import blueprint
from marketplace.website.operators.naming import companies_of
from mpp_sdk.clock import now

_COLUMNS = [
    Column[Overdue]("subscriptionId", lambda one: one.agreement.id),
    Column[Overdue]("serviceName", lambda one: one.agreement.service_name),
    Column[Overdue]("providerId", lambda one: one.agreement.provider_id),
    Column[Overdue]("requesterId", lambda one: one.agreement.requester_id),
    Column[Overdue]("interimStatusInterval", lambda one: one.interval),
    Column[Overdue]("lastStatusAt", lambda one: one.last_status_at),
    Column[Overdue]("dueAt", lambda one: one.due_at),
]


@blueprint.get("/operators/board")
@operators
def board() -> ResponseReturnValue:
    """Show what needs a hand, the worst first."""
    return render_template("operators/board.html", cards=cards(), looked_at=now())


@blueprint.get("/operators/board/cards")
@operators
def board_cards() -> ResponseReturnValue:
    """Show the part of the board that changes."""
    return render_template("operators/_board_cards.html", cards=cards(), looked_at=now())


@blueprint.get("/operators/board/overdue-statuses")
@operators
def overdue() -> ResponseReturnValue:
    """Show the subscriptions whose provider has not reported in time, the longest first."""
    fetch = partial(monitoring.list_overdue, None)
    if lists.wants_csv():
        return lists.csv_file("overdue-statuses", _COLUMNS, fetch)
    page = fetch(lists.PAGE, lists.cursor())
    agreements = [one.agreement for one in page.items]
    return render_template(
        "operators/overdue.html",
        listed=lists.listed(page),
        companies=companies_of(
            [*(one.provider_id for one in agreements), *(one.requester_id for one in agreements)]
        ),
    )
