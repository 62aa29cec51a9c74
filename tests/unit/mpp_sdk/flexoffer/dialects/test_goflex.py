import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.dialects.goflex import (
    Assignment,
    Message,
    Sign,
    Spelling,
    Tariff,
    read,
    write,
)
from mpp_sdk.flexoffer.dialects.goflex.half_planes import corners_of, half_planes, hull
from mpp_sdk.flexoffer.lifecycle import FlexOfferState
from mpp_sdk.flexoffer.model import EnergyRange, FlexOffer, Profile, Slice, TwoMode
from mpp_sdk.flexoffer.rules import MAX_INTERVALS, MAX_VERTICES
from tests.flexoffers.strategies import NOW, offers, schedules

SAYABLE = ("plain", "power", "total", "options", "dependencies")
PLUS = Sign.CONSUMPTION_POSITIVE
MINUS = Sign.PRODUCTION_POSITIVE
Document = dict[str, Any]


def pilots() -> Document:
    """Return a document with the names, and the kinds of values, that the pilots sent."""
    return {
        "id": None,
        "label": "heat pump, first floor",
        "state": "Initial",
        "stateReason": None,
        "creationInterval": 1_758_700,
        "creationTime": "2020-02-27T19:00:00.000+0000",
        "offeredById": "7200004",
        "locationId": {},
        "acceptanceBeforeInterval": 1_758_701,
        "acceptanceBeforeTime": "2020-02-27T19:15:00.000+0000",
        "assignmentBeforeInterval": 1_758_702,
        "assignmentBeforeTime": "2020-02-27T19:30:00.000+0000",
        "startAfterInterval": 1_758_703,
        "startAfterTime": "2020-02-27T19:45:00.000+0000",
        "startBeforeInterval": 1_758_705,
        "startBeforeTime": "2020-02-27T20:15:00.000+0000",
        "endBeforeInterval": 1_758_708,
        "endBeforeTime": "2020-02-27T21:00:00.000+0000",
        "numSecondsPerInterval": 900,
        "assignment": "obligatory",
        "flexOfferTariffConstraint": None,
        "flexOfferProfileConstraints": [
            {
                "energyConstraintList": [{"lower": 0.25, "upper": 1.75}],
                "tariffConstraint": {"minTariff": -0.05, "maxTariff": 0.12},
                "minDuration": 1,
                "maxDuration": 1,
            },
            {
                "energyConstraintList": [{"lower": -0.5, "upper": 2}],
                "tariffConstraint": {"minTariff": -0.1, "maxTariff": 0.1},
                "minDuration": 2,
                "maxDuration": 2,
            },
        ],
        "defaultSchedule": {
            "scheduleId": 0,
            "updateId": 0,
            "startTime": "2020-02-27T19:45:00.000+0000",
            "scheduleSlices": [
                {"duration": 1, "energyAmount": 1, "tariff": 0},
                {"duration": 2, "energyAmount": 1.5, "tariff": 0},
            ],
        },
        "flexOfferSchedule": {
            "scheduleId": 17,
            "updateId": 2,
            "startTime": "2020-02-27T20:00:00.000+0000",
            "scheduleSlices": [
                {"duration": 1, "energyAmount": 0.25, "tariff": -0.05},
                {"duration": 2, "energyAmount": 2, "tariff": 0.02},
            ],
        },
    }


def without_nulls(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}


def changed(path: str, value: object) -> Document:
    """Return the pilots' document with one value changed, or one added."""
    document = copy.deepcopy(pilots())
    *names, last = path.split("/")[1:]
    place: Any = document
    for name in names:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return document


def refused(document: Any, **settings: Any) -> set[tuple[str, str]]:
    with pytest.raises(InvalidInput) as error:
        read(document, **{"sign": PLUS, "currency": "EUR", **settings})
    assert error.value.errors
    return {(one.pointer, one.rule) for one in error.value.errors}


