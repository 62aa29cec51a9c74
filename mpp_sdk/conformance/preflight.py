"""A call or two before the cases: a run that cannot begin says so once, not sixty times."""

from collections.abc import Sequence

from mpp_sdk.conformance import advice
from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.model import Case, CaseEnds, NotShown
from mpp_sdk.conformance.subject import Subject, is_signed
from mpp_sdk.transport import TransportError
from mpp_sdk.web.contract import Operation

_REFUSED = (401, 403)
_TEST = "test_connection"
_KEY_ADVICE = (
    "Give the key that the server has issued for its caller, as it is now: one that was rotated "
    "since is no longer valid. A platform of the SDK issues one with `python -m mpp_sdk keys "
    "issue`."
)
_SECRETS_ADVICE = (
    "Put every secret that the server checks events with into signingSecrets of the credentials; "
    "when they are there, see that they are those of this server, and that its clock is right."
)


class CannotBegin(Exception):
    """The server cannot be tried. advice says what to do about it."""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice


def check(subject: Subject, cases: Sequence[Case]) -> None:
    """Make a call or two that change little. Raises CannotBegin when little could be tried then.

    An answer that merely breaks the contract is left for the cases to find.
    """
    operation = _harmless(subject)
    answer = _answer(subject, operation)
    base_path = subject.contract.base_path
    if answer.status in _REFUSED:
        raise CannotBegin(f"{answer}: the key is refused.", _KEY_ADVICE)
    if other := advice.of_body(answer.headers.get("content-type", ""), base_path):
        raise CannotBegin(f"{answer}, with a web page.", other)
    if operation.name == _TEST and answer.status != 200:
        base_url = subject.target.base_url.rstrip("/")
        raise CannotBegin(
            f"{answer}, not 200.",
            advice.of_status(answer.status, answer.headers, base_url, base_path),
        )
    if not all(one.harmless for one in cases):
        _check_signature(subject)


def _check_signature(subject: Subject) -> None:
    """Send an event about a subscription that nobody has confirmed, or will."""
    signed = [one for one in subject.contract.operations if is_signed(one) and not one.optional]
    if not signed:
        return
    answer = _answer(subject, signed[-1])  # the first one is a confirmation
    if answer.status in _REFUSED:
        given = "as it is signed" if subject.credentials.signing_secrets else "without a signature"
        raise CannotBegin(f"{answer}: an event is refused {given}.", _SECRETS_ADVICE)


def _harmless(subject: Subject) -> Operation:
    """Return the connection test, or in a contract without one the first that only reads."""
    operations = subject.contract.operations
    reading = [one for one in operations if one.method == "GET" and not one.optional]
    return next((one for one in operations if one.name == _TEST), reading[0])


def _answer(subject: Subject, operation: Operation) -> Exchange:
    try:
        return subject.call(operation)
    except NotShown as reason:
        raise CannotBegin(
            f"The contract {subject.contract.name} cannot be tried.", str(reason)
        ) from reason
    except CaseEnds as ended:
        if not isinstance(ended.__cause__, TransportError):
            raise
        raise CannotBegin(ended.__cause__.detail, advice.of_call(ended.__cause__)) from ended
    finally:
        subject.findings = []
