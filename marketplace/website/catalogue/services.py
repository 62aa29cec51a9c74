"""A service as everybody sees it who may see it."""

from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.catalogue import api_documents, service
from marketplace.catalogue.tables import ServiceVersion
from marketplace.core.etag import etag
from marketplace.identity import access
from marketplace.website import maps
from marketplace.website.catalogue.blueprint import blueprint
from marketplace.website.catalogue.countries import country_name
from marketplace.website.catalogue.found import of_rows
from marketplace.website.frame.forms import form_of
from marketplace.website.frame.lists import PAGE, cursor, listed
from marketplace.website.frame.rights import acts_as
from marketplace.website.maps import SvgMap, Words

VERSION_PATH = "/services/<uuid:service_id>/versions/<int(min=1, max=1000000):number>"
"""Where a version is: the contract's numbers, and no others."""

_LATEST = 5


@blueprint.get("/services/<uuid:service_id>", endpoint="service")
@acts_as("catalogue.read_service")
def service_page(service_id: UUID) -> ResponseReturnValue:
    """Show the version that stands for a service."""
    return _page(service.read_service(service_id))


@blueprint.get(VERSION_PATH)
@acts_as("catalogue.read_service_version")
def version(service_id: UUID, number: int) -> ResponseReturnValue:
    """Show a version of a service."""
    return _page(service.read_version(service_id, number))


@blueprint.get(f"{VERSION_PATH}/preview")
@acts_as("catalogue.edit_service_version")
def preview(service_id: UUID, number: int) -> ResponseReturnValue:
    """Show its provider a draft as everybody will see it."""
    row = service.own_version(service_id, number, lock=False)
    return _page(row, preview=True)


@blueprint.get("/services/<uuid:service_id>/versions")
@acts_as("catalogue.list_service_versions")
def versions(service_id: UUID) -> ResponseReturnValue:
    """Show every version of a service."""
    return render_template(
        "catalogue/versions.html",
        service=service.read_service(service_id),
        listed=listed(service.list_versions(service_id, None, PAGE, cursor())),
    )


def map_of(row: ServiceVersion) -> SvgMap:
    """Return a map of where a version is offered."""
    described = row.description
    area = described.area.model_dump(mode="json") if described.area else None
    names = ", ".join(sorted(map(country_name, described.countries)))
    return maps.draw(
        described.countries,
        area,
        Words(
            title=_("Where the service is offered"),
            description=_("%(countries)s, and the area drawn on the map.", countries=names)
            if area
            else names,
            country=country_name,
        ),
    )


def _page(row: ServiceVersion, *, preview: bool = False) -> ResponseReturnValue:
    latest = service.list_versions(row.service_id, None, _LATEST, None)
    principal = access.current_principal()
    own = principal.market_player_id == row.provider_id
    return render_template(
        "catalogue/service.html",
        row=row,
        described=row.description,
        provider=of_rows([row])[0].provider,
        drawn=map_of(row),
        has_document=api_documents.has_api_document(row.id),
        latest=latest,
        own=own and not preview,
        preview=preview,
        etag=etag(row) if own else "",
        form=form_of(),
    )
