"""Flex-offers as documents: lossless both ways, and what is wrong is named where it stands."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.documents import (
    document_of,
    energies_of,
    format_duration,
    kwh,
    offer_of,
    schedule_document,
    schedule_of,
)
from mpp_sdk.flexoffer.model import EXACT_WH, FlexOffer, Schedule
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.validation import Validators
from tests.flexoffers import strategies

DRAFT = Validators(Contract.load("flexoffer")).compile(
    {"$ref": "#/components/schemas/FlexOfferDraft"}
)


def draft() -> dict[str, Any]:
    return {
        "offeredBy": "household-7",
        "acceptBefore": "2026-12-01T18:00:00Z",
        "assignBefore": "2026-12-01T20:00:00+01:00",
        "startAfter": "2026-12-01T22:00:00Z",
        "startBefore": "2026-12-02T02:00:00Z",
        "profiles": [{"slices": [{"lower": 0, "upper": 2.5}, {"lower": -0.5, "upper": 0.001}]}],
        "default": {"energies": [1.205, 0]},
    }


@given(offer=strategies.offers())
def test_every_flex_offer_is_the_same_after_it_was_written_and_read(offer: FlexOffer) -> None:
    text = json.dumps(document_of(offer))
    document = json.loads(text)

    assert [error.message for error in DRAFT.iter_errors(document)] == []
    assert offer_of(document, offer.id) == offer


@given(data=st.data())
def test_every_schedule_is_the_same_after_it_was_written_and_read(data: st.DataObject) -> None:
    offer = data.draw(strategies.offers())
    schedule = data.draw(strategies.schedules(offer))
    document = json.loads(json.dumps(schedule_document(schedule, 1, schedule.start)))

    read = schedule_of(document)

    assert (read.start, read.profile) == (schedule.start, schedule.profile)
    assert read.energies == pytest.approx(schedule.energies, rel=1e-15)
    assert all(
        one == other
        for one, other in zip(read.energies, schedule.energies, strict=True)
        if other == int(other)
    )


@given(wh=st.integers(-EXACT_WH + 1, EXACT_WH - 1))
def test_every_energy_is_exact_in_kwh(wh: int) -> None:
    assert energies_of(json.loads(json.dumps([kwh(wh)])), "") == (wh,)


def test_a_document_says_what_it_says() -> None:
    offer = offer_of(draft())

    assert [(part.lower, part.upper) for part in offer.profile.slices] == [(0, 2500), (-500, 1)]
    assert offer.default.energies == (1205, 0)
    assert offer.assign_before == datetime(2026, 12, 1, 19, tzinfo=UTC)
    assert offer.interval == timedelta(minutes=15)
    assert offer.id != offer_of(draft()).id


@pytest.mark.parametrize(
    ("change", "pointer", "rule"),
    [
        (
            lambda d: d["profiles"][0]["slices"][1].update(upper=0.0011),
            "/profiles/0/slices/1/upper",
            "multipleOf",
        ),
        (
            lambda d: d["profiles"][0]["slices"][0].update(upper=2.0**43),
            "/profiles/0/slices/0/upper",
            "exact",
        ),
        (
            lambda d: d["profiles"][0]["slices"][0].update(lower=-1e308),
            "/profiles/0/slices/0/lower",
            "exact",
        ),
        (
            lambda d: d["profiles"][0]["slices"][0].update(options=[0, 0.0005]),
            "/profiles/0/slices/0/options/1",
            "multipleOf",
        ),
        (
            lambda d: d["profiles"][0]["slices"][0].update(maxPower=1e300),
            "/profiles/0/slices/0/maxPower",
            "exact",
        ),
        (
            lambda d: d["profiles"][0].update(total={"lower": 0.0001, "upper": 1}),
            "/profiles/0/total/lower",
            "multipleOf",
        ),
        (
            lambda d: d["profiles"][0].update(polytope={"a": [[1e308, 1]], "b": [1]}),
            "/profiles/0/polytope/a/0",
            "finite",
        ),
        (
            lambda d: d["profiles"][0].update(polytope={"a": [[1, 1]], "b": [-1e308]}),
            "/profiles/0/polytope/b/0",
            "finite",
        ),
        (
            lambda d: d["default"].update(energies=[0, float("nan")]),
            "/default/energies/1",
            "exact",
        ),
        (lambda d: d.update(startBefore="9999-12-31T23:45:00Z"), "/startBefore", "range"),
        (lambda d: d.update(startAfter="1969-12-31T23:45:00Z"), "/startAfter", "range"),
        (lambda d: d.update(interval="P1M"), "/interval", "duration"),
        (lambda d: d.update(interval="PT0S"), "/interval", "dividesTheDay"),
        (lambda d: d.update(interval="PT7M"), "/interval", "dividesTheDay"),
        (
            lambda d: d.update(twoMode=[{"priorTime": "PT7M", "priorPortion": 0.5}]),
            "/twoMode/0/priorTime",
            "onTheGrid",
        ),
        (
            lambda d: d["profiles"][0]["slices"][0].update(lower=3),
            "/profiles/0/slices/0/lower",
            "boundOrder",
        ),
    ],
)
def test_what_is_wrong_is_named_where_it_stands(
    change: Callable[[dict[str, Any]], object], pointer: str, rule: str
) -> None:
    document = draft()
    change(document)

    with pytest.raises(InvalidInput) as refused:
        offer_of(document)

    assert (pointer, rule) in {(one.pointer, one.rule) for one in refused.value.errors}


def test_all_that_is_wrong_is_told_at_once() -> None:
    document = draft()
    document["profiles"][0]["slices"][0]["upper"] = 1e300
    document["default"]["energies"][0] = 0.00001

    with pytest.raises(InvalidInput) as refused:
        offer_of(document)

    assert [one.pointer for one in refused.value.errors] == [
        "/profiles/0/slices/0/upper",
        "/default/energies/0",
    ]


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(minutes=15), "PT15M"),
        (timedelta(days=1), "P1D"),
        (timedelta(days=2, hours=3, seconds=4), "P2DT3H4S"),
    ],
)
def test_durations_are_written_as_iso_8601(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    "duration", [timedelta(days=-1), timedelta(days=10_000), timedelta(milliseconds=1)]
)
def test_a_duration_that_cannot_be_told_is_refused(duration: timedelta) -> None:
    with pytest.raises(InvalidInput, match="cannot be told"):
        format_duration(duration)


def test_a_schedule_is_told_with_its_number() -> None:
    moment = datetime(2026, 12, 1, 22, tzinfo=UTC)

    document = schedule_document(Schedule(moment, (1500, -250.5), 2), 3, moment)

    assert document == {
        "update": 3,
        "start": "2026-12-01T22:00:00Z",
        "energies": [1.5, -0.2505],
        "profile": 2,
        "givenAt": "2026-12-01T22:00:00Z",
    }
