"""Ends, suspends and resumes a subscription."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.core.etag import etag
from marketplace.subscriptions import service as subscriptions
from marketplace.website.frame.forms import form_of, reason
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.subscriptions.blueprint import blueprint
from marketplace.website.subscriptions.following import subscription
from marketplace.website.subscriptions.parties import read_parties


@blueprint.get("/subscriptions/<uuid:subscription_id>/cancellation")
@acts_as("subscriptions.cancel_subscription")
def cancellation(subscription_id: UUID) -> ResponseReturnValue:
    """Ask once more before a subscription is ended, and why."""
    found = read_parties(subscription_id)
    return render_template(
        "subscriptions/cancellation.html", found=found, form=form_of(), etag=etag(found.row)
    )


@blueprint.post("/subscriptions/<uuid:subscription_id>/cancellation")
@acts_as("subscriptions.cancel_subscription")
@shown_again(cancellation)
def cancel(subscription_id: UUID) -> ResponseReturnValue:
    """End a subscription for good."""
    subscriptions.cancel_subscription(subscription_id, reason(), request.form.get("etag"))
    flash(_("The subscription is canceled. Both platforms are told."), "success")
    return _back(subscription_id)


@blueprint.post("/subscriptions/<uuid:subscription_id>/suspension")
@acts_as("subscriptions.suspend_subscription")
@shown_again(subscription)
def suspend(subscription_id: UUID) -> ResponseReturnValue:
    """Have data stop until the subscription is resumed."""
    subscriptions.suspend_subscription(subscription_id, reason(), request.form.get("etag"))
    flash(_("The subscription is suspended. Both platforms are told."), "success")
    return _back(subscription_id)


@blueprint.post("/subscriptions/<uuid:subscription_id>/resumption")
@acts_as("subscriptions.resume_subscription")
@shown_again(subscription)
def resume(subscription_id: UUID) -> ResponseReturnValue:
    """Lift the suspension that is one's own."""
    row = subscriptions.resume_subscription(subscription_id, reason(), request.form.get("etag"))
    if row.holds:
        flash(_("Your suspension is lifted. Others keep the subscription suspended."), "success")
    else:
        flash(_("The subscription goes on. Both platforms are told."), "success")
    return _back(subscription_id)


def _back(subscription_id: UUID) -> ResponseReturnValue:
    return redirect(url_for("subscriptions.subscription", subscription_id=subscription_id), 303)
