"""What a re-synchronisation asks about companies."""

from uuid import UUID

from sqlalchemy import select

from marketplace.core.unit_of_work import current_session
from marketplace.identity import repository
from marketplace.identity.domain import MarketPlayerState
from marketplace.identity.tables import MarketPlayer, PlatformKey
from mpp_sdk.clock import now

_TAKE_PART = (MarketPlayerState.ACTIVE, MarketPlayerState.SUSPENDED)


def with_platform() -> list[UUID]:
    """Return the companies that take part in the market and have stated a platform."""
    statement = (
        select(MarketPlayer.id)
        .join(PlatformKey, PlatformKey.market_player_id == MarketPlayer.id)
        .where(MarketPlayer.state.in_(_TAKE_PART))
        .order_by(MarketPlayer.id)
    )
    return list(current_session().scalars(statement))


def name(market_player_id: UUID) -> str:
    """Return the name of a company."""
    player = repository.market_player(market_player_id)
    return player.name if player else str(market_player_id)


def opens(market_player_id: UUID, key_hash: str) -> bool:
    """Return whether a key with this hash lets a company in now."""
    key = repository.api_key_of_hash(key_hash)
    return (
        key is not None
        and key.credential.market_player_id == market_player_id
        and key.credential.revoked_at is None
        and key.life.is_valid(now())
    )
