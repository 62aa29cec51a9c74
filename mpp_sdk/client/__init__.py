"""What every generated client is built on, and all that a user of one needs beside it.

A call gives its answer, or raises `CallFailed`: `ProblemError` with a class for each status,
`TransportError` when there was no usable answer, `UnexpectedAnswer` for one that breaks the
contract.
"""

from mpp_sdk.client.answer import Answer
from mpp_sdk.client.auth import AsyncAuth, Auth, api_key, bearer, no_auth
from mpp_sdk.client.errors import (
    BadRequestProblem,
    ConflictProblem,
    ForbiddenProblem,
    GoneProblem,
    NotFoundProblem,
    PreconditionFailedProblem,
    PreconditionRequiredProblem,
    ProblemError,
    ServerProblem,
    TooManyRequestsProblem,
    UnauthorizedProblem,
    UnavailableProblem,
    UnexpectedAnswer,
    UnprocessableProblem,
    problem_error,
)
from mpp_sdk.client.event_loop import AsyncBaseClient, AsyncHttpSession
from mpp_sdk.client.events import ServerSentEvent
from mpp_sdk.client.hooks import Attempt, Hooks
from mpp_sdk.client.pages import Page
from mpp_sdk.client.request import Request, new_idempotency_key
from mpp_sdk.client.retries import NO_RETRIES, RetryPolicy
from mpp_sdk.client.threads import BaseClient, HttpResponse, HttpSession
from mpp_sdk.problem import Problem, ProblemField
from mpp_sdk.transport import (
    AddressPolicy,
    AddressRefused,
    CallFailed,
    ConnectionFailed,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
    TransportError,
)

__all__ = [
    "NO_RETRIES",
    "AddressPolicy",
    "AddressRefused",
    "Answer",
    "AsyncAuth",
    "AsyncBaseClient",
    "AsyncHttpSession",
    "Attempt",
    "Auth",
    "BadRequestProblem",
    "BaseClient",
    "CallFailed",
    "ConflictProblem",
    "ConnectionFailed",
    "ForbiddenProblem",
    "GoneProblem",
    "Hooks",
    "HttpResponse",
    "HttpSession",
    "NotFoundProblem",
    "Page",
    "PreconditionFailedProblem",
    "PreconditionRequiredProblem",
    "Problem",
    "ProblemError",
    "ProblemField",
    "Request",
    "ResponseTooLarge",
    "RetryPolicy",
    "ServerProblem",
    "ServerSentEvent",
    "TimedOut",
    "TlsFailed",
    "TooManyRequestsProblem",
    "TransportError",
    "UnauthorizedProblem",
    "UnavailableProblem",
    "UnexpectedAnswer",
    "UnprocessableProblem",
    "api_key",
    "bearer",
    "new_idempotency_key",
    "no_auth",
    "problem_error",
]
