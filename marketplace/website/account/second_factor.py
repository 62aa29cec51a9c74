"""The pages of the second factor: set up, confirmed, and switched off again."""

import io

import segno
from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from markupsafe import Markup

from marketplace.accounts import people as service
from marketplace.accounts import second_factor
from marketplace.accounts.guessing import Refused
from marketplace.website.account.blueprint import blueprint
from marketplace.website.account.outcomes import shown_refused
from marketplace.website.frame.forms import form_of
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import people
from marketplace.website.frame.visitor import require_visitor


@blueprint.get("/account/second-factor")
@people
def factor() -> ResponseReturnValue:
    """Show how it stands with somebody's second factor, and what is next."""
    person = service.read_person(require_visitor().person_id)
    enrolment = None
    if not person.has_second_factor and person.encrypted_totp_secret is not None:
        enrolment = second_factor.pending(person.id)
    return render_template(
        "account/second_factor.html",
        form=form_of(),
        is_on=person.has_second_factor,
        enrolment=enrolment,
        picture=picture(enrolment.uri) if enrolment else None,
        codes_left=second_factor.recovery_codes_left(person.id),
    )


@blueprint.post("/account/second-factor/begin")
@people
@shown_again(factor)
def begin_factor() -> ResponseReturnValue:
    """Make a new secret for an authenticator app."""
    second_factor.begin(require_visitor().person_id)
    return redirect(url_for("account.factor"), 303)


@blueprint.post("/account/second-factor/confirm")
@people
@shown_again(factor)
def confirm_factor() -> ResponseReturnValue:
    """Switch the second factor on for a right code; the recovery codes are shown once."""
    codes = second_factor.confirm(require_visitor().person_id, request.form.get("code", ""))
    return render_template("account/recovery_codes.html", codes=codes, begun=True)


@blueprint.post("/account/second-factor/recovery-codes")
@people
@shown_again(factor)
def renew_recovery_codes() -> ResponseReturnValue:
    """Make new recovery codes for a right code; they are shown once."""
    given = request.form.get("code", "")
    codes = second_factor.renew_recovery_codes(require_visitor().person_id, given)
    if isinstance(codes, Refused):
        return shown_refused(codes.error, factor)
    return render_template("account/recovery_codes.html", codes=codes, begun=False)


@blueprint.post("/account/second-factor/off")
@people
@shown_again(factor)
def switch_factor_off() -> ResponseReturnValue:
    """Switch the second factor off for a right code."""
    refused = second_factor.switch_off(require_visitor().person_id, request.form.get("code", ""))
    if refused is not None:
        return shown_refused(refused.error, factor)
    flash(_("The second factor is off."), "success")
    return redirect(url_for("account.profile"), 303)


def picture(text: str) -> Markup:
    """Return a QR code as an SVG, black on white in light and in dark."""
    out = io.BytesIO()
    segno.make(text, error="m").save(
        out,
        kind="svg",
        xmldecl=False,
        svgns=True,
        svgclass="qr",
        lineclass=None,
        omitsize=True,
        light="#fff",
        dark="#000",
        border=4,
        title=_("The secret as a QR code"),
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - segno has made it
