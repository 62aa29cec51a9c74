"""The integration set-up test: calls a platform's EU-MP API and says what came of it.

First come the steps that a connection needs, each with what to do about a failure; then, once all
of them have passed, the conformance kit's cases that leave a platform in use as it was.

Source: FLEXICIENCY EU Market Place, III (notification on the integration set-up test) and III B.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import requests
from pydantic import ValidationError

from marketplace.identity.advice import of_address
from marketplace.identity.speaking import CONTRACT, Spoken, judge, own_version
from mpp_sdk.conformance import (
    Bounds,
    Case,
    Credentials,
    Result,
    Target,
    advice,
    cases_of,
    run,
)
from mpp_sdk.conformance import Outcome as CaseOutcome
from mpp_sdk.conformance.reports.cleaning import Cleaner
from mpp_sdk.conformance.subject import opened
from mpp_sdk.contracts.eu_mp.models import ConnectionTest
from mpp_sdk.errors import InvalidInput
from mpp_sdk.secrets import new_secret
from mpp_sdk.transport import AddressPolicy, GuardedSession, TransportError, check_url
from mpp_sdk.web.contract import Contract

EU_MP_BASE_PATH = "/eu-mp/v1"
_REFUSED = (401, 403)
# A write that no platform carries out, whether it checks keys or not: its body is empty.
_HARMLESS_WRITE = f"{EU_MP_BASE_PATH}/service-offer/confirmed/requester"


KIT_SECONDS = 20.0
"""How long the cases of the conformance kit may take in all; those that are left are skipped."""

_TOO_HEAVY = frozenset({"BODY-SIZE-01"})  # 17 MiB, to a platform that somebody pays for
_LONGEST_DETAIL = 500


class Outcome(StrEnum):
    """How a step ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


_OUTCOMES = {
    CaseOutcome.PASSED: Outcome.PASSED,
    CaseOutcome.FAILED: Outcome.FAILED,
    CaseOutcome.NOT_SHOWN: Outcome.SKIPPED,
    CaseOutcome.NOT_OFFERED: Outcome.SKIPPED,
}


@dataclass(frozen=True)
class Step:
    """One step: what was tried, what happened, and what to do about a failure.

    title is there for a case of the conformance kit, whose id is the step's name.
    """

    name: str
    outcome: Outcome
    detail: str
    duration_ms: int
    advice: str | None = None
    title: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the step as the contract has it."""
        step: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "outcome": self.outcome.value,
            "detail": self.detail,
            "advice": self.advice,
            "durationMs": self.duration_ms,
        }
        return {name: value for name, value in step.items() if value is not None}


@dataclass(frozen=True)
class Tested:
    """What came of a test; contract_version is what the platform said that it speaks."""

    steps: list[Step]
    contract_version: str | None

    @property
    def passed(self) -> bool:
        """Whether no step failed."""
        return passed(self.steps)


class _Failed(Exception):
    """A step failed. advice says what to do about it."""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice


def passed(steps: Sequence[Step]) -> bool:
    """Return whether no step failed; what was skipped has no part in it."""
    return all(step.outcome is not Outcome.FAILED for step in steps)


def test_platform(
    base_url: str,
    api_key: str,
    policy: AddressPolicy,
    timeout: timedelta,
    signing_secrets: Sequence[str],
) -> Tested:
    """Return what came of each step. After a failure, the steps that need it are skipped.

    timeout is that of a call. The cases of the conformance kit take `KIT_SECONDS` at most in all.
    """
    with GuardedSession(policy, total_seconds=timeout.total_seconds()) as session:
        probe = _Probe(base_url, api_key, policy, session)
        steps: list[Step] = []
        for name, action in probe.actions:
            if steps and steps[-1].outcome is not Outcome.PASSED:
                steps.append(Step(name, Outcome.SKIPPED, "A step before it failed.", 0))
            else:
                steps.append(_tried(name, action))
    if passed(steps):
        target = Target(
            base_url,
            CONTRACT,
            Credentials(api_key, tuple(signing_secrets)),
            policy,
            timeout,
            bounds=Bounds(KIT_SECONDS),
        )
        steps += _cases(target)
    return Tested(steps, probe.contract_version)


def tried_cases() -> list[Case]:
    """Return the cases of the conformance kit that are steps of the test."""
    return [one for one in cases_of(CONTRACT) if one.harmless and one.id not in _TOO_HEAVY]


def _cases(target: Target) -> list[Step]:
    """Return what comes of the conformance kit's cases that a platform in use does not notice."""
    credentials = target.credentials
    cleaner = Cleaner({credentials.api_key, *credentials.signing_secrets})
    with opened(target, Contract.load("eu_mp")) as platform:
        return [_step_of(result, cleaner) for result in run(platform, tried_cases()).results]


