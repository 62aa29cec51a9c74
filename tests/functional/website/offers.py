"""What a provider enters to describe a service, and the services that tests begin with."""

from collections.abc import Sequence
from uuid import uuid4

from tests.functional.website.browserless import Page, Visitor, sign_up
from tests.functional.website.places import Place

AREA = '{"type":"Polygon","coordinates":[[[-1.2,38],[-0.4,38],[-0.4,38.5],[-1.2,38]]]}'
DOCUMENT = """openapi: 3.0.3
info: {title: Readings of meters, version: '1.0', description: All about **readings**.}
servers: [{url: https://api.provider.example/v1}]
tags: [{name: readings, description: What meters say.}]
paths:
  /readings/{pod}:
    get:
      tags: [readings]
      summary: Read a meter
      parameters:
      - {name: pod, in: path, required: true, schema: {type: string, maxLength: 60}}
      responses:
        '200':
          description: The readings.
          content: {application/json: {schema: {$ref: '#/components/schemas/Readings'}}}
components:
  schemas:
    Readings:
      type: object
      required: [kwh]
      properties:
        kwh: {type: number, minimum: 0, description: Energy in kWh.}
        next: {$ref: '#/components/schemas/Readings'}
"""

Entered = dict[str, str | Sequence[str]]


def entered(name: str, /, **changed: str | Sequence[str]) -> Entered:
    """Return what is entered for a service of this name."""
    return {
        "name": name,
        "summary": "Quarter-hourly consumption, validated.",
        "category": "METERING_DATA",
        "providerRole": "DSO",
        "details": "It is **validated**.",
        "countries": ["ES", "PT"],
        "areas": "10YES-REE------0\n10YPT-REN------W",
        "area": AREA,
        "dataStandard": "CIM_IEC_62325",
        "resolution": "15",
        "resolution/unit": "minutes",
        "consentRequired": "true",
        "interimStatusInterval": "1",
        "interimStatusInterval/unit": "days",
        "price/model": "PER_POD",
        "price/amount": "0.25",
        "price/currency": "EUR",
        "terms": "## Our terms\n\nFor flexibility only.",
        "integration/contract": "metering",
        "integration/contractVersion": "1.0.0",
        **changed,
    }


def company(place: Place, *, approved: bool = True) -> tuple[str, Visitor]:
    """Return a new company's name and its first person, signed in."""
    name = f"Company {uuid4().hex[:8]}"
    visitor = sign_up(place.url, name, f"ana@{name[-8:]}.example")
    if approved:
        place.approve(name)
    return name, visitor


def drafted(provider: Visitor, name: str, /, **changed: str | Sequence[str]) -> Page:
    """Return the form of a draft that was just saved."""
    page = provider.press(
        provider.go("/our-services/new"), "Save the draft", entered(name, **changed)
    )
    assert page.path.endswith("/versions/1/edit"), page.words
    return page


def published(provider: Visitor, name: str, /, **changed: str | Sequence[str]) -> Page:
    """Return the page of a service that was just published."""
    page = provider.press(
        provider.go("/our-services/new"), "Save and publish", entered(name, **changed)
    )
    assert page.path.endswith("/versions/1"), page.words
    return page


def service_of(page: Page) -> str:
    """Return the path of the service that a page is about."""
    return "/".join(page.path.split("/")[:3])
