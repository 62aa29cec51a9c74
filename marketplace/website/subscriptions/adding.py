"""Points of delivery that the requester's people add."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from marketplace.monitoring.requesting import MOST_AT_ONCE, request_points_of_delivery
from marketplace.website.frame.forms import form_of
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.subscriptions import pod_lists
from marketplace.website.subscriptions.blueprint import blueprint
from marketplace.website.subscriptions.parties import read_parties
from mpp_sdk.errors import InvalidInput


@blueprint.get("/subscriptions/<uuid:subscription_id>/points-of-delivery/new")
@acts_as("monitoring.request_points_of_delivery")
def add(subscription_id: UUID) -> ResponseReturnValue:
    """Show the form in which points of delivery are pasted, or a CSV file is chosen."""
    return render_template(
        "subscriptions/add.html",
        found=read_parties(subscription_id),
        form=form_of(),
        most=pod_lists.MOST,
        column=pod_lists.COLUMN,
    )


@blueprint.post("/subscriptions/<uuid:subscription_id>/points-of-delivery/new")
@acts_as("monitoring.request_points_of_delivery")
@shown_again(add)
def add_points_of_delivery(subscription_id: UUID) -> ResponseReturnValue:
    """Add points of delivery: all of them or, when a line is wrong, none."""
    pod_ids = _given()
    added = already = 0
    for start in range(0, len(pod_ids), MOST_AT_ONCE):
        part = request_points_of_delivery(subscription_id, pod_ids[start : start + MOST_AT_ONCE])
        added += len(part.added)
        already += len(part.already_there)
    if added:
        words = ngettext(
            "%(num)s point of delivery is added. Your platform asks the provider for it.",
            "%(num)s points of delivery are added. Your platform asks the provider for them.",
            added,
        )
        flash(words, "success")
    if already:
        flash(
            ngettext("%(num)s was there already.", "%(num)s were there already.", already), "info"
        )
    target = url_for("subscriptions.points_of_delivery", subscription_id=subscription_id)
    return redirect(target, 303)


def _given() -> list[str]:
    """Return the ids that were pasted or uploaded. Raises InvalidInput for both, and for none."""
    text = request.form.get("podIds", "")
    file = request.files.get("file")
    content = file.stream.read() if file is not None else b""
    if text.strip() and content:
        raise InvalidInput.field(
            "/file", "either", _("Paste the ids or choose a file, one of the two.")
        )
    return pod_lists.uploaded(content) if content else pod_lists.pasted(text)
