"""The page of one's own account."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.accounts import people as service
from marketplace.accounts import second_factor, sessions
from marketplace.core.environment import current_environment
from marketplace.core.etag import etag
from marketplace.website.account.agents import browser_name
from marketplace.website.account.blueprint import blueprint
from marketplace.website.frame.forms import form_of
from marketplace.website.frame.languages import LANGUAGES, forget_choice
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import people
from marketplace.website.frame.visitor import require_visitor
from marketplace.website.frame.zones import zone_names


@blueprint.get("/account")
@people
def profile() -> ResponseReturnValue:
    """Show somebody what is known of them, and where they are signed in."""
    someone = require_visitor()
    person = service.read_person(someone.person_id)
    return render_template(
        "account/profile.html",
        person=person,
        form=form_of(name=person.name, locale=person.locale or "", timeZone=person.time_zone or ""),
        version=etag(person),
        zones=sorted(zone_names()),
        locales=list(LANGUAGES.items()),
        sessions=sessions.list_sessions(someone.person_id),
        browser_name=browser_name,
        codes_left=second_factor.recovery_codes_left(someone.person_id),
        local_accounts=current_environment().settings.local_accounts,
    )


@blueprint.post("/account")
@people
@shown_again(profile)
def change_profile() -> ResponseReturnValue:
    """Store how somebody wants to be named and shown things."""
    service.change_profile(
        request.form.get("name", ""),
        request.form.get("locale") or None,
        request.form.get("timeZone") or None,
        request.form.get("version", ""),
    )
    forget_choice()
    flash(_("Your account is changed."), "success")
    return redirect(url_for("account.profile"), 303)


@blueprint.post("/account/sessions/<uuid:session_id>/end")
@people
def end_session(session_id: UUID) -> ResponseReturnValue:
    """Sign one of somebody's browsers out."""
    sessions.end_session(require_visitor().person_id, session_id)
    flash(_("The browser is signed out."), "success")
    return redirect(url_for("account.profile"), 303)


@blueprint.post("/account/sessions/end-others")
@people
def end_other_sessions() -> ResponseReturnValue:
    """Sign out every browser of somebody but the present one."""
    someone = require_visitor()
    sessions.end_other_sessions(someone.person_id, someone.session_id)
    flash(_("Your other browsers are signed out."), "success")
    return redirect(url_for("account.profile"), 303)
