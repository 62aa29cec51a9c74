"""The page by which a company and its first person come to the marketplace."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.accounts import people
from marketplace.accounts.domain import checked_email, checked_name
from marketplace.core.environment import current_environment
from marketplace.website.account.blueprint import blueprint
from marketplace.website.company.statements import MARKET_ROLES, statement_of
from marketplace.website.frame.countries import countries
from marketplace.website.frame.forms import form_of, read
from marketplace.website.frame.languages import language
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import anyone
from marketplace.website.frame.visitor import origin, visitor
from marketplace.website.frame.work import enter_after
from marketplace.website.frame.zones import zone_names
from mpp_sdk.contracts.marketplace.models import MarketPlayerDraft
from mpp_sdk.errors import InvalidInput


@blueprint.get("/sign-up")
@anyone
def sign_up() -> ResponseReturnValue:
    """Show where a company signs up; who is signed in has done so."""
    if visitor() is not None:
        return redirect(url_for("home.start"), 303)
    return render_template(
        "account/sign_up.html",
        form=form_of(),
        market_roles=MARKET_ROLES,
        countries=countries(),
        zones=sorted(zone_names()),
        local_accounts=current_environment().settings.local_accounts,
    )


@blueprint.post("/sign-up")
@anyone
@shown_again(sign_up)
def register() -> ResponseReturnValue:
    """Register a company with its first person, who is signed in at once."""
    email = checked_email(request.form.get("email", ""))
    contact = request.form.get("contactEmail", "").strip() or email
    draft = read(MarketPlayerDraft, "identity.register_market_player", contactEmail=contact)
    password = request.form.get("password", "")
    if password != request.form.get("passwordAgain", ""):
        raise InvalidInput.field("/passwordAgain", "same", _("The two passwords differ."))
    signed_up = people.sign_up(
        statement_of(draft),
        checked_name(request.form.get("personName", ""), "/personName"),
        email,
        password,
        language(),
        request.form.get("timeZone") or None,
        origin(),
    )
    enter_after(signed_up.session.token)
    return redirect(url_for("home.overview"), 303)
