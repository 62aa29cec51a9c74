"""The page by which an invited person comes to a company, or to those who run the marketplace."""

from flask import make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from marketplace.accounts import invitations
from marketplace.core.environment import current_environment
from marketplace.website.account.blueprint import blueprint
from marketplace.website.account.passwords import NO_REFERRER, TOKEN, chosen_password
from marketplace.website.frame.forms import form_of
from marketplace.website.frame.languages import language
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import anyone
from marketplace.website.frame.visitor import origin
from marketplace.website.frame.work import enter_after
from marketplace.website.frame.zones import zone_names


@blueprint.get("/invitation")
@anyone
def invitation() -> ResponseReturnValue:
    """Show who invites to what, and where that is accepted."""
    token = request.values.get(TOKEN, "")
    offered = invitations.read_invitation(token)
    settings = current_environment().settings
    page = render_template(
        "account/invitation.html",
        form=form_of(name=offered.name),
        token=token,
        offered=offered,
        zones=sorted(zone_names()),
        local_accounts=settings.local_accounts,
    )
    return make_response(page, NO_REFERRER)


@blueprint.post("/invitation")
@anyone
@shown_again(invitation)
def accept_invitation() -> ResponseReturnValue:
    """Make the invited person one of the company's people, signed in."""
    session = invitations.accept_invitation(
        request.form.get(TOKEN, ""),
        request.form.get("name", ""),
        chosen_password(),
        language(),
        request.form.get("timeZone") or None,
        origin(),
    )
    enter_after(session.token)
    return redirect(url_for("home.start"), 303)
