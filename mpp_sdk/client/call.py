"""One call under way: its tries and its time, and what is told of it. Nothing here sends."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay

from mpp_sdk import correlation, logs, tracing
from mpp_sdk.client.answer import Answer, refusal
from mpp_sdk.client.errors import ProblemError
from mpp_sdk.client.hooks import Attempt, Hooks
from mpp_sdk.client.request import IDEMPOTENCY_KEY, Request, secrets_in
from mpp_sdk.client.retries import RetryPolicy, asked_wait, short
from mpp_sdk.ids import new_id
from mpp_sdk.transport.errors import CallFailed

LOGGER = logging.getLogger("flexagora.client")
"""Each answer and each failure at DEBUG, each try that is repeated at WARNING."""

_SHORTEST_TIME = 0.001  # seconds; the transports take 0 for "as long as you like"


@dataclass(frozen=True)
class Target:
    """Where the calls of a client go. base_path begins every route, as on the wire."""

    base_url: str
    base_path: str
    attributes: Mapping[str, str | int | None]

    @classmethod
    def of(cls, base_url: str) -> "Target":
        """Return the target. Raises ValueError for what is no URL of a server."""
        parts = urlsplit(base_url.rstrip("/"))
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError(
                f"base_url is {base_url!r}: it has to begin with https:// and name a host."
            )
        if parts.query or parts.fragment:
            raise ValueError("base_url ends with a path: it has neither a query nor a fragment.")
        return cls(
            base_url.rstrip("/"),
            parts.path,
            {
                "server.address": parts.hostname,
                "server.port": parts.port or (443 if parts.scheme == "https" else 80),
                "url.scheme": parts.scheme,
            },
        )


@dataclass(frozen=True)
class Manner:
    """How a client makes its calls. timeout_s bounds a call with all its tries and waits."""

    timeout_s: float
    retries: RetryPolicy
    hooks: Hooks

    def __post_init__(self) -> None:
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s is {self.timeout_s}: it is more than 0 seconds.")


class Call:
    """A call under way. Each try begins with `next_attempt`, and ends with an answer or an error.

    The correlation id is that of the work under way, else a new one; all tries carry the same.
    """

    def __init__(self, request: Request, target: Target, manner: Manner) -> None:
        self._request = request
        self._target = target
        self._manner = manner
        self._url = request.url(target.base_url)
        self._headers = request.sent_headers()
        self._content = request.content()
        self._route = target.base_path + request.path
        self._correlation_id = correlation.current().correlation_id or str(new_id())
        self._deadline = time.monotonic() + manner.timeout_s
        self._number = 0
        self._attempt: Attempt | None = None
        self._sent_at = 0.0
        self._status: int | None = None
        self._authentication: Mapping[str, str] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Run a block that makes the call, in a span; what it fails with is told."""
        failed: str | None = None
        with tracing.calling(
            f"{self._request.method} {self._route}",
            {
                "http.request.method": self._request.method,
                "url.template": self._route,
                **self._target.attributes,
            },
        ) as trace:
            try:
                yield
            except CallFailed as error:
                status = error.status if isinstance(error, ProblemError) else None
                failed = str(status) if status is not None else type(error).__name__
                self._failed(error)
                raise
            except BaseException as error:
                failed = type(error).__name__
                raise
            finally:
                if trace is not None:
                    trace.end(self._status, failed, max(self._number - 1, 0))

    def retrying(self) -> dict[str, Any]:
        """Return how the tries are repeated, for tenacity."""
        backoff = self._manner.retries.backoff()

        def wait(state: RetryCallState) -> float:
            return asked_wait(_error_of(state)) + backoff(state)

        return {
            "retry": retry_if_exception(self._passes),
            "wait": wait,
            "stop": stop_after_attempt(self._manner.retries.attempts)
            | stop_before_delay(self._manner.timeout_s),
            "before_sleep": self._repeats,
            "reraise": True,
        }

    def next_attempt(self, authentication: Mapping[str, str]) -> Attempt:
        """Return the next try, to be sent as it is; the user's hook has seen it."""
        self._number += 1
        self._status = None
        self._authentication = authentication
        headers = {**self._headers, correlation.HEADER: self._correlation_id, **authentication}
        trace_parent = tracing.parent()
        if trace_parent is not None:
            headers[tracing.HEADER] = trace_parent
        attempt = Attempt(
            method=self._request.method,
            route=self._route,
            number=self._number,
            correlation_id=self._correlation_id,
            url=self._url,
            headers=headers,
            body=self._content,
        )
        self._attempt = attempt
        if self._manner.hooks.before_send is not None:
            self._manner.hooks.before_send(attempt)
        self._sent_at = time.monotonic()
        return attempt

    def seconds_left(self) -> float:
        """Return the seconds that are left for the call, more than 0."""
        return max(self._deadline - time.monotonic(), _SHORTEST_TIME)

    def answered(self, attempt: Attempt, answer: Answer[bytes]) -> Answer[bytes]:
        """Return the answer of a try. Raises ProblemError for one that is no success."""
        self._status = answer.status
        if LOGGER.isEnabledFor(logging.DEBUG):
            self._log(logging.DEBUG, f"answered {answer.status}")
        if self._manner.hooks.after_answer is not None:
            self._manner.hooks.after_answer(attempt, answer)
        if not 200 <= answer.status < 300:
            raise refusal(answer, self._secrets())
        return answer

    def _passes(self, error: BaseException) -> bool:
        return self._request.repeatable and self._manner.retries.covers(error)

    def _repeats(self, state: RetryCallState) -> None:
        error, wait_s = _error_of(state), state.upcoming_sleep
        if not isinstance(error, CallFailed) or self._attempt is None:
            return
        said = f"{short(error)} Trying again in {wait_s:.2f} s."
        self._log(logging.WARNING, f"failed: {said}")
        if self._manner.hooks.on_retry is not None:
            self._manner.hooks.on_retry(self._attempt, error, wait_s)

    def _failed(self, error: CallFailed) -> None:
        if not isinstance(error, ProblemError) and LOGGER.isEnabledFor(logging.DEBUG):
            self._log(logging.DEBUG, f"failed: {type(error).__name__}")
        if self._manner.hooks.on_error is not None and self._attempt is not None:
            self._manner.hooks.on_error(self._attempt, error)

    def _log(self, level: int, what: str) -> None:
        method, route = self._request.method, self._route
        milliseconds = round((time.monotonic() - self._sent_at) * 1000)
        LOGGER.log(
            level,
            "%s %s, try %d: %s",
            method,
            route,
            self._number,
            what,
            extra={
                "correlation_id": self._correlation_id,
                **logs.fields(
                    method=method,
                    route=route,
                    server=self._target.attributes["server.address"],
                    attempt=self._number,
                    status=self._status,
                    durationMs=milliseconds,
                    correlationId=self._correlation_id,
                ),
            },
        )

    def _secrets(self) -> Iterator[str]:
        """Yield what was sent and must not come back in an error's text."""
        for value in self._authentication.values():
            yield value
            yield value.rpartition(" ")[2]
        yield from chain(
            filter(None, (self._headers.get(IDEMPOTENCY_KEY),)), secrets_in(self._request.body)
        )


def _error_of(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()
