"""What clients of both kinds try again, and what they leave: over real sockets, with faults."""

import socket
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mpp_sdk.client import (
    NO_RETRIES,
    CallFailed,
    ConnectionFailed,
    Hooks,
    RetryPolicy,
    TimedOut,
    TlsFailed,
    TooManyRequestsProblem,
    UnavailableProblem,
    UnexpectedAnswer,
)
from mpp_sdk.contracts.eu_mp.models import NotificationReplayOrder
from mpp_sdk.contracts.metering.models import PointsOfDeliveryRequest
from tests.unit.mpp_sdk.calling import (
    AVAILABLE,
    BOTH,
    Calls,
    breaking_off,
    document,
    header,
    problem,
    scripted,
)
from tests.unit.mpp_sdk.test_transport import Answer, certificate, drip, plain, serving

SUBSCRIPTION = UUID("0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90")
QUICK = RetryPolicy(first_wait_s=0.01, longest_wait_s=0.1)
PODS = PointsOfDeliveryRequest(pod_ids=["ES1"])

pytestmark = pytest.mark.parametrize("call", BOTH)


class Waits:
    """Remembers why and for how long it was waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.reasons: list[str] = []
        self.hooks = Hooks(on_retry=self._waiting)

    def _waiting(self, _: object, error: CallFailed, wait_s: float) -> None:
        self.seconds.append(wait_s)
        self.reasons.append(type(error).__name__)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (problem(429), "TooManyRequestsProblem"),
        (problem(502), "ServerProblem"),
        (plain(b"<h1>Bad gateway</h1>", "502 Bad Gateway"), "ServerProblem"),
        (problem(503), "UnavailableProblem"),
        (problem(504), "ServerProblem"),
        (breaking_off, "ConnectionFailed"),
        (lambda connection: connection.close(), "ConnectionFailed"),
    ],
    ids=["429", "502", "no problem document", "503", "504", "broken off", "closed"],
)
def test_a_read_is_tried_again_until_it_succeeds(call: Calls, fault: Answer, reason: str) -> None:
    waits = Waits()
    with scripted(fault, fault, document(AVAILABLE)) as server:
        found = call("eu-mp", server.url, "test_connection", retries=QUICK, hooks=waits.hooks)
    assert found.contract == "metering"
    assert waits.reasons == [reason, reason]
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 412, 422, 428, 500, 501, 307])
def test_other_answers_are_final(call: Calls, status: int) -> None:
    with scripted(problem(status)) as server, pytest.raises(CallFailed, match=f"^{status} "):
        call("eu-mp", server.url, "test_connection", retries=QUICK)
    assert len(server.requests) == 1


def test_what_is_no_answer_of_the_contract_is_not_asked_for_again(call: Calls) -> None:
    with (
        scripted(plain(b'{"status": AVAI')) as server,
        pytest.raises(UnexpectedAnswer, match=r"is no ConnectionTest: .*json_invalid"),
    ):
        call("eu-mp", server.url, "test_connection", retries=QUICK)
    assert len(server.requests) == 1


def test_tries_are_bounded_in_number(call: Calls) -> None:
    waits = Waits()
    with scripted(problem(503)) as server, pytest.raises(UnavailableProblem):
        call("eu-mp", server.url, "test_connection", retries=QUICK, hooks=waits.hooks)
    assert len(server.requests) == 4
    assert len(waits.seconds) == 3


def test_by_default_a_call_is_tried_again_and_no_retries_leaves_it(call: Calls) -> None:
    with scripted(problem(503), document(AVAILABLE)) as server:
        call("eu-mp", server.url, "test_connection")
    assert len(server.requests) == 2
    with scripted(problem(503), document(AVAILABLE)) as server, pytest.raises(UnavailableProblem):
        call("eu-mp", server.url, "test_connection", retries=NO_RETRIES)
    assert len(server.requests) == 1


def test_waits_grow_with_jitter_up_to_the_longest(call: Calls) -> None:
    waits = Waits()
    policy = RetryPolicy(attempts=5, first_wait_s=0.02, longest_wait_s=0.1)
    with scripted(problem(503)) as server, pytest.raises(UnavailableProblem):
        call("eu-mp", server.url, "test_connection", retries=policy, hooks=waits.hooks)
    first, second, third, fourth = waits.seconds
    assert 0.02 <= first <= 0.04
    assert 0.04 <= second <= 0.06
    assert 0.08 <= third <= 0.1
    assert fourth == 0.1
    assert (first, second) != (0.02, 0.04)


def test_nothing_is_tried_again_earlier_than_retry_after(call: Calls) -> None:
    waits = Waits()
    with scripted(problem(429, "Slow", "Retry-After: 1"), document(AVAILABLE)) as server:
        call("eu-mp", server.url, "test_connection", retries=QUICK, hooks=waits.hooks)
    assert len(server.requests) == 2
    [wait] = waits.seconds
    assert 0.9 < wait <= 1.1


def test_a_retry_after_beyond_the_time_of_the_call_is_told_at_once(call: Calls) -> None:
    waits = Waits()
    fault = problem(429, "Slow", "Retry-After: 45")
    with scripted(fault) as server, pytest.raises(TooManyRequestsProblem) as refused:
        call("eu-mp", server.url, "test_connection", retries=QUICK, hooks=waits.hooks)
    assert refused.value.retry_after == pytest.approx(45, abs=1)
    assert len(server.requests) == 1
    assert waits.seconds == []


def test_tries_are_bounded_in_time(call: Calls) -> None:
    slow = RetryPolicy(attempts=100, first_wait_s=0.8, longest_wait_s=0.8)
    with scripted(problem(503)) as server, pytest.raises(UnavailableProblem):
        call("eu-mp", server.url, "test_connection", retries=slow, timeout_s=4.0)
    assert 1 < len(server.requests) < 100


def test_the_last_try_has_only_the_time_that_is_left(call: Calls) -> None:
    with (
        scripted(problem(503), drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"z")) as (
            server
        ),
        pytest.raises(TimedOut),
    ):
        call("eu-mp", server.url, "test_connection", retries=QUICK, timeout_s=2.0)
    assert len(server.requests) == 2


def test_a_server_that_is_not_there_is_asked_again(call: Calls) -> None:
    waits = Waits()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionFailed, match="refused"):
        call(
            "eu-mp", f"http://127.0.0.1:{port}", "test_connection", retries=QUICK, hooks=waits.hooks
        )
    assert waits.reasons == ["ConnectionFailed"] * 3


def test_a_certificate_that_is_not_good_is_not_tried_again(call: Calls, tmp_path: Path) -> None:
    context, _ = certificate(tmp_path, "platform.example")
    waits = Waits()
    with serving(plain(), context) as server, pytest.raises(TlsFailed):
        call(
            "eu-mp",
            f"https://127.0.0.1:{server.port}",
            "test_connection",
            retries=QUICK,
            hooks=waits.hooks,
        )
    assert waits.reasons == []


@pytest.mark.parametrize("fault", [problem(503), problem(429), breaking_off])
def test_a_write_is_tried_again_with_the_same_key(call: Calls, fault: Answer) -> None:
    keys = iter(["first", "second"])
    with scripted(fault, document({"items": []})) as server:
        call(
            "metering",
            server.url,
            "request_points_of_delivery",
            SUBSCRIPTION,
            PODS,
            retries=QUICK,
            auth=lambda: {"X-API-Key": next(keys)},
        )
    first, second = server.requests
    assert header(first, "Idempotency-Key") == header(second, "Idempotency-Key")
    assert len(header(first, "Idempotency-Key") or "") == 32
    assert first.partition(b"\r\n\r\n")[2] == second.partition(b"\r\n\r\n")[2] != b""
    assert [header(one, "X-API-Key") for one in server.requests] == ["first", "second"]


@pytest.mark.parametrize("fault", [problem(503), problem(429), breaking_off])
def test_a_write_that_cannot_be_repeated_is_not(call: Calls, fault: Answer) -> None:
    order = NotificationReplayOrder.model_validate({"since": "2026-12-01T10:00:00Z"})
    with scripted(fault, document({})) as server, pytest.raises(CallFailed):
        call("eu-mp", server.url, "replay_notifications", order, retries=QUICK)
    assert len(server.requests) == 1


def test_an_answer_that_drips_ends_in_time(call: Calls) -> None:
    body = drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"z")  # 10 s for all of it
    with scripted(body) as server, pytest.raises(TimedOut):
        call("eu-mp", server.url, "test_connection", retries=QUICK, timeout_s=0.3)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"attempts": 0}, "attempts is 0"),
        ({"first_wait_s": 0.0}, "first_wait_s is 0.0"),
        ({"first_wait_s": 9.0}, "at most longest_wait_s"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(
    call: Calls, values: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        RetryPolicy(**values)


def test_other_statuses_may_pass_over_too(call: Calls) -> None:
    patient = RetryPolicy(first_wait_s=0.01, statuses=frozenset({401}))
    with scripted(problem(401), problem(503)) as server, pytest.raises(UnavailableProblem):
        call("eu-mp", server.url, "test_connection", retries=patient)
    assert len(server.requests) == 2
