"""One call to a platform: what is sent is prepared, then the call is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from mpp_sdk import clock, webhooks
from mpp_sdk.outbox import Event, Response
from mpp_sdk.transport import GuardedSession

EU_MP_BASE_PATH = "/eu-mp/v1"


class PlatformConnection(Protocol):
    """How a market player's platform is reached now.

    signing_secrets are those that are live, at least one.
    """

    @property
    def base_url(self) -> str:
        """Below which the EU-MP API lies, without a slash at its end."""

    @property
    def api_key(self) -> str:
        """The key that the platform knows the marketplace by."""

    @property
    def signing_secrets(self) -> Sequence[str]:
        """The secrets that events are signed with."""


class PlatformDirectory(Protocol):
    """Knows the connection of every platform. It is asked anew for each attempt, by any thread."""

    def connection(self, market_player_id: UUID) -> PlatformConnection:
        """Return the present connection. Raises Unavailable while the platform has none."""


@dataclass(frozen=True)
class PreparedCall:
    """A call that is ready to be made."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def prepare(
    event: Event, body: bytes, connection: PlatformConnection, moment: datetime
) -> PreparedCall:
    """Return the call for an event, signed at this moment, to the byte as it is sent."""
    signature = webhooks.sign(str(event.event_id), moment, body, connection.signing_secrets)
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, application/problem+json",
        "X-API-Key": connection.api_key,
        **signature,
    }
    if event.correlation_id is not None:
        headers["X-Correlation-Id"] = event.correlation_id
    url = connection.base_url.rstrip("/") + EU_MP_BASE_PATH + event.path
    return PreparedCall(event.method, url, headers, body)


class PlatformSender:
    """Sends events to the platforms; what an outbox's dispatcher calls, from many threads."""

    def __init__(self, directory: PlatformDirectory, session: GuardedSession) -> None:
        self._directory = directory
        self._session = session

    def __call__(self, event: Event, body: bytes) -> Response:
        """Return what the platform answered. Raises Unavailable when it could not be asked."""
        connection = self._directory.connection(UUID(event.lane))
        call = prepare(event, body, connection, clock.now())
        answer = self._session.request(
            call.method, call.url, data=call.body, headers=dict(call.headers)
        )
        text = answer.content.decode("utf-8", "replace")
        return Response(answer.status_code, answer.headers.get("Retry-After"), text)
