"""One call to a platform: what is sent is prepared, then the call is made."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from pydantic import ValidationError

from marketplace.core.contract_version import ContractVersion
from marketplace.delivery.connections import Connections, PlatformConnection, PlatformDirectory
from marketplace.delivery.domain import EventKind, too_new
from mpp_sdk import clock, tracing, webhooks
from mpp_sdk.contracts.eu_mp.models import ConnectionTest
from mpp_sdk.outbox import Event, Response, Unsent
from mpp_sdk.transport import GuardedClient

EU_MP_BASE_PATH = "/eu-mp/v1"


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
    trace_parent = tracing.parent_of(event.trace_parent)
    if trace_parent is not None:
        headers[tracing.HEADER] = trace_parent
    url = connection.base_url.rstrip("/") + EU_MP_BASE_PATH + event.path
    return PreparedCall(event.method, url, headers, body)


class PlatformSender:
    """Sends events to the platforms; what an outbox's dispatcher calls, inside `async with`."""

    def __init__(self, directory: PlatformDirectory, client: GuardedClient) -> None:
        self._connections = Connections(directory)
        self._client = client
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self._connections)
        await self._open.enter_async_context(self._client)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    async def __call__(self, event: Event, body: bytes) -> Response | Unsent:
        """Return what the platform answered, or why it is not asked: it is too old to understand.

        Raises Unavailable when it could not be asked.
        """
        connection = await self._connections.of(UUID(event.lane))
        kind = EventKind(event.kind)
        if too_new(kind, connection.contract_version) is not None:
            # It may have been brought up to date since it was last heard.
            reason = too_new(kind, await self._spoken_now(connection))
            if reason is not None:
                return Unsent(reason)
        call = prepare(event, body, connection, clock.now())
        answer = await self._client.request(
            call.method, call.url, data=call.body, headers=call.headers
        )
        text = answer.body.decode("utf-8", "replace")
        return Response(answer.status, answer.headers.get("Retry-After"), text)

    async def _spoken_now(self, connection: PlatformConnection) -> ContractVersion | None:
        """Return the version that a platform says it speaks now, None where it does not say."""
        answer = await self._client.request(
            "GET",
            connection.base_url.rstrip("/") + EU_MP_BASE_PATH + "/test",
            headers={"Accept": "application/json", "X-API-Key": connection.api_key},
        )
        try:
            said = ConnectionTest.model_validate_json(answer.body)
        except ValidationError:
            return None
        return ContractVersion.parse(said.contract_version)
