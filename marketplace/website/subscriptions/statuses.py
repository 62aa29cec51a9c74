"""The statuses that the provider's platform has reported."""

from functools import partial
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue

from marketplace.monitoring import service as monitoring
from marketplace.monitoring.domain import ServiceStatus
from marketplace.monitoring.tables import InterimStatus
from marketplace.website.frame import lists
from marketplace.website.frame.lists import Column
from marketplace.website.frame.rights import acts_as
from marketplace.website.subscriptions.blueprint import blueprint
from marketplace.website.subscriptions.parties import read_parties

_COLUMNS = [
    Column[InterimStatus]("occurred", lambda row: row.occurred_at),
    Column[InterimStatus]("received", lambda row: row.received_at),
    Column[InterimStatus]("status", lambda row: row.status),
    Column[InterimStatus]("active points of delivery", lambda row: row.active_pods),
    Column[InterimStatus]("detail", lambda row: row.detail),
]


@blueprint.get("/subscriptions/<uuid:subscription_id>/statuses")
@acts_as("monitoring.list_interim_statuses")
def statuses(subscription_id: UUID) -> ResponseReturnValue:
    """Show the interim statuses, the newest first."""
    found = read_parties(subscription_id)
    status = lists.one_of("status", ServiceStatus)
    fetch = partial(monitoring.list_statuses, subscription_id, status)
    if lists.wants_csv():
        return lists.csv_file("statuses", _COLUMNS, fetch)
    return render_template(
        "subscriptions/statuses.html",
        found=found,
        listed=lists.listed(fetch(lists.PAGE, lists.cursor())),
        status=status,
        statuses=list(ServiceStatus),
    )
