"""The search for services."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from marketplace.catalogue.domain import ServiceSort, VersionState
from marketplace.catalogue.facets import count_services
from marketplace.catalogue.repository import ServiceFilter
from marketplace.identity import access
from marketplace.website.catalogue.blueprint import blueprint
from marketplace.website.catalogue.countries import countries
from marketplace.website.catalogue.facets import facets
from marketplace.website.catalogue.found import columns, fetching, page_of
from marketplace.website.frame.lists import (
    PAGE,
    csv_file,
    cursor,
    identifier,
    listed,
    one_of,
    text,
    wants_csv,
    yes_or_no,
)
from marketplace.website.frame.rights import acts_as
from mpp_sdk.contracts.marketplace.models import DataStandard, MarketPlayerRole, ServiceCategory

_FILTERS = ("q", "category", "country", "area", "role", "standard", "consent", "state", "provider")


@blueprint.get("/services")
@acts_as("catalogue.list_services")
def search() -> ResponseReturnValue:
    """Show the services that the visitor may see and looks for."""
    wanted = _wanted()
    order = one_of("sort", ServiceSort)
    if wants_csv():
        return csv_file("services", columns(), fetching(wanted, order))
    counts = count_services(wanted)
    europe, others = countries()
    return render_template(
        "catalogue/search.html",
        listed=listed(page_of(wanted, order, PAGE, cursor())),
        total=counts.total,
        facets=facets(counts),
        wanted=wanted,
        filtered=any(request.args.get(name) for name in _FILTERS),
        order=order.value if order else None,
        europe=europe,
        others=others,
    )


def _wanted() -> ServiceFilter:
    return ServiceFilter(
        viewer=access.visible_to(),
        text=text("q"),
        category=one_of("category", ServiceCategory),
        country=text("country"),
        area=text("area"),
        provider_role=one_of("role", MarketPlayerRole),
        data_standard=one_of("standard", DataStandard),
        consent_required=yes_or_no("consent"),
        state=one_of("state", VersionState),
        provider_id=identifier("provider"),
    )