def test_a_document_of_the_pilots_is_read() -> None:
    message = read(pilots(), sign=PLUS, currency="EUR")
    offer = message.offer
    assert offer.start_after == datetime(2020, 2, 27, 19, 45, tzinfo=UTC)
    assert offer.start_before == datetime(2020, 2, 27, 20, 15, tzinfo=UTC)
    assert offer.accept_before == datetime(2020, 2, 27, 19, 15, tzinfo=UTC)
    assert offer.assign_before == datetime(2020, 2, 27, 19, 30, tzinfo=UTC)
    assert (offer.offered_by, offer.pod_id, offer.currency) == ("7200004", None, "EUR")
    assert offer.profile.slices == (
        Slice(250, 1_750, price=Decimal("0.12")),
        Slice(-500, 2_000, duration=2, price=Decimal("0.1")),
    )
    assert offer.default.energies == (1_000, 1_500)
    assert offer.default.start == offer.start_after
    assert message.state is FlexOfferState.OFFERED
    assert message.created == datetime(2020, 2, 27, 19, tzinfo=UTC)
    assert message.assignment is not None
    assert message.assignment.schedule.energies == (250, 2_000)
    assert message.assignment.schedule.start == datetime(2020, 2, 27, 20, tzinfo=UTC)
    assert (message.assignment.schedule_id, message.assignment.update_id) == (17, 2)
    assert message.assignment.tariffs == (Decimal("-0.05"), Decimal("0.02"))
    assert message.tariffs == (Tariff(Decimal("-0.05"), Decimal("0.12")), None)
    assert message.other == {"label": "heat pump, first floor"}
    assert message.rounding == 0


@pytest.mark.parametrize("sign", [PLUS, MINUS])
def test_a_document_is_written_as_it_was_read(sign: Sign) -> None:
    given = {**pilots(), "id": "0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d91", "currency": "EUR"}
    written = write(read(given, sign=sign), sign=sign)
    ends = {"endAfterTime": "2020-02-27T20:30:00.000+0000", "endAfterInterval": 1_758_706}
    assert without_nulls(written) == without_nulls(given) | ends


def test_the_sign_turns_energies_and_bounds() -> None:
    offer = read(pilots(), sign=MINUS, currency="EUR").offer
    assert [(one.lower, one.upper) for one in offer.profile.slices] == [
        (-1_750, -250),
        (-2_000, 500),
    ]
    assert offer.default.energies == (-1_000, -1_500)


def test_the_sign_must_be_said() -> None:
    with pytest.raises(TypeError):
        read(pilots())  # type: ignore[call-arg]


def test_the_later_spelling_is_read() -> None:
    document = {
        "id": "0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d91",
        "state": "accepted",
        "offeredById": "agent-1",
        "locationId": "571313000000000001",
        "acceptBeforeTime": "2020-02-27T20:15:00.000+01:00",
        "assignmentBeforeTime": "2020-02-27T19:30:00Z",
        "startAfterInterval": 1_758_703,
        "startBeforeTime": "2020-02-27T20:15:00.000Z",
        "totalEnergyConstraint": {"lowerBound": 1, "upperBound": 2.5},
        "flexOfferProfileConstraints": [
            {"energyConstraintList": [{"lowerBound": 0, "upperBound": 2}]},
            {
                "energyConstraintList": [{"lowerBound": 0, "upperBound": 2}],
                "priceConstraint": {"minPrice": -0.3, "maxPrice": 0.3},
            },
        ],
        "defaultSchedule": {"scheduleSlices": [{"energyAmount": 1}, {"energyAmount": 1}]},
    }
    message = read(document, sign=PLUS, currency="EUR")
    offer = message.offer
    assert message.state is FlexOfferState.ACCEPTED
    assert str(offer.id) == document["id"]
    assert offer.accept_before == datetime(2020, 2, 27, 19, 15, tzinfo=UTC)
    assert offer.start_after == datetime(2020, 2, 27, 19, 45, tzinfo=UTC)
    assert offer.pod_id == "571313000000000001"
    assert offer.profile.total == EnergyRange(1_000, 2_500)
    assert offer.profile.slices[1].price == Decimal("0.3")
    assert offer.default.start is None
    written = write(message, sign=PLUS, spelling=Spelling.SPECIFICATION)
    assert written["acceptBeforeTime"] == "2020-02-27T19:15:00.000+0000"
    assert written["totalEnergyConstraint"] == {"lowerBound": 1.0, "upperBound": 2.5}
    assert written["flexOfferProfileConstraints"][1]["priceConstraint"] == {
        "minPrice": -0.3,
        "maxPrice": 0.3,
    }
    assert written["state"] == "accepted"
    assert written["defaultSchedule"]["scheduleSlices"][0]["price"] == 0


