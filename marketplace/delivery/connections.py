"""How platforms are reached, looked up for many of them at a time and remembered for a moment."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from marketplace.core.contract_version import ContractVersion
from mpp_sdk.errors import Unavailable

_FRESH_SECONDS = 1.0
_REMEMBERED = 20_000


class PlatformConnection(Protocol):
    """How a market player's platform is reached now.

    signing_secrets are those that are live, at least one. contract_version is the one of the EU-MP
    contract that it was last heard to speak; None while that is unknown.
    """

    @property
    def base_url(self) -> str:
        """Below which the EU-MP API lies, without a slash at its end."""

    @property
    def api_key(self) -> str:
        """The key that the platform knows the marketplace by."""

    @property
    def contract_version(self) -> ContractVersion | None:
        """What the platform understands."""

    @property
    def signing_secrets(self) -> Sequence[str]:
        """The secrets that events are signed with."""


class PlatformDirectory(Protocol):
    """Knows the connection of every platform. It may be asked by any thread."""

    def connections(
        self, market_player_ids: Collection[UUID]
    ) -> Mapping[UUID, PlatformConnection | Unavailable]:
        """Return the present connection of each platform, or why it has none."""


class Connections:
    """Gives connections to an event loop, none older than a second; is open in `async with`.

    A replaced key or secret goes on working for longer than that. While one query runs, what is
    asked for in the meantime gathers for the next one.
    """

    def __init__(self, directory: PlatformDirectory) -> None:
        self._directory = directory
        self._known: dict[UUID, tuple[float, PlatformConnection | Unavailable]] = {}
        self._asked: dict[UUID, asyncio.Future[PlatformConnection | Unavailable]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, "connections")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        self._known.clear()

    async def of(self, market_player_id: UUID) -> PlatformConnection:
        """Return the connection of a platform. Raises Unavailable while it has none."""
        since, found = self._known.get(market_player_id, (0.0, None))
        if found is None or time.monotonic() - since > _FRESH_SECONDS:
            found = await self._ask(market_player_id)
        if isinstance(found, Unavailable):
            raise found
        return found

    async def _ask(self, market_player_id: UUID) -> PlatformConnection | Unavailable:
        asked = self._asked.get(market_player_id)
        if asked is None:
            asked = asyncio.get_running_loop().create_future()
            self._asked[market_player_id] = asked
            if self._looking is None:
                self._looking = asyncio.get_running_loop().create_task(self._look())
        return await asyncio.shield(asked)

    async def _look(self) -> None:
        await asyncio.sleep(0)  # whoever asks in this turn of the loop is answered together
        loop = asyncio.get_running_loop()
        while self._asked:
            asked, self._asked = self._asked, {}
            begun = time.monotonic()
            try:
                found = await loop.run_in_executor(
                    self._thread, self._directory.connections, list(asked)
                )
            except Exception as error:
                for future in asked.values():
                    future.set_exception(error)
                    future.exception()  # whoever asked may have given up
                continue
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            for market_player_id, future in asked.items():
                one = found[market_player_id]
                self._known[market_player_id] = begun, one
                future.set_result(one)
        self._looking = None
