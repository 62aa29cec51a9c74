"""Pages for a password that was forgotten, or that is to be another."""

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.accounts import passwords
from marketplace.website.account.blueprint import blueprint
from marketplace.website.account.outcomes import shown_refused
from marketplace.website.account.profile import profile
from marketplace.website.frame.forms import form_of
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import anyone, people
from marketplace.website.frame.visitor import leave, require_visitor
from mpp_sdk.errors import InvalidInput

TOKEN = "token"  # noqa: S105 - the name of a field
NO_REFERRER = {"Referrer-Policy": "no-referrer"}
"""What a page sends whose address holds a token, so that no other page learns it."""


@blueprint.get("/password/forgotten")
@anyone
def forgotten() -> ResponseReturnValue:
    """Show where a link to set a new password is asked for."""
    return render_template("account/forgotten.html", form=form_of())


@blueprint.post("/password/forgotten")
@anyone
@shown_again(forgotten)
def ask_for_link() -> ResponseReturnValue:
    """Have a link mailed; for an address that nobody has, it looks the same."""
    passwords.request_reset(request.form.get("email", ""))
    flash(
        _("If somebody signs in with this address, a link to set a new password is on its way."),
        "success",
    )
    return redirect(url_for("account.sign_in"), 303)


@blueprint.get("/password/reset")
@anyone
def reset() -> ResponseReturnValue:
    """Show where a new password is set, to whoever has the link."""
    token = request.values.get(TOKEN, "")
    page = render_template(
        "account/reset.html", form=form_of(), token=token, email=passwords.read_reset(token)
    )
    return make_response(page, NO_REFERRER)


@blueprint.post("/password/reset")
@anyone
@shown_again(reset)
def set_password() -> ResponseReturnValue:
    """Set a new password by the link; every session of the person ends."""
    passwords.reset(request.form.get(TOKEN, ""), chosen_password())
    leave()
    flash(_("Your new password is set. Sign in with it."), "success")
    return redirect(url_for("account.sign_in"), 303)


@blueprint.post("/account/password")
@people
@shown_again(profile)
def change_password() -> ResponseReturnValue:
    """Set a new password for whoever knows the present one; other browsers are signed out."""
    someone = require_visitor()
    new = chosen_password("new", "newAgain")
    present = request.form.get("current", "")
    refused = passwords.change(someone.person_id, someone.session_id, present, new)
    if refused is not None:
        return shown_refused(refused.error, profile)
    flash(_("Your password is changed. Your other browsers are signed out."), "success")
    return redirect(url_for("account.profile"), 303)


def chosen_password(name: str = "password", again: str = "passwordAgain") -> str:
    """Return a new password that was entered twice. Raises InvalidInput when the two differ."""
    password = request.form.get(name, "")
    if password != request.form.get(again, ""):
        raise InvalidInput.field(f"/{again}", "same", _("The two passwords differ."))
    return password