def test_polygons_are_read_from_their_half_planes() -> None:
    """A storage of 4 kWh that holds 1: 2 kWh at most at once, in or out."""
    power = [[0, 1, 2], [0, -1, 2]]
    document = changed(
        "/flexOfferProfileConstraints",
        [
            {"DependencyEnergyConstraintList": [*power, [1, 1, 3], [-1, -1, 1]]},
            {"DependencyEnergyConstraintList": [*power, [1, 1, 3], [-1, -1, 1]]},
        ],
    )
    document["defaultSchedule"]["scheduleSlices"] = [{"energyAmount": 1}, {"energyAmount": 2}]
    document["flexOfferSchedule"] = None
    document["endBeforeTime"] = document["endBeforeInterval"] = None
    profile = read(document, sign=PLUS).offer.profile
    assert profile.slices == (Slice(-1_000, 2_000), Slice(-2_000, 2_000))
    assert set(profile.dependencies[0]) == {(-3, 2), (1, -2), (5, -2), (1, 2)}
    assert profile.dependencies[1] == profile.dependencies[0]


def test_a_polygon_without_end_goes_as_far_as_can_be_reached() -> None:
    document = changed("/flexOfferSchedule", None)
    for one in document["flexOfferProfileConstraints"]:
        one["DependencyEnergyConstraintList"] = [[1, 1, 3]]
    profile = read(document, sign=PLUS, currency="EUR").offer.profile
    assert set(profile.dependencies[0]) == {(0, 0.25), (0, 1.75)}
    assert set(profile.dependencies[1]) == {
        (0.25, -0.5),
        (1.75, -0.5),
        (0.25, 2),
        (1, 2),
        (1.75, 1.25),
    }


def test_bounds_are_rounded_inwards_and_energies_stay_within() -> None:
    document = changed(
        "/flexOfferProfileConstraints/0/energyConstraintList/0",
        {"lower": 0.2503, "upper": 24.784952968788154},
    )
    slices = document["defaultSchedule"]["scheduleSlices"]
    slices[0]["energyAmount"] = 24.784952968788154
    message = read(document, sign=PLUS, currency="EUR")
    assert message.offer.profile.slices[0].lower == 251
    assert message.offer.profile.slices[0].upper == 24_784
    assert message.offer.default.energies[0] == 24_784
    assert message.rounding == Decimal("0.0016529687881540")


def test_a_range_without_a_whole_watt_hour_becomes_the_nearest() -> None:
    document = changed(
        "/flexOfferProfileConstraints/0/energyConstraintList/0",
        {"lower": 0.5354, "upper": 0.5354},
    )
    document["defaultSchedule"]["scheduleSlices"][0]["energyAmount"] = 0.5354
    message = read(document, sign=PLUS, currency="EUR")
    assert message.offer.profile.slices[0].bounds(message.offer.interval) == EnergyRange(535, 535)


def test_single_energies_are_options() -> None:
    document = changed(
        "/flexOfferProfileConstraints/0/energyConstraintList",
        [{"lower": 1, "upper": 1}, {"lower": 0, "upper": 0}],
    )
    part = read(document, sign=PLUS, currency="EUR").offer.profile.slices[0]
    assert (part.lower, part.upper, part.options) == (0, 1_000, (1_000, 0))


STARTS = ("startAfterTime", "startAfterInterval", "startBeforeTime", "startBeforeInterval")


def test_missing_times_mean_now_and_deadlines_follow_from_each_other() -> None:
    document = {name: value for name, value in pilots().items() if name not in STARTS}
    document["defaultSchedule"]["startTime"] = None
    document["startBeforeDuration"] = 7_200
    offer = read(document, sign=PLUS, currency="EUR").offer
    assert (offer.start_after, offer.start_before) == (None, None)
    assert offer.start_before_duration == timedelta(hours=2)

    document = pilots()
    for name in ("acceptance", "assignment"):
        del document[f"{name}BeforeTime"], document[f"{name}BeforeInterval"]
    offer = read(document, sign=PLUS, currency="EUR").offer
    assert offer.accept_before == offer.assign_before == offer.start_before


