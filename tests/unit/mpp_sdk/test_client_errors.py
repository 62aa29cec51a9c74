"""What a call raises: a class for each status, what to do next, and never a secret."""

import traceback
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from mpp_sdk import clock
from mpp_sdk.client import (
    NO_RETRIES,
    BadRequestProblem,
    CallFailed,
    ConflictProblem,
    ForbiddenProblem,
    GoneProblem,
    NotFoundProblem,
    PreconditionFailedProblem,
    PreconditionRequiredProblem,
    Problem,
    ProblemError,
    ServerProblem,
    TooManyRequestsProblem,
    TransportError,
    UnauthorizedProblem,
    UnavailableProblem,
    UnexpectedAnswer,
    UnprocessableProblem,
    api_key,
    bearer,
    problem_error,
)
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import PlatformDraft, TokenRequest
from mpp_sdk.errors import Unavailable
from tests.unit.mpp_sdk.calling import BOTH, Calls, document, problem, scripted
from tests.unit.mpp_sdk.test_transport import LOCAL, plain

SECRET = "fxk_this_is_the_secret_of_the_caller"
BY_STATUS = {
    302: ProblemError,
    400: BadRequestProblem,
    401: UnauthorizedProblem,
    403: ForbiddenProblem,
    404: NotFoundProblem,
    405: ProblemError,
    409: ConflictProblem,
    410: GoneProblem,
    412: PreconditionFailedProblem,
    422: UnprocessableProblem,
    428: PreconditionRequiredProblem,
    429: TooManyRequestsProblem,
    500: ServerProblem,
    502: ServerProblem,
    503: UnavailableProblem,
}


def refused(call: Calls, answer: Any, **options: Any) -> ProblemError:
    with scripted(answer) as server, pytest.raises(ProblemError) as raised:
        call("eu-mp", server.url, "test_connection", retries=NO_RETRIES, **options)
    return raised.value


@pytest.mark.parametrize("call", BOTH)
@pytest.mark.parametrize(("status", "kind"), BY_STATUS.items())
def test_each_status_has_its_class(call: Calls, status: int, kind: type[ProblemError]) -> None:
    error = refused(call, problem(status, "Not so", correlationId="c-1"))
    assert type(error) is kind
    assert error.status == error.problem.status == status
    assert str(error) == (
        f"{status} Not so: It is so.{' ' * bool(error.advice)}{error.advice} (correlation id c-1)"
    )


@pytest.mark.parametrize(
    "kind", [kind for kind in dict.fromkeys(BY_STATUS.values()) if kind is not ProblemError]
)
def test_each_class_says_what_to_do_next(kind: type[ProblemError]) -> None:
    assert kind.advice.endswith(".")
    assert len(kind.advice) > 15


def test_everything_is_a_failed_call_and_transport_errors_are_one_family() -> None:
    for kind in (ProblemError, TransportError, UnexpectedAnswer):
        assert issubclass(kind, CallFailed)
    assert issubclass(TransportError, Unavailable)
    assert not issubclass(ProblemError, TransportError)


@pytest.mark.parametrize("call", BOTH)
def test_a_conflict_says_what_is_allowed(call: Calls) -> None:
    error = refused(call, problem(409, "No", state="ENDED", allowed=["replay"]))
    assert isinstance(error, ConflictProblem)
    assert (error.state, error.allowed) == ("ENDED", ("replay",))
    final = problem_error(409, Problem(status=409), {})
    assert isinstance(final, ConflictProblem)
    assert (final.state, final.allowed) == (None, ())


@pytest.mark.parametrize("call", BOTH)
def test_each_field_and_its_rule_are_in_the_text(call: Calls) -> None:
    fields = [{"pointer": "/end", "rule": "endAfterStart", "detail": "It ends before."}]
    error = refused(call, problem(400, "Not valid", errors=fields))
    assert "; /end endAfterStart: It ends before." in str(error)
    assert error.problem.errors is not None
    assert error.problem.errors[0].rule == "endAfterStart"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("soon", None), (None, None), ("0", None), ("-1", None)],
)
def test_retry_after_is_in_seconds(value: str | None, seconds: float | None) -> None:
    headers = {} if value is None else {"Retry-After": value}
    assert problem_error(429, Problem(status=429), headers).retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(clock.now() + timedelta(seconds=100), usegmt=True)
    wait = problem_error(503, Problem(status=503), {"Retry-After": later}).retry_after
    assert wait == pytest.approx(100, abs=5)


@pytest.mark.parametrize("call", BOTH)
@pytest.mark.parametrize("auth", [api_key(SECRET), bearer(lambda: SECRET)])
@pytest.mark.parametrize("as_problem", [True, False])
def test_a_callee_that_repeats_the_credential_does_not_bring_it_into_the_error(
    call: Calls, auth: Any, as_problem: bool
) -> None:
    said = f"X-API-Key: {SECRET} is not known"
    body = problem(400, "No", detail=said) if as_problem else plain(said.encode(), "400 Bad")
    error = refused(call, body, auth=auth)
    assert "*** is not known" in error.problem.detail
    assert SECRET not in "".join(traceback.format_exception(error)) + repr(error.problem)


def test_no_secret_of_a_body_comes_into_the_error() -> None:
    form = TokenRequest(grant_type="client_credentials", client_id="fxc_1", client_secret=SECRET)
    draft = PlatformDraft(base_url="https://mpp.example", api_key=SECRET)
    with (
        scripted(problem(400, "No", detail=f"{SECRET} fxc_1")) as server,
        MarketplaceClient(server.url, addresses=LOCAL, retries=NO_RETRIES) as client,
    ):
        with pytest.raises(BadRequestProblem) as by_form:
            client.issue_token(form)
        with pytest.raises(BadRequestProblem) as by_json:
            client.set_platform("0197c2d4-6b1e-7c3a-9d5e-2f1a4b6c8d90", draft)  # type: ignore[arg-type]
    for error in (by_form.value, by_json.value):
        assert error.problem.detail == "*** fxc_1"


@pytest.mark.parametrize("call", BOTH)
def test_an_answer_that_is_none_does_not_show_its_secrets(call: Calls) -> None:
    issued = {"apiKey": SECRET, "validFrom": SECRET, "validUntil": 7}
    with scripted(document(issued)) as server, pytest.raises(UnexpectedAnswer) as raised:
        call("eu-mp", server.url, "refresh_api_key")
    error = raised.value
    assert "(200, application/json) is no IssuedApiKey: /validFrom " in str(error)
    assert "/previousKeyValidUntil missing: Field required" in str(error)
    assert SECRET not in "".join(traceback.format_exception(error))
    assert error.answer is not None
    assert SECRET.encode() in error.answer.body


@pytest.mark.parametrize("call", BOTH)
def test_an_answer_of_another_kind_is_told_with_its_media_type(call: Calls) -> None:
    page = plain(b"<html>Sign in</html>", "200 OK", "Content-Type: text/html; charset=utf-8")
    with scripted(page) as server, pytest.raises(UnexpectedAnswer, match=r"\(200, text/html\)"):
        call("eu-mp", server.url, "test_connection")
