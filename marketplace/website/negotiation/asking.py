"""A new request for a service."""

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.catalogue import service as catalogue
from marketplace.identity import service as identity
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from marketplace.website.frame.forms import form_of, read
from marketplace.website.frame.lists import identifier
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.negotiation.blueprint import blueprint
from mpp_sdk.contracts.marketplace.models import ServiceRequestDraft


@blueprint.get("/services/<uuid:service_id>/request")
@acts_as("subscriptions.request_service")
def new(service_id: UUID) -> ResponseReturnValue:
    """Show the form of a request, beside what will be requested.

    With `supersedes` it asks for new terms of a subscription.
    """
    version = catalogue.read_service(service_id)
    superseded = identifier("supersedes")
    return render_template(
        "negotiation/new.html",
        form=form_of(),
        version=version,
        provider=identity.companies([version.provider_id])[version.provider_id],
        subscription=subscriptions.read_subscription(superseded) if superseded else None,
    )


@blueprint.post("/services/<uuid:service_id>/request")
@acts_as("subscriptions.request_service")
@shown_again(new)
def create(service_id: UUID) -> ResponseReturnValue:
    """Send a request to the provider."""
    draft = read(
        ServiceRequestDraft,
        "subscriptions.request_service",
        serviceId=str(service_id),
        supersedes=_text(identifier("supersedes")),
    )
    made = negotiation.request_service(draft)
    flash(_("The request is sent. The provider answers it with an offer, or says no."), "success")
    return redirect(url_for("negotiation.request_page", request_id=made.request.id), 303)


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