DEFAULT = "/defaultSchedule/scheduleSlices"
SLICE = "/flexOfferProfileConstraints/0"
RANGE = f"{SLICE}/energyConstraintList/0"
TARIFF = f"{SLICE}/tariffConstraint"
TOTAL = "/totalEnergyConstraint"
START = "/defaultSchedule/startTime"


@pytest.mark.parametrize(
    ("path", "value", "pointer", "rule"),
    [
        ("/id", "17", "/id", "format"),
        ("/id", 17, "/id", "type"),
        ("/state", "Sleeping", "/state", "enum"),
        ("/offeredById", None, "/offeredById", "required"),
        ("/offeredById", "", "/offeredById", "length"),
        ("/locationId", 3, "/locationId", "type"),
        ("/numSecondsPerInterval", 0, "/numSecondsPerInterval", "range"),
        ("/numSecondsPerInterval", 900.5, "/numSecondsPerInterval", "type"),
        ("/numSecondsPerInterval", 10**30, "/numSecondsPerInterval", "range"),
        ("/startAfterTime", "yesterday", "/startAfterTime", "format"),
        ("/startAfterTime", "2020-02-27T19:45:00.000", "/startAfterTime", "offset"),
        ("/startAfterTime", "0001-01-01T00:00:00+14:00", "/startAfterTime", "range"),
        ("/startAfterTime", "2020-02-27T19:46:00Z", "/startAfterTime", "onTheGrid"),
        ("/startAfterInterval", 1_758_704, "/startAfterInterval", "sameMoment"),
        ("/startBeforeInterval", 10**17, "/startBeforeInterval", "range"),
        ("/endBeforeTime", "2020-02-27T20:59:59.000+0000", "/endBeforeInterval", "sameMoment"),
        ("/creationTime", 12, "/creationTime", "type"),
        ("/startBeforeDuration", 900, "/startBeforeDuration", "oneOf"),
        ("/flexOfferProfileConstraints", [], "/flexOfferProfileConstraints", "required"),
        ("/flexOfferProfileConstraints", {}, "/flexOfferProfileConstraints", "type"),
        ("/flexOfferProfileConstraints/0", 1, SLICE, "type"),
        (f"{SLICE}/minDuration", 2, f"{SLICE}/maxDuration", "fixedDuration"),
        (f"{SLICE}/energyConstraintList", [], f"{SLICE}/energyConstraintList", "required"),
        (
            f"{SLICE}/energyConstraintList",
            [{"lower": 0, "upper": 0}, {"lower": 1, "upper": 2}],
            f"{SLICE}/energyConstraintList/1",
            "singleEnergy",
        ),
        (f"{RANGE}/lower", 2, f"{RANGE}/lower", "boundOrder"),
        (f"{RANGE}/lower", None, f"{RANGE}/lower", "required"),
        (f"{RANGE}/lower", [0, 0], f"{RANGE}/lower", "type"),
        (f"{RANGE}/lower", "1", f"{RANGE}/lower", "type"),
        (f"{RANGE}/lower", True, f"{RANGE}/lower", "type"),
        (f"{RANGE}/upper", nan, f"{RANGE}/upper", "finite"),
        (f"{RANGE}/upper", inf, f"{RANGE}/upper", "finite"),
        (f"{RANGE}/upper", Decimal("sNaN"), f"{RANGE}/upper", "finite"),
        (f"{RANGE}/upper", Decimal("1e999999"), f"{RANGE}/upper", "range"),
        (f"{RANGE}/upper", Decimal("1e-999999"), f"{RANGE}/upper", "range"),
        (f"{RANGE}/upper", 10**4_000, f"{RANGE}/upper", "range"),
        (f"{RANGE}/upper", 1e14, f"{RANGE}/upper", "exact"),
        (f"{TARIFF}/minTariff", 1, f"{TARIFF}/minTariff", "boundOrder"),
        (f"{TARIFF}/maxTariff", None, f"{TARIFF}/maxTariff", "required"),
        (
            f"{SLICE}/DependencyEnergyConstraintList",
            [[0, 1, 5]],
            "/flexOfferProfileConstraints/1/DependencyEnergyConstraintList",
            "required",
        ),
        (TOTAL, {"lower": 0, "upper": 9}, f"{TOTAL}/upper", "withinSlices"),
        ("/defaultSchedule", None, "/defaultSchedule", "required"),
        (START, "2020-02-27T20:30:00Z", START, "withinStarts"),
        (DEFAULT, [], DEFAULT, "onePerSlice"),
        (f"{DEFAULT}/0/energyAmount", 5, f"{DEFAULT}/0/energyAmount", "withinBounds"),
        (f"{DEFAULT}/0/energyAmount", None, f"{DEFAULT}/0/energyAmount", "required"),
        (f"{DEFAULT}/1/duration", 1, f"{DEFAULT}/1/duration", "sameDuration"),
        ("/flexOfferSchedule/startTime", None, "/flexOfferSchedule/startTime", "required"),
    ],
)
def test_a_bad_document_is_refused_with_a_pointer_into_it(
    path: str, value: object, pointer: str, rule: str
) -> None:
    assert (pointer, rule) in refused(changed(path, value))


