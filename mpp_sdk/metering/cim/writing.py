"""From a market document to its fields, in the order of its schema, whatever it is written in."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from mpp_sdk.metering.cim.documents import (
    FLOW_OF_DIRECTION,
    DocumentHeader,
    MarketDocument,
    MarketParticipant,
    MeasureSeries,
    NotifyValidatedMeasureData,
    Period,
    RequestedSeries,
    RequestValidatedMeasureData,
    ValidatedHistoricalData,
)
from mpp_sdk.metering.cim.names import ENVELOPE, META, NOTIFY, REQUEST
from mpp_sdk.metering.model import PointOfDelivery
from mpp_sdk.metering.moments import format_bound, format_moment, format_resolution


class Leaf(NamedTuple):
    """A named value; scheme says who issues the id that it is."""

    name: str
    value: str | int | Decimal
    scheme: str | None = None


class Group(NamedTuple):
    """Fields under a name, made while they are written: a year of points is never held twice."""

    name: str
    fields: "Iterator[Leaf | Group]"


Fields = Iterator[Leaf | Group]


def write_document(document: MarketDocument) -> Group:
    """Return the root of the document."""
    match document:
        case NotifyValidatedMeasureData():
            return Group(NOTIFY, _notify(document))
        case RequestValidatedMeasureData():
            return Group(REQUEST, _request(document))
        case ValidatedHistoricalData():
            return Group(ENVELOPE, _envelope(document))


def _maybe(name: str, value: str | None) -> Fields:
    if value is not None:
        yield Leaf(name, value)


def _notify(document: NotifyValidatedMeasureData) -> Fields:
    yield from _header(document.header)
    for series in document.series:
        yield Group("Series", _notify_series(series))


def _request(document: RequestValidatedMeasureData) -> Fields:
    yield from _header(document.header)
    for series in document.series:
        yield Group("Series", _requested_series(series))


def _envelope(document: ValidatedHistoricalData) -> Fields:
    envelope = document.envelope
    meta = f"{META}.metaInformation"
    yield Leaf(f"{META}.creationDateTime", format_moment(envelope.created_at))
    yield from _maybe(f"{meta}.connectionId", envelope.connection_id)
    yield from _maybe(f"{meta}.dataNeedId", envelope.data_need_id)
    yield from _maybe(f"{meta}.documentType", envelope.document_type)
    yield from _maybe(f"{meta}.permissionId", envelope.permission_id)
    yield from _maybe(f"{meta}.region.connector", envelope.region_connector)
    yield from _maybe(f"{meta}.region.country", envelope.region_country)
    yield Group("MarketDocument", _historical(document))


def _historical(document: ValidatedHistoricalData) -> Fields:
    yield from _historical_header(document.header)
    for series in document.series:
        yield Group("TimeSeries", _historical_series(series))


def _header(header: DocumentHeader) -> Fields:
    yield Leaf("mRID", header.mrid)
    yield from _maybe("revisionNumber", header.revision_number)
    yield Leaf("type", header.type)
    yield Leaf("process.processType", header.process_type)
    yield from _maybe("businessSector.type", header.business_sector)
    yield from _participant("sender", header.sender)
    yield from _participant("receiver", header.receiver)
    yield Leaf("createdDateTime", format_moment(header.created_at))
    if header.period is not None:
        yield Group("period.timeInterval", _interval(*header.period))


def _historical_header(header: DocumentHeader) -> Fields:
    yield Leaf("mRID", header.mrid)
    yield from _maybe("revisionNumber", header.revision_number)
    yield Leaf("type", header.type)
    yield Leaf("createdDateTime", format_moment(header.created_at))
    yield from _participant("sender", header.sender)
    yield from _participant("receiver", header.receiver)
    if header.period is not None:
        yield Group("period.timeInterval", _interval(*header.period))
    yield Leaf("process.processType", header.process_type)
    yield from _maybe("businessSector.type", header.business_sector)


def _participant(side: str, participant: MarketParticipant) -> Fields:
    yield Leaf(f"{side}_MarketParticipant.mRID", participant.mrid, participant.coding_scheme)
    yield Leaf(f"{side}_MarketParticipant.marketRole.type", participant.role)


def _interval(start: datetime, end: datetime) -> Fields:
    yield Leaf("start", format_bound(start))
    yield Leaf("end", format_bound(end))


def _pod(pod: PointOfDelivery) -> Leaf:
    return Leaf("marketEvaluationPoint.mRID", pod.mrid, pod.coding_scheme)


def _requested_series(series: RequestedSeries) -> Fields:
    yield Leaf("mRID", series.mrid)
    yield Leaf("start_DateAndOrTime.dateTime", format_moment(series.start))
    yield Leaf("end_DateAndOrTime.dateTime", format_moment(series.end))
    yield _pod(series.pod)


def _notify_series(series: MeasureSeries) -> Fields:
    yield from _identity(series)
    yield from _point(series)
    yield from _maybe("product", series.product)
    yield Leaf("quantity_Measure_Unit.name", series.unit)
    yield from _flow(series)
    for period in series.periods:
        yield Group("Period", _period(period, ""))
    yield from _reasons(series.reason_codes)


def _historical_series(series: MeasureSeries) -> Fields:
    yield from _identity(series)
    yield from _maybe("product", series.product)
    yield Leaf("energy_Measurement_Unit.name", series.unit)
    yield from _flow(series)
    for period in series.periods:
        yield Group("Period", _period(period, "energy_Quantity."))
    yield from _point(series)
    yield from _reasons(series.reason_codes)


def _identity(series: MeasureSeries) -> Fields:
    yield from _maybe("version", series.version)
    yield Leaf("mRID", series.mrid)
    yield from _maybe("originalTransactionIDReference_Series.mRID", series.original_transaction_id)
    yield from _maybe("businessType", series.business_type)


def _point(series: MeasureSeries) -> Fields:
    reading_type = "marketEvaluationPoint.meterReadings.readings.readingType"
    yield _pod(series.pod)
    yield from _maybe("marketEvaluationPoint.type", series.evaluation_point_type)
    yield from _maybe(f"{reading_type}.aggregate", series.aggregate)
    yield from _maybe(f"{reading_type}.commodity", series.commodity)
    if series.registered_at is not None:
        yield Leaf("registration_DateAndOrTime.dateTime", format_moment(series.registered_at))


def _flow(series: MeasureSeries) -> Fields:
    if series.flow is not None:
        yield Leaf("flowDirection.direction", FLOW_OF_DIRECTION[series.flow])


def _reasons(codes: Iterable[str]) -> Fields:
    for code in codes:
        yield Leaf("reason.code", code)


def _period(period: Period, prefix: str) -> Fields:
    yield Leaf("resolution", format_resolution(period.resolution))
    yield Group("timeInterval", _interval(period.start, period.end))
    for reading in period.readings:
        fields = [Leaf("position", period.position(reading))]
        if reading.quantity is not None:
            fields.append(Leaf(f"{prefix}quantity", reading.quantity))
        fields.append(Leaf(f"{prefix}quality", reading.quality))
        yield Group("Point", iter(fields))
    yield from _reasons(period.reason_codes)
