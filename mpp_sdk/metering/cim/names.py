"""Names that a market document carries in XML and in JSON."""

NOTIFY = "NotifyValidatedMeasureData_MarketDocument"
REQUEST = "RequestValidatedMeasureData_MarketDocument"
ENVELOPE = "VHD_Envelope"
META = "messageDocumentHeader"

NAMESPACES = {
    NOTIFY: "urn:ediel.org:measure:notifyvalidatedmeasuredata:0:1",
    REQUEST: "urn:ediel.org:measure:requestvalidatedmeasuredata:0:1",
    ENVELOPE: "https//eddie.energy/CIM/VHD_v1.04",  # without the colon, as it is published
}

REPEATED = frozenset({"Series", "TimeSeries", "Period", "Point", "reason.code"})
"""What may occur more than once in its parent."""

LISTED = frozenset({"Series", "TimeSeries", "Point", "reason.code"})
"""What JSON has as an array even when there is one; a single Period is an object."""

WRAPPED = frozenset(
    {
        "businessSector.type",
        "end",
        "energy_Measurement_Unit.name",
        "energy_Quantity.quality",
        "flowDirection.direction",
        "marketEvaluationPoint.mRID",
        "marketEvaluationPoint.type",
        "position",
        "process.processType",
        "quality",
        "quantity_Measure_Unit.name",
        "receiver_MarketParticipant.mRID",
        "receiver_MarketParticipant.marketRole.type",
        "sender_MarketParticipant.mRID",
        "sender_MarketParticipant.marketRole.type",
        "start",
        "type",
    }
)
"""What JSON has as an object with a `value`; the others are the bare value."""