def test_what_is_no_object_is_refused() -> None:
    assert refused([]) == {("", "type")}


def test_an_end_before_the_latest_start_allows_it_is_refused() -> None:
    document = changed("/endBeforeTime", "2020-02-27T20:45:00.000+0000")
    document["endBeforeInterval"] = 1_758_707
    assert refused(document) == {("/endBeforeTime", "endOrder")}


def test_prices_need_a_currency() -> None:
    assert ("/flexOfferProfileConstraints/0/tariffConstraint", "required") in refused(
        pilots(), currency=None
    )


def test_without_a_deadline_and_a_latest_start_an_offer_is_refused() -> None:
    document = {
        name: value
        for name, value in pilots().items()
        if name not in STARTS and not name.startswith(("acceptance", "assignmentBefore"))
    }
    assert refused(document) == {("/assignmentBeforeTime", "required")}


def test_the_bounds_of_a_turned_document_are_named_as_they_stand_in_it() -> None:
    document = changed(f"{RANGE}/upper", 10**13)
    assert (f"{RANGE}/upper", "exact") in refused(document, sign=MINUS)


@pytest.mark.parametrize(
    ("rows", "pointer", "rule"),
    [
        ([[0, 1]], "/0", "shape"),
        ([0, 1, 5], "/0", "shape"),
        ([[0, 1, "5"]], "/0/2", "type"),
        ([[0, 1, 5]], "", "bounded"),
        ([[0, 1, 5], [0, -1, -6]], "", "feasible"),
        ([[0, 1, 5]] * (MAX_VERTICES + 1), "", "maxItems"),
    ],
)
def test_rows_that_make_no_polygon_are_refused(rows: object, pointer: str, rule: str) -> None:
    document = changed("/flexOfferProfileConstraints", [{"DependencyEnergyConstraintList": rows}])
    place = f"/flexOfferProfileConstraints/0/DependencyEnergyConstraintList{pointer}"
    assert refused(document) == {(place, rule)}


def test_too_many_slices_are_refused_before_they_are_read() -> None:
    document = changed("/flexOfferProfileConstraints", [{}] * (MAX_INTERVALS + 1))
    assert refused(document) == {("/flexOfferProfileConstraints", "maxItems")}


def two_profiles(offer: FlexOffer) -> FlexOffer:
    return replace(offer, profiles=offer.profiles * 2)


def two_mode(offer: FlexOffer) -> FlexOffer:
    return replace(offer, two_mode=(TwoMode(),))


def with_lead(offer: FlexOffer) -> FlexOffer:
    return replace(offer, profiles=(replace(offer.profile, lead=1),))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [(two_profiles, "/profiles"), (two_mode, "/twoMode"), (with_lead, "/profiles/0/lead")],
)
def test_what_has_no_words_is_not_written(
    change: Callable[[FlexOffer], FlexOffer], pointer: str
) -> None:
    offer = change(read(pilots(), sign=PLUS, currency="EUR").offer)
    with pytest.raises(InvalidInput) as error:
        write(Message(offer), sign=PLUS)
    assert [(one.pointer, one.rule) for one in error.value.errors] == [(pointer, "inDialect")]


