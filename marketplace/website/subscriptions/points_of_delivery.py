"""The points of delivery of a subscription."""

from functools import partial
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue

from marketplace.activations.domain import ActivationState
from marketplace.consents.domain import ConsentState
from marketplace.monitoring import service as monitoring
from marketplace.monitoring.tables import PointOfDelivery
from marketplace.website.frame import lists
from marketplace.website.frame.lists import Column
from marketplace.website.frame.rights import acts_as
from marketplace.website.subscriptions.blueprint import blueprint
from marketplace.website.subscriptions.parties import read_parties

_COLUMNS = [
    Column[PointOfDelivery]("podId", lambda row: row.pod_id),
    Column[PointOfDelivery]("consent", lambda row: row.consent),
    Column[PointOfDelivery]("consent from", lambda row: row.consent_start),
    Column[PointOfDelivery]("consent to", lambda row: row.consent_end),
    Column[PointOfDelivery]("activation", lambda row: row.activation),
    Column[PointOfDelivery]("added here", lambda row: row.requested_at),
]


@blueprint.get("/subscriptions/<uuid:subscription_id>/points-of-delivery")
@acts_as("monitoring.list_points_of_delivery")
def points_of_delivery(subscription_id: UUID) -> ResponseReturnValue:
    """Show the points of delivery, each with its consent and activation."""
    found = read_parties(subscription_id)
    consent = lists.one_of("consent", ConsentState)
    activation = lists.one_of("activation", ActivationState)
    fetch = partial(monitoring.list_points_of_delivery, subscription_id, consent, activation)
    if lists.wants_csv():
        return lists.csv_file("points-of-delivery", _COLUMNS, fetch)
    return render_template(
        "subscriptions/points_of_delivery.html",
        found=found,
        listed=lists.listed(fetch(lists.PAGE, lists.cursor())),
        consent=consent,
        activation=activation,
        consents=list(ConsentState),
        activations=list(ActivationState),
    )
