"""A provider writes what a service is: new ones, drafts, and new versions of what is published."""

import json
from dataclasses import replace
from uuid import UUID

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.catalogue import api_documents, service
from marketplace.catalogue.api_documents import MAX_CHARACTERS as MOST_OF_DOCUMENT
from marketplace.catalogue.domain import VERSION
from marketplace.catalogue.tables import ServiceVersion
from marketplace.core.etag import etag
from marketplace.website import maps
from marketplace.website.catalogue.blueprint import blueprint
from marketplace.website.catalogue.choices import choices
from marketplace.website.catalogue.countries import country_name
from marketplace.website.catalogue.geojson import area_of
from marketplace.website.catalogue.services import VERSION_PATH
from marketplace.website.catalogue.uploads import kept, text_of
from marketplace.website.frame.forms import Form, form_of, read
from marketplace.website.frame.refusals import reasons, shown_again
from marketplace.website.frame.rights import acts_as
from marketplace.website.maps import SvgMap, Words
from mpp_sdk.contracts.marketplace.models import ServiceDescription
from mpp_sdk.errors import InvalidInput, PreconditionFailed

MOST_OF_AREA = 200_000
"""How many bytes of GeoJSON are taken."""

_DOCUMENT = "apiDocument"
_AREA = "area"
_DEFAULTS = {
    "interimStatusInterval": "P1D",
    "integration/contract": "metering",
    "integration/contractVersion": "1.0.0",
    "price/model": "FREE",
}


@blueprint.get("/our-services/new")
@acts_as("catalogue.create_service")
def new() -> ResponseReturnValue:
    """Show an empty form for a new service."""
    return _page(None, form_of(None, **_DEFAULTS))


@blueprint.post("/our-services/new")
@acts_as("catalogue.create_service")
@shown_again(new)
def create() -> ResponseReturnValue:
    """Draft a new service."""
    row = service.create_service(_description())
    text = text_of(_DOCUMENT, MOST_OF_DOCUMENT)
    if text is not None:
        api_documents.write_api_document(row.service_id, row.number, text, etag(row))
    return _saved(row)


@blueprint.post("/services/<uuid:service_id>/versions")
@acts_as("catalogue.create_service_version")
def new_version(service_id: UUID) -> ResponseReturnValue:
    """Draft a new version of a service, which begins as the present one is."""
    present = service.read_service(service_id)
    row = service.create_version(service_id, present.description)
    if api_documents.has_api_document(present.id):
        held = api_documents.read_api_document(service_id, present.number).document
        api_documents.write_api_document(service_id, row.number, held.text, etag(row))
    flash(_("Version %(number)s is a draft now. Only you see it.", number=row.number), "success")
    return redirect(_url("catalogue.edit", row), 303)


@blueprint.get(f"{VERSION_PATH}/edit")
@acts_as("catalogue.edit_service_version")
def edit(service_id: UUID, number: int) -> ResponseReturnValue:
    """Show a draft in a form."""
    row = service.own_version(service_id, number, lock=False)
    VERSION.after(row.state, "edit")
    area = row.description.area
    drawn = json.dumps(area.model_dump(mode="json")) if area else ""
    form = form_of(row.description, etag=etag(row))
    if reasons() is None:
        form = replace(form, given={**form.given, _AREA: [drawn]})
    return _page(row, form)


@blueprint.post(f"{VERSION_PATH}/edit")
@acts_as("catalogue.edit_service_version")
@shown_again(edit)
def save(service_id: UUID, number: int) -> ResponseReturnValue:
    """Save a draft."""
    description = _description()
    tag = request.form.get("replace") or request.form.get("etag") or None
    text = text_of(_DOCUMENT, MOST_OF_DOCUMENT)
    if text is not None:
        held = api_documents.write_api_document(service_id, number, text, tag)
        tag = etag(held.version)
    elif request.form.get("withoutDocument"):
        api_documents.delete_api_document(service_id, number, tag)
        tag = etag(service.read_version(service_id, number))
    return _saved(service.edit_version(service_id, number, description, tag))


@blueprint.post("/our-services/markdown")
@acts_as("catalogue.create_service")
def markdown_preview() -> ResponseReturnValue:
    """Show what a text in Markdown will look like."""
    text = request.form.get("terms") or request.form.get("details") or ""
    return render_template("catalogue/markdown.html", text=text)


def _description() -> ServiceDescription:
    text = text_of(_AREA, MOST_OF_AREA)
    area = None if text is None else area_of(text)
    return read(ServiceDescription, "catalogue.create_service", area=area)


def _saved(row: ServiceVersion) -> ResponseReturnValue:
    """Lead to where the button says: the form again, the preview, or the published version."""
    wish = request.form.get("then")
    if wish == "publish":
        service.publish(row.service_id, row.number, None)
        flash(_("Version %(number)s is published.", number=row.number), "success")
        return redirect(_url("catalogue.version", row), 303)
    flash(_("The draft is saved."), "success")
    return redirect(_url("catalogue.preview" if wish == "preview" else "catalogue.edit", row), 303)


def _url(endpoint: str, row: ServiceVersion) -> str:
    return url_for(endpoint, service_id=row.service_id, number=row.number)


def _page(row: ServiceVersion | None, form: Form) -> ResponseReturnValue:
    form = kept(form, _AREA, MOST_OF_AREA)
    form = kept(form, _DOCUMENT, MOST_OF_DOCUMENT)
    if "text" in form.errors:  # as the catalogue names what is a field of its own here
        form = replace(form, errors={**_without_text(form), _DOCUMENT: form.errors["text"]})
    return render_template(
        "catalogue/edit.html",
        row=row,
        form=form,
        picker=_picker(form),
        has_document=row is not None and api_documents.has_api_document(row.id),
        changed_meanwhile=etag(row) if row and isinstance(reasons(), PreconditionFailed) else None,
        most_of_area=MOST_OF_AREA,
        most_of_document=MOST_OF_DOCUMENT,
        most_of_all=current_app.config["MAX_CONTENT_LENGTH"],
        **choices(),
    )


def _without_text(form: Form) -> dict[str, str]:
    return {pointer: text for pointer, text in form.errors.items() if pointer != "text"}


def _picker(form: Form) -> SvgMap:
    countries = [code for code in form.values("countries") if len(code) == 2]
    words = Words(
        title=_("The area of the service"),
        description=_("What is drawn here is the GeoJSON below."),
        country=country_name,
    )
    return maps.draw_picker(countries, _shown_area(form), words)


def _shown_area(form: Form) -> dict[str, object] | None:
    """Return the area to draw: none while what was entered has mistakes."""
    text = form.value(_AREA)
    if not text or form.error(_AREA):
        return None
    try:
        return area_of(text)
    except InvalidInput:
        return None
