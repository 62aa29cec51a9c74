"""Versions of services beside the names of their providers, as lists and cards show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from flask_babel import gettext as _

from marketplace.catalogue import service
from marketplace.catalogue.domain import ServiceSort
from marketplace.catalogue.repository import ServiceFilter
from marketplace.catalogue.tables import ServiceVersion
from marketplace.core.paging import Page
from marketplace.identity.company import references
from marketplace.website.frame.formats import price
from marketplace.website.frame.lists import Column
from mpp_sdk.contracts.marketplace.models import CompanyReference


@dataclass(frozen=True)
class Found:
    """A version of a service and its provider."""

    row: ServiceVersion
    provider: CompanyReference


def of_rows(rows: Sequence[ServiceVersion]) -> list[Found]:
    """Return versions with their providers, which one query tells."""
    companies = references({row.provider_id for row in rows})
    return [Found(row, companies[row.provider_id]) for row in rows]


def page_of(
    wanted: ServiceFilter, order: ServiceSort | None, limit: int, cursor: str | None
) -> Page[Found]:
    """Return a page of the services that are wanted."""
    page = service.list_services(wanted, limit, cursor, order)
    return Page(of_rows(page.items), page.next_cursor)


def fetching(wanted: ServiceFilter, order: ServiceSort | None) -> partial[Page[Found]]:
    """Return what fetches a page for a limit and a cursor."""
    return partial(page_of, wanted, order)


def columns() -> list[Column[Found]]:
    """Return the columns of a list of services as a CSV file."""
    return [
        Column(_("Service"), lambda one: one.row.description.name),
        Column(_("Provider"), lambda one: one.provider.name),
        Column(_("State"), lambda one: one.row.state),
        Column(_("Version"), lambda one: one.row.number),
        Column(_("Category"), lambda one: one.row.category),
        Column(_("Countries"), lambda one: one.row.description.countries),
        Column(_("Areas (EIC codes)"), lambda one: one.row.description.areas),
        Column(_("Data standard"), lambda one: one.row.data_standard),
        Column(_("Provider acts as"), lambda one: one.row.provider_role),
        Column(_("Resolution (ISO 8601)"), lambda one: one.row.description.resolution),
        Column(_("Delay (ISO 8601)"), lambda one: one.row.description.delay),
        Column(_("Consent needed"), lambda one: one.row.consent_required),
        Column(_("Price"), lambda one: price(one.row.description.price)),
        Column(_("Summary"), lambda one: one.row.description.summary),
        Column(_("Published at"), lambda one: one.row.published_at),
        Column(_("Service id"), lambda one: one.row.service_id),
    ]
