"""Where a platform is and what the marketplace presents there, for the delivery of events."""

from dataclasses import dataclass, field
from uuid import UUID

from marketplace.core.environment import Environment
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import repository
from mpp_sdk.clock import now
from mpp_sdk.errors import Unavailable


@dataclass(frozen=True)
class PlatformTarget:
    """A platform as it is called now. Nothing in it may be logged but the base URL."""

    base_url: str
    api_key: str = field(repr=False)
    signing_secrets: tuple[str, ...] = field(repr=False)


class PlatformDirectory:
    """Knows every platform's present connection settings."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def connection(self, market_player_id: UUID) -> PlatformTarget:
        """Return how a market player's platform is called now.

        It opens a unit of work of its own: ask outside of one, and anew for each attempt, because
        keys and secrets change. Raises Unavailable when the market player has stated no platform,
        or a secret cannot be decrypted.
        """
        with unit_of_work(self._environment.engine, read_only=True):
            platform = repository.platform(market_player_id)
            key = repository.platform_key(market_player_id)
            secrets = repository.signing_secrets(market_player_id, now())
        if platform is None or key is None:
            raise Unavailable("The market player has not stated its platform's settings yet.")
        box = self._environment.settings.secret_box
        return PlatformTarget(
            base_url=platform.base_url,
            api_key=box.decrypt(key.encrypted_key),
            signing_secrets=tuple(box.decrypt(secret.encrypted_secret) for secret in secrets),
        )
