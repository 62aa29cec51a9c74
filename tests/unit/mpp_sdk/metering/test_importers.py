import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.importers import CsvLayout, parse_csv, parse_s02
from mpp_sdk.metering.model import Direction, PointOfDelivery, Quality, ReadingSeries

REPORT = (Path(__file__).parents[4] / "examples/data/stg_s02_report.xml").read_bytes()
POD = PointOfDelivery("a")
LONDON = ZoneInfo("Europe/London")
HALF_HOUR = timedelta(minutes=30)


def report(*hours: str, magn: int = 1, bc: str = "00") -> bytes:
    rows = "".join(
        f'<S02 Fh="{end}" Bc="{bc}" AI="{n}" AE="{n + 1}" R1="0" R2="0" R3="0" R4="0"/>'
        for n, end in enumerate(hours)
    )
    return (
        f'<Report IdRpt="S02" IdPet="0" Version="3.1.c"><Cnc Id="C"><Cnt Id="M" Magn="{magn}">'
        f"{rows}</Cnt></Cnc></Report>"
    ).encode()


def starts(series: ReadingSeries) -> list[str]:
    return [reading.start.strftime("%H:%M") for reading in series.readings]


def test_energy_is_multiplied_and_told_in_kwh() -> None:
    consumption, production = parse_s02(report("20180118040000000W", magn=1000))
    assert consumption.direction is Direction.CONSUMPTION
    assert consumption.readings[0].quantity == 0
    assert production.direction is Direction.PRODUCTION
    assert production.readings[0].quantity == 1
    assert production.readings[0].start == datetime(2018, 1, 18, 2, tzinfo=UTC)


def test_the_day_on_which_clocks_go_forward_has_23_hours() -> None:
    ends = [f"201803250{h}0000000{'W' if h < 2 else 'S'}" for h in (1, 3, 4)]
    (consumption, _) = parse_s02(report(*ends))
    assert starts(consumption) == ["23:00", "00:00", "01:00"]


def test_the_hour_at_which_clocks_go_forward_can_end_in_winter_time() -> None:
    assert parse_s02(report("20180325020000000W")) == parse_s02(report("20180325030000000S"))


def test_the_day_on_which_clocks_go_back_has_25_hours() -> None:
    ends = ["20181028010000000S", "20181028020000000S", "20181028020000000W", "20181028030000000W"]
    (consumption, _) = parse_s02(report(*ends))
    assert starts(consumption) == ["22:00", "23:00", "00:00", "01:00"]
    last_of_summer = parse_s02(report("20181028030000000S"))
    assert last_of_summer == parse_s02(report("20181028020000000W"))


@pytest.mark.parametrize(
    ("bc", "quality"),
    [("00", Quality.AS_PROVIDED), ("02", Quality.INCOMPLETE), ("80", Quality.NOT_AVAILABLE)],
)
def test_flags_tell_the_quality(bc: str, quality: Quality) -> None:
    (consumption, _) = parse_s02(report("20180118040000000W", bc=bc))
    assert consumption.readings[0].quality is quality
    assert (consumption.readings[0].quantity is None) == (quality is Quality.NOT_AVAILABLE)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("S02", "S05", "unsupported"),
        ("040000000W", "040000000S", "summerWinter"),
        ("040000000W", "040000000X", "format"),
        ("20180118040000000W", "20181318040000000W", "format"),
        ("20180118040000000W", "00010101000000000W", "format"),
        ("20180118050000000W", "20180118040000000W", "unique"),
        ('Bc="00"', 'Bc="0"', "format"),
        ('AI="933"', 'AI="-933"', "format"),
        ('AI="933"', 'AI="9.33"', "format"),
        ('AI="933"', "", "required"),
        ('Magn="1"', "", "required"),
        ("<Report", "<!DOCTYPE Report><Report", "noDocumentType"),
    ],
)
def test_what_is_no_report_is_refused(old: str, new: str, rule: str) -> None:
    text = REPORT.decode()
    assert old in text
    with pytest.raises(InvalidInput) as error:
        parse_s02(text.replace(old, new, 1).encode())
    assert error.value.errors[0].rule == rule


def test_a_meter_that_is_reported_twice_is_refused() -> None:
    one = report("20180118040000000W").decode()
    meter = re.search("<Cnt.*</Cnt>", one)
    assert meter is not None
    with pytest.raises(InvalidInput) as error:
        parse_s02(one.replace(meter[0], meter[0] * 2).encode())
    assert error.value.errors[0].rule == "unique"


def table(*rows: str, header: str = "start,value") -> bytes:
    return "\n".join((header, *rows)).encode()


