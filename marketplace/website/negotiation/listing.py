"""The list of negotiations."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.core.paging import Page
from marketplace.delivery.domain import PlatformRole
from marketplace.identity import access
from marketplace.identity import service as identity
from marketplace.subscriptions import negotiation
from marketplace.subscriptions.domain import RequestSort, RequestState
from marketplace.subscriptions.negotiation import Negotiation
from marketplace.subscriptions.repository import NegotiationFilter
from marketplace.subscriptions.tables import Offer, ServiceRequest
from marketplace.website.frame import lists
from marketplace.website.frame.formats import price
from marketplace.website.frame.lists import Column
from marketplace.website.frame.rights import acts_as
from marketplace.website.negotiation.blueprint import blueprint


@dataclass(frozen=True)
class Row:
    """A negotiation in the list."""

    request: ServiceRequest
    offer: Offer | None
    subscription_id: UUID | None
    provider: str
    requester: str

    @property
    def price(self) -> str | None:
        """The price that was offered last."""
        return price(self.offer.price) if self.offer else None

    @property
    def expires_at(self) -> datetime | None:
        """When it expires, as long as somebody can still answer."""
        is_open = self.request.state in (RequestState.REQUESTED, RequestState.OFFERED)
        return self.request.expires_at if is_open else None


_COLUMNS = [
    Column[Row]("request id", lambda row: row.request.id),
    Column[Row]("service", lambda row: row.request.service_name),
    Column[Row]("version", lambda row: row.request.service_number),
    Column[Row]("provider", lambda row: row.provider),
    Column[Row]("requester", lambda row: row.requester),
    Column[Row]("state", lambda row: row.request.state),
    Column[Row]("expected points of delivery", lambda row: row.request.expected_pods),
    Column[Row]("price offered last", lambda row: row.price),
    Column[Row]("made", lambda row: row.request.created_at),
    Column[Row]("changed", lambda row: row.request.updated_at),
    Column[Row]("expires", lambda row: row.expires_at),
    Column[Row]("subscription id", lambda row: row.subscription_id),
]


@blueprint.get("/requests")
@acts_as("subscriptions.list_service_requests")
def overview() -> ResponseReturnValue:
    """Show the negotiations of a company, as provider and as requester; operators see all."""
    viewer = access.visible_to()
    role = lists.one_of("role", PlatformRole)
    state = lists.one_of("state", RequestState)
    sort = lists.one_of("sort", RequestSort) or RequestSort.NEWEST
    wanted = NegotiationFilter(viewer, state, role, lists.identifier("service"))

    def fetch(limit: int, after: str | None) -> Page[Row]:
        return _named(negotiation.list_requests(wanted, limit, after, sort))

    if lists.wants_csv():
        return lists.csv_file("requests", _COLUMNS, fetch)
    return render_template(
        "negotiation/overview.html",
        listed=lists.listed(fetch(lists.PAGE, lists.cursor())),
        viewer=viewer,
        role=role,
        state=state,
        states=list(RequestState),
        sort=sort,
        sorts=[
            (RequestSort.NEWEST, _("Newest first")),
            (RequestSort.EXPIRING, _("Expiring first")),
        ],
    )


def _named(page: Page[Negotiation]) -> Page[Row]:
    """Return a page with the companies' names, which one query finds."""
    rows = [one.request for one in page.items]
    companies = identity.companies(
        {key for row in rows for key in (row.provider_id, row.requester_id)}
    )
    return page.map(
        lambda one: Row(
            one.request,
            one.current_offer,
            one.subscription_id,
            companies[one.request.provider_id].name,
            companies[one.request.requester_id].name,
        )
    )
