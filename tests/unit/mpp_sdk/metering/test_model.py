import ast
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.metering.model import (
    Direction,
    PointOfDelivery,
    Quality,
    Reading,
    ReadingSeries,
    Unit,
    check_period,
    plain,
    shift,
)

POD = PointOfDelivery("571313000000002000", "A10")
START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rule_of(error: pytest.ExceptionInfo[InvalidInput]) -> str:
    return error.value.errors[0].rule


def series(*readings: Reading, **changes: object) -> ReadingSeries:
    return ReadingSeries(
        POD,
        changes.get("direction", Direction.CONSUMPTION),  # type: ignore[arg-type]
        HOUR,
        readings,
        changes.get("unit", Unit.KILOWATT_HOUR),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "quantity",
    [
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("-0.1"),
        Decimal("1E18"),
        Decimal("1E-31"),
        Decimal("1E999999"),
    ],
)
def test_a_quantity_is_a_number_within_bounds_and_not_negative(quantity: Decimal) -> None:
    with pytest.raises(InvalidInput) as error:
        Reading(START, quantity)
    assert rule_of(error) == "quantity"


def test_a_reading_has_a_quantity_unless_it_is_not_available() -> None:
    with pytest.raises(InvalidInput):
        Reading(START, None)
    with pytest.raises(InvalidInput):
        Reading(START, Decimal(0), Quality.NOT_AVAILABLE)
    assert Reading(START, None, Quality.NOT_AVAILABLE).quantity is None


def test_a_start_without_offset_is_refused() -> None:
    with pytest.raises(InvalidInput) as error:
        Reading(datetime(2024, 1, 1), Decimal(1))  # noqa: DTZ001 (what is tested)
    assert rule_of(error) == "offset"


def test_a_start_beyond_what_can_be_calculated_with_is_refused() -> None:
    with pytest.raises(InvalidInput) as error:
        Reading(datetime(9999, 12, 31, 23, 59, tzinfo=UTC), Decimal(1))
    assert rule_of(error) == "range"


def test_intervals_are_counted_in_utc_where_the_clocks_change() -> None:
    madrid = ZoneInfo("Europe/Madrid")
    twice = [datetime(2024, 10, 27, 2, tzinfo=madrid, fold=fold) for fold in (0, 1)]
    readings = series(*(Reading(start, Decimal(1)) for start in twice)).readings
    assert readings[1].start - readings[0].start == HOUR


@pytest.mark.parametrize("minutes", [0, 59, -60])
def test_readings_that_overlap_or_go_back_are_refused(minutes: int) -> None:
    later = Reading(START + timedelta(minutes=minutes), Decimal(1))
    with pytest.raises(InvalidInput) as error:
        series(Reading(START, Decimal(1)), later)
    assert rule_of(error) == "overlap"


def test_production_is_negative_and_consumption_positive() -> None:
    readings = (
        Reading(START, Decimal("1.50")),
        Reading(START + HOUR, Decimal("0.0")),
        Reading(START + 2 * HOUR, None, Quality.NOT_AVAILABLE),
    )
    consumed = [value for _, value in series(*readings).signed]
    produced = [value for _, value in series(*readings, direction=Direction.PRODUCTION).signed]
    assert [str(value) for value in consumed] == ["1.50", "0.0", "None"]
    assert [str(value) for value in produced] == ["-1.50", "0.0", "None"]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [(Unit.WATT_HOUR, "0.933"), (Unit.KILOWATT_HOUR, "933"), (Unit.MEGAWATT_HOUR, "933000")],
)
def test_quantities_are_turned_into_kwh(unit: Unit, expected: str) -> None:
    in_kwh = series(Reading(START, Decimal(933)), unit=unit).in_kwh()
    assert in_kwh.unit is Unit.KILOWATT_HOUR
    assert in_kwh.readings[0].quantity == Decimal(expected)


@given(st.decimals(min_value=0, max_value=10**12, allow_nan=False, places=15))
def test_a_shift_loses_no_digit(quantity: Decimal) -> None:
    assert shift(shift(quantity, -3), 3).as_tuple() == quantity.as_tuple()


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        ("0.028999999999999998", "0.028999999999999998"),
        ("1E+3", "1000"),
        ("1E-3", "0.001"),
        ("-0.0", "0.0"),
        ("1.50", "1.50"),
    ],
)
def test_a_quantity_is_written_without_exponent(quantity: str, text: str) -> None:
    assert plain(Decimal(quantity)) == text


@pytest.mark.parametrize("mrid", ["", " a", "a\n", "a\x00b", "\ud800", "x" * 257, "\ufffe"])
def test_an_id_is_a_text_that_every_rendering_can_carry(mrid: str) -> None:
    with pytest.raises(InvalidInput):
        PointOfDelivery(mrid)


@pytest.mark.parametrize(
    ("start", "end", "rule"),
    [
        ("2024-01-01T00:00+00:00", "2024-01-01T00:00+00:00", "endAfterStart"),
        ("2024-01-01T00:00+00:00", "2024-01-01T00:30+01:00", "endAfterStart"),
        ("2024-01-01T00:00", "2024-01-02T00:00+00:00", "offset"),
        ("2024-01-01T00:00+00:00", "2024-01-02T00:00", "offset"),
        ("0001-01-01T00:00+14:00", "2024-01-02T00:00+00:00", "range"),
        ("2024-01-01T00:00+00:00", "9999-12-31T23:59-14:00", "range"),
    ],
)
def test_a_period_that_is_none_is_refused(start: str, end: str, rule: str) -> None:
    with pytest.raises(InvalidInput) as error:
        check_period(datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert rule_of(error) == rule


def test_metering_is_used_without_any_web_framework() -> None:
    modules = ("cim", "importers", "model", "moments", "store")
    code = (
        "import sys\n"
        + "".join(f"import mpp_sdk.metering.{name}\n" for name in modules)
        + "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(run.stdout))
    assert {"lxml", "sqlalchemy", "mpp_sdk"} <= loaded
    assert not loaded & {"connexion", "flask", "starlette", "uvicorn", "requests", "marketplace"}
