"""The properties of a service as texts, in the order in which people compare them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from flask_babel import gettext as _

from marketplace.website.catalogue.countries import country_name
from marketplace.website.frame.formats import duration_words, price
from marketplace.website.frame.labels import label
from mpp_sdk.contracts.marketplace.models import AreaType, ServiceDescription


@dataclass(frozen=True)
class Property:
    """A property: its title and its value, empty where the description leaves it out.

    A long one is a text of many lines.
    """

    title: str
    value: str
    long: bool = False


def properties(description: ServiceDescription) -> list[Property]:
    """Return every property of a description."""
    return [*_about(description), *_data(description), *_business(description)]


def consent(required: bool) -> str:
    """Return in words whether a customer's consent is needed."""
    return str(_("needed for each point of delivery") if required else _("not needed"))


def _about(one: ServiceDescription) -> Iterator[Property]:
    yield Property(_("Name"), one.name)
    yield Property(_("Summary"), one.summary)
    yield Property(_("Category"), label(one.category))
    yield Property(_("Provider acts as"), label(one.provider_role))
    yield Property(
        _("Who may subscribe"), _labels(one.requester_roles or ()) or str(_("every company"))
    )
    yield Property(_("Countries"), ", ".join(sorted(map(country_name, one.countries))))
    yield Property(_("Areas (EIC codes)"), ", ".join(one.areas or ()))
    yield Property(_("Area on the map"), _area(one))


def _data(one: ServiceDescription) -> Iterator[Property]:
    yield Property(_("Data standard"), label(one.data_standard))
    yield Property(_("Resolution"), duration_words(one.resolution or ""))
    yield Property(_("Delay"), duration_words(one.delay or ""))
    yield Property(_("Customer's consent"), consent(one.consent_required))
    yield Property(_("Status is reported every"), duration_words(one.interim_status_interval))
    yield Property(
        _("Contract of the platform"),
        f"{one.integration.contract} {one.integration.contract_version}",
    )
    yield Property(_("Base URL"), str(one.integration.base_url or ""))
    yield Property(_("Documentation"), str(one.integration.documentation_url or ""))


def _business(one: ServiceDescription) -> Iterator[Property]:
    yield Property(_("Price"), price(one.price))
    yield Property(_("Details"), one.details or "", long=True)
    yield Property(_("Terms and conditions"), one.terms, long=True)


def _labels(codes: Iterable[Enum]) -> str:
    return ", ".join(label(code) for code in codes)


def _area(one: ServiceDescription) -> str:
    if one.area is None:
        return ""
    coordinates: Sequence[Any] = one.area.coordinates
    polygons = [coordinates] if one.area.type is AreaType.POLYGON else coordinates
    corners = sum(len(ring) - 1 for polygon in polygons for ring in polygon)
    return str(_("drawn with %(count)s corners", count=corners))
