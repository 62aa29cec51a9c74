"""The provider's offer: made, revised, looked at before it is sent."""

from datetime import timedelta
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.subscriptions import negotiation
from marketplace.subscriptions.tables import Offer
from marketplace.website.frame.forms import Form, form_of, read
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.negotiation.blueprint import blueprint
from marketplace.website.negotiation.parties import Parties, read_parties
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import OfferDraft, Period

_STANDS = timedelta(days=14)
_RUNS = timedelta(days=365)


@blueprint.get("/requests/<uuid:request_id>/offer")
@acts_as("subscriptions.make_offer")
def offer(request_id: UUID) -> ResponseReturnValue:
    """Show the form of an offer, filled from what is known of it so far."""
    found = read_parties(request_id)
    return _page(found, form_of(proposed(found)))


@blueprint.post("/requests/<uuid:request_id>/offer")
@acts_as("subscriptions.make_offer")
@shown_again(offer)
def make_offer(request_id: UUID) -> ResponseReturnValue:
    """Send an offer to the requester; it replaces the one that was open."""
    made = negotiation.make_offer(request_id, read(OfferDraft, "subscriptions.make_offer"))
    flash(_("Offer %(number)s is sent.", number=made.revision), "success")
    return redirect(url_for("negotiation.request_page", request_id=request_id), 303)


@blueprint.post("/requests/<uuid:request_id>/offer/preview")
@acts_as("subscriptions.make_offer")
def preview_offer(request_id: UUID) -> ResponseReturnValue:
    """Show how the terms will look; nothing is sent to the requester."""
    found = read_parties(request_id)
    if request.headers.get("HX-Request"):
        return render_template("negotiation/preview.html", terms=request.form.get("terms", ""))
    given = {name: request.form.getlist(name) for name in request.form}
    return _page(found, Form(given), preview=request.form.get("terms", ""))


def proposed(found: Parties) -> OfferDraft:
    """Return an offer to begin with: the last one, or what the service's description says.

    Price and validity are those that the requester has asked for, if that was the last word.
    """
    moment = now().replace(second=0, microsecond=0)
    last, wish = found.current_offer, found.row.counter_proposal
    description = found.version.description
    draft = OfferDraft(
        terms=last.terms if last else description.terms,
        price=last.price if last else description.price,
        validity=_validity(last) or Period(start=moment, end=moment + _RUNS),
        interim_status_interval=(
            last.interim_status_interval if last else description.interim_status_interval
        ),
        valid_until=moment + _STANDS,
    )
    if wish is not None and wish.price is not None:
        draft.price = wish.price
    if wish is not None and wish.validity is not None:
        draft.validity = wish.validity
    return draft


def _validity(last: Offer | None) -> Period | None:
    return None if last is None else Period(start=last.validity_start, end=last.validity_end)


def _page(found: Parties, form: Form, preview: str | None = None) -> ResponseReturnValue:
    return render_template("negotiation/offer.html", found=found, form=form, preview=preview)
