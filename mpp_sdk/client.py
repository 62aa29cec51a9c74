"""What every generated client is built on: one call over HTTP, its answer, and its errors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ValidationError

from mpp_sdk import correlation, tracing
from mpp_sdk.problem import Problem

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)

Auth = Callable[[], Mapping[str, str]]
"""Gives the headers that authenticate a call, asked anew for each call."""

_NEXT_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)


class HttpResponse(Protocol):
    """What is read of an answer; `requests.Response` is one."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, looked up without regard to case."""

    @property
    def content(self) -> bytes:
        """The whole body."""


class HttpSession(Protocol):
    """What sends the calls; a `requests.Session` is one."""

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None,
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
        allow_redirects: bool,
    ) -> Any:
        """Send a call and return its `HttpResponse`."""


class ProblemError(Exception):
    """The callee refused the call; `problem` says why."""

    def __init__(self, status: int, problem: Problem, headers: Mapping[str, str]) -> None:
        fields = "".join(f"; {e.pointer} {e.rule}: {e.detail}" for e in problem.errors or ())
        super().__init__(f"{status} {problem.title}: {problem.detail}{fields}")
        self.status = status
        self.problem = problem
        self.headers = headers


class UnexpectedAnswer(Exception):
    """The callee succeeded, but its answer is not what the contract promises."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """An answer with what came beside its body."""

    body: T
    status: int
    headers: Mapping[str, str]

    @property
    def etag(self) -> str | None:
        """The version of the resource, for `if_match`."""
        return self.headers.get("ETag")

    @property
    def media_type(self) -> str:
        """The media type of the body, without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def next_link(self) -> str | None:
        """Where the next page is, of a `Link` header with rel="next"."""
        found = _NEXT_LINK.search(self.headers.get("Link", ""))
        return found.group(1) if found else None


def api_key(key: str) -> Auth:
    """Return the authentication by an API key."""
    return lambda: {"X-API-Key": key}


def bearer(token: Callable[[], str]) -> Auth:
    """Return the authentication by a bearer token, asked for anew for each call."""
    return lambda: {"Authorization": f"Bearer {token()}"}


def no_auth() -> Mapping[str, str]:
    """Return no headers: the operation needs no authentication."""
    return {}


class BaseClient:
    """Sends the calls of one contract to one server.

    base_url ends with the contract's own base path (`https://mpp.example/eu-mp/v1`).
    """

    def __init__(
        self, base_url: str, session: HttpSession, auth: Auth = no_auth, *, timeout_s: float = 30.0
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = session
        self._auth = auth
        self._timeout_s = timeout_s

    def _call(
        self,
        method: str,
        path: str,
        *,
        path_values: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, object] | None = None,
        body: BaseModel | None = None,
        form: bool = False,
        accept: str = "application/json",
    ) -> Answer[bytes]:
        """Return the answer to one call. Raises ProblemError for an error answer.

        Values that are None are left out. What the session raises when nothing answers passes on.
        """
        url = self.base_url + path
        for name, value in (path_values or {}).items():
            url = url.replace("{" + name + "}", quote(_text(value), safe=""))
        sent = {"Accept": f"{accept}, application/problem+json", **self._auth()}
        belongs_to = correlation.current().correlation_id
        if belongs_to is not None:
            sent[correlation.HEADER] = belongs_to
        trace_parent = tracing.parent()
        if trace_parent is not None:
            sent[tracing.HEADER] = trace_parent
        sent |= {name: _text(value) for name, value in (headers or {}).items() if value is not None}
        data: bytes | None = None
        if body is not None:
            data, sent["Content-Type"] = _encode(body, form=form)
        response: HttpResponse = self._session.request(
            method,
            url,
            params={n: _text(v) for n, v in (query or {}).items() if v is not None} or None,
            data=data,
            headers=sent,
            timeout=self._timeout_s,
            allow_redirects=False,
        )
        if not 200 <= response.status_code < 300:
            raise ProblemError(response.status_code, _problem(response), response.headers)
        return Answer(response.content, response.status_code, response.headers)

    @staticmethod
    def _read(model: type[ModelT], answer: Answer[bytes]) -> ModelT:
        """Return the answer's body as the model. Raises UnexpectedAnswer when it is none."""
        try:
            return model.model_validate_json(answer.body)
        except ValidationError as error:
            raise UnexpectedAnswer(
                f"The answer ({answer.status}, {answer.media_type}) is no {model.__name__}: {error}"
            ) from error


def _encode(body: BaseModel, *, form: bool) -> tuple[bytes, str]:
    if not form:
        text = body.model_dump_json(by_alias=True, exclude_none=True)
        return text.encode(), "application/json"
    fields = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    pairs = (f"{quote(name, safe='')}={quote(_text(v), safe='')}" for name, v in fields.items())
    return "&".join(pairs).encode(), "application/x-www-form-urlencoded"


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case datetime():
            return value.isoformat()
        case list() | tuple():
            return ",".join(_text(item) for item in value)
        case UUID() | str() | int() | float():
            return str(value)
        case _:
            raise TypeError(f"Cannot be sent as a parameter: {type(value).__name__}")


def _problem(response: HttpResponse) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        excerpt = response.content[:200].decode("utf-8", "replace")
        return Problem(status=response.status_code, title="The call failed", detail=excerpt)
