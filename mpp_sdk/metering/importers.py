"""Readings from what meters and metering systems hand out: STG S02 reports and CSV."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from lxml import etree

from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.model import (
    Direction,
    PointOfDelivery,
    Quality,
    Reading,
    ReadingSeries,
    Unit,
    check_text,
    quantity_problem,
    shift,
)
from mpp_sdk.metering.moments import check_year
from mpp_sdk.metering.safe_xml import parse_xml_bytes

MADRID = ZoneInfo("Europe/Madrid")

_HOUR = timedelta(hours=1)
_S02_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})([WS])", re.ASCII)
_WHOLE = re.compile(r"\d{1,12}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_FLAGS = re.compile(r"[0-9A-Fa-f]{2}", re.ASCII)
_INVALID = 0x80


def parse_s02(data: bytes, *, zone: ZoneInfo = MADRID) -> tuple[ReadingSeries, ...]:
    """Return the hourly active energy of each meter of an STG S02 report, in kWh, exactly.

    Each meter (`Cnt`) gives a series of CONSUMPTION (AI, import) and one of PRODUCTION (AE,
    export); its id is the mRID of the point of delivery. AI and AE are in Wh times `Magn`. `Fh` is
    the end of the hour in the local time of zone, with S for summer and W for winter time.
    Reactive energy (R1 to R4) is left out. `Bc` holds flags: none is as provided; the highest one
    says that the value is invalid, so that there is none; with any other the value is incomplete.

    Raises InvalidInput for what is not such a report, and for a flag of summer or winter time that
    zone does not have at that hour. Source: WiseGRID D4.2, 6.1.3.2.1 STGTedis AMI.
    """
    root = parse_xml_bytes(data)
    if root.tag != "Report" or root.get("IdRpt") != "S02":
        raise InvalidInput.field("/Report", "unsupported", "It is not a report S02.")
    series: list[ReadingSeries] = []
    for c, concentrator in enumerate(root.findall("Cnc")):
        for m, meter in enumerate(concentrator.findall("Cnt")):
            series.extend(_read_meter(meter, f"/Report/Cnc/{c}/Cnt/{m}", zone))
    seen: set[str] = set()
    for one in series[::2]:
        if one.pod.mrid in seen:
            raise InvalidInput.field(
                "/Report", "unique", f"The meter {one.pod.mrid} is reported twice."
            )
        seen.add(one.pod.mrid)
    return tuple(series)


def _read_meter(
    meter: etree._Element, pointer: str, zone: ZoneInfo
) -> tuple[ReadingSeries, ReadingSeries]:
    pod = PointOfDelivery(check_text(f"{pointer}/Id", _attribute(meter, "Id", pointer)))
    factor = _whole(meter, "Magn", pointer)
    consumption: dict[datetime, Reading] = {}
    production: dict[datetime, Reading] = {}
    for h, hour in enumerate(meter.findall("S02")):
        where = f"{pointer}/S02/{h}"
        start = _s02_end(_attribute(hour, "Fh", where), f"{where}/Fh", zone) - _HOUR
        if start in consumption:
            raise InvalidInput.field(f"{where}/Fh", "unique", "This hour is reported twice.")
        quality = _s02_quality(_attribute(hour, "Bc", where), f"{where}/Bc")
        for name, readings in (("AI", consumption), ("AE", production)):
            wh = Decimal(_whole(hour, name, where) * factor)
            missing = quality is Quality.NOT_AVAILABLE
            readings[start] = Reading(start, None if missing else shift(wh, -3), quality)
    return (
        ReadingSeries(pod, Direction.CONSUMPTION, _HOUR, _in_order(consumption)),
        ReadingSeries(pod, Direction.PRODUCTION, _HOUR, _in_order(production)),
    )


def _attribute(element: etree._Element, name: str, pointer: str) -> str:
    value = element.get(name)
    if value is None:
        raise InvalidInput.field(f"{pointer}/{name}", "required", f"{name} is missing.")
    return value


def _whole(element: etree._Element, name: str, pointer: str) -> int:
    text = _attribute(element, name, pointer)
    if _WHOLE.fullmatch(text) is None:
        raise InvalidInput.field(f"{pointer}/{name}", "format", f"{name} must be a whole number.")
    return int(text)


def _s02_quality(flags: str, pointer: str) -> Quality:
    if _FLAGS.fullmatch(flags) is None:
        raise InvalidInput.field(pointer, "format", "Bc must have two hexadecimal digits.")
    bits = int(flags, 16)
    if bits & _INVALID:
        return Quality.NOT_AVAILABLE
    return Quality.INCOMPLETE if bits else Quality.AS_PROVIDED


def _s02_end(text: str, pointer: str, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, at which the hour ends."""
    match = _S02_MOMENT.fullmatch(text)
    if match is None:
        raise InvalidInput.field(
            pointer, "format", "Fh must be a local time YYYYMMDDhhmmssfff with W or S."
        )
    year, month, day, hour, minute, second, milli = (int(part) for part in match.groups()[:7])
    try:
        local = datetime(  # noqa: DTZ001 (local time, which is placed below)
            year, month, day, hour, minute, second, milli * 1000
        )
        check_year(local)
    except ValueError as error:
        raise InvalidInput.field(pointer, "format", f"Fh is not a time: {error}.") from error
    # The end of an hour at which the clocks change can be told in the time before or after it.
    for near in (local, local - timedelta(seconds=1)):
        for fold in (0, 1):
            aware = near.replace(tzinfo=zone, fold=fold)
            if bool(aware.dst()) == (match[8] == "S"):
                return aware.astimezone(UTC) + (local - near)
    raise InvalidInput.field(
        pointer, "summerWinter", f"{zone.key} does not have {match[8]} time at {local.isoformat()}."
    )


