"""From the tree of a market document, whatever it was written in, to the document."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from mpp_sdk.metering.cim.documents import (
    DIRECTION_OF_FLOW,
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
)
from mpp_sdk.metering.cim.names import ENVELOPE, META, NOTIFY, REQUEST
from mpp_sdk.metering.cim.tree import Node
from mpp_sdk.metering.model import Direction, PointOfDelivery, Quality, Reading, Unit

Reader = Callable[[Node], MarketDocument]


def read_document(root: Node) -> MarketDocument:
    """Return the market document of the tree.

    Raises InvalidInput, with a pointer to the place, for whatever is missing, unknown or wrong.
    """
    reader = _READERS.get(root.label)
    if reader is None:
        root.fail("unsupported", f"{root.label} is not one of {', '.join(_READERS)}.")
    document = reader(root)
    root.finish()
    return document


def _read_notify(root: Node) -> MarketDocument:
    return NotifyValidatedMeasureData(
        header=_read_header(root),
        series=tuple(
            _read_series(node, "quantity_Measure_Unit.name", "") for node in root.take_all("Series")
        ),
    )


def _read_request(root: Node) -> MarketDocument:
    return RequestValidatedMeasureData(
        header=_read_header(root),
        series=tuple(_read_requested(node) for node in root.take_all("Series")),
    )


def _read_envelope(root: Node) -> MarketDocument:
    def meta(name: str) -> str | None:
        return _text(root, f"{META}.metaInformation.{name}")

    envelope = EnvelopeHeader(
        created_at=root.need(f"{META}.creationDateTime").moment(),
        connection_id=meta("connectionId"),
        data_need_id=meta("dataNeedId"),
        document_type=meta("documentType"),
        permission_id=meta("permissionId"),
        region_connector=meta("region.connector"),
        region_country=meta("region.country"),
    )
    inner = root.need("MarketDocument")
    document = ValidatedHistoricalData(
        envelope=envelope,
        header=_read_header(inner),
        series=tuple(
            _read_series(node, "energy_Measurement_Unit.name", "energy_Quantity.")
            for node in inner.take_all("TimeSeries")
        ),
    )
    inner.finish()
    return document


_READERS: dict[str, Reader] = {
    NOTIFY: _read_notify,
    REQUEST: _read_request,
    ENVELOPE: _read_envelope,
}


def _text(node: Node, name: str) -> str | None:
    found = node.take(name)
    return None if found is None else found.text()


def _read_header(root: Node) -> DocumentHeader:
    interval = root.take("period.timeInterval")
    return DocumentHeader(
        mrid=root.need("mRID").text(),
        type=root.need("type").text(),
        process_type=root.need("process.processType").text(),
        sender=_read_participant(root, "sender"),
        receiver=_read_participant(root, "receiver"),
        created_at=root.need("createdDateTime").moment(),
        business_sector=_text(root, "businessSector.type"),
        revision_number=_text(root, "revisionNumber"),
        period=None if interval is None else _read_interval(interval),
    )


def _read_participant(root: Node, side: str) -> MarketParticipant:
    mrid = root.need(f"{side}_MarketParticipant.mRID")
    return MarketParticipant(
        mrid=mrid.text(scheme=True),
        coding_scheme=mrid.scheme,
        role=root.need(f"{side}_MarketParticipant.marketRole.type").text(),
    )


def _read_interval(node: Node) -> tuple[datetime, datetime]:
    start = node.need("start").moment()
    end_node = node.need("end")
    end = end_node.moment()
    if end <= start:
        end_node.fail("endAfterStart", "The end of the interval must be after its start.")
    node.finish()
    return start, end


def _read_pod(node: Node) -> PointOfDelivery:
    mrid = node.need("marketEvaluationPoint.mRID")
    return PointOfDelivery(mrid=mrid.text(scheme=True), coding_scheme=mrid.scheme)


def _read_requested(node: Node) -> RequestedSeries:
    start = node.need("start_DateAndOrTime.dateTime").moment()
    end_node = node.need("end_DateAndOrTime.dateTime")
    end = end_node.moment()
    if end <= start:
        end_node.fail("endAfterStart", "The end of the period must be after its start.")
    requested = RequestedSeries(
        mrid=node.need("mRID").text(), pod=_read_pod(node), start=start, end=end
    )
    node.finish()
    return requested


def _read_series(node: Node, unit_name: str, quantity_prefix: str) -> MeasureSeries:
    registered = node.take("registration_DateAndOrTime.dateTime")
    reading_type = "marketEvaluationPoint.meterReadings.readings.readingType"
    curve = node.take("curveType")
    if curve is not None and curve.text() != "A01":
        curve.fail("unsupported", "Only sequential blocks of one size (A01) are known here.")
    series = MeasureSeries(
        mrid=node.need("mRID").text(),
        pod=_read_pod(node),
        unit=node.need(unit_name).code(Unit),
        periods=tuple(_read_period(one, quantity_prefix) for one in node.take_all("Period")),
        product=_text(node, "product"),
        evaluation_point_type=_text(node, "marketEvaluationPoint.type"),
        flow=_read_flow(node.take("flowDirection.direction")),
        business_type=_text(node, "businessType"),
        version=_text(node, "version"),
        original_transaction_id=_text(node, "originalTransactionIDReference_Series.mRID"),
        registered_at=None if registered is None else registered.moment(),
        aggregate=_text(node, f"{reading_type}.aggregate"),
        commodity=_text(node, f"{reading_type}.commodity"),
        reason_codes=tuple(reason.text() for reason in node.take_all("reason.code")),
    )
    node.finish()
    return series


def _read_flow(node: Node | None) -> Direction | None:
    if node is None:
        return None
    direction = DIRECTION_OF_FLOW.get(node.text())
    if direction is None:
        node.fail("enum", "Known directions are A01 (up: production) and A02 (down: consumption).")
    return direction


def _read_period(node: Node, prefix: str) -> Period:
    start, end = _read_interval(node.need("timeInterval"))
    resolution_node = node.need("resolution")
    resolution = resolution_node.resolution()
    if (end - start) % resolution:
        resolution_node.fail(
            "resolutionDividesPeriod", "The resolution must divide the interval of the period."
        )
    count = (end - start) // resolution
    readings: dict[int, Reading] = {}
    for point in node.take_all("Point"):
        position_node = point.need("position")
        position = position_node.position()
        if position > count:
            position_node.fail("position", f"The period has {count} intervals, not {position}.")
        if position in readings:
            position_node.fail("unique", f"Position {position} is given twice.")
        quantity, quality = _read_quantity(point, prefix)
        readings[position] = Reading(start + (position - 1) * resolution, quantity, quality)
        point.finish()
    period = Period(
        start=start,
        end=end,
        resolution=resolution,
        readings=tuple(readings[position] for position in sorted(readings)),
        reason_codes=tuple(reason.text() for reason in node.take_all("reason.code")),
    )
    node.finish()
    return period


def _read_quantity(point: Node, prefix: str) -> tuple[Decimal | None, Quality]:
    quantity_node = point.take(f"{prefix}quantity")
    quality_node = point.take(f"{prefix}quality")
    # A point that says nothing of its quality is as provided.
    quality = Quality.AS_PROVIDED if quality_node is None else quality_node.code(Quality)
    if (quantity_node is None) != (quality is Quality.NOT_AVAILABLE):
        (quantity_node or point).fail(
            "quantityAvailable",
            "A point has a quantity, unless its quality is not available (A02).",
        )
    return (None if quantity_node is None else quantity_node.number()), quality
