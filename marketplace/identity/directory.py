"""Where a platform is and what the marketplace presents there, for the delivery of events."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from marketplace.core.contract_version import ContractVersion
from marketplace.core.environment import Environment
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import repository
from marketplace.identity.repository import StoredTarget
from mpp_sdk.clock import now
from mpp_sdk.errors import Unavailable

_REMEMBERED = 10_000


@dataclass(frozen=True)
class PlatformTarget:
    """A platform as it is called now. Nothing in it may be logged but the base URL.

    contract_version is the one of the EU-MP contract that it speaks; None while that is unknown.
    """

    base_url: str
    contract_version: ContractVersion | None
    api_key: str = field(repr=False)
    signing_secrets: tuple[str, ...] = field(repr=False)


class PlatformDirectory:
    """Knows every platform's present connection settings."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        # The same ciphertext always gives the same secret; decrypting is the dear part.
        self._decrypt = lru_cache(_REMEMBERED)(environment.settings.secret_box.decrypt)

    def connection(self, market_player_id: UUID) -> PlatformTarget:
        """Return how a market player's platform is called now.

        It opens a unit of work of its own: ask outside of one. Raises Unavailable when the market
        player has stated no platform, or a secret cannot be decrypted.
        """
        found = self.connections([market_player_id])[market_player_id]
        if isinstance(found, Unavailable):
            raise found
        return found

    def connections(
        self, market_player_ids: Collection[UUID]
    ) -> Mapping[UUID, PlatformTarget | Unavailable]:
        """Return how each of the platforms is called now, or why it cannot be.

        It opens a unit of work of its own: ask outside of one, and often, because keys and secrets
        change.
        """
        with unit_of_work(self._environment.engine, read_only=True):
            stored = repository.platform_targets(market_player_ids, now())
        return {one: self._target(stored.get(one)) for one in market_player_ids}

    def _target(self, stored: StoredTarget | None) -> PlatformTarget | Unavailable:
        if stored is None:
            return Unavailable("The market player has not stated its platform's settings yet.")
        try:
            return PlatformTarget(
                base_url=stored.base_url,
                contract_version=ContractVersion.parse(stored.contract_version),
                api_key=self._decrypt(stored.encrypted_key),
                signing_secrets=tuple(map(self._decrypt, stored.encrypted_secrets)),
            )
        except Unavailable as error:
            return error
