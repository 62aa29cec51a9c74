"""Where a company's platform is, and whether the marketplace reaches it."""

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.core.environment import current_environment
from marketplace.core.etag import etag
from marketplace.identity import service
from marketplace.identity.service import PlatformState, PlatformStatement
from marketplace.identity.tables import IntegrationTest
from marketplace.website.company.blueprint import blueprint
from marketplace.website.company.checklist import is_outdated
from marketplace.website.company.frame import company_page, own_company
from marketplace.website.frame.forms import Form, form_of, read
from marketplace.website.frame.lists import (
    PAGE,
    Column,
    csv_file,
    cursor,
    listed,
    wants_csv,
    yes_or_no,
)
from marketplace.website.frame.refusals import reasons, shown_again
from marketplace.website.frame.rights import companies
from marketplace.website.frame.versions import spoken_by
from mpp_sdk.contracts.marketplace.models import PlatformDraft

_SHOWN_TESTS = 5
_COLUMNS = [
    Column[IntegrationTest]("startedAt", lambda one: one.started_at),
    Column[IntegrationTest]("passed", lambda one: str(one.passed).lower()),
    Column[IntegrationTest]("failedStep", lambda one: _failed(one, "name")),
    Column[IntegrationTest]("detail", lambda one: _failed(one, "detail")),
]


@blueprint.get("/company/platform")
@companies
def platform() -> ResponseReturnValue:
    """Show where the platform is, what came of the last test, and how to connect one."""
    company = own_company()
    state = _state()
    return company_page(
        "company/platform.html",
        state=state,
        version=etag(state.platform) if state else "",
        form=_form(state),
        spoken=spoken_by(state.platform) if state else "",
        outdated=state is not None and is_outdated(state),
        tests=service.list_platform_tests(company, None, _SHOWN_TESTS, None).items,
        address=current_environment().settings.effective_public_url,
    )


@blueprint.post("/company/platform")
@companies
@shown_again(platform)
def set_platform() -> ResponseReturnValue:
    """Store where the platform is; a new signing secret is shown once."""
    draft = read(PlatformDraft, "identity.set_platform")
    statement = PlatformStatement(
        base_url=draft.base_url,
        api_key=draft.api_key,
        rotate_signing_secret=bool(draft.rotate_signing_secret),
    )
    state = service.set_platform(own_company(), statement, request.form.get("version") or None)
    if state.signing_secret is not None:
        return company_page(
            "company/signing_secret.html",
            secret=state.signing_secret,
            rotated=bool(draft.rotate_signing_secret),
        )
    flash(_("The connection settings are changed. Test them."), "success")
    return redirect(url_for("company.platform"), 303)


@blueprint.post("/company/platform/test")
@companies
@shown_again(platform)
def test() -> ResponseReturnValue:
    """Call the platform, and lead to what came of it."""
    service.test_platform(own_company())
    return redirect(url_for("company.platform", _anchor="test"), 303)


@blueprint.get("/company/platform/tests")
@companies
def tests() -> ResponseReturnValue:
    """Show every test of the platform, the newest first."""
    company, passed = own_company(), yes_or_no("passed")
    if wants_csv():
        return csv_file(
            "integration-tests",
            _COLUMNS,
            lambda limit, after: service.list_platform_tests(company, passed, limit, after),
        )
    page = service.list_platform_tests(company, passed, PAGE, cursor())
    return company_page("company/tests.html", listed=listed(page), passed=passed)


def _state() -> PlatformState | None:
    company = own_company()
    if service.platform_base_url(company) is None:
        return None
    return service.read_platform(company)


def _form(state: PlatformState | None) -> Form:
    if reasons() is None and state is not None:
        return form_of(baseUrl=state.platform.base_url)
    return form_of()


def _failed(test: IntegrationTest, part: str) -> str:
    failed = (step for step in test.steps if step["outcome"] == "FAILED")
    return str(next((step[part] for step in failed), ""))
