"""The credentials by which a company's platform calls the marketplace."""

from datetime import timedelta
from uuid import UUID

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from marketplace.core.environment import current_environment
from marketplace.identity import service
from marketplace.identity.domain import AccessRole
from marketplace.identity.domain import CredentialKind as Kind
from marketplace.identity.service import CredentialState
from marketplace.website.company.blueprint import blueprint
from marketplace.website.company.frame import company_page, own_company
from marketplace.website.company.snippets import snippets
from marketplace.website.frame.forms import Form, form_of, read, reason
from marketplace.website.frame.lists import (
    PAGE,
    Column,
    csv_file,
    cursor,
    listed,
    one_of,
    wants_csv,
)
from marketplace.website.frame.refusals import reasons, shown_again
from marketplace.website.frame.rights import companies
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import CredentialDraft

_WARNED_BEFORE = timedelta(days=14)
_KINDS = {
    Kind.API_KEY: _l("for a platform of the SDK, which renews it by itself; ends after a while"),
    Kind.OAUTH2_CLIENT: _l("for programs of your own, which get tokens with it; does not end"),
}
_ROLES = {
    AccessRole.PROVIDER: _l("may do what a provider does"),
    AccessRole.REQUESTER: _l("may do what a requester does"),
}
_COLUMNS = [
    Column[CredentialState]("credentialId", lambda one: one.credential.id),
    Column[CredentialState]("kind", lambda one: one.credential.kind),
    Column[CredentialState]("label", lambda one: one.credential.label),
    Column[CredentialState]("roles", lambda one: one.credential.scope),
    Column[CredentialState]("createdAt", lambda one: one.credential.created_at),
    Column[CredentialState]("lastUsedAt", lambda one: one.credential.last_used_at),
    Column[CredentialState]("validUntil", lambda one: one.valid_until),
    Column[CredentialState]("revokedAt", lambda one: one.credential.revoked_at),
]


@blueprint.get("/company/credentials")
@companies
def credentials() -> ResponseReturnValue:
    """Show the company's credentials, without their secrets, and where one is issued."""
    company, kind = own_company(), one_of("kind", Kind)
    if wants_csv():
        return csv_file(
            "credentials",
            _COLUMNS,
            lambda limit, after: service.list_credentials(company, kind, limit, after),
        )
    return company_page(
        "company/credentials.html",
        listed=listed(service.list_credentials(company, kind, PAGE, cursor())),
        kind=kind,
        kinds=_KINDS,
        roles=_ROLES,
        form=_form(),
        standing=standing,
    )


@blueprint.post("/company/credentials")
@companies
@shown_again(credentials)
def issue() -> ResponseReturnValue:
    """Issue a credential; its secret is shown once, with what to do with it."""
    draft = read(CredentialDraft, "identity.issue_credential")
    issued = service.issue_credential(
        own_company(),
        Kind(draft.kind.value),
        draft.label,
        frozenset(AccessRole(role.value) for role in draft.roles),
    )
    settings = current_environment().settings
    return company_page(
        "company/issued.html",
        issued=issued,
        is_key=issued.credential.kind is Kind.API_KEY,
        snippets=snippets(settings.effective_public_url, issued),
    )


@blueprint.post("/company/credentials/<uuid:credential_id>/revoke")
@companies
@shown_again(lambda credential_id: credentials())
def revoke(credential_id: UUID) -> ResponseReturnValue:
    """Have a credential stop working at once."""
    service.revoke_credential(own_company(), credential_id, reason())
    flash(_("The credential is revoked: nothing opens with it any more."), "success")
    return redirect(url_for("company.credentials"), 303)


def standing(state: CredentialState) -> tuple[str, str]:
    """Return how it stands with a credential: a tone and words."""
    if state.credential.revoked_at is not None:
        return "ended", str(_("revoked"))
    if state.valid_until is None:
        return "good", str(_("valid"))
    left = state.valid_until - now()
    if left <= timedelta(0):
        return "bad", str(_("expired"))
    if left > _WARNED_BEFORE:
        return "good", str(_("valid"))
    days = left.days
    if days == 0:
        return "waiting", str(_("expires within a day"))
    return "waiting", str(ngettext("expires in %(num)s day", "expires in %(num)s days", days))


def _form() -> Form:
    if reasons() is not None:
        return form_of()
    return Form({"kind": [Kind.API_KEY], "roles": list(_ROLES), "label": ["platform"]})
