"""What can go wrong, said without a word of HTTP.

Services and rules raise these; `mpp_sdk.web.problems` turns them into RFC 9457 problem documents.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One field that breaks one rule.

    pointer is a JSON pointer into the body (`/validity/end`), or the name of a parameter or header.
    rule is the name of the broken rule (`required`, `format`, `endAfterStart`).
    """

    pointer: str
    rule: str
    detail: str


class FlexagoraError(Exception):
    """The base of every error a user can cause or meet."""

    title = "The request could not be carried out"

    def __init__(self, detail: str, errors: Iterable[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors: tuple[FieldError, ...] = tuple(errors)


class InvalidInput(FlexagoraError):
    """The input breaks a rule of the contract, or one the contract cannot express."""

    title = "The request is not valid"

    @classmethod
    def field(cls, pointer: str, rule: str, detail: str) -> "InvalidInput":
        """Return the error for a single field."""
        return cls(detail, [FieldError(pointer, rule, detail)])


class Unauthenticated(FlexagoraError):
    """The caller did not prove who it is, or its credential is unknown, expired or revoked."""

    title = "Authentication is required"


class Forbidden(FlexagoraError):
    """The caller is known and may not do this."""

    title = "This is not allowed"


class NotFound(FlexagoraError):
    """There is no such thing, or it is another company's (the two are not told apart)."""

    title = "Not found"

    @classmethod
    def entity(cls, kind: str, identifier: object) -> "NotFound":
        """Return the error for a kind of thing and the id that was asked for."""
        return cls(f"There is no {kind} {identifier} that you may see.")


class NotAcceptable(FlexagoraError):
    """None of the representations that the caller accepts can be given."""

    title = "None of the accepted media types is available"


class Conflict(FlexagoraError):
    """The request is at odds with the present state."""

    title = "The request conflicts with the present state"


class IllegalTransition(Conflict):
    """A state machine does not allow this step from where it stands."""

    title = "The present state does not allow this"

    def __init__(self, kind: str, state: str, action: str, allowed: Sequence[str]) -> None:
        allowed_text = ", ".join(allowed) if allowed else "none: this state is final"
        super().__init__(
            f"{kind} is {state}, which does not allow {action!r}. Allowed now: {allowed_text}."
        )
        self.state = state
        self.allowed = tuple(allowed)


class Gone(Conflict):
    """What this is about has ended for good: the same request cannot succeed any more."""

    title = "This has ended"


class PreconditionFailed(FlexagoraError):
    """Somebody else changed it since the caller read it."""

    title = "The resource has changed since you read it"


class PreconditionRequired(FlexagoraError):
    """An edit must say which version it edits."""

    title = "If-Match is required"


class IdempotencyMismatch(FlexagoraError):
    """An Idempotency-Key was used again for a different request."""

    title = "This Idempotency-Key belongs to a different request"


class PayloadTooLarge(FlexagoraError):
    """The body is larger than what is read."""

    title = "The body is too large"


class UnsupportedMediaType(FlexagoraError):
    """The body is of a media type that this operation does not take."""

    title = "The media type is not supported"


class TooManyCalls(FlexagoraError):
    """The caller calls more often than is allowed; nothing was done.

    limit names which limit it is: `calls` at once, given back evenly over `seconds`. retry_after is
    in how many seconds the next call is taken.
    """

    title = "Too many calls"

    def __init__(self, limit: str, calls: int, seconds: int, retry_after: float) -> None:
        super().__init__(
            f"At most {calls} calls in {seconds} s are taken ({limit}). Wait as Retry-After says."
        )
        self.limit = limit
        self.calls = calls
        self.seconds = seconds
        self.retry_after = retry_after


class Unavailable(FlexagoraError):
    """Something this depends on is not reachable now; the same call may work later.

    retry_after is in how many seconds it is worth another try, where that is known.
    """

    title = "Temporarily unavailable"

    def __init__(
        self, detail: str, errors: Iterable[FieldError] = (), *, retry_after: int | None = None
    ) -> None:
        super().__init__(detail, errors)
        self.retry_after = retry_after
