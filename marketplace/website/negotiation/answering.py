"""The requester's answer to an offer: other terms are asked for, or it is accepted."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.core.etag import etag
from marketplace.identity import service as identity
from marketplace.subscriptions import negotiation
from marketplace.subscriptions.domain import OfferState
from marketplace.website.frame.forms import form_of, read
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.negotiation.blueprint import blueprint
from marketplace.website.negotiation.parties import read_parties
from mpp_sdk.contracts.marketplace.models import CounterProposal
from mpp_sdk.errors import PreconditionRequired


@blueprint.get("/requests/<uuid:request_id>/counter-proposal")
@acts_as("subscriptions.counter_offer")
def counter(request_id: UUID) -> ResponseReturnValue:
    """Show the form by which the requester asks for other terms than were offered."""
    found = read_parties(request_id)
    return render_template(
        "negotiation/counter.html", found=found, form=form_of(), etag=etag(found.row)
    )


@blueprint.post("/requests/<uuid:request_id>/counter-proposal")
@acts_as("subscriptions.counter_offer")
@shown_again(counter)
def counter_offer(request_id: UUID) -> ResponseReturnValue:
    """Ask the provider for other terms; the open offer is off the table then."""
    proposal = read(CounterProposal, "subscriptions.counter_offer")
    negotiation.counter_offer(request_id, proposal, request.form.get("etag"))
    flash(_("Your wishes are sent. The provider answers with another offer."), "success")
    return redirect(url_for("negotiation.request_page", request_id=request_id), 303)


@blueprint.get("/requests/<uuid:request_id>/offers/<uuid:offer_id>/acceptance")
@acts_as("subscriptions.accept_offer")
def acceptance(request_id: UUID, offer_id: UUID) -> ResponseReturnValue:
    """Show exactly what is agreed by accepting an offer, and ask for it."""
    found = read_parties(request_id)
    offer = negotiation.read_offer(request_id, offer_id)
    return render_template(
        "negotiation/acceptance.html",
        found=found,
        offer=offer,
        version=found.version,
        form=form_of(),
        etag=etag(offer),
        is_open=offer.state is OfferState.OPEN and found.may_request,
        own_platform=identity.platform_base_url(found.row.requester_id),
        their_platform=identity.platform_base_url(found.row.provider_id),
    )


@blueprint.post("/requests/<uuid:request_id>/offers/<uuid:offer_id>/acceptance")
@acts_as("subscriptions.accept_offer")
@shown_again(acceptance)
def accept_offer(request_id: UUID, offer_id: UUID) -> ResponseReturnValue:
    """Accept the offer as it was shown: one that has changed since is refused."""
    seen = request.form.get("etag")
    if not seen:
        raise PreconditionRequired("Accept an offer on the page that shows what is agreed.")
    made = negotiation.accept_offer(request_id, offer_id, seen)
    flash(_("Agreed. Both platforms are told now."), "success")
    return redirect(url_for("subscriptions.subscription", subscription_id=made.id), 303)
