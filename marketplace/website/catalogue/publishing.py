"""What a provider does with a version that is written: publish, deprecate, withdraw, delete."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.catalogue import service
from marketplace.website.catalogue.blueprint import blueprint
from marketplace.website.catalogue.services import VERSION_PATH, preview, version
from marketplace.website.frame.forms import reason
from marketplace.website.frame.refusals import shown_again
from marketplace.website.frame.rights import acts_as


@blueprint.post(f"{VERSION_PATH}/publish")
@acts_as("catalogue.publish_service_version")
@shown_again(preview)
def publish(service_id: UUID, number: int) -> ResponseReturnValue:
    """Publish a draft, as it was when the visitor looked at it."""
    service.publish(service_id, number, _tag())
    flash(_("Version %(number)s is published. Everybody finds it now.", number=number), "success")
    return _to_version(service_id, number)


@blueprint.post(f"{VERSION_PATH}/deprecate")
@acts_as("catalogue.deprecate_service_version")
@shown_again(version)
def deprecate(service_id: UUID, number: int) -> ResponseReturnValue:
    """Let a published version take no new requests."""
    service.deprecate(service_id, number, reason(), _tag())
    flash(_("Version %(number)s takes no new requests.", number=number), "success")
    return _to_version(service_id, number)


@blueprint.post(f"{VERSION_PATH}/withdraw")
@acts_as("catalogue.withdraw_service_version")
@shown_again(version)
def withdraw(service_id: UUID, number: int) -> ResponseReturnValue:
    """Take a version out of the catalogue."""
    service.withdraw(service_id, number, reason(), _tag())
    flash(_("Version %(number)s is withdrawn.", number=number), "success")
    return _to_version(service_id, number)


@blueprint.post(f"{VERSION_PATH}/delete")
@acts_as("catalogue.delete_service_version")
@shown_again(version)
def delete(service_id: UUID, number: int) -> ResponseReturnValue:
    """Delete a draft."""
    service.delete_version(service_id, number, _tag())
    flash(_("The draft is deleted."), "success")
    return redirect(url_for("catalogue.own"), 303)


def _tag() -> str | None:
    return request.form.get("etag") or None


def _to_version(service_id: UUID, number: int) -> ResponseReturnValue:
    return redirect(url_for("catalogue.version", service_id=service_id, number=number), 303)
