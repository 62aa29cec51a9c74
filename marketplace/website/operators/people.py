"""The accounts of those who run the marketplace: who they are, inviting and removing them."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.accounts import people
from marketplace.accounts.domain import OF_OPERATORS
from marketplace.core.etag import etag
from marketplace.website.frame import forms, lists
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import operators
from marketplace.website.frame.visitor import require_visitor
from marketplace.website.operators.blueprint import blueprint
from mpp_sdk.errors import NotFound


@blueprint.get("/operators/people")
@operators
def staff() -> ResponseReturnValue:
    """Show who runs the marketplace, and who is invited to."""
    page = people.list_people(None, lists.PAGE, lists.cursor())
    return render_template(
        "operators/people.html",
        listed=lists.listed(page),
        versions={one.id: etag(one) for one in page.items},
        invitations=people.list_invitations(None),
        own_id=require_visitor().person_id,
        form=forms.form_of(),
    )


@blueprint.post("/operators/people/invitations")
@operators
@shown_again(staff)
def invite_operator() -> ResponseReturnValue:
    """Invite somebody to run the marketplace, too."""
    email, name = request.form.get("email", ""), request.form.get("name", "")
    invited = people.invite(None, email, name, OF_OPERATORS)
    flash(_("%(name)s is invited: a mail with a link is on its way.", name=invited.name), "success")
    return redirect(url_for("operators.staff"), 303)


@blueprint.post("/operators/people/invitations/<uuid:invitation_id>/withdraw")
@operators
@shown_again(staff)
def withdraw_invitation(invitation_id: UUID) -> ResponseReturnValue:
    """Take an invitation back."""
    people.withdraw_invitation(invitation_id)
    flash(_("The invitation is taken back: its link works no more."), "success")
    return redirect(url_for("operators.staff"), 303)


@blueprint.post("/operators/people/<uuid:person_id>/remove")
@operators
@shown_again(staff)
def remove_operator(person_id: UUID) -> ResponseReturnValue:
    """End somebody's access at once."""
    person = people.read_person(person_id)
    if person.market_player_id is not None:
        raise NotFound.entity("operator", person_id)
    people.remove(person_id, request.form.get("version") or None)
    flash(_("%(name)s has no access any more.", name=person.name), "success")
    return redirect(url_for("operators.staff"), 303)
