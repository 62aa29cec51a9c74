"""What a platform process has in its database, read as the platform itself would."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from pydantic import SecretStr

from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings

from .processes import PlatformProcess


def subscription_keys(requester: PlatformProcess, marketplace_url: str) -> dict[UUID, str]:
    """Return the key of the data exchange of each subscription that a requester's platform has."""
    with _opened(requester, marketplace_url) as platform:
        return {
            subscription.id: platform.subscriptions.key_for(subscription.id)
            for subscription in platform.subscriptions.all(PlatformRole.REQUESTER)
        }


def presented_key(process: PlatformProcess, marketplace_url: str) -> str:
    """Return the key that a platform presents to the marketplace now."""
    with _opened(process, marketplace_url) as platform:
        return platform.outbound_key.current()


@contextmanager
def _opened(process: PlatformProcess, marketplace_url: str) -> Iterator[MarketPlayerPlatform]:
    platform = MarketPlayerPlatform(
        PlatformSettings(
            database_url=f"sqlite:///{process.database_file}",
            marketplace_url=marketplace_url,
            inbound_api_key=SecretStr(process.inbound_key),
        )
    )
    try:
        yield platform
    finally:
        platform.engine.dispose()
