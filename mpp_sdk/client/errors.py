"""What can go wrong with a call, told apart by what the caller may do about it.

All of it is a `CallFailed`: a `TransportError` got no answer, a `ProblemError` was refused by the
other side, and an `UnexpectedAnswer` is not what the contract promises. Texts name no secret.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from mpp_sdk import clock
from mpp_sdk.problem import Problem
from mpp_sdk.retry_after import parse_retry_after
from mpp_sdk.transport.errors import CallFailed

if TYPE_CHECKING:
    from mpp_sdk.client.answer import Answer


class ProblemError(CallFailed):
    """The other side refused the call; `problem` says why, `status` is that of HTTP.

    retry_after is in how many seconds the other side takes the next try; None when it said nothing.
    """

    advice: ClassVar[str] = ""
    """What to do next, in the words of every error of this class."""

    def __init__(self, status: int, problem: Problem, headers: Mapping[str, str]) -> None:
        fields = "".join(f"; {e.pointer} {e.rule}: {e.detail}" for e in problem.errors or ())
        known_as = problem.correlation_id
        super().__init__(
            f"{status} {problem.title}: {problem.detail}{fields}"
            + (f" {self.advice}" if self.advice else "")
            + (f" (correlation id {known_as})" if known_as else "")
        )
        self.status = status
        self.problem = problem
        self.headers = headers
        now = clock.now()
        moment = parse_retry_after(headers.get("Retry-After"), now)
        self.retry_after: float | None = None
        if moment is not None:
            self.retry_after = (moment - now).total_seconds()


class BadRequestProblem(ProblemError):
    """400: the request breaks rules; `problem.errors` names each field and its rule."""

    advice = "Correct what is named, and call again."


class UnauthorizedProblem(ProblemError):
    """401: the credential is missing, unknown, revoked, or has ended."""

    advice = "Check the API key or the token, and whether it has ended."


class ForbiddenProblem(ProblemError):
    """403: the caller is known, and may not do this."""

    advice = "Use a credential with the role that it takes, or do first what the detail asks for."


class NotFoundProblem(ProblemError):
    """404: there is no such thing, or it is another company's."""

    advice = "Check the id, and that it is your own company's."


class ConflictProblem(ProblemError):
    """409: the present state does not allow it."""

    advice = "Read it again, and do what its state allows."

    @property
    def state(self) -> str | None:
        """The state in which it is; None when the other side did not say."""
        return self.problem.state

    @property
    def allowed(self) -> tuple[str, ...]:
        """The actions that the state allows; none when it is final, or nothing was said."""
        return tuple(self.problem.allowed or ())


class GoneProblem(ProblemError):
    """410: it has ended, and can never succeed."""

    advice = "Do not send it again."


class PreconditionFailedProblem(ProblemError):
    """412: it has changed since it was read."""

    advice = "Read it again, and repeat the edit with the new ETag as if_match."


class UnprocessableProblem(ProblemError):
    """422: the idempotency key belongs to another request."""

    advice = "Use a new idempotency_key for a new request."


class PreconditionRequiredProblem(ProblemError):
    """428: an edit has to say which version it edits."""

    advice = "Read it, and send its ETag as if_match."


class TooManyRequestsProblem(ProblemError):
    """429: a limit was met, and nothing was done; `retry_after` says when to call again."""

    advice = "Call again after `retry_after` seconds, and less often."


class ServerProblem(ProblemError):
    """500 and above: the other side has failed."""

    advice = "Try again later; if it lasts, tell the other side."


class UnavailableProblem(ServerProblem):
    """503: something that the other side depends on is away; the same call may work later."""

    advice = "Call again later, not before `retry_after` seconds where it is given."


_BY_STATUS: Mapping[int, type[ProblemError]] = {
    400: BadRequestProblem,
    401: UnauthorizedProblem,
    403: ForbiddenProblem,
    404: NotFoundProblem,
    409: ConflictProblem,
    410: GoneProblem,
    412: PreconditionFailedProblem,
    422: UnprocessableProblem,
    428: PreconditionRequiredProblem,
    429: TooManyRequestsProblem,
    503: UnavailableProblem,
}


def problem_error(status: int, problem: Problem, headers: Mapping[str, str]) -> ProblemError:
    """Return the error of an answer that is no success, of the class for its status."""
    general = ServerProblem if status >= 500 else ProblemError
    return _BY_STATUS.get(status, general)(status, problem, headers)


class UnexpectedAnswer(CallFailed):
    """The other side succeeded, but its answer is not what the contract promises.

    Nothing is to be gained by calling again: tell the other side, or take the version of the
    contract that it speaks. `answer` is what came, where there is one; it may hold secrets.
    """

    def __init__(self, detail: str, answer: "Answer[bytes] | None" = None) -> None:
        super().__init__(detail)
        self.answer = answer
