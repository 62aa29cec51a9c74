"""The people of a company: who acts for it, in which roles, and who is invited."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from marketplace.accounts import invitations
from marketplace.accounts import people as service
from marketplace.accounts.domain import IN_COMPANIES, PersonRole
from marketplace.accounts.tables import Person
from marketplace.core.etag import etag
from marketplace.website.company.blueprint import blueprint
from marketplace.website.company.frame import administers, company_page, own_company
from marketplace.website.frame.forms import Form, form_of
from marketplace.website.frame.labels import label
from marketplace.website.frame.languages import language
from marketplace.website.frame.lists import PAGE, Column, csv_file, cursor, listed, wants_csv
from marketplace.website.frame.refusals import reasons, shown_again
from marketplace.website.frame.rights import companies
from marketplace.website.frame.visitor import require_visitor
from mpp_sdk.errors import InvalidInput

PERSON_ROLES = {
    PersonRole.ADMINISTRATOR: _l("people, the platform's settings, credentials, the statement"),
    PersonRole.PROVIDER: _l("publishes services and answers requests"),
    PersonRole.REQUESTER: _l("requests services and manages points of delivery"),
}
"""What each role lets somebody do."""

_COLUMNS = [
    Column[Person]("name", lambda one: one.name),
    Column[Person]("email", lambda one: one.email),
    Column[Person]("roles", lambda one: sorted(one.roles)),
    Column[Person]("lastSignedInAt", lambda one: one.last_signed_in_at),
]


@blueprint.get("/company/people")
@companies
def people() -> ResponseReturnValue:
    """Show who acts for the company and who is invited."""
    company = own_company()
    if wants_csv():
        return csv_file(
            "people", _COLUMNS, lambda limit, after: service.list_people(company, limit, after)
        )
    return company_page(
        "company/people.html",
        listed=listed(service.list_people(company, PAGE, cursor())),
        invited=invitations.list_invitations(company) if administers() else [],
        form=form_of(),
        person_roles=PERSON_ROLES,
    )


@blueprint.post("/company/people/invitations")
@companies
@shown_again(people)
def invite() -> ResponseReturnValue:
    """Have somebody invited by mail."""
    invited = invitations.invite(
        own_company(),
        request.form.get("email", ""),
        request.form.get("name", ""),
        _chosen_roles(),
        language(),
    )
    flash(_("An invitation is on its way to %(email)s.", email=invited.email), "success")
    return redirect(url_for("company.people"), 303)


@blueprint.post("/company/people/invitations/<uuid:invitation_id>/withdraw")
@companies
def withdraw_invitation(invitation_id: UUID) -> ResponseReturnValue:
    """Take an invitation back."""
    invitations.withdraw_invitation(invitation_id)
    flash(_("The invitation is taken back; its link works no more."), "success")
    return redirect(url_for("company.people"), 303)


@blueprint.get("/company/people/<uuid:person_id>")
@companies
def person(person_id: UUID) -> ResponseReturnValue:
    """Show one of the company's people."""
    found = service.read_person(person_id)
    return company_page(
        "company/person.html",
        person=found,
        version=etag(found),
        form=_form(found),
        person_roles=PERSON_ROLES,
    )


@blueprint.post("/company/people/<uuid:person_id>/roles")
@companies
@shown_again(person)
def change_roles(person_id: UUID) -> ResponseReturnValue:
    """Give somebody other roles."""
    changed = service.change_roles(person_id, _chosen_roles(), request.form.get("version", ""))
    roles = ", ".join(label(role) for role in sorted(changed.roles))
    flash(_("%(name)s is now: %(roles)s.", name=changed.name, roles=roles), "success")
    return redirect(url_for("company.people"), 303)


@blueprint.post("/company/people/<uuid:person_id>/remove")
@companies
@shown_again(person)
def remove(person_id: UUID) -> ResponseReturnValue:
    """End somebody's access at once."""
    name = service.read_person(person_id).name
    service.remove(person_id, request.form.get("version"))
    if person_id == require_visitor().person_id:
        return redirect(url_for("home.start"), 303)
    flash(_("%(name)s has no access any more.", name=name), "success")
    return redirect(url_for("company.people"), 303)


def _form(found: Person) -> Form:
    if reasons() is not None:
        return form_of()
    return Form({"roles": sorted(found.roles)})


def _chosen_roles() -> frozenset[PersonRole]:
    """Return the roles that were chosen. Raises InvalidInput for what is none."""
    given = request.form.getlist("roles")
    if not set(given) <= IN_COMPANIES:
        raise InvalidInput.field("/roles", "enum", _("Choose from the roles that are offered."))
    return frozenset(PersonRole(one) for one in given)