@given(offers(("polytope",)))
@settings(max_examples=5, deadline=None)
def test_a_polytope_is_not_written(offer: FlexOffer) -> None:
    with pytest.raises(InvalidInput) as error:
        write(Message(offer), sign=PLUS)
    assert error.value.errors[0].pointer == "/profiles/0/polytope"


SAID = {
    Spelling.PILOTS: ["OFFERED", "ACCEPTED", "REJECTED", "ASSIGNED", "EXECUTING", "EXECUTED"],
    Spelling.SPECIFICATION: [
        "OFFERED",
        "ACCEPTED",
        "REJECTED",
        "ASSIGNED",
        "EXECUTED",
        "DELETED",
    ],
}


@pytest.mark.parametrize("spelling", list(Spelling))
@pytest.mark.parametrize("state", list(FlexOfferState))
def test_each_state_is_written_and_read_or_refused(
    state: FlexOfferState, spelling: Spelling
) -> None:
    message = replace(read(pilots(), sign=PLUS, currency="EUR"), state=state)
    if state in SAID[spelling]:
        assert read(write(message, sign=PLUS, spelling=spelling), sign=PLUS).state is state
        return
    with pytest.raises(InvalidInput) as error:
        write(message, sign=PLUS, spelling=spelling)
    assert [(one.pointer, one.rule) for one in error.value.errors] == [("/state", "inDialect")]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Offered", FlexOfferState.OFFERED),
        ("Adaptation", FlexOfferState.EXECUTING),
        ("invalid", FlexOfferState.REJECTED),
        ("canceled", FlexOfferState.DELETED),
    ],
)
def test_states_of_either_spelling_are_read(text: str, state: FlexOfferState) -> None:
    assert read(changed("/state", text), sign=PLUS, currency="EUR").state is state


def said(offer: FlexOffer) -> FlexOffer:
    """Return an offer as the dialect says the same: bounds with their power applied, and so on."""
    slices = []
    for part in offer.profile.slices:
        energies = part.options or (
            part.bounds(offer.interval).lower,
            part.bounds(offer.interval).upper,
        )
        options = part.options if len(part.options) > 1 else ()
        slices.append(
            Slice(min(energies), max(energies), part.duration, part.price, options=options)
        )
    polygons = tuple(
        tuple(hull((Fraction(x), Fraction(y)) for x, y in polygon))
        for polygon in offer.profile.dependencies
    )
    total = offer.profile.total
    if total is not None:
        total = EnergyRange(
            max(total.lower, sum(one.lower for one in slices)),
            min(total.upper, sum(one.upper for one in slices)),
        )
    profile = Profile(
        tuple(slices),
        total,
        dependencies=tuple(tuple((float(x), float(y)) for x, y in one) for one in polygons),
    )
    start = offer.default.start or offer.start_after
    return replace(offer, profiles=(profile,), default=replace(offer.default, start=start))


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(Sign), st.sampled_from(Spelling))
def test_what_is_written_is_read_again(data: st.DataObject, sign: Sign, spelling: Spelling) -> None:
    offer = data.draw(offers(SAYABLE))
    schedule = data.draw(schedules(offer))
    assignment = Assignment(schedule, data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9)))
    message = Message(
        offer,
        state=data.draw(st.sampled_from((FlexOfferState.OFFERED, FlexOfferState.ASSIGNED))),
        reason=data.draw(st.none() | st.text()),
        created=NOW,
        assignment=data.draw(st.sampled_from((None, assignment))),
        other=data.draw(st.sampled_from(({}, {"label": "x"}, {"assignment": "voluntary"}))),
    )
    text = json.dumps(write(message, sign=sign, spelling=spelling), allow_nan=False)
    found = read(json.loads(text), sign=sign)
    assert found.rounding == 0
    if message.assignment and offer.profile.dependencies:
        assert found.assignment is not None
        assert found.assignment.schedule.energies == pytest.approx(schedule.energies, abs=1e-6)
        found = replace(found, assignment=assignment)
    assert found == replace(message, offer=said(offer))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-9, 9).map(Fraction)] * 2), min_size=1, max_size=8))
def test_half_planes_have_the_corners_they_were_made_of(
    points: list[tuple[Fraction, Fraction]],
) -> None:
    corners = hull(points)
    polygon = tuple((float(x), float(y)) for x, y in corners)
    assert corners_of(half_planes(polygon)) == corners
