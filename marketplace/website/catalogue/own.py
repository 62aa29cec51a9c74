"""What a company offers, with its drafts."""

from flask import render_template
from flask.typing import ResponseReturnValue

from marketplace.catalogue.domain import ServiceSort, VersionState
from marketplace.catalogue.repository import ServiceFilter
from marketplace.identity import access
from marketplace.website.catalogue.blueprint import blueprint
from marketplace.website.catalogue.found import columns, fetching, page_of
from marketplace.website.frame.lists import (
    PAGE,
    csv_file,
    cursor,
    listed,
    one_of,
    text,
    wants_csv,
)
from marketplace.website.frame.rights import acts_as
from mpp_sdk.contracts.marketplace.models import ServiceCategory


@blueprint.get("/our-services")
@acts_as("catalogue.create_service")
def own() -> ResponseReturnValue:
    """Show a company its own services."""
    company = access.require_market_player()
    wanted = ServiceFilter(
        viewer=company,
        provider_id=company,
        text=text("q"),
        category=one_of("category", ServiceCategory),
        state=one_of("state", VersionState),
    )
    order = one_of("sort", ServiceSort)
    if wants_csv():
        return csv_file("our-services", columns(), fetching(wanted, order))
    return render_template(
        "catalogue/own.html",
        listed=listed(page_of(wanted, order, PAGE, cursor())),
        filtered=bool(wanted.text or wanted.category or wanted.state),
        categories=list(ServiceCategory),
        order=order.value if order else ("relevance" if wanted.text else "newest"),
        states=list(VersionState),
    )
