"""The integration set-up test: calls a platform's EU-MP API and says what came of it.

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

from mpp_sdk.contracts.eu_mp.models import ConnectionTest
from mpp_sdk.errors import InvalidInput
from mpp_sdk.secrets import new_secret
from mpp_sdk.transport import AddressPolicy, GuardedSession, TransportError, check_url

EU_MP_BASE_PATH = "/eu-mp/v1"
_CONTRACT = "eu-mp"
_REFUSED = (401, 403)
# A write that no platform carries out, whether it checks keys or not: its body is empty.
_HARMLESS_WRITE = f"{EU_MP_BASE_PATH}/service-offer/confirmed/requester"


class Outcome(StrEnum):
    """How a step ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class Step:
    """One step: what was tried, what happened, and what to do about a failure."""

    name: str
    outcome: Outcome
    detail: str
    duration_ms: int
    advice: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the step as the contract has it."""
        step = {
            "name": self.name,
            "outcome": self.outcome.value,
            "detail": self.detail,
            "durationMs": self.duration_ms,
        }
        return step if self.advice is None else {**step, "advice": self.advice}


class _Failed(Exception):
    """A step failed. advice says what to do about it."""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice


def passed(steps: Sequence[Step]) -> bool:
    """Return whether every step passed."""
    return all(step.outcome is Outcome.PASSED for step in steps)


def test_platform(
    base_url: str, api_key: str, policy: AddressPolicy, timeout: timedelta
) -> list[Step]:
    """Return what came of each step. After a failure, the steps that need it are skipped."""
    with GuardedSession(policy, total_seconds=timeout.total_seconds()) as session:
        probe = _Probe(base_url, api_key, policy, session)
        steps: list[Step] = []
        for name, action in probe.actions:
            if steps and steps[-1].outcome is not Outcome.PASSED:
                steps.append(Step(name, Outcome.SKIPPED, "A step before it failed.", 0))
            else:
                steps.append(_tried(name, action))
        return steps


def _tried(name: str, action: Callable[[], str]) -> Step:
    started = time.monotonic()

    def duration() -> int:
        return int((time.monotonic() - started) * 1000)

    try:
        detail = action()
    except _Failed as failed:
        return Step(name, Outcome.FAILED, failed.detail, duration(), failed.advice)
    return Step(name, Outcome.PASSED, detail, duration())


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
        self.actions: tuple[tuple[str, Callable[[], str]], ...] = (
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
                "State a base URL with https whose host name has a public address in the DNS.",
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
        return "The platform accepts the marketplace's API key."

    def _test_answered(self) -> str:
        answer = self._first_answer()
        if answer.status_code != 200:
            raise _Failed(
                f"GET {EU_MP_BASE_PATH}/test was answered {answer.status_code} instead of 200.",
                f"Serve the EU-MP API below the base URL, at {self._base_url}{EU_MP_BASE_PATH}.",
            )
        try:
            body = ConnectionTest.model_validate_json(answer.content)
        except ValidationError as error:
            raise _Failed(
                "The answer is not the one that the EU-MP contract lays down.",
                "Answer with status, contract, contractVersion and time, as JSON.",
            ) from error
        if body.contract != _CONTRACT:
            raise _Failed(
                f"The answer says that the contract {body.contract[:60]!r} is served there.",
                f"Serve the contract {_CONTRACT} at this address.",
            )
        return f"The platform serves {_CONTRACT} {body.contract_version[:30]}."

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
            raise _Failed(
                error.detail,
                "See that the platform runs, that its port is open to the marketplace, and that "
                "its certificate is valid and for this host name.",
            ) from error
