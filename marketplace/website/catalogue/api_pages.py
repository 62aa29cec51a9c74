"""A provider's own OpenAPI document: to read, and as it was written."""

import json
from uuid import UUID

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from marketplace.catalogue import api_documents
from marketplace.website.catalogue.blueprint import blueprint
from marketplace.website.catalogue.reference import reference_of
from marketplace.website.catalogue.services import VERSION_PATH
from marketplace.website.frame.rights import acts_as
from mpp_sdk.contracts.marketplace.models import ApiDocumentFormat

_TYPES = {ApiDocumentFormat.YAML: "application/yaml", ApiDocumentFormat.JSON: "application/json"}


@blueprint.get(f"{VERSION_PATH}/api")
@acts_as("catalogue.read_api_document")
def api(service_id: UUID, number: int) -> ResponseReturnValue:
    """Show what the API of a service offers."""
    held = api_documents.read_api_document(service_id, number)
    return render_template(
        "catalogue/api.html",
        row=held.version,
        document=held.document,
        reference=reference_of(json.loads(held.document.document)),
    )


@blueprint.get(f"{VERSION_PATH}/api-document")
@acts_as("catalogue.read_api_document")
def api_document(service_id: UUID, number: int) -> ResponseReturnValue:
    """Return the document as its provider wrote it; browsers save it and do not show it."""
    held = api_documents.read_api_document(service_id, number).document
    suffix = held.format.value.lower()
    response = Response(held.text, mimetype=_TYPES[held.format])
    response.headers["Content-Disposition"] = f'attachment; filename="openapi.{suffix}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
