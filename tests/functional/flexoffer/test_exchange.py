"""Flex-offers from one platform to another: offered, decided, scheduled, carried out, paid for."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import requests

from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.errors import Conflict, IllegalTransition, InvalidInput, NotFound
from mpp_sdk.flexoffer.documents import document_of
from mpp_sdk.flexoffer.exchange import handler
from mpp_sdk.flexoffer.exchange.measurements import Measured
from mpp_sdk.flexoffer.lifecycle import FlexOfferState
from mpp_sdk.flexoffer.model import INTERVAL, Default, Profile, Schedule, Slice, TwoMode
from mpp_sdk.flexoffer.terms import DelegatedTerms, FlexibilityContract
from mpp_sdk.flexoffer.two_mode import intervention
from mpp_sdk.platform import MarketPlayerPlatform
from tests.functional.flexoffer.support import (
    BASE,
    OTHER_KEY,
    Exchange,
    Receiver,
    exchange,
    flex_offer,
    in_intervals,
    soon,
    subscribed,
)
from tests.functional.sdk.support import (
    B2B_KEY,
    changed,
    confirmed,
    eu_mp_client,
    served,
    settings,
    wait_for,
)


def test_a_flex_offer_goes_its_way_from_being_offered_to_being_paid_for(
    database_url: str, tmp_path: Path
) -> None:
    with exchange(database_url, tmp_path) as one:
        offer = flex_offer()
        [offered] = one.requester.offer([offer])
        assert offered.state == "OFFERED"
        identity = offered.offer.id
        assert one.requester.read(identity).offer == offered.offer

        one.receiver.accept([identity])
        start = in_intervals(9)
        one.receiver.assign({identity: Schedule(start, (1_000, 600))})
        one.receiver.assign({identity: Schedule(start, (2_000, 600))})
        own = one.requester.read(identity)
        assert (own.state, own.update) == ("ASSIGNED", 2)
        assert own.schedule == Schedule(start, (2_000, 600))

        with clock.at(start + INTERVAL):
            one.receiver.keep_deadlines()
        assert one.requester.read(identity).state == "EXECUTING"
        [result] = one.receiver.measurements.record(
            one.subscription_id,
            [Measured(identity, start, [1.98, 0.3, 0.3])],
            start + 4 * INTERVAL,
        )
        assert (result.new, result.corrected, result.errors) == (3, 0, ())
        assert one.requester.read(identity).state == "EXECUTED"
        one.receiver.settle([identity])

        own = one.requester.read(identity)
        assert [event.kind.value for event in own.history] == [
            "OFFERED",
            "ACCEPTED",
            "ASSIGNED",
            "UPDATED",
            "EXECUTING",
            "EXECUTED",
            "SETTLED",
        ]
        sequences = [event.sequence for event in own.history]
        assert sequences == sorted(sequences)
        assert list(one.requester.active()) == []
        moment = clock.now()
        past = one.requester.past(moment - timedelta(hours=1), moment + timedelta(hours=1))
        assert [each.id for each in past] == [identity]


def test_deadlines_are_kept_without_anybody_calling(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path, measured_within=timedelta(seconds=1)) as one:
        sent = one.requester.offer([soon(), soon(), soon()])
        unanswered, unassigned, unmeasured = (each.offer.id for each in sent)
        start = sent[2].offer.starts(clock.now()).earliest
        one.receiver.accept([unassigned, unmeasured])
        one.receiver.assign({unmeasured: Schedule(start, (100, 200))})

        wait_for(lambda: one.requester.read(unmeasured).state == "FAILED")

        own = [one.requester.read(each) for each in (unanswered, unassigned, unmeasured)]
        assert [[event.kind.value for event in each.history] for each in own] == [
            ["OFFERED", "EXPIRED"],
            ["OFFERED", "ACCEPTED", "EXPIRED"],
            ["OFFERED", "ACCEPTED", "ASSIGNED", "EXECUTING", "FAILED"],
        ]
        assert [each.reason for each in own] == [
            "It was not accepted in time.",
            "It was given no schedule in time, so what is done is the baseline.",
            "Nothing, or not everything, was measured in time.",
        ]


def test_what_comes_too_late_is_refused_also_before_the_deadline_is_noted(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'a.db'}", tmp_path) as one:
        first, second, third = (each.offer for each in one.requester.offer([flex_offer()] * 3))
        one.receiver.accept([second.id, third.id])
        schedule = Schedule(in_intervals(9), (1_000, 600))
        one.receiver.assign({third.id: schedule})

        with clock.at(first.accept_before), pytest.raises(IllegalTransition) as late:
            one.receiver.accept([first.id])
        assert (late.value.state, late.value.allowed) == ("EXPIRED", ())
        with clock.at(second.assign_before), pytest.raises(IllegalTransition):
            one.receiver.assign({second.id: schedule})
        with clock.at(schedule.start), pytest.raises(IllegalTransition) as begun:
            one.receiver.assign({third.id: Schedule(schedule.start + INTERVAL, (1_000, 600))})
        assert (begun.value.state, begun.value.allowed) == ("EXECUTING", ("deliver", "fail"))
        with clock.at(schedule.start), pytest.raises(IllegalTransition):
            one.receiver.store.delete(one.subscription_id, third.id, clock.now())


def test_a_receiver_can_decide_at_once(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:

        def decide(ids: Sequence[UUID]) -> None:
            one.receiver.accept(ids[:1])
            one.receiver.reject(ids[1:2], "It is too small.")

        one.receiver.decide = decide
        first, second, third = one.requester.offer([flex_offer()] * 3)

    assert [each.state for each in (first, second, third)] == ["ACCEPTED", "REJECTED", "OFFERED"]
    assert second.reason == "It is too small."


def test_when_the_receivers_own_code_fails_nothing_is_kept(tmp_path: Path) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("deliberate")

    with exchange(f"sqlite:///{tmp_path / 'a.db'}", tmp_path) as one:
        one.receiver.decide = fail
        answer = one.call("POST", "/flexoffer", document_of(flex_offer()))
        assert answer.status_code == 500
        assert list(one.receiver.offers(states=tuple(FlexOfferState))) == []
        assert one.receiver.store.extent(one.subscription_id).newest == 0


def test_one_that_is_wrong_does_not_lose_the_others(database_url: str, tmp_path: Path) -> None:
    good = document_of(flex_offer())
    wrong = good | {"profiles": [{"slices": [{"lower": 3, "upper": 2}]}]}
    late = good | {"acceptBefore": "2026-01-01T00:00:00Z"}
    with exchange(database_url, tmp_path) as one:
        answer = one.call("POST", "/flexoffer", [good, wrong, {}, 7, late, good])
        items = answer.json()["items"]
        kept = [each.id for each in one.receiver.offers()]

    assert answer.status_code == 200
    assert [str(each) for each in kept] == [items[0]["id"], items[5]["id"]]
    assert [(e["pointer"], e["rule"]) for e in items[1]["errors"]] == [
        ("/profiles/0/slices/0/lower", "boundOrder")
    ]
    assert {e["pointer"] for e in items[2]["errors"]} == {
        "/offeredBy",
        "/profiles",
        "/default",
        "/acceptBefore",
        "/assignBefore",
    }
    assert [(e["pointer"], e["rule"]) for e in items[3]["errors"]] == [("", "type")]
    assert [(e["pointer"], e["rule"]) for e in items[4]["errors"]] == [
        ("/acceptBefore", "inTheFuture")
    ]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "lower above upper": (
        {"profiles": [{"slices": [{"lower": 1, "upper": 0}]}]},
        "/profiles/0/slices/0/lower",
        "boundOrder",
    ),
    "start after latest start": (
        {"startAfter": "2030-01-02T00:00:00Z", "startBefore": "2030-01-01T00:00:00Z"},
        "/startAfter",
        "startOrder",
    ),
    "deadline in the past": (
        {"acceptBefore": "2026-01-01T00:00:00Z"},
        "/acceptBefore",
        "inTheFuture",
    ),
    "deadline after the start": (
        {"assignBefore": "2040-01-01T00:00:00Z"},
        "/assignBefore",
        "beforeLatestStart",
    ),
    "total outside": (
        {"profiles": [{"slices": [{"lower": 0, "upper": 3}], "total": {"lower": 4, "upper": 5}}]},
        "/profiles/0/total/lower",
        "withinSlices",
    ),
    "empty profile": ({"profiles": [{"slices": []}]}, "/profiles/0/slices", "minItems"),
    "no profile": ({"profiles": []}, "/profiles", "minItems"),
    "polytope of the wrong shape": (
        {
            "profiles": [
                {"slices": [{"lower": 0, "upper": 3}], "polytope": {"a": [[1, 1]], "b": [1]}}
            ]
        },
        "/profiles/0/polytope/a/0",
        "shape",
    ),
    "polytope that nothing keeps": (
        {
            "profiles": [
                {"slices": [{"lower": 0, "upper": 3}], "polytope": {"a": [[1]], "b": [-1]}}
            ],
            "default": {"energies": [0]},
        },
        "/default/energies",
        "polytope",
    ),
    "another profile that nothing keeps": (
        {
            "profiles": [
                {"slices": [{"lower": 0, "upper": 3}] * 2},
                {"slices": [{"lower": 0, "upper": 3}], "polytope": {"a": [[1]], "b": [-1]}},
            ]
        },
        "/profiles/1/polytope",
        "feasible",
    ),
    "polygon that is not convex": (
        {
            "profiles": [
                {
                    "slices": [{"lower": 0, "upper": 3}],
                    "dependencies": [
                        [
                            {"before": x, "energy": y}
                            for x, y in ((0, 0), (2, 0), (1, 1), (2, 2), (0, 2))
                        ]
                    ],
                }
            ]
        },
        "/profiles/0/dependencies/0",
        "convex",
    ),
    "portion above 1": (
        {"twoMode": [{"priorTime": "PT15M", "priorPortion": 1.5}]},
        "/twoMode/0/priorPortion",
        "maximum",
    ),
    "too large to be exact": (
        {"profiles": [{"slices": [{"lower": 0, "upper": 1e13}]}]},
        "/profiles/0/slices/0/upper",
        "exact",
    ),
    "not exact to 1 Wh": (
        {"profiles": [{"slices": [{"lower": 0, "upper": 1.0001}]}]},
        "/profiles/0/slices/0/upper",
        "multipleOf",
    ),
    "no offset": ({"acceptBefore": "2026-12-01T00:00:00"}, "/acceptBefore", "format"),
    "what there is not": ({"colour": "green"}, "/colour", "additionalProperties"),
    "an unknown currency": ({"currency": "euro"}, "/currency", "pattern"),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    folder = tmp_path_factory.mktemp("running")
    with exchange(f"sqlite:///{folder / 'a.db'}", folder) as one:
        yield one


@pytest.mark.parametrize("case", list(BAD))
def test_what_is_wrong_is_refused_with_the_field_and_the_rule(running: Exchange, case: str) -> None:
    change, pointer, rule = BAD[case]

    answer = running.call("POST", "/flexoffer", document_of(flex_offer()) | change)

    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (pointer, rule) in {(one["pointer"], one["rule"]) for one in answer.json()["errors"]}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_what_is_no_number_is_no_json(running: Exchange, number: str) -> None:
    text = json.dumps(document_of(flex_offer())).replace('"upper": 2.5', f'"upper": {number}')

    answer = requests.post(
        f"{running.url}{BASE}/flexoffer",
        data=text,
        headers={"X-API-Key": B2B_KEY, "Content-Type": "application/json"},
        timeout=30,
    )

    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize("body", [[], "offer", None, 7, [[]]])
def test_what_is_no_flex_offer_at_all_is_refused(running: Exchange, body: object) -> None:
    answer = running.call("POST", "/flexoffer", body)

    if body == [[]]:
        assert answer.json()["items"][0]["errors"][0]["rule"] == "type"
    else:
        assert answer.status_code == 400


def test_solving_for_many_takes_no_longer_than_a_call_may(
    running: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_SOLVING_SECONDS", -1.0)
    document = document_of(flex_offer())

    answer = running.call("POST", "/flexoffer", [document])

    [result] = answer.json()["items"]
    assert result["errors"][0]["rule"] == "undecided"


def test_too_many_at_once_are_refused(running: Exchange) -> None:
    answer = running.call("POST", "/flexoffer", [{}] * 10_001)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["rule"] == "maxItems"


def test_many_are_taken_at_once(database_url: str, tmp_path: Path) -> None:
    document = document_of(flex_offer())
    with exchange(database_url, tmp_path) as one:
        answer = one.call("POST", "/flexoffer", [document] * 1_000)
        items = answer.json()["items"]
        ids = [each.id for each in one.receiver.offers()]
        one.receiver.accept(ids)
        start = in_intervals(9)
        one.receiver.assign({each: Schedule(start, (1_000, 600)) for each in ids})
        series = one.requester.scheduled(start, start + 3 * INTERVAL)

    assert [each["state"] for each in items] == ["OFFERED"] * 1_000
    assert [str(each) for each in ids] == [each["id"] for each in items]
    assert series.values.tolist() == [1_000_000, 300_000, 300_000]


def test_a_repeated_call_offers_once(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:
        key = {"Idempotency-Key": "once"}
        document = document_of(flex_offer())
        answers = [
            one.call("POST", "/flexoffer", body, **key) for body in (document, document, [document])
        ]
        count = len(list(one.receiver.offers()))

    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert answers[0].content == answers[1].content
    assert count == 1


def test_schedules_that_are_not_feasible_are_refused_and_none_is_given(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'a.db'}", tmp_path) as one:
        good, bad = (each.offer.id for each in one.requester.offer([flex_offer()] * 2))
        one.receiver.accept([good, bad])
        start = in_intervals(9)

        with pytest.raises(InvalidInput) as refused:
            one.receiver.assign(
                {good: Schedule(start, (0, 500)), bad: Schedule(start, (2_501, 600))}
            )
        assert [(e.pointer, e.rule) for e in refused.value.errors] == [
            (f"/{bad}/energies/0", "withinBounds")
        ]
        assert [each.state for each in one.receiver.offers()] == ["ACCEPTED", "ACCEPTED"]
        with pytest.raises(NotFound):
            one.receiver.assign({good: Schedule(start, (0, 500)), UUID(int=7): Schedule(start, ())})
        assert [each.update for each in one.receiver.offers()] == [0, 0]


def test_a_start_that_has_passed_cannot_be_scheduled(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'a.db'}", tmp_path) as one:
        [sent] = one.requester.offer([flex_offer()])
        one.receiver.accept([sent.offer.id])
        start = in_intervals(9)
        one.receiver.assign({sent.offer.id: Schedule(start + 2 * INTERVAL, (0, 500))})
        with clock.at(start + timedelta(seconds=1)), pytest.raises(InvalidInput) as refused:
            one.receiver.assign({sent.offer.id: Schedule(start, (0, 500))})

    assert refused.value.errors[0].rule == "inTheFuture"


def test_a_flex_offer_is_replaced_and_deleted_until_it_executes(
    database_url: str, tmp_path: Path
) -> None:
    with exchange(database_url, tmp_path) as one:
        [first] = (each.offer.id for each in one.requester.offer([flex_offer()]))
        new = one.requester.replace(first, flex_offer(offered_by="household-8"))
        old = one.requester.read(first)
        assert (old.state, old.replaced_by) == ("REPLACED", new.id)
        assert (new.state, new.replaces, new.offer.offered_by) == (
            "OFFERED",
            first,
            "household-8",
        )
        assert one.requester.delete(new.id).state == "DELETED"
        for gone in (first, new.id):
            with pytest.raises(Conflict):
                one.requester.delete(gone)
            with pytest.raises(Conflict):
                one.requester.replace(gone, flex_offer())

        [sent] = one.requester.offer([soon()])
        second, start = sent.offer.id, sent.offer.starts(clock.now()).earliest
        one.receiver.accept([second])
        one.receiver.assign({second: Schedule(start, (1_000, 0))})
        wait_for(lambda: one.requester.read(second).state == "EXECUTING")
        assert one.call("DELETE", f"/flexoffer/{second}").json()["state"] == "EXECUTING"
        assert one.call("PUT", f"/flexoffer/{second}", document_of(flex_offer())).status_code == 409
        with pytest.raises(NotFound):
            one.requester.delete(UUID(int=7))


def test_measurements_are_kept_once_corrected_with_a_trace_and_turn_the_verdict(
    database_url: str, tmp_path: Path
) -> None:
    with exchange(database_url, tmp_path) as one:
        [sent] = one.requester.offer([soon()])
        identity, start = sent.offer.id, sent.offer.starts(clock.now()).earliest
        one.receiver.accept([identity])
        one.receiver.assign({identity: Schedule(start, (1_000, 0))})
        early = one.requester.measure(identity, start, [1_000])
        wait_for(lambda: clock.now() > start + timedelta(seconds=2), 60)

        told = [
            one.requester.measure(identity, start, energies)
            for energies in ([1_000], [1_000], [1_000, 30], [1_000, 900], [1_000, 30])
        ]
        own = one.requester.read(identity)
        second = start + timedelta(seconds=1)
        trace = [
            (each.start, each.energy) for each in one.receiver.measurements.corrections(identity)
        ]
        one.receiver.settle([identity])
        late = one.requester.measure(identity, start, [1_000])

    assert early.errors is not None
    assert early.errors[0].rule == "state"
    assert [(each.recorded, each.corrected) for each in told] == [
        (1, 0),
        (0, 0),
        (1, 0),
        (0, 1),
        (0, 1),
    ]
    assert trace == [(second, 30), (second, 900)]
    assert [event.kind.value for event in own.history][-3:] == ["EXECUTED", "FAILED", "EXECUTED"]
    assert own.history[-2].reason == (
        "It missed its schedule by 0.900 kWh; 0.100 kWh are tolerated."
    )
    assert late.errors is not None
    assert late.errors[0].rule == "state"


def test_a_wrong_measurement_does_not_lose_the_others(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'a.db'}", tmp_path) as one:
        good, other = (each.offer.id for each in one.requester.offer([flex_offer()] * 2))
        one.receiver.accept([good])
        start = in_intervals(9)
        one.receiver.assign({good: Schedule(start, (1_000, 600))})
        results = one.receiver.measurements.record(
            one.subscription_id,
            [
                Measured(UUID(int=7), start, [1]),
                Measured(other, start, [1]),
                Measured(good, start + timedelta(minutes=1), [1]),
                Measured(good, start - INTERVAL, [1]),
                Measured(good, start, [1] * 4),
                Measured(good, start, [1, 1]),
                Measured(good, start, [0.0001]),
                Measured(good, start, [1]),
            ],
            start + INTERVAL,
        )

    assert [[(e.pointer, e.rule) for e in one.errors] for one in results] == [
        [("/flexOfferId", "known")],
        [("/flexOfferId", "state")],
        [("/start", "onTheGrid")],
        [("/start", "withinSchedule")],
        [("/start", "withinSchedule")],
        [("/start", "inThePast")],
        [("/energies/0", "multipleOf")],
        [],
    ]
    assert results[-1].new == 1


def test_series_sum_up_flex_offers_of_any_interval(database_url: str, tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    start = in_intervals(0).replace(minute=0) + 3 * hour
    hourly = flex_offer(
        interval=hour,
        profiles=(Profile((Slice(0, 4_000),)),),
        default=Default((1_000,)),
        start_after=start,
        start_before=start + hour,
    )
    quarters = flex_offer(start_after=start, start_before=start + hour)
    with exchange(database_url, tmp_path) as one:
        first, second = (each.offer.id for each in one.requester.offer([hourly, quarters]))
        one.receiver.accept([first, second])
        one.receiver.assign({first: Schedule(start, (2_000,))})
        one.receiver.assign({second: Schedule(start + INTERVAL, (1_000, 600))})
        one.receiver.measurements.record(
            one.subscription_id, [Measured(first, start, [1.9])], start + hour
        )
        period = start + timedelta(minutes=1), start + hour - timedelta(minutes=1)
        found = [
            series(*period).values.tolist()
            for series in (one.requester.baseline, one.requester.scheduled, one.requester.measured)
        ]
        quiet = one.requester.measured(start - hour, start)
        figures = one.requester.key_figures(start, start + hour)

    assert found == [
        [250 + 2_500, 250 + 600, 250 + 600, 250],
        [500, 500 + 1_000, 500 + 300, 500 + 300],
        [475, 475, 475, 475],
    ]
    assert quiet.values.tolist() == [0, 0, 0, 0]
    [told] = figures.hours
    assert (told.baseline, told.scheduled, told.planned) == (4.7, 3.6, -1.1)
    assert (told.measured, told.realised) == (None, None)  # one of them was not measured
    assert told.variation >= 3.9
    assert [each.times for each in figures.projections] == [10, 100, 1_000]
    assert figures.earnings is None


def test_the_contract_says_what_the_bill_pays(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:
        with pytest.raises(NotFound):
            one.requester.contract()
        with pytest.raises(NotFound):
            one.requester.bill(clock.now(), clock.now() + timedelta(days=1))
        contract = FlexibilityContract(
            receiver="Levante Aggregation",
            offered_by="Home Energy",
            currency="EUR",
            zone=ZoneInfo("Europe/Madrid"),
            valid_from=datetime(2026, 1, 1, tzinfo=UTC),
            terms=DelegatedTerms(activation=Decimal("0.08"), per_hour=Decimal("0.5")),
        )
        one.receiver.set_contract(one.subscription_id, contract)
        assert one.requester.contract() == contract

        [sent] = one.requester.offer([flex_offer()])
        identity, start = sent.offer.id, in_intervals(8)
        one.receiver.accept([identity])
        one.receiver.assign({identity: Schedule(start, (1_500, 1_200))})
        before = one.requester.bill(start, start + timedelta(hours=1))
        one.receiver.measurements.record(
            one.subscription_id,
            [Measured(identity, start, [1.7, 0.6, 0.6])],
            start + 3 * INTERVAL,
        )
        after = one.requester.bill(start, start + timedelta(hours=1))
        figures = one.requester.key_figures(start, start + timedelta(hours=1))
        uncovered = one.call(
            "GET", "/bill?start=2025-01-01T00:00:00Z&end=2025-01-02T00:00:00Z"
        ).json()

    lines = {line.kind.value: line for line in before.lines}
    assert lines["TIME_FLEXIBILITY"].amount == "1"  # two hours
    assert (lines["ACTIVATION"].predicted, lines["ACTIVATION"].amount) == ("1", "0.08")
    assert before.provisional
    lines = {line.kind.value: line for line in after.lines}
    assert (lines["ACTIVATION"].factual, lines["ACTIVATION"].amount) == ("0.8", "0.064")
    assert lines["ACTIVATION"].flex_offer_id == identity
    assert (after.total, after.payable, after.carried) == ("1.064", "1.06", "0.004")
    assert not after.provisional
    assert figures.earnings is not None
    assert figures.earnings.revenues == "1.064"
    assert uncovered["errors"][0]["rule"] == "withinContract"


def test_another_subscription_sees_nothing(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:
        [sent] = one.requester.offer([flex_offer()])
        identity = str(sent.offer.id)
        confirm = eu_mp_client(one.url).confirm_service_offer
        confirm(PlatformRole.PROVIDER, subscribed(one.url, OTHER_KEY))
        metering = confirmed(base_url=one.url, key="fxb_" + "m" * 40)
        confirm(PlatformRole.PROVIDER, metering)
        start = in_intervals(8)
        period = f"{start - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}/{start:%Y-%m-%dT%H:%M:%SZ}"
        draft = document_of(flex_offer())
        measurement = {"flexOfferId": identity, "start": document_of(sent.offer)["startAfter"]}

        def other(method: str, path: str, json: object = None) -> requests.Response:
            return one.call(method, path, json, key=OTHER_KEY)

        statuses = [
            other("GET", f"/flexoffer/{identity}").status_code,
            other("PUT", f"/flexoffer/{identity}", draft).status_code,
            other("DELETE", f"/flexoffer/{identity}").status_code,
            other("GET", "/contract").status_code,
        ]
        lists = [other("GET", path).text for path in ("/flexoffer", f"/flexoffer/{period}", "/kpi")]
        measured = other(
            "POST", "/flexoffer/measurement", {"measurements": [measurement | {"energies": [1]}]}
        ).json()["items"]
        series = [
            other("GET", f"/timeseries/{kind}/{period}").json()["flexOffers"]
            for kind in ("measurement", "baseline", "schedule")
        ]
        keys = [
            one.call("GET", "/flexoffer", key=key).status_code
            for key in ("fxb_" + "u" * 40, metering.b2b.api_key)
        ]
        assert one.requester.read(sent.offer.id).state == "OFFERED"

    assert statuses == [404] * 4
    assert not any(identity in text for text in lists)
    assert measured[0]["errors"][0]["rule"] == "known"
    assert series == [0, 0, 0]
    assert keys == [401, 401]


def test_a_restart_keeps_everything(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:
        first, second = one.requester.offer([flex_offer(), soon()])
        one.receiver.accept([first.offer.id])
        one.receiver.assign({first.offer.id: Schedule(in_intervals(9), (1_000, 600))})
        before = list(one.receiver.offers())
        history = one.receiver.store.history(first.offer.id)
    wait_for(lambda: clock.now() > second.offer.accept_before)  # nobody is there to note it

    again = MarketPlayerPlatform(settings(database_url, tmp_path))
    receiver = Receiver(again)
    with served(again):
        wait_for(
            lambda: (
                {each.id for each in receiver.offers(states=[FlexOfferState.EXPIRED])}
                == {second.offer.id}
            )
        )
        assert list(receiver.offers()) == before[:1]
        assert receiver.store.history(first.offer.id) == history


def test_what_does_not_run_takes_no_flex_offers(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'a.db'}", tmp_path) as one:
        [sent] = one.requester.offer([flex_offer()])
        client = eu_mp_client(one.url)
        client.suspend_service_offer(
            PlatformRole.PROVIDER, changed(one.event, timedelta(minutes=1))
        )
        with pytest.raises(Conflict, match="SUSPENDED"):
            one.requester.offer([flex_offer()])
        with pytest.raises(Conflict, match="SUSPENDED"):
            one.requester.replace(sent.offer.id, flex_offer())
        assert one.requester.delete(sent.offer.id).state == "DELETED"


def test_lists_come_in_pages_whose_cursors_are_their_own(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'a.db'}", tmp_path) as one:
        ids = [each.offer.id for each in one.requester.offer([flex_offer()] * 5)]
        pages = list(one.requester.client.iter_flex_offers(page_size=2))
        cursor = one.call("GET", "/flexoffer?limit=2").json()["nextCursor"]
        day = "2020-01-01T00:00:00Z"
        answers = {
            "misused": one.call("GET", f"/flexoffer/{day}/2020-01-02T00:00:00Z?cursor={cursor}"),
            "no cursor": one.call("GET", "/flexoffer?cursor=AAAA"),
            "backwards": one.call("GET", f"/flexoffer/{day}/2019-01-01T00:00:00Z"),
            "too long": one.call("GET", f"/timeseries/baseline/{day}/2022-01-01T00:00:00Z"),
            "no moment": one.call("GET", f"/timeseries/baseline/{day}/today"),
            "out of range": one.call("GET", "/bill?start=0001-01-01T00:00:00Z&end=" + day),
        }

    assert [each.id for each in pages] == ids
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        answers, 400
    )


def test_what_an_intervention_gives_back_is_scheduled_with_it(
    database_url: str, tmp_path: Path
) -> None:
    """Two vectors: half is given back before, or all of it after."""
    vectors = (
        TwoMode(prior_time=INTERVAL, prior_portion=0.5),
        TwoMode(after_time=2 * INTERVAL, after_portion=1.0),
    )
    with exchange(database_url, tmp_path) as one:
        offer = replace(flex_offer(), two_mode=vectors)
        [offered] = one.requester.offer([offer])
        identity = offered.offer.id
        one.receiver.accept([identity])
        [received] = one.receiver.offers()
        assert len(received.offer.profiles) == len(vectors)
        start, usual = in_intervals(9), sum(offer.default.energies)

        with pytest.raises(InvalidInput) as refused:
            one.receiver.assign({identity: Schedule(start, (0, 2_000, 600), 0)})
        assert {error.rule for error in refused.value.errors} == {"polytope"}

        given_back = -(2_600 - usual)
        one.receiver.assign({identity: Schedule(start, (2_000, 600, given_back), 1)})
        own = one.requester.read(identity)
        assert own.offer.two_mode == vectors
        assert own.schedule is not None
        told = intervention(own.offer, own.schedule)
        assert told.vector == vectors[1]
        assert told.schedule == Schedule(start, (2_000, 600))
        series = one.requester.scheduled(start, start + 6 * INTERVAL)
        assert sum(series.values) == pytest.approx(usual)
        with clock.at(start + INTERVAL):
            one.receiver.keep_deadlines()
        assert one.requester.read(identity).state == "EXECUTING"


def test_more_alternatives_than_there_can_be_are_refused(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'a.db'}", tmp_path) as one:
        vectors = (TwoMode(after_time=INTERVAL, after_portion=1.0),) * 64
        two = replace(flex_offer(), profiles=flex_offer().profiles * 2, two_mode=vectors)
        [offered, other] = one.requester.offer([two, flex_offer()])
        assert [(error.pointer, error.rule) for error in offered.errors] == [
            ("/twoMode", "maxItems")
        ]
        assert other.state == "OFFERED"
