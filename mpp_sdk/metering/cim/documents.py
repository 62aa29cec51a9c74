"""Market documents on validated measure data, as values: the same whatever they are written in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.model import (
    ACTIVE_ENERGY,
    Direction,
    PointOfDelivery,
    Reading,
    ReadingSeries,
    Unit,
    check_period,
    check_text,
)

DIRECTION_OF_POINT = {"E17": Direction.CONSUMPTION, "E18": Direction.PRODUCTION}
"""The direction that the type of a market evaluation point implies (ebIX code list)."""

POINT_OF_DIRECTION = {direction: code for code, direction in DIRECTION_OF_POINT.items()}

DIRECTION_OF_FLOW = {"A02": Direction.CONSUMPTION, "A01": Direction.PRODUCTION}
"""The direction that `flowDirection.direction` names: A01 up, into the grid; A02 down, out of it.

Source: ENTSO-E code list, DirectionTypeList (ET0026), as the European envelope uses it.
"""

FLOW_OF_DIRECTION = {direction: code for code, direction in DIRECTION_OF_FLOW.items()}

BUSINESS_OF_DIRECTION = {Direction.CONSUMPTION: "A04", Direction.PRODUCTION: "A01"}
"""ENTSO-E code list, BusinessTypeList (ET0017)."""


@dataclass(frozen=True, slots=True)
class MarketParticipant:
    """A company in its role: an mRID, who issues such ids (A10: GS1, A01: EIC), and a role code."""

    mrid: str
    coding_scheme: str | None
    role: str

    def __post_init__(self) -> None:
        check_text("/mrid", self.mrid)
        check_text("/role", self.role)
        if self.coding_scheme is not None:
            check_text("/codingScheme", self.coding_scheme)


@dataclass(frozen=True, slots=True)
class DocumentHeader:
    """Who tells whom, when, and in which process. period is used by the European envelope only."""

    mrid: str
    type: str
    process_type: str
    sender: MarketParticipant
    receiver: MarketParticipant
    created_at: datetime
    business_sector: str | None = None
    revision_number: str | None = None
    period: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """Readings of one resolution in [start, end); position n begins n - 1 intervals after start.

    Raises InvalidInput when the end is not after the start, when the resolution does not divide the
    period, and for readings off the grid, out of range, out of order or twice.
    """

    start: datetime
    end: datetime
    resolution: timedelta
    readings: tuple[Reading, ...]
    reason_codes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_period(self.start, self.end, "/timeInterval/")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.resolution <= timedelta(0) or (self.end - self.start) % self.resolution:
            raise InvalidInput.field(
                "/resolution",
                "resolutionDividesPeriod",
                "The resolution must divide the period from its start to its end.",
            )
        last = 0
        for reading in self.readings:
            offset = reading.start - self.start
            position = offset // self.resolution + 1
            if offset % self.resolution or position <= last or reading.start >= self.end:
                raise InvalidInput.field(
                    "/Point",
                    "position",
                    f"The reading of {reading.start.isoformat()} has no place of its own in the"
                    " period.",
                )
            last = position

    def position(self, reading: Reading) -> int:
        """Return the position of the reading in this period; the first one is 1."""
        return (reading.start - self.start) // self.resolution + 1


@dataclass(frozen=True, slots=True)
class MeasureSeries:
    """What was measured at one point of delivery, as a market document tells it."""

    mrid: str
    pod: PointOfDelivery
    unit: Unit
    periods: tuple[Period, ...]
    product: str | None = None
    evaluation_point_type: str | None = None
    flow: Direction | None = None
    business_type: str | None = None
    version: str | None = None
    original_transaction_id: str | None = None
    registered_at: datetime | None = None
    aggregate: str | None = None
    commodity: str | None = None
    reason_codes: tuple[str, ...] = ()

    @property
    def direction(self) -> Direction:
        """Return which way the energy went.

        Raises InvalidInput when neither a flow nor the type of the point says it, as for points of
        exchange between grid areas (E20).
        """
        direction = self.flow or DIRECTION_OF_POINT.get(self.evaluation_point_type or "")
        if direction is None:
            raise InvalidInput.field(
                "/marketEvaluationPoint.type",
                "direction",
                f"Series {self.mrid} does not say whether it is consumption or production.",
            )
        return direction


@dataclass(frozen=True, slots=True)
class NotifyValidatedMeasureData:
    """Validated measure data, sent to who may have it (E66)."""

    header: DocumentHeader
    series: tuple[MeasureSeries, ...]


@dataclass(frozen=True, slots=True)
class RequestedSeries:
    """One point of delivery and the period, [start, end), of which readings are asked for."""

    mrid: str
    pod: PointOfDelivery
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        check_period(self.start, self.end)


@dataclass(frozen=True, slots=True)
class RequestValidatedMeasureData:
    """A request for validated measure data (E73)."""

    header: DocumentHeader
    series: tuple[RequestedSeries, ...]


@dataclass(frozen=True, slots=True)
class EnvelopeHeader:
    """What the European envelope says about the permission under which the data travels."""

    created_at: datetime
    connection_id: str | None = None
    data_need_id: str | None = None
    document_type: str | None = None
    permission_id: str | None = None
    region_connector: str | None = None
    region_country: str | None = None


@dataclass(frozen=True, slots=True)
class ValidatedHistoricalData:
    """Validated measure data in the newer European envelope (VHD 1.04, A45)."""

    envelope: EnvelopeHeader
    header: DocumentHeader
    series: tuple[MeasureSeries, ...]


MarketDocument = NotifyValidatedMeasureData | RequestValidatedMeasureData | ValidatedHistoricalData


def readings_of(series: Iterable[MeasureSeries]) -> tuple[ReadingSeries, ...]:
    """Return the readings that the series of a document tell, one ReadingSeries for each meter.

    Parts of one series that arrive as several are put together, in the order of time. Raises
    InvalidInput where two of them overlap, and where a direction is not known.
    """
    parts: dict[
        tuple[PointOfDelivery, Direction, timedelta, Unit, str], dict[datetime, Reading]
    ] = {}
    for index, one in enumerate(series):
        for period in one.periods:
            key = (
                one.pod,
                one.direction,
                period.resolution,
                one.unit,
                one.product or ACTIVE_ENERGY,
            )
            known = parts.setdefault(key, {})
            for reading in period.readings:
                if reading.start in known:
                    raise InvalidInput.field(
                        f"/Series/{index}",
                        "overlap",
                        f"The document tells the reading of {reading.start.isoformat()} twice.",
                    )
                known[reading.start] = reading
    return tuple(
        ReadingSeries(
            pod=pod,
            direction=direction,
            resolution=resolution,
            readings=tuple(known[start] for start in sorted(known)),
            unit=unit,
            product=product,
        )
        for (pod, direction, resolution, unit, product), known in parts.items()
    )


def measure_series(mrid: str, series: ReadingSeries) -> MeasureSeries:
    """Return the readings as a series of a notification; intervals without a reading are left out.

    There is one period from the first to the last reading, or several where the readings change to
    another grid. The direction is told by the type of the point.
    """
    return MeasureSeries(
        mrid=mrid,
        pod=series.pod,
        unit=series.unit,
        periods=tuple(_periods(series)),
        product=series.product,
        evaluation_point_type=POINT_OF_DIRECTION[series.direction],
    )


def historical_series(mrid: str, series: ReadingSeries) -> MeasureSeries:
    """Return the readings as a series of the European envelope, which tells the flow itself.

    Version and reason codes are the fixed ones that its schema asks for.
    """
    no_reason = ("999",)
    return MeasureSeries(
        mrid=mrid,
        pod=series.pod,
        unit=series.unit,
        periods=tuple(replace(period, reason_codes=no_reason) for period in _periods(series)),
        product=series.product,
        flow=series.direction,
        business_type=BUSINESS_OF_DIRECTION[series.direction],
        version="1",
        reason_codes=no_reason,
    )


def _periods(series: ReadingSeries) -> Iterator[Period]:
    for _, group in groupby(
        series.readings, key=lambda reading: _grid_offset(reading.start, series.resolution)
    ):
        readings = tuple(group)
        yield Period(
            start=readings[0].start,
            end=readings[-1].start + series.resolution,
            resolution=series.resolution,
            readings=readings,
        )


def _grid_offset(start: datetime, resolution: timedelta) -> timedelta:
    return (start - start.min.replace(tzinfo=start.tzinfo)) % resolution