def _step_of(result: Result, cleaner: Cleaner) -> Step:
    to_do = next((one.advice for one in result.findings if one.advice), None)
    if result.outcome is CaseOutcome.FAILED and to_do is None:
        to_do = f"Have the platform do what this says. {result.case.why}"
    return Step(
        result.case.id,
        _OUTCOMES[result.outcome],
        cleaner.text(result.detail)[:_LONGEST_DETAIL],
        int(result.seconds * 1000),
        None if to_do is None else cleaner.text(to_do)[:_LONGEST_DETAIL],
        result.case.title,
    )


def _tried(name: str, action: Callable[[], str | Spoken]) -> Step:
    started = time.monotonic()

    def duration() -> int:
        return int((time.monotonic() - started) * 1000)

    try:
        done = action()
    except _Failed as failed:
        return Step(name, Outcome.FAILED, failed.detail, duration(), failed.advice)
    if isinstance(done, Spoken):
        return Step(name, Outcome.PASSED, done.detail, duration(), done.advice)
    return Step(name, Outcome.PASSED, done, duration())


class _Probe:
    """The steps, each of which returns what happened or raises _Failed."""

    def __init__(
        self, base_url: str, api_key: str, policy: AddressPolicy, session: GuardedSession
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._policy = policy
        self._session = session
        self._answer: requests.Response | None = None
        self.contract_version: str | None = None
        self.actions: tuple[tuple[str, Callable[[], str | Spoken]], ...] = (
            ("resolve", self._resolve),
            ("connect", self._connect),
            ("key accepted", self._key_accepted),
            ("test answered", self._test_answered),
            ("wrong key refused", self._wrong_key_refused),
        )

    def _resolve(self) -> str:
        try:
            check_url(self._base_url, self._policy)
        except InvalidInput as error:
            raise _Failed(
                error.detail,
                of_address(error),
            ) from error
        return "The host name resolves to an address that may be called."

    def _connect(self) -> str:
        self._answer = self._call("GET", f"{EU_MP_BASE_PATH}/test", self._api_key)
        encrypted = self._base_url.lower().startswith("https:")
        return f"The platform answers{' over TLS' if encrypted else ', without TLS'}."

    def _key_accepted(self) -> str:
        status = self._first_answer().status_code
        if status in _REFUSED:
            raise _Failed(
                f"GET {EU_MP_BASE_PATH}/test was answered {status}: the API key is refused.",
                "Issue an API key for the marketplace on your platform and state it in the "
                "connection settings.",
            )
        if status != 200:
            return "The platform does not refuse the marketplace's API key."
        return "The platform accepts the marketplace's API key."

    def _test_answered(self) -> Spoken:
        answer = self._first_answer()
        if answer.status_code != 200:
            raise _Failed(
                f"GET {EU_MP_BASE_PATH}/test was answered {answer.status_code} instead of 200.",
                advice.of_status(
                    answer.status_code, answer.headers, self._base_url, EU_MP_BASE_PATH
                ),
            )
        try:
            body = ConnectionTest.model_validate_json(answer.content)
        except ValidationError as error:
            raise _Failed(
                "The answer is not the one that the EU-MP contract lays down.",
                advice.of_body(answer.headers.get("Content-Type", ""), EU_MP_BASE_PATH)
                or "Answer with status, contract, contractVersion and time, as JSON.",
            ) from error
        if body.contract != CONTRACT:
            raise _Failed(
                f"The answer says that the contract {body.contract[:60]!r} is served there.",
                f"Serve the contract {CONTRACT} at this address.",
            )
        self.contract_version = body.contract_version
        spoken = judge(body.contract_version, own_version())
        if not spoken.accepted:
            raise _Failed(spoken.detail, spoken.advice or "")
        return spoken

    def _wrong_key_refused(self) -> str:
        answer = self._call("POST", _HARMLESS_WRITE, new_secret("wrong"), {})
        if answer.status_code not in _REFUSED:
            raise _Failed(
                f"A POST with a wrong API key was answered {answer.status_code} instead of 401.",
                "Check the API key of every call, and before anything else.",
            )
        return f"A POST with a wrong API key is refused with {answer.status_code}."

    def _first_answer(self) -> requests.Response:
        if self._answer is None:
            raise RuntimeError("The platform was not called yet")
        return self._answer

    def _call(
        self, method: str, path: str, api_key: str, body: dict[str, Any] | None = None
    ) -> requests.Response:
        headers = {"X-API-Key": api_key, "Accept": "application/json, application/problem+json"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        try:
            return self._session.request(method, self._base_url + path, headers=headers, data=data)
        except TransportError as error:
            raise _Failed(error.detail, advice.of_call(error)) from error
