"""What the companies of the demonstration offer."""

from collections.abc import Sequence
from dataclasses import dataclass

from marketplace.demo_data.cast import OTHERS, PROVIDER, Part
from mpp_sdk.contracts.marketplace.models import (
    Area,
    AreaType,
    DataStandard,
    Integration,
    MarketPlayerRole,
    Price,
    PriceModel,
    ServiceCategory,
    ServiceDescription,
)

TERMS = """## Data
Readings of the day before are there by **noon**. Corrections come within 30 days.

## Use
1. The data serve the purpose that the customer has agreed to, and no other.
2. They are deleted when the subscription ends.

| quality | promised |
| --- | --- |
| readings complete | 99.5 % |
| interface available | 99.9 % |
"""

API_DOCUMENT = """openapi: 3.0.3
info:
  title: Meter data of Crevillent Distribution
  version: 1.0.0
  description: What subscribers can ask for besides the contract that all platforms serve.
paths:
  /points-of-delivery/{podId}/quality:
    get:
      summary: How complete the readings of a point of delivery are
      parameters:
        - {name: podId, in: path, required: true, schema: {type: string, maxLength: 60}}
        - {name: day, in: query, schema: {type: string, format: date}}
      responses:
        "200":
          description: The quality of a day.
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Quality"}
        "404": {description: The point of delivery is not part of the subscription.}
components:
  schemas:
    Quality:
      type: object
      required: [podId, day, completePercent]
      properties:
        podId: {type: string}
        day: {type: string, format: date}
        completePercent: {type: number, minimum: 0, maximum: 100}
        estimated: {type: integer, description: How many values were estimated.}
"""
"""The document of the provider's own, beside the contract of the platform."""

_VALIDATED = """The readings come from meters of class B, validated by the metered data operator.

- gaps are estimated, and marked as such
- every point of delivery has its own time series
"""
_CREVILLENT = ((-0.95, 38.12), (-0.62, 38.12), (-0.58, 38.34), (-0.88, 38.40), (-0.95, 38.12))
_SKANE = ((12.6, 55.4), (14.3, 55.4), (14.4, 56.3), (12.7, 56.4), (12.6, 55.4))
_ISAR = ((11.2, 47.6), (12.9, 48.0), (12.9, 48.9), (11.4, 48.6), (11.2, 47.6))
_TIROL = ((10.2, 46.9), (12.7, 46.8), (12.6, 47.6), (10.5, 47.5), (10.2, 46.9))
_RHONE = ((4.4, 43.5), (5.4, 43.5), (5.3, 45.9), (4.5, 45.9), (4.4, 43.5))

_EVERY_MONTH = "P30D"
_KWH = Price(model=PriceModel.PER_KWH, amount="0.004", currency="EUR")
_POD = Price(model=PriceModel.PER_POD, amount="0.25", currency="EUR", interval=_EVERY_MONTH)
_FLAT = Price(model=PriceModel.FLAT_FEE, amount="120", currency="EUR", interval=_EVERY_MONTH)
_FREE = Price(model=PriceModel.FREE)


@dataclass(frozen=True)
class Offered:
    """A service of the demonstration and whose it is."""

    by: Part
    description: ServiceDescription


def offered() -> list[Offered]:
    """Return the services of the demonstration."""
    by = {part.country: part for part in OTHERS}
    kind = ServiceCategory
    return [
        _service(
            PROVIDER,
            "Validated meter data",
            "Hourly consumption and feed-in of 11,000 customers around Crevillent.",
            kind.METERING_DATA,
            _POD,
            "PT1H",
            consent=True,
            area=_CREVILLENT,
        ),
        _service(
            PROVIDER,
            "Load profiles of feeders",
            "Load of 64 medium-voltage feeders, without personal data.",
            kind.GRID_DATA,
            _FREE,
            "PT15M",
            area=_CREVILLENT,
        ),
        _service(
            PROVIDER,
            "Congestion forecast",
            "Where the local network will be short of capacity tomorrow.",
            kind.FORECASTS,
            _FLAT,
            "PT15M",
            area=_CREVILLENT,
        ),
        _service(
            by["SE"],
            "Smart meter readings",
            "Quarter-hourly readings of households in Skåne.",
            kind.METERING_DATA,
            _FREE,
            "PT15M",
            consent=True,
            area=_SKANE,
        ),
        _service(
            by["DE"],
            "Zählwerte der Kunden",
            "Viertelstundenwerte aus intelligenten Messsystemen an der Isar.",
            kind.METERING_DATA,
            _POD,
            "PT15M",
            consent=True,
            area=_ISAR,
        ),
        _service(
            by["DE"],
            "Grid tariffs",
            "Time-variable network charges, a day ahead.",
            kind.TARIFFS,
            _FREE,
            "P1D",
        ),
        _service(
            by["AT"],
            "Flex-offers of heat pumps",
            "What 2,300 heat pumps can shift, offered in blocks of 50 kW.",
            kind.FLEXIBILITY_OFFERS,
            _KWH,
            "PT15M",
            area=_TIROL,
        ),
        _service(
            by["IT"],
            "Ancillary services market",
            "Calls, bids and results of the market for balancing services.",
            kind.FLEXIBILITY_MARKET,
            _FREE,
            "PT15M",
        ),
        _service(
            by["FR"],
            "Building flexibility",
            "Flexible load of 140 public buildings along the Rhône.",
            kind.FLEXIBILITY_OFFERS,
            _KWH,
            "PT30M",
            consent=True,
            area=_RHONE,
        ),
        _service(
            by["NL"],
            "Imbalance forecast",
            "The expected imbalance of the control area, two hours ahead.",
            kind.FORECASTS,
            _FLAT,
            "PT15M",
        ),
        _service(
            by["CY"],
            "Meter data of islands",
            "Half-hourly readings from isolated networks.",
            kind.METERING_DATA,
            _POD,
            "PT30M",
            consent=True,
        ),
        _service(
            by["CY"],
            "Home batteries",
            "Capacity and state of charge of 800 batteries, by district.",
            kind.ASSET_DATA,
            _FREE,
            "P1D",
        ),
    ]


def _service(
    by: Part,
    name: str,
    summary: str,
    category: ServiceCategory,
    price: Price,
    resolution: str,
    *,
    consent: bool = False,
    area: Sequence[tuple[float, float]] | None = None,
) -> Offered:
    standard = {
        ServiceCategory.METERING_DATA: DataStandard.CIM_IEC_62325,
        ServiceCategory.FLEXIBILITY_OFFERS: DataStandard.FLEX_OFFER,
        ServiceCategory.FLEXIBILITY_MARKET: DataStandard.USEF,
    }.get(category, DataStandard.OTHER)
    ring = [list(position) for position in area or ()]
    return Offered(
        by,
        ServiceDescription(
            name=name,
            summary=summary,
            details=_VALIDATED if category is ServiceCategory.METERING_DATA else summary,
            category=category,
            provider_role=MarketPlayerRole(sorted(by.roles)[0].value),
            countries=[by.country],
            area=Area(type=AreaType.POLYGON, coordinates=[ring]) if ring else None,
            data_standard=standard,
            resolution=resolution,
            delay="PT12H" if consent else "PT5M",
            consent_required=consent,
            price=price,
            terms=TERMS,
            interim_status_interval="PT15M" if by.live else "PT1H",
            integration=Integration(contract="metering", contract_version="1.0.0"),
        ),
    )
