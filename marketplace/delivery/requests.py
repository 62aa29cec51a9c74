"""What an attempt to deliver has sent, as far as it may be shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from marketplace.delivery.domain import SECRET_KINDS
from marketplace.delivery.sender import EU_MP_BASE_PATH
from marketplace.delivery.service import read_delivery
from marketplace.identity import service as identity
from mpp_sdk import tracing
from mpp_sdk.outbox import Attempt

HIDDEN = "(not shown)"
"""What stands for a header whose value is a secret, or made with one."""


@dataclass(frozen=True)
class SentRequest:
    """A request as it was sent, but for what is secret.

    url begins with the address that the company states now, which may be another one than then;
    it is the path alone when none is stated. payload is without the secret that some events carry.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    payload: str
    carried_secret: bool


def request_of(event_id: UUID, attempt: Attempt) -> SentRequest:
    """Return what an attempt of a delivery has sent. Raises NotFound as `read_delivery` does."""
    event = read_delivery(event_id)
    base_url = identity.platform_base_url(UUID(event.lane)) or ""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, application/problem+json",
        "X-API-Key": HIDDEN,
        "webhook-id": str(event.event_id),
        "webhook-timestamp": str(int(attempt.started_at.timestamp())),
        "webhook-signature": HIDDEN,
    }
    if event.correlation_id is not None:
        headers["X-Correlation-Id"] = event.correlation_id
    if event.trace_parent is not None:
        headers[tracing.HEADER] = event.trace_parent
    return SentRequest(
        event.method,
        base_url.rstrip("/") + EU_MP_BASE_PATH + event.path,
        headers,
        event.payload,
        event.kind in SECRET_KINDS,
    )
