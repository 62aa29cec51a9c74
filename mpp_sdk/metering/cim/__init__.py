"""Validated measure data in market documents of IEC 62325 (CIM), in XML and in JSON."""

from enum import StrEnum

from mpp_sdk.metering.cim.documents import (
    DocumentHeader,
    EnvelopeHeader,
    MarketDocument,
    MarketParticipant,
    MeasureSeries,
    NotifyValidatedMeasureData,
    Period,
    RequestedSeries,
    RequestValidatedMeasureData,
    ValidatedHistoricalData,
    historical_series,
    measure_series,
    readings_of,
)
from mpp_sdk.metering.cim.json import iter_json, parse_json, to_json
from mpp_sdk.metering.cim.xml import iter_xml, parse_xml, to_xml


class Rendering(StrEnum):
    """What a market document is written in; the value is the media type."""

    XML = "application/xml"
    JSON = "application/json"


def parse(data: bytes, rendering: Rendering) -> MarketDocument:
    """Return the market document that is written in that rendering. Raises InvalidInput."""
    return parse_xml(data) if rendering is Rendering.XML else parse_json(data)


def render(document: MarketDocument, rendering: Rendering) -> bytes:
    """Return the document in that rendering, in UTF-8; both carry the same information."""
    return to_xml(document) if rendering is Rendering.XML else to_json(document)


__all__ = [
    "DocumentHeader",
    "EnvelopeHeader",
    "MarketDocument",
    "MarketParticipant",
    "MeasureSeries",
    "NotifyValidatedMeasureData",
    "Period",
    "Rendering",
    "RequestValidatedMeasureData",
    "RequestedSeries",
    "ValidatedHistoricalData",
    "historical_series",
    "iter_json",
    "iter_xml",
    "measure_series",
    "parse",
    "parse_json",
    "parse_xml",
    "readings_of",
    "render",
    "to_json",
    "to_xml",
]
