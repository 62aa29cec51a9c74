"""Signed events, after the Standard Webhooks specification (https://www.standardwebhooks.com).

The signature covers the event's id, the moment of this attempt, and the body to the byte. While a
secret is being replaced, a request carries one signature for each live secret.
"""

import base64
import hmac
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from mpp_sdk.clock import now
from mpp_sdk.errors import Unauthenticated

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

TOLERANCE = timedelta(minutes=5)
"""How far the moment of signing may lie from the receiver's clock, either way."""


def new_signing_secret() -> str:
    """Return a fresh signing secret of 256 random bits, as `whsec_` and base64."""
    return "whsec_" + base64.b64encode(random.token_bytes(32)).decode()


def is_signing_secret(text: str) -> bool:
    """Return whether a text is a secret that can sign: `whsec_` and base64."""
    try:
        return text.startswith("whsec_") and bool(
            base64.b64decode(text.removeprefix("whsec_"), validate=True)
        )
    except ValueError:
        return False


def sign(event_id: str, timestamp: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """Return the three headers that sign a body, with one signature for each live secret.

    event_id stays the same over all attempts, timestamp is the moment of this one. The body is
    UTF-8. Raises ValueError when there is no secret to sign with.
    """
    if not secrets:
        raise ValueError("There is no secret to sign with.")
    moment = str(int(timestamp.timestamp()))
    signed = b"%b.%b.%b" % (event_id.encode(), moment.encode(), body)
    # What the library does in many more steps; a test holds the two side by side.
    signatures = (hmac.digest(_key_of(secret), signed, "sha256") for secret in secrets)
    return {
        ID_HEADER: event_id,
        TIMESTAMP_HEADER: moment,
        SIGNATURE_HEADER: " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures),
    }


def _key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    tolerance: timedelta = TOLERANCE,
) -> str:
    """Return the event id of a request that one of the secrets signed, not long ago.

    Raises Unauthenticated when a header is missing or malformed, the moment of signing is further
    away than the tolerance, or no signature is right.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    event_id = lower.get(ID_HEADER)
    timestamp = lower.get(TIMESTAMP_HEADER)
    given = lower.get(SIGNATURE_HEADER)
    if not event_id or not timestamp or not given:
        raise Unauthenticated("The request is not signed: a webhook header is missing.")
    moment = _moment(timestamp)
    if abs(now() - moment) > tolerance:
        raise Unauthenticated("The request was signed too long ago, or in the future.")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Unauthenticated("The request's signature is not right.") from error
    # Each pair is compared, in constant time, so that the time taken tells nothing of the secrets.
    expected = [Webhook(secret).sign(event_id, moment, text).encode() for secret in secrets]
    presented = [signature.encode() for signature in given.split(" ")]
    if not sum(hmac.compare_digest(one, other) for one in expected for other in presented):
        raise Unauthenticated("The request's signature is not right.")
    return event_id


def _moment(timestamp: str) -> datetime:
    """Return the moment that a header states, in whole seconds since 1970."""
    if timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11:
        return datetime.fromtimestamp(int(timestamp), UTC)
    raise Unauthenticated("The moment of signing is malformed.")