@dataclass(frozen=True)
class CsvLayout:
    """How a CSV file is laid out.

    zone is the one of times without offset; a file whose times have their offset needs none.
    resolution is found from the times where it is not given. With repeated_rows, a row that says
    again what another row said (the same time as written, and the same value) is passed over;
    where local time is repeated because the clocks go back, the two rows are two hours all the
    same.
    """

    start_column: str = "start"
    value_column: str = "value"
    zone: ZoneInfo | None = None
    resolution: timedelta | None = None
    repeated_rows: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    written: datetime
    value: Decimal | None

    def fail(self, rule: str, detail: str) -> InvalidInput:
        return InvalidInput.field(f"/rows/{self.number}", rule, f"Row {self.number}: {detail}")


def parse_csv(
    data: bytes,
    pod: PointOfDelivery,
    *,
    direction: Direction = Direction.CONSUMPTION,
    unit: Unit = Unit.KILOWATT_HOUR,
    layout: CsvLayout | None = None,
) -> ReadingSeries:
    """Return the readings of a CSV file with a header: a time of start and a value in each row.

    Values stay exactly as they are printed; an empty one is a reading that is not available. Rows
    may be in any order and times may be missing; of two rows with a local time that the clocks show
    twice, the one ahead in the file is the earlier hour. Rows are counted as lines of the file, the
    header being line 1.

    Raises InvalidInput, naming the row, for what is not a time or a quantity, for times that occur
    twice, that the zone does not have, that its clocks show twice while the file has them once, or
    that are off the grid of the resolution.
    """
    layout = layout or CsvLayout()
    rows = _read_rows(data, layout)
    readings: dict[datetime, Reading] = {}
    numbers: dict[datetime, int] = {}
    for row, start in _place(rows, layout):
        earlier = readings.get(start)
        if earlier is not None:
            if layout.repeated_rows and earlier.quantity == row.value:
                continue
            raise row.fail("unique", f"{row.written.isoformat()} is also in row {numbers[start]}.")
        quality = Quality.NOT_AVAILABLE if row.value is None else Quality.AS_PROVIDED
        readings[start] = Reading(start, row.value, quality)
        numbers[start] = row.number
    ordered = _in_order(readings)
    resolution = layout.resolution or _infer_resolution(ordered)
    for reading in ordered:
        if (reading.start - ordered[0].start) % resolution:
            number = numbers[reading.start]
            raise InvalidInput.field(
                f"/rows/{number}",
                "resolution",
                f"Row {number}: {reading.start.isoformat()} is not a whole number of intervals of"
                f" {resolution} after the first.",
            )
    return ReadingSeries(pod, direction, resolution, ordered, unit)


