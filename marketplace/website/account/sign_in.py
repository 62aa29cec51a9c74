"""Pages by which people come in and leave."""

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from marketplace.accounts import signing_in
from marketplace.core.environment import current_environment
from marketplace.website.account.blueprint import blueprint
from marketplace.website.account.oidc import provider_name
from marketplace.website.account.outcomes import CHALLENGE, NEXT, go_on
from marketplace.website.frame.forms import form_of
from marketplace.website.frame.rights import anyone
from marketplace.website.frame.visitor import leave, origin, session_token, visitor
from marketplace.website.frame.ways import local_path


@blueprint.get("/sign-in")
@anyone
def sign_in() -> ResponseReturnValue:
    """Show where to sign in; who has done so goes on to what was wanted."""
    wanted = local_path(request.values.get("next", ""))
    if visitor() is not None and request.method == "GET":
        return redirect(wanted, 303)
    settings = current_environment().settings
    return render_template(
        "account/sign_in.html",
        form=form_of(),
        wanted=wanted,
        local_accounts=settings.local_accounts,
        provider=provider_name(),
    )


@blueprint.post("/sign-in")
@anyone
def check_password() -> ResponseReturnValue:
    """Let in who gives the right password."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    outcome = signing_in.sign_in(email, password, origin())
    return go_on(outcome, local_path(request.form.get("next", "")), sign_in)


@blueprint.get("/sign-in/code")
@anyone
def code() -> ResponseReturnValue:
    """Show where the code of the second factor is given."""
    if session.get(CHALLENGE) is None:
        return redirect(url_for("account.sign_in"), 303)
    return render_template("account/code.html", form=form_of())


@blueprint.post("/sign-in/code")
@anyone
def check_code() -> ResponseReturnValue:
    """Let in who gives the right code after the right password."""
    outcome = signing_in.answer_challenge(
        session.get(CHALLENGE, ""), request.form.get("code", ""), origin()
    )
    return go_on(outcome, session.get(NEXT, ""), code)


@blueprint.post("/sign-out")
@anyone
def sign_out() -> ResponseReturnValue:
    """End the session."""
    token = session_token()
    if token is not None:
        signing_in.sign_out(token)
    leave()
    return redirect(url_for("home.start"), 303)
