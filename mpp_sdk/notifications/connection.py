"""The platform's connection to the marketplace: one session, one key, one way to call."""

import asyncio
from datetime import timedelta
from http import HTTPStatus

from mpp_sdk import correlation, tracing
from mpp_sdk.auth import NewKey, OutboundKey
from mpp_sdk.client import NO_RETRIES, HttpSession, ProblemError
from mpp_sdk.contracts.notifications.client import NotificationsClient
from mpp_sdk.contracts.notifications.models import ConnectionTest
from mpp_sdk.errors import IdempotencyMismatch
from mpp_sdk.outbox import Event, Response
from mpp_sdk.transport import GuardedClient, GuardedSession

BASE_PATH = "/notifications/v1"
CALL_SECONDS = 10.0


class MarketplaceConnection:
    """Calls the marketplace's notifications API with the platform's present key.

    `send` is for an event loop, in which the client is open; the rest is for threads.
    """

    def __init__(
        self,
        marketplace_url: str,
        session: GuardedSession,
        client: GuardedClient,
        key: OutboundKey,
    ) -> None:
        self.client = client
        self._base_url = marketplace_url.rstrip("/") + BASE_PATH
        self._key = key
        http: HttpSession = session
        self._client = NotificationsClient(
            self._base_url,
            http,
            self._authenticate,
            timeout_s=CALL_SECONDS,
            retries=NO_RETRIES,  # the job that keeps the key fresh asks the same again
        )

    def test(self) -> ConnectionTest:
        """Return what the marketplace says of the connection.

        Raises ProblemError when it refuses, TransportError when it does not answer.
        """
        return self._client.test_connection()

    def refresh_key(self) -> None:
        """Replace the key by a new one of the marketplace; a lost answer is asked for again.

        Raises ProblemError when it refuses, TransportError when it does not answer.
        """
        self._key.refresh(self._new_key)

    def refresh_key_if_due(self, before: timedelta) -> None:
        """Replace the key when it ends within the time given. Raises as `refresh_key`."""
        if self._key.is_due(before):
            self.refresh_key()

    async def send(self, event: Event, body: bytes) -> Response:
        """Return the marketplace's answer to one notification.

        The event's id is the idempotency key of every attempt. Raises TransportError for none.
        """
        headers = await asyncio.to_thread(self._authenticate) | {
            "Accept": "application/json, application/problem+json",
            "Content-Type": "application/json",
            "Idempotency-Key": str(event.event_id),
        }
        if event.correlation_id is not None:
            headers[correlation.HEADER] = event.correlation_id
        trace_parent = tracing.parent_of(event.trace_parent)
        if trace_parent is not None:
            headers[tracing.HEADER] = trace_parent
        answer = await self.client.request(
            event.method,
            self._base_url + event.path,
            data=body,
            headers=headers,
            timeout=CALL_SECONDS,
        )
        text = answer.body.decode("utf-8", "replace")
        return Response(answer.status, answer.headers.get("Retry-After"), text)

    def _new_key(self, refresh_id: str) -> NewKey:
        try:
            issued = self._client.refresh_api_key(idempotency_key=refresh_id)
        except ProblemError as error:
            if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                raise IdempotencyMismatch(error.problem.detail) from error
            raise
        return NewKey(
            issued.api_key, issued.valid_from, issued.valid_until, issued.previous_key_valid_until
        )

    def _authenticate(self) -> dict[str, str]:
        return {"X-API-Key": self._key.current()}
