"""Meter data from one platform to another: who may read it, page by page, and until when."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
import requests
from sqlalchemy.event import listen

from mpp_sdk import clock
from mpp_sdk.client import ProblemError
from mpp_sdk.contracts.eu_mp.models import Period, PlatformRole, ServiceOfferConfirmed
from mpp_sdk.contracts.metering.models import ActivationState
from mpp_sdk.errors import Conflict
from mpp_sdk.metering.cim import NotifyValidatedMeasureData, Rendering, parse, readings_of
from mpp_sdk.metering.client import DataRefused, MeteringRequester, series_of
from mpp_sdk.metering.handler import MeteringProvider
from mpp_sdk.metering.model import Direction, PointOfDelivery, Reading, ReadingSeries
from mpp_sdk.metering.store import MeteringStore
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.state.domain import Validity
from mpp_sdk.state.pods import SubscribedPod
from mpp_sdk.state.subscriptions import Subscription
from tests.functional.sdk.support import (
    B2B_KEY,
    canceled,
    changed,
    confirmed,
    eu_mp_client,
    served,
    settings,
    wait_for,
)

START = datetime(2026, 3, 28, tzinfo=UTC)
END = START + timedelta(days=3)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Operator(MarketPlayerPlatform):
    """Grants consent for points of delivery, except those whose id says no or later."""

    asked: list[str]
    validity: Validity | None = None

    def on_points_of_delivery_requested(
        self, subscription: Subscription, pods: Sequence[SubscribedPod]
    ) -> None:
        for pod in pods:
            self.asked.append(pod.pod_id)
            if "NO" in pod.pod_id:
                self.consents.deny(subscription.id, pod.pod_id, "I would rather not.")
            elif "LATER" not in pod.pod_id:
                if subscription.service.consent_required:
                    self.consents.grant(subscription.id, pod.pod_id, self.validity)
                self.activations.activate(subscription.id, pod.pod_id)


@dataclass
class Exchange:
    """Two platforms under one subscription."""

    operator: Operator
    url: str
    event: ServiceOfferConfirmed
    held: MeteringStore
    received: MeteringStore
    requester: MeteringRequester

    @property
    def identity(self) -> UUID:
        return self.event.subscription_id

    def get(self, pod: str, **query: str) -> requests.Response:
        accept = query.pop("accept", "application/json")
        key = query.pop("key", B2B_KEY)
        subscription = query.pop("subscription", str(self.identity))
        period = {"start": START.isoformat(), "end": END.isoformat()}
        return requests.get(
            f"{self.url}/metering/v1/subscriptions/{subscription}/validated-measure-data/{pod}",
            params=period | query,
            headers={"X-API-Key": key, "Accept": accept},
            timeout=10,
        )


@contextmanager
def exchange(
    url: str, directory: Path, *, consent_required: bool = True, validity: Period | None = None
) -> Iterator[Exchange]:
    operator = Operator(settings(url, directory))
    operator.asked = []
    held = MeteringStore(operator.engine)
    held.create()
    held.upsert([series("POD-1"), series("POD-2", production=True), series("POD-LATER")])
    operator.serve_contract(MeteringProvider(operator, held))
    aggregator = MarketPlayerPlatform(settings(f"sqlite:///{directory / 'a.db'}", directory))
    received = MeteringStore(aggregator.engine)
    received.create()
    with served(operator) as operator_url, served(aggregator) as aggregator_url:
        event = confirmed(
            base_url=operator_url, consent_required=consent_required, validity=validity
        )
        eu_mp_client(operator_url).confirm_service_offer(PlatformRole.PROVIDER, event)
        eu_mp_client(aggregator_url).confirm_service_offer(PlatformRole.REQUESTER, event)
        requester = MeteringRequester(
            aggregator, aggregator.subscriptions.get(event.subscription_id), attempts=2
        )
        yield Exchange(operator, operator_url, event, held, received, requester)


def series(pod: str, *, production: bool = False) -> ReadingSeries:
    return ReadingSeries(
        PointOfDelivery(pod),
        Direction.PRODUCTION if production else Direction.CONSUMPTION,
        HOUR,
        tuple(Reading(START + n * HOUR, Decimal(n) / 8) for n in range(72)),
    )


def test_the_requesters_store_comes_to_hold_what_the_providers_holds(
    database_url: str, tmp_path: Path
) -> None:
    with exchange(database_url, tmp_path) as one:
        statuses = {status.pod_id: status for status in one.requester.request(["POD-2", "POD-1"])}
        assert [status.activation for status in statuses.values()] == ["ACTIVE", "ACTIVE"]
        assert list(statuses) == ["POD-1", "POD-2"]
        assert one.requester.fetch("POD-1", START, END, one.received) == 72
        for rendering in Rendering:
            pages = list(
                one.requester.documents("POD-2", START, END, max_points=10, rendering=rendering)
            )
            assert len(pages) == 8
            assert sum(len(s.readings) for page in pages for s in series_of(page)) == 72
            for page in pages:
                one.received.upsert(series_of(page))
        for pod in ("POD-1", "POD-2"):
            assert one.received.digest(pod) == one.held.digest(pod)


def test_asking_again_asks_no_customer_twice(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:
        one.requester.request(["POD-1", "POD-NO"])
        again = one.requester.request(["POD-1", "POD-NO", "POD-LATER"])
    assert one.operator.asked == ["POD-1", "POD-NO", "POD-LATER"]
    assert [(status.consent, status.activation) for status in again] == [
        ("GRANTED", "ACTIVE"),
        ("REQUESTED", None),
        ("DENIED", None),
    ]


def test_many_points_of_delivery_cost_few_statements_each(
    database_url: str, tmp_path: Path
) -> None:
    pods = [f"POD-{n:03}" for n in range(200)]
    statements: list[str] = []
    with exchange(database_url, tmp_path) as one:
        listen(
            one.operator.engine,
            "before_cursor_execute",
            lambda _c, _cursor, statement, *_: statements.append(statement),
        )
        asked = {status.activation for status in one.requester.request(pods)}
        count = len(statements)
    assert asked == {ActivationState.ACTIVE}
    assert count < 7 * len(pods)


def test_a_change_that_is_undone_is_not_told(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:
        one.requester.request(["POD-LATER"])
        consents = one.operator.consents

        def fail() -> None:
            with one.operator.transactions() as session, session.begin_nested():
                consents.grant(one.identity, "POD-LATER")
                raise RuntimeError("What the integrator does beside it fails.")

        with one.operator.transactions():
            with pytest.raises(RuntimeError):
                fail()
            denied = consents.deny(one.identity, "POD-LATER", "No.")
        assert (denied.consent, denied.activation) == ("DENIED", None)
        told = [each.kind for each in one.operator.notifications.all()]
    assert told == ["service.consent", "service.consent"]


def test_points_of_delivery_are_listed_in_pages(database_url: str, tmp_path: Path) -> None:
    pods = [f"POD-{n:03}" for n in range(250)]
    with exchange(database_url, tmp_path) as one:
        one.requester.request([*pods, "POD-NO"])
        listed = [status.pod_id for status in one.requester.points_of_delivery()]
        active = list(one.requester.points_of_delivery(ActivationState.ACTIVE))
    assert listed == [*pods, "POD-NO"]
    assert len(active) == 250


def test_a_cursor_of_something_else_is_refused(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:
        one.requester.request(["POD-1", "POD-2"])
        url = f"{one.url}/metering/v1/subscriptions/{one.identity}/points-of-delivery"

        def listed(**query: str) -> requests.Response:
            headers = {"X-API-Key": B2B_KEY}
            return requests.get(url, params={"limit": "1", **query}, headers=headers, timeout=10)

        everything = listed().json()["nextCursor"]
        active = listed(activation="ACTIVE").json()["nextCursor"]
        answers = [
            *(listed(cursor=cursor) for cursor in ("_", "AAAA", "LwAA", "====", active)),
            listed(cursor=everything, activation="ACTIVE"),
        ]
        rest = listed(cursor=active, activation="ACTIVE").json()
    assert [answer.status_code for answer in answers] == [400] * 6
    assert [each["podId"] for each in rest["items"]] == ["POD-2"]


def test_without_an_active_activation_the_reason_is_given(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'o.db'}", tmp_path) as one:
        one.requester.request(["POD-1", "POD-2", "POD-NO", "POD-LATER"])
        one.operator.activations.suspend(one.identity, "POD-1", "The meter is being replaced.")
        one.operator.activations.end(one.identity, "POD-2", "The customer moved out.")
        reasons = {pod: one.get(pod) for pod in ("POD-1", "POD-2", "POD-NO", "POD-LATER", "POD-9")}
    assert {answer.status_code for answer in reasons.values()} == {403}
    assert {answer.headers["Content-Type"] for answer in reasons.values()} == {
        "application/problem+json"
    }
    assert {pod: answer.json()["detail"] for pod, answer in reasons.items()} == {
        "POD-1": "The activation is SUSPENDED. The meter is being replaced.",
        "POD-2": "The activation is ENDED. The customer moved out.",
        "POD-NO": "The customer's consent is DENIED.",
        "POD-LATER": "The customer's consent is REQUESTED.",
        "POD-9": "The point of delivery was not requested under this subscription.",
    }


def test_a_withdrawal_in_the_middle_stops_the_next_page(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:
        one.requester.request(["POD-1"])
        pages = one.requester.documents("POD-1", START, END, max_points=10)
        assert len(series_of(next(pages))[0].readings) == 10
        one.operator.consents.withdraw(one.identity, "POD-1", "I changed my mind.")
        with pytest.raises(DataRefused) as refused:
            next(pages)
        assert refused.value.pod_id == "POD-1"
        assert refused.value.reason == "The customer's consent is WITHDRAWN."


def test_a_suspended_or_ended_subscription_gives_no_data(database_url: str, tmp_path: Path) -> None:
    with exchange(database_url, tmp_path) as one:
        one.requester.request(["POD-1"])
        client = eu_mp_client(one.url)
        statuses = [one.get("POD-1").status_code]
        client.suspend_service_offer(PlatformRole.PROVIDER, changed(one.event, MINUTE))
        statuses.append(one.get("POD-1").status_code)
        with pytest.raises(Conflict, match="SUSPENDED"):
            one.requester.request(["POD-2"])
        client.resume_service_offer(PlatformRole.PROVIDER, changed(one.event, 2 * MINUTE))
        statuses.append(one.get("POD-1").status_code)
        client.cancel_service_offer(PlatformRole.PROVIDER, canceled(one.event, 3 * MINUTE))
        over = one.get("POD-1")
        statuses.append(over.status_code)
    assert statuses == [200, 403, 200, 403]
    assert over.json()["detail"] == "The subscription is CANCELED."


def test_the_consents_period_bounds_the_readings(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'o.db'}", tmp_path) as one:
        until = clock.now() + timedelta(days=30)
        one.operator.validity = Validity(START + 24 * HOUR, until)
        one.requester.request(["POD-1"])
        second_day = (START + 24 * HOUR).isoformat()
        assert one.get("POD-1").status_code == 403
        assert one.get("POD-1", start=second_day).status_code == 200
        later = (until + HOUR).isoformat()
        assert one.get("POD-1", start=second_day, end=later).status_code == 403


def test_a_consent_that_expires_ends_the_activation_by_itself(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'o.db'}", tmp_path) as one:
        one.operator.validity = Validity(START, clock.now() + timedelta(seconds=2))
        one.requester.request(["POD-1"])
        pod = one.operator.points_of_delivery
        wait_for(lambda: pod.get(one.identity, "POD-1").consent == "EXPIRED")
        assert pod.get(one.identity, "POD-1").activation == "ENDED"


@pytest.mark.parametrize(("days_from", "days_to"), [(-10, -1), (1, 10)])
def test_outside_the_agreed_period_nothing_is_given(
    tmp_path: Path, days_from: int, days_to: int
) -> None:
    day = timedelta(days=1)
    validity = Period(start=clock.now() + days_from * day, end=clock.now() + days_to * day)
    with exchange(f"sqlite:///{tmp_path / 'o.db'}", tmp_path, validity=validity) as one:
        with pytest.raises(Conflict):
            one.requester.request(["POD-1"])
        assert one.get("POD-1").status_code == 403


def test_a_service_that_needs_no_consent_is_activated_right_away(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'o.db'}", tmp_path, consent_required=False) as one:
        [status] = one.requester.request(["POD-1"])
        assert (status.consent, status.activation) == (None, "ACTIVE")
        assert one.get("POD-1").status_code == 200


def test_who_calls_and_what_is_asked_for_is_checked(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'o.db'}", tmp_path) as one:
        one.requester.request(["POD-1"])
        other = confirmed(base_url=one.url, key="fxb_" + "o" * 40)
        eu_mp_client(one.url).confirm_service_offer(PlatformRole.PROVIDER, other)
        statuses = {
            "unknown key": one.get("POD-1", key="fxb_" + "u" * 40).status_code,
            "key of another": one.get("POD-1", key="fxb_" + "o" * 40).status_code,
            "unknown subscription": one.get("POD-1", subscription=str(UUID(int=7))).status_code,
            "malformed subscription": one.get("POD-1", subscription="seven").status_code,
            "end before start": one.get("POD-1", end="2020-01-01T00:00:00Z").status_code,
            "no offset": one.get("POD-1", start="2026-03-28T00:00:00").status_code,
            "out of range": one.get("POD-1", start="0001-01-01T00:00:00+14:00").status_code,
            "not acceptable": one.get("POD-1", accept="text/csv").status_code,
        }
    assert statuses == {
        "unknown key": 401,
        "key of another": 404,
        "unknown subscription": 404,
        "malformed subscription": 400,
        "end before start": 400,
        "no offset": 400,
        "out of range": 400,
        "not acceptable": 406,
    }


@pytest.mark.parametrize(
    ("query", "pointer", "rule"),
    [
        ({"end": "2020-01-01T00:00:00Z"}, "end", "endAfterStart"),
        ({"end": "3000-01-01T00:00:00Z"}, "end", "range"),
        ({"start": "1899-12-31T00:00:00Z"}, "start", "range"),
    ],
)
def test_a_bad_period_is_refused_with_the_parameter_and_the_rule(
    tmp_path: Path, query: dict[str, str], pointer: str, rule: str
) -> None:
    with exchange(f"sqlite:///{tmp_path / 'o.db'}", tmp_path) as one:
        one.requester.request(["POD-1"])
        answer = one.get("POD-1", **query)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["rule"]) == (pointer, rule)


def readings_in(content: bytes, rendering: Rendering) -> tuple[ReadingSeries, ...]:
    document = parse(content, rendering)
    assert isinstance(document, NotifyValidatedMeasureData)
    return readings_of(document.series)


def test_accept_chooses_the_rendering_and_both_tell_the_same(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'o.db'}", tmp_path) as one:
        one.requester.request(["POD-1"])
        told = {}
        for rendering in Rendering:
            answer = one.get("POD-1", accept=rendering)
            assert answer.headers["Content-Type"] == rendering
            told[rendering] = readings_in(answer.content, rendering)
        quiet = one.get("POD-1", start="2020-01-01T00:00:00Z", end="2020-01-02T00:00:00Z")
    assert told[Rendering.XML] == told[Rendering.JSON] == (series("POD-1"),)
    assert quiet.status_code == 200
    assert readings_in(quiet.content, Rendering.JSON) == ()


def test_a_repeated_request_for_points_of_delivery_gets_the_first_answer(
    database_url: str, tmp_path: Path
) -> None:
    with exchange(database_url, tmp_path) as one:
        url = f"{one.url}/metering/v1/subscriptions/{one.identity}/points-of-delivery"
        headers = {"X-API-Key": B2B_KEY, "Idempotency-Key": "once"}
        answers = [
            requests.post(url, json={"podIds": [pod]}, headers=headers, timeout=10)
            for pod in ("POD-1", "POD-1", "POD-2")
        ]
    assert [answer.status_code for answer in answers] == [202, 202, 422]
    assert answers[0].content == answers[1].content
    assert one.operator.asked == ["POD-1"]


def test_a_provider_that_hears_of_the_subscription_later_is_asked_again(tmp_path: Path) -> None:
    operator = Operator(settings(f"sqlite:///{tmp_path / 'o.db'}", tmp_path))
    operator.asked = []
    operator.serve_contract(MeteringProvider(operator, MeteringStore(operator.engine)))
    aggregator = MarketPlayerPlatform(settings(f"sqlite:///{tmp_path / 'a.db'}", tmp_path))
    with served(operator) as operator_url, served(aggregator) as aggregator_url:
        event = confirmed(base_url=operator_url)
        eu_mp_client(aggregator_url).confirm_service_offer(PlatformRole.REQUESTER, event)
        subscription = aggregator.subscriptions.get(event.subscription_id)
        with pytest.raises(ProblemError) as refused:
            MeteringRequester(aggregator, subscription, attempts=1).request(["POD-1"])
        assert refused.value.status == 401
        confirm = eu_mp_client(operator_url).confirm_service_offer
        late = threading.Timer(0.3, confirm, (PlatformRole.PROVIDER, event))
        late.start()
        [status] = MeteringRequester(aggregator, subscription).request(["POD-1"])
        late.join()
    assert status.activation == "ACTIVE"


def test_other_refusals_pass_on(tmp_path: Path) -> None:
    with exchange(f"sqlite:///{tmp_path / 'o.db'}", tmp_path) as one:
        one.requester.request(["POD-1"])
        with pytest.raises(ProblemError) as refused:
            one.requester.fetch("POD-1", END, START, one.received)
        assert refused.value.status == 400
