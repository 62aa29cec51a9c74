"""What a meter says: points of delivery, series of readings, and how good each reading is.

Quantities are exact decimals and never negative: the direction of the series says which way the
energy went, as in the documents of IEC 62325. `Reading` values with a sign, consumption positive
and production negative, come from `ReadingSeries.signed`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.moments import check_year, format_resolution

ACTIVE_ENERGY = "8716867000030"
"""The product code (GS1, used throughout Europe) of active energy."""

_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]{1,256}")
_MAX_EXPONENT = 17
_MIN_EXPONENT = -30


class Direction(StrEnum):
    """Which way the energy goes, seen from the customer."""

    CONSUMPTION = "CONSUMPTION"
    PRODUCTION = "PRODUCTION"


class Quality(StrEnum):
    """How good a reading is. Source: ENTSO-E code list, QualityTypeList (ET0036)."""

    ADJUSTED = "A01"
    NOT_AVAILABLE = "A02"
    ESTIMATED = "A03"
    AS_PROVIDED = "A04"
    INCOMPLETE = "A05"
    CALCULATED = "A06"


class Unit(StrEnum):
    """The unit of the quantities of a series. Source: UN/ECE recommendation 20."""

    WATT_HOUR = "WHR"
    KILOWATT_HOUR = "KWH"
    MEGAWATT_HOUR = "MWH"
    GIGAWATT_HOUR = "GWH"


# As powers of ten, because a shift of the decimal point is exact whatever the number of digits.
_KWH_EXPONENT = {
    Unit.WATT_HOUR: -3,
    Unit.KILOWATT_HOUR: 0,
    Unit.MEGAWATT_HOUR: 3,
    Unit.GIGAWATT_HOUR: 6,
}


def check_text(pointer: str, value: str) -> str:
    """Return the value. Raises InvalidInput when it is empty, too long, or has control characters.

    What passes can be written in XML as in JSON and is read back the same.
    """
    if _TEXT.fullmatch(value) is None or value != value.strip():
        raise InvalidInput.field(
            pointer, "text", "It must have 1 to 256 characters, none of them a control character."
        )
    return value


def quantity_problem(quantity: Decimal) -> str | None:
    """Return what is wrong with the quantity of a reading; None when nothing is."""
    if not quantity.is_finite():
        return "A quantity must be a number."
    if quantity.is_signed() and quantity:
        return "A quantity must not be negative; the direction of the series carries the sign."
    exponent = quantity.as_tuple().exponent
    if quantity.adjusted() > _MAX_EXPONENT or int(exponent) < _MIN_EXPONENT:
        return "A quantity must be below 10^18 and have at most 30 decimals."
    return None


@dataclass(frozen=True, slots=True)
class PointOfDelivery:
    """A point of delivery, by its mRID; coding_scheme says who issues such ids (A10: GS1)."""

    mrid: str
    coding_scheme: str | None = None

    def __post_init__(self) -> None:
        check_text("/mrid", self.mrid)
        if self.coding_scheme is not None:
            check_text("/codingScheme", self.coding_scheme)


@dataclass(frozen=True, slots=True)
class Reading:
    """The energy of one interval that begins at start; None where there is no value.

    Raises InvalidInput for a start without offset, a quantity that is negative or not a number,
    and unless the quantity is missing exactly when the quality is NOT_AVAILABLE.
    """

    start: datetime
    quantity: Decimal | None
    quality: Quality = Quality.AS_PROVIDED

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise InvalidInput.field("/start", "offset", "The start must have an offset.")
        try:
            check_year(self.start)
        except ValueError as error:
            raise InvalidInput.field("/start", "range", f"The start: {error}.") from error
        if self.start.tzinfo is not UTC:  # arithmetic in a zone would be that of the wall clock
            object.__setattr__(self, "start", self.start.astimezone(UTC))
        if (self.quantity is None) != (self.quality is Quality.NOT_AVAILABLE):
            raise InvalidInput.field(
                "/quantity",
                "quantityAvailable",
                "A reading has a quantity, unless its quality is not available (A02).",
            )
        problem = None if self.quantity is None else quantity_problem(self.quantity)
        if problem is not None:
            raise InvalidInput.field("/quantity", "quantity", problem)


@dataclass(frozen=True, slots=True)
class ReadingSeries:
    """Readings of one point of delivery in one direction, in the order of time; gaps are allowed.

    Raises InvalidInput when the resolution is not a positive whole number of seconds, or when two
    readings overlap or are out of order.
    """

    pod: PointOfDelivery
    direction: Direction
    resolution: timedelta
    readings: tuple[Reading, ...]
    unit: Unit = Unit.KILOWATT_HOUR
    product: str = ACTIVE_ENERGY

    def __post_init__(self) -> None:
        check_text("/product", self.product)
        if self.resolution <= timedelta(0) or self.resolution.microseconds:
            raise InvalidInput.field(
                "/resolution", "resolution", "The resolution must be of whole seconds."
            )
        free_from: datetime | None = None
        for index, reading in enumerate(self.readings):
            if free_from is not None and reading.start < free_from:
                raise InvalidInput.field(
                    f"/readings/{index}/start",
                    "overlap",
                    f"The reading of {reading.start.isoformat()} begins before the one ahead of it"
                    f" ends, at {free_from.isoformat()}.",
                )
            free_from = reading.start + self.resolution

    @property
    def iso_resolution(self) -> str:
        """Return the resolution as an ISO 8601 duration."""
        return format_resolution(self.resolution)

    @property
    def start(self) -> datetime | None:
        """Return where the first interval begins; None when there are no readings."""
        return self.readings[0].start if self.readings else None

    @property
    def end(self) -> datetime | None:
        """Return where the last interval ends; None when there are no readings."""
        return self.readings[-1].start + self.resolution if self.readings else None

    @property
    def signed(self) -> Iterator[tuple[datetime, Decimal | None]]:
        """Return start and quantity of each reading: consumption positive, production negative."""
        production = self.direction is Direction.PRODUCTION
        for reading in self.readings:
            quantity = reading.quantity
            if quantity and production:
                quantity = quantity.copy_negate()
            yield reading.start, quantity

    def in_kwh(self) -> "ReadingSeries":
        """Return the same series with its quantities in kWh, exactly."""
        exponent = _KWH_EXPONENT[self.unit]
        if not exponent:
            return self
        readings = tuple(
            reading
            if reading.quantity is None
            else replace(reading, quantity=shift(reading.quantity, exponent))
            for reading in self.readings
        )
        return replace(self, unit=Unit.KILOWATT_HOUR, readings=readings)

    def between(self, start: datetime, end: datetime) -> "ReadingSeries":
        """Return the same series with only the readings that begin in [start, end)."""
        readings = tuple(reading for reading in self.readings if start <= reading.start < end)
        return replace(self, readings=readings)


def shift(quantity: Decimal, exponent: int) -> Decimal:
    """Return quantity times ten to the power of exponent, without rounding."""
    sign, digits, old = quantity.as_tuple()
    return Decimal((sign, digits, int(old) + exponent))


def plain(quantity: Decimal | int) -> str:
    """Return the quantity with the digits it was given with, and without an exponent."""
    return format(
        quantity if quantity else abs(quantity), "f" if isinstance(quantity, Decimal) else "d"
    )


def check_period(start: datetime, end: datetime, within: str = "/") -> None:
    """Raise InvalidInput unless both moments can be calculated with and the end is the later one.

    They must have an offset and be of the years 1900 to 2999. The error names `start` or `end`
    after `within`: a JSON pointer with a slash at its end, or nothing for two parameters.
    """
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None:
            raise InvalidInput.field(
                f"{within}{name}", "offset", f"The {name} must have an offset."
            )
        try:
            check_year(moment)
        except ValueError as error:
            raise InvalidInput.field(
                f"{within}{name}", "range", f"The {name} is out of range: {error}."
            ) from error
    if end <= start:
        raise InvalidInput.field(
            f"{within}end",
            "endAfterStart",
            f"The end, {end.astimezone(UTC).isoformat()}, must be after the start,"
            f" {start.astimezone(UTC).isoformat()}.",
        )
