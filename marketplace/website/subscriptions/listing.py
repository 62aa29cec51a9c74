"""The list of subscriptions."""

from dataclasses import dataclass

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from marketplace.core.paging import Page
from marketplace.delivery.domain import PlatformRole
from marketplace.identity import access
from marketplace.identity import service as identity
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.domain import SubscriptionSort, SubscriptionState
from marketplace.subscriptions.repository import NegotiationFilter
from marketplace.subscriptions.tables import Subscription
from marketplace.website.frame import lists
from marketplace.website.frame.formats import price
from marketplace.website.frame.lists import Column
from marketplace.website.frame.rights import acts_as
from marketplace.website.subscriptions.blueprint import blueprint


@dataclass(frozen=True)
class Row:
    """A subscription in the list."""

    subscription: Subscription
    provider: str
    requester: str


_COLUMNS = [
    Column[Row]("subscription id", lambda row: row.subscription.id),
    Column[Row]("service", lambda row: row.subscription.service_name),
    Column[Row]("version", lambda row: row.subscription.service_number),
    Column[Row]("provider", lambda row: row.provider),
    Column[Row]("requester", lambda row: row.requester),
    Column[Row]("state", lambda row: row.subscription.state),
    Column[Row]("in this state since", lambda row: row.subscription.state_since),
    Column[Row]("reason", lambda row: row.subscription.reason),
    Column[Row]("price", lambda row: price(row.subscription.price)),
    Column[Row]("valid from", lambda row: row.subscription.validity_start),
    Column[Row]("valid to", lambda row: row.subscription.validity_end),
    Column[Row]("made", lambda row: row.subscription.created_at),
]


@blueprint.get("/subscriptions")
@acts_as("subscriptions.list_subscriptions")
def overview() -> ResponseReturnValue:
    """Show the subscriptions of a company, as provider and as requester; operators see all."""
    viewer = access.visible_to()
    role = lists.one_of("role", PlatformRole)
    state = lists.one_of("state", SubscriptionState)
    sort = lists.one_of("sort", SubscriptionSort) or SubscriptionSort.NEWEST
    wanted = NegotiationFilter(viewer, state, role, lists.identifier("service"))

    def fetch(limit: int, after: str | None) -> Page[Row]:
        return _named(subscriptions.list_subscriptions(wanted, limit, after, sort))

    if lists.wants_csv():
        return lists.csv_file("subscriptions", _COLUMNS, fetch)
    return render_template(
        "subscriptions/overview.html",
        listed=lists.listed(fetch(lists.PAGE, lists.cursor())),
        viewer=viewer,
        role=role,
        state=state,
        states=list(SubscriptionState),
        sort=sort,
        sorts=[
            (SubscriptionSort.NEWEST, _("Newest first")),
            (SubscriptionSort.CHANGED, _("Changed last first")),
        ],
    )


def _named(page: Page[Subscription]) -> Page[Row]:
    """Return a page with the companies' names, which one query finds."""
    ids = {key for row in page.items for key in (row.provider_id, row.requester_id)}
    companies = identity.companies(ids)
    return page.map(
        lambda row: Row(row, companies[row.provider_id].name, companies[row.requester_id].name)
    )
