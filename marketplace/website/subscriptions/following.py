"""The page of a subscription: how it stands, what is missing, what was agreed, what happened."""

from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from marketplace.core.etag import etag
from marketplace.monitoring.completeness import read_completeness
from marketplace.monitoring.timeline import read_timeline
from marketplace.website.frame import lists
from marketplace.website.frame.forms import form_of
from marketplace.website.frame.rights import acts_as
from marketplace.website.subscriptions.blueprint import blueprint
from marketplace.website.subscriptions.checklist import items_of
from marketplace.website.subscriptions.happenings import lines_of
from marketplace.website.subscriptions.parties import Parties, read_parties

_STEPS = 50
_NO_PODS = "no"


@blueprint.get("/subscriptions/<uuid:subscription_id>")
@acts_as("subscriptions.read_subscription", "monitoring.list_audit_trail")
def subscription(subscription_id: UUID) -> ResponseReturnValue:
    """Show a subscription."""
    found = read_parties(subscription_id)
    return render_template(
        "subscriptions/subscription.html",
        form=form_of(),
        etag=etag(found.row),
        **_progress(found),
    )


@blueprint.get("/subscriptions/<uuid:subscription_id>/progress")
@acts_as("subscriptions.read_subscription", "monitoring.list_audit_trail")
def progress(subscription_id: UUID) -> ResponseReturnValue:
    """Show the part of a subscription's page that changes while it is open."""
    found = read_parties(subscription_id)
    return render_template("subscriptions/progress.html", **_progress(found))


def _progress(found: Parties) -> dict[str, object]:
    known = read_completeness(found.row.id)
    with_pods = request.args.get("pods") != _NO_PODS
    # A fragment that is fetched anew shows the newest, as the page did.
    page = read_timeline(found.row.id, _STEPS, lists.cursor(), with_pods=with_pods)
    return {
        "found": found,
        "known": known,
        "items": items_of(found, known),
        "lines": lines_of(page.items),
        "next_cursor": page.next_cursor,
        "with_pods": with_pods,
        "is_newest": lists.cursor() is None,
    }