def _read_rows(data: bytes, layout: CsvLayout) -> list[_Row]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput.field(
            "", "encoding", f"The file is not UTF-8, at byte {error.start}."
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[_Row] = []
    try:
        header = next(reader, [])
        columns = [_column(header, name) for name in (layout.start_column, layout.value_column)]
        for cells in reader:
            if cells:
                rows.append(_read_row(cells, columns, len(header), reader.line_num))
    except csv.Error as error:
        raise InvalidInput.field(
            f"/rows/{reader.line_num}", "csv", f"Row {reader.line_num}: {error}."
        ) from error
    if not rows:
        raise InvalidInput.field("/rows", "required", "The file has no rows.")
    return rows


def _column(header: list[str], name: str) -> int:
    if header.count(name) != 1:
        raise InvalidInput.field(
            "/rows/1", "required", f"The header must have the column {name!r} once."
        )
    return header.index(name)


def _read_row(cells: list[str], columns: Sequence[int], width: int, number: int) -> _Row:
    if len(cells) != width:
        raise InvalidInput.field(
            f"/rows/{number}", "columns", f"Row {number} has {len(cells)} cells, not {width}."
        )
    start_text, value_text = (cells[column].strip() for column in columns)
    try:
        written = datetime.fromisoformat(start_text)
        check_year(written)
    except ValueError as error:
        raise InvalidInput.field(
            f"/rows/{number}",
            "format",
            f"Row {number}: {start_text[:40]!r} is not a time: {error}.",
        ) from error
    row = _Row(number, written, None)
    if not value_text:
        return row
    if _DECIMAL.fullmatch(value_text) is None:
        raise row.fail("format", f"{value_text[:40]!r} is not a decimal number.")
    value = Decimal(value_text)
    problem = quantity_problem(value)
    if problem is not None:
        raise row.fail("quantity", problem)
    return _Row(number, written, value)


def _place(rows: Iterable[_Row], layout: CsvLayout) -> list[tuple[_Row, datetime]]:
    """Return each row with its moment in UTC, times shown twice by the order of occurrence."""
    placed: list[tuple[_Row, datetime]] = []
    shown_twice: dict[datetime, list[_Row]] = {}
    for row in rows:
        if row.written.tzinfo is not None:
            placed.append((row, row.written.astimezone(UTC)))
            continue
        if layout.zone is None:
            raise row.fail("offset", f"{row.written.isoformat()} has no offset.")
        first = row.written.replace(tzinfo=layout.zone, fold=0)
        second = first.replace(fold=1)
        if first.utcoffset() == second.utcoffset():
            placed.append((row, first.astimezone(UTC)))
        elif first.astimezone(UTC) > second.astimezone(UTC):
            raise row.fail("zone", f"{layout.zone.key} has no {row.written.isoformat()}.")
        else:
            shown_twice.setdefault(row.written, []).append(row)
    for written, found in shown_twice.items():
        if len(found) != 2:
            raise found[-1].fail(
                "ambiguous",
                f"The clocks of {layout.zone} show {written.isoformat()} twice, and the file has it"
                f" {len(found)} times.",
            )
        for fold, row in enumerate(found):
            placed.append((row, written.replace(tzinfo=layout.zone, fold=fold).astimezone(UTC)))
    return placed


def _infer_resolution(readings: tuple[Reading, ...]) -> timedelta:
    steps = (after.start - before.start for before, after in pairwise(readings))
    shortest = min(steps, default=None)
    if shortest is None:
        raise InvalidInput.field("/rows", "resolution", "One row does not tell the resolution.")
    return shortest


def _in_order(readings: dict[datetime, Reading]) -> tuple[Reading, ...]:
    return tuple(readings[start] for start in sorted(readings))
