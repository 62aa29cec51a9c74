"""The page of a request: where the negotiation stands, how it came there, and what can be done."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.core.etag import etag
from marketplace.subscriptions import negotiation
from marketplace.subscriptions.domain import REQUEST
from marketplace.website.frame.forms import form_of, reason
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.negotiation.blueprint import blueprint
from marketplace.website.negotiation.parties import read_parties
from marketplace.website.negotiation.story import tell


@blueprint.get("/requests/<uuid:request_id>")
@acts_as("subscriptions.read_service_request", "subscriptions.list_offers")
def request_page(request_id: UUID) -> ResponseReturnValue:
    """Show a negotiation: what is open now, and everything that led there."""
    found = read_parties(request_id)
    return render_template(
        "negotiation/request.html",
        found=found,
        form=form_of(),
        etag=etag(found.row),
        offer_etag=etag(found.current_offer) if found.current_offer else None,
        allowed=REQUEST.allowed(found.row.state),
        story=tell(found.row),
        seen=found.row.version,
    )


@blueprint.get("/requests/<uuid:request_id>/progress")
@acts_as("subscriptions.read_service_request", "subscriptions.list_offers")
def progress(request_id: UUID) -> ResponseReturnValue:
    """Show the part of a request's page that changes while it is open."""
    found = read_parties(request_id)
    return render_template(
        "negotiation/progress.html",
        found=found,
        story=tell(found.row),
        seen=request.args.get("seen", type=int),
    )


@blueprint.post("/requests/<uuid:request_id>/withdrawal")
@acts_as("subscriptions.withdraw_service_request")
@shown_again(request_page)
def withdraw_request(request_id: UUID) -> ResponseReturnValue:
    """Have the requester take the request back."""
    negotiation.withdraw_request(request_id, reason(), request.form.get("etag"))
    flash(_("The request is withdrawn."), "success")
    return _back(request_id)


@blueprint.post("/requests/<uuid:request_id>/rejection")
@acts_as("subscriptions.reject_service_request")
@shown_again(request_page)
def reject(request_id: UUID) -> ResponseReturnValue:
    """Have the provider turn the request down, or the requester the offer."""
    negotiation.reject_request(request_id, reason(), request.form.get("etag"))
    flash(_("You have said no. The other company sees your reason."), "success")
    return _back(request_id)


def _page_of_its_request(request_id: UUID, offer_id: UUID) -> ResponseReturnValue:
    return request_page(request_id)


@blueprint.post("/requests/<uuid:request_id>/offers/<uuid:offer_id>/withdrawal")
@acts_as("subscriptions.withdraw_offer")
@shown_again(_page_of_its_request)
def withdraw_offer(request_id: UUID, offer_id: UUID) -> ResponseReturnValue:
    """Have the provider take an open offer back."""
    negotiation.withdraw_offer(request_id, offer_id, reason(), request.form.get("etag"))
    flash(_("The offer is withdrawn. You can make another one."), "success")
    return _back(request_id)


def _back(request_id: UUID) -> ResponseReturnValue:
    return redirect(url_for("negotiation.request_page", request_id=request_id), 303)