def test_values_stay_as_they_are_printed() -> None:
    data = table("2022-12-06 12:00:00+00:00,0.028999999999999998", "2022-12-06 13:00:00+00:00,0.0")
    series = parse_csv(data, POD)
    assert [str(reading.quantity) for reading in series.readings] == ["0.028999999999999998", "0.0"]
    assert series.resolution == timedelta(hours=1)


def test_gaps_and_empty_values_are_allowed_and_order_is_not_needed() -> None:
    data = table("2020-01-01T03:00Z,3", "2020-01-01T00:00Z,1", "2020-01-01T01:00+01:00,", "")
    with pytest.raises(InvalidInput):  # the last two rows are of the same moment
        parse_csv(data, POD)
    data = table("2020-01-01T03:00Z,3", "2020-01-01T00:00Z,1", "2020-01-01T01:00Z,", "")
    series = parse_csv(data, POD)
    assert starts(series) == ["00:00", "01:00", "03:00"]
    assert series.readings[1].quality is Quality.NOT_AVAILABLE


def test_columns_have_the_names_that_the_layout_gives() -> None:
    data = b"\xef\xbb\xbf" + table("x,7,2020-01-01T00:00Z", header="name,kWh,time")
    layout = CsvLayout(start_column="time", value_column="kWh", resolution=HALF_HOUR)
    assert parse_csv(data, POD, layout=layout).readings[0].quantity == Decimal(7)


def test_hours_that_clocks_show_twice_are_told_apart_by_order() -> None:
    rows = ["2013-10-27 00:30,0", "2013-10-27 01:00,1", "2013-10-27 01:30,2"]
    rows += ["2013-10-27 01:00,3", "2013-10-27 01:30,4", "2013-10-27 02:00,5"]
    series = parse_csv(table(*rows), POD, layout=CsvLayout(zone=LONDON))
    assert [str(reading.quantity) for reading in series.readings] == list("012345")
    assert starts(series) == ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"]


def test_an_hour_that_clocks_show_twice_and_the_file_has_once_is_refused() -> None:
    data = table("2013-10-27 00:30,0", "2013-10-27 01:00,1", "2013-10-27 01:30,2")
    with pytest.raises(InvalidInput, match="Row 3") as error:
        parse_csv(data, POD, layout=CsvLayout(zone=LONDON))
    assert error.value.errors[0].rule == "ambiguous"


def test_a_time_that_the_clocks_pass_over_is_refused() -> None:
    data = table("2013-03-31 00:30,0", "2013-03-31 01:00,1")
    with pytest.raises(InvalidInput, match="Row 3") as error:
        parse_csv(data, POD, layout=CsvLayout(zone=LONDON))
    assert error.value.errors[0].rule == "zone"


def test_a_row_said_twice_is_refused_unless_the_layout_allows_it() -> None:
    data = table("2020-01-01T00:00Z,1", "2020-01-01T00:00Z,1.0", "2020-01-01T00:30Z,2")
    with pytest.raises(InvalidInput, match=r"Row 3.*row 2") as error:
        parse_csv(data, POD)
    assert error.value.errors[0].rule == "unique"
    assert len(parse_csv(data, POD, layout=CsvLayout(repeated_rows=True)).readings) == 2
    other = data.replace(b"1.0", b"1.1")
    with pytest.raises(InvalidInput, match="Row 3"):
        parse_csv(other, POD, layout=CsvLayout(repeated_rows=True))


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([], "required"),
        (["2020-01-01T00:00,1"], "offset"),
        (["yesterday,1"], "format"),
        (["0001-01-01T00:00+14:00,1"], "format"),
        (["2020-01-01T00:00Z,many"], "format"),
        (["2020-01-01T00:00Z,NaN"], "format"),
        (["2020-01-01T00:00Z,1_0"], "format"),
        (["2020-01-01T00:00Z,-1"], "quantity"),
        (["2020-01-01T00:00Z,1e300"], "quantity"),
        (["2020-01-01T00:00Z"], "columns"),
        (["2020-01-01T00:00Z,1,2"], "columns"),
        (["2020-01-01T00:00Z,1"], "resolution"),
        (["2020-01-01T00:00Z,1", "2020-01-01T01:00Z,1", "2020-01-01T02:30Z,1"], "resolution"),
        (['"2020-01-01T00:00Z,1'], "csv"),
        (["x" * 200_000 + ",1"], "csv"),
    ],
)
def test_what_is_no_table_of_readings_is_refused(rows: list[str], rule: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_csv(table(*rows), POD)
    assert error.value.errors[0].rule == rule


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2", b"start,start,value\n1,2,3"])
def test_a_header_without_the_columns_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_csv(data, POD)
    assert error.value.errors[0].rule == "required"


def test_another_encoding_is_refused() -> None:
    with pytest.raises(InvalidInput) as error:
        parse_csv("start,value\n".encode("utf-16"), POD)
    assert error.value.errors[0].rule == "encoding"
