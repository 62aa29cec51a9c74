"""Asks a platform what it holds, and has it send its notifications again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar

from pydantic import ValidationError

from marketplace.identity.directory import PlatformTarget
from mpp_sdk import webhooks
from mpp_sdk.client import (
    NO_RETRIES,
    ProblemError,
    UnexpectedAnswer,
    api_key,
    problem_error,
)
from mpp_sdk.clock import now
from mpp_sdk.contracts.eu_mp.client import EuMpClient
from mpp_sdk.contracts.eu_mp.models import (
    HeldEventPage,
    HeldServiceOfferPage,
    NotificationReplay,
    NotificationReplayOrder,
)
from mpp_sdk.errors import Unavailable
from mpp_sdk.ids import new_id
from mpp_sdk.problem import Problem
from mpp_sdk.transport import GuardedSession

_BASE_PATH = "/eu-mp/v1"
_EVENTS_AT_ONCE = 200
_OFFERS_AT_ONCE = 10  # with terms as long as they may be, they still fit into one answer
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_NOT_OFFERED = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.GONE,
    HTTPStatus.NOT_IMPLEMENTED,
)

T = TypeVar("T")

_NEW_KEY = (
    "The key that the marketplace presents there was refreshed after the backup, and is lost. Have "
    "the company issue a new inbound key at its platform (`python -m mpp_sdk keys issue`) and "
    "state it in its connection settings (PUT /market-players/{id}/platform), which its OAuth 2 "
    "client can still do; then run this again."
)
_SIGN_ANEW = (
    "The signing secret was renewed after the backup, and is lost. Have the company ask for a new "
    "one (`rotateSigningSecret` in its connection settings) and enter it at its platform; then run "
    "this again."
)


class NotReached(Exception):
    """A platform did not answer as it should. advice says what a person must do."""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice


class NotSupported(Exception):
    """A platform does not offer what is needed; it need not."""


@dataclass(frozen=True)
class Recovery:
    """The calls to one platform."""

    target: PlatformTarget
    session: GuardedSession
    timeout_s: float

    def events(self, since: datetime, cursor: str | None) -> HeldEventPage:
        """Return a page of the events that it holds. Raises NotReached, NotSupported."""
        return _patiently(
            lambda: self._client.list_held_events(since, limit=_EVENTS_AT_ONCE, cursor=cursor)
        )

    def service_offers(self, cursor: str | None) -> HeldServiceOfferPage:
        """Return a page of the subscriptions that it holds. Raises NotReached, NotSupported."""
        return _patiently(
            lambda: self._client.list_held_service_offers(limit=_OFFERS_AT_ONCE, cursor=cursor)
        )

    def replay_notifications(self, since: datetime, cursor: str | None) -> NotificationReplay:
        """Have it queue a part of its notifications again. Raises NotReached, NotSupported."""
        order = NotificationReplayOrder(since=since, cursor=cursor)
        return _patiently(lambda: self._signed(order.to_json()), advice=_SIGN_ANEW)

    @property
    def _client(self) -> EuMpClient:
        key = api_key(self.target.api_key)
        return EuMpClient(
            self._url,
            self.session,
            key,
            timeout_s=self.timeout_s,
            retries=NO_RETRIES,  # `_patiently` repeats these calls and the signed ones alike
        )

    @property
    def _url(self) -> str:
        return self.target.base_url.rstrip("/") + _BASE_PATH

    def _signed(self, body: bytes) -> NotificationReplay:
        signature = webhooks.sign(str(new_id()), now(), body, self.target.signing_secrets)
        answer = self.session.request(
            "POST",
            f"{self._url}/notifications/replay",
            data=body,
            headers={
                "X-API-Key": self.target.api_key,
                "Content-Type": "application/json",
                "Accept": "application/json, application/problem+json",
                **signature,
            },
            timeout=self.timeout_s,
        )
        if answer.status_code != HTTPStatus.OK:
            said = answer.content[:200].decode("utf-8", "replace")
            problem = Problem(status=answer.status_code, title="It was refused", detail=said)
            raise problem_error(answer.status_code, problem, answer.headers)
        try:
            return NotificationReplay.model_validate_json(answer.content)
        except ValidationError as error:
            raise UnexpectedAnswer("The answer is no NotificationReplay.") from error


def _patiently(call: Callable[[], T], *, advice: str = _NEW_KEY) -> T:
    """Return what a call gives; one that may work a moment later is tried again."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS * 2**attempt)
        try:
            return call()
        except ProblemError as error:
            if error.status in _NOT_OFFERED:
                raise NotSupported from error
            if error.status in _REFUSED:
                raise NotReached(
                    f"The platform refuses the marketplace ({error.status}).", advice
                ) from error
            failed = f"The platform answered {error.status}."
        except UnexpectedAnswer as error:
            raise NotReached(
                "The platform's answer is not what the contract promises.",
                "Write to the company: its platform breaks the EU-MP contract.",
            ) from error
        except Unavailable as error:
            failed = error.detail
    raise NotReached(failed, "Run this again when the platform answers.")
