"""The one place where errors become answers: problem documents of RFC 9457."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from connexion.exceptions import ProblemException
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mpp_sdk import errors
from mpp_sdk.problem import Problem, ProblemField
from mpp_sdk.web.contract import Operation
from mpp_sdk.web.exchange import Exchange

MEDIA_TYPE = "application/problem+json"
REALM = "flexagora"

_LOG = logging.getLogger(__name__)

_STATUSES: tuple[tuple[type[errors.FlexagoraError], int], ...] = (
    (errors.InvalidInput, 400),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.NotAcceptable, 406),
    (errors.Gone, 410),  # a kind of conflict, too
    (errors.Conflict, 409),
    (errors.PreconditionFailed, 412),
    (errors.PayloadTooLarge, 413),
    (errors.UnsupportedMediaType, 415),
    (errors.IdempotencyMismatch, 422),
    (errors.PreconditionRequired, 428),
    (errors.TooManyCalls, 429),
    (errors.Unavailable, 503),
)
_MOST_ERRORS = 200
_LONGEST_POINTER = 500  # a caller may invent keys of any length


class MethodNotAllowed(Exception):
    """The path is there, but not for this method. `allowed` has the methods that it takes."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} is not one of {', '.join(allowed)}.")
        self.allowed = allowed


@dataclass(frozen=True)
class Refusal:
    """A problem document and the headers that go with it."""

    problem: Problem
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return the answer."""
        body = self.problem.model_dump_json(by_alias=True, exclude_none=True).encode()
        return Response(body, self.problem.status, dict(self.headers), MEDIA_TYPE)


def refusal(error: Exception, exchange: Exchange) -> Refusal:
    """Return the answer to an error. What nobody foresaw is logged and answered with a bare 500."""
    problem, headers = _describe(error, exchange)
    problem.instance = exchange.path
    problem.correlation_id = exchange.correlation_id
    return Refusal(problem, headers)


def _describe(error: Exception, exchange: Exchange) -> tuple[Problem, dict[str, str]]:
    match error:
        case errors.FlexagoraError():
            return _known(error), _headers(error, exchange)
        case MethodNotAllowed():
            return (
                _problem(405, "This method is not allowed here", str(error)),
                {"Allow": ", ".join(error.allowed)},
            )
        case HTTPException():
            headers = dict(error.headers or {})
            if error.status_code == 404:
                return _no_such_path(), headers
            return _standard(error.status_code, str(error.detail or "")), headers
        case ProblemException() if 400 <= error.status < 500:
            return _standard(error.status, error.detail or ""), {}
        case DBAPIError() | PoolTimeout() if _is_unavailable(error):
            _LOG.error(
                "The database is not available [%s]", exchange.correlation_id, exc_info=error
            )
            return _problem(503, errors.Unavailable.title, "The database does not answer."), {}
        case _:
            _LOG.error("Unforeseen error [%s]", exchange.correlation_id, exc_info=error)
            detail = "The error is logged under the correlation id."
            return _problem(500, "Internal error", detail), {}


def no_such_path() -> errors.NotFound:
    """Return the error for a path that nothing serves."""
    return errors.NotFound("Nothing is served at this path.")


def _no_such_path() -> Problem:
    return _known(no_such_path())


def _known(error: errors.FlexagoraError) -> Problem:
    status = next((s for kind, s in _STATUSES if isinstance(error, kind)), 400)
    problem = _problem(status, error.title, error.detail)
    if error.errors:
        problem.errors = [
            ProblemField(
                pointer=each.pointer[:_LONGEST_POINTER], rule=each.rule, detail=each.detail
            )
            for each in error.errors[:_MOST_ERRORS]
        ]
    if isinstance(error, errors.IllegalTransition):
        problem.state = error.state
        problem.allowed = list(error.allowed)
    return problem


def _standard(status: int, detail: str) -> Problem:
    title = HTTPStatus(status).phrase
    return _problem(status, title, detail or title)


def _problem(status: int, title: str, detail: str) -> Problem:
    return Problem(status=status, title=title, detail=detail)


def _headers(error: errors.FlexagoraError, exchange: Exchange) -> dict[str, str]:
    if isinstance(error, errors.TooManyCalls):
        wait = math.ceil(error.retry_after)
        return {
            "Retry-After": str(max(wait, 1)),
            "RateLimit-Policy": f'"{error.limit}";q={error.calls};w={error.seconds}',
            "RateLimit": f'"{error.limit}";r=0;t={max(wait, 1)}',
        }
    if isinstance(error, errors.Unavailable) and error.retry_after is not None:
        return {"Retry-After": str(error.retry_after)}
    if not isinstance(error, errors.Unauthenticated):
        return {}
    return {"WWW-Authenticate": challenge(exchange.operation, exchange.scheme)}


def challenge(operation: Operation | None, presented: str | None) -> str:
    """Return how to authenticate for an operation, given the scheme that was presented."""
    schemes = operation.schemes if operation else frozenset[str]()
    ways = []
    if schemes & {"oauth2", "bearer"}:
        failed = ', error="invalid_token"' if presented in ("oauth2", "bearer") else ""
        ways.append(f'Bearer realm="{REALM}"{failed}')
    if "apiKey" in schemes:
        ways.append(f'ApiKey realm="{REALM}"')
    return ", ".join(ways) or f'Basic realm="{REALM}"'


def _is_unavailable(error: Exception) -> bool:
    return (
        isinstance(error, OperationalError | InterfaceError | PoolTimeout)
        or (isinstance(error, DBAPIError) and error.connection_invalidated)
    )  # fmt: skip
