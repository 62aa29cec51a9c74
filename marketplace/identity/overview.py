"""The register as operators look at it: companies with their last tests, and keys that end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, String, func, or_, select
from sqlalchemy.orm import aliased

from marketplace.core.paging import Key, Page
from marketplace.core.unit_of_work import current_session
from marketplace.identity import repository
from marketplace.identity.access import require_operator
from marketplace.identity.domain import MarketPlayerState
from marketplace.identity.repository import MarketPlayerFilter
from marketplace.identity.tables import (
    ApiKey,
    Credential,
    IntegrationTest,
    MarketPlayer,
    PlatformKey,
)


class PlayerSort(StrEnum):
    """The order of a list of companies."""

    NEWEST = "newest"
    NAME = "name"
    STATE = "state"


_NEWEST_FIRST = Key(MarketPlayer.id, descending=True)
_ORDERS = {
    PlayerSort.NEWEST: [_NEWEST_FIRST],
    PlayerSort.NAME: [Key(func.lower(MarketPlayer.name)), _NEWEST_FIRST],
    PlayerSort.STATE: [Key(func.lower(MarketPlayer.state, type_=String())), _NEWEST_FIRST],
}


@dataclass(frozen=True)
class PlayerOverview:
    """A company, and the last integration test of its platform if there was one."""

    player: MarketPlayer
    last_test: IntegrationTest | None


@dataclass(frozen=True)
class FailedTest:
    """A company whose platform's last integration test failed."""

    player: MarketPlayer
    test: IntegrationTest


@dataclass(frozen=True)
class EndingPlatformKey:
    """A key that the marketplace presents to a platform, and that ends or is not refreshed."""

    player: MarketPlayer
    valid_until: datetime | None
    failures: int


@dataclass(frozen=True)
class EndingApiKey:
    """A company's API key that ends soon."""

    player: MarketPlayer
    credential_id: UUID
    label: str
    ends_at: datetime


def list_players(
    wanted: MarketPlayerFilter,
    limit: int,
    cursor: str | None,
    sort: PlayerSort = PlayerSort.NEWEST,
) -> Page[PlayerOverview]:
    """Return a page of companies with their last tests, in two queries. For operators."""
    require_operator()
    page = repository.list_market_players(wanted, limit, cursor, _ORDERS[sort])
    tests = last_tests(player.id for player in page.items)
    return page.map(lambda player: PlayerOverview(player, tests.get(player.id)))


def last_tests(market_player_ids: Iterable[UUID]) -> dict[UUID, IntegrationTest]:
    """Return the last integration test of each of the companies that has had one."""
    place = func.row_number().over(
        partition_by=IntegrationTest.market_player_id, order_by=IntegrationTest.id.desc()
    )
    numbered = (
        select(IntegrationTest.id, place.label("place"))
        .where(IntegrationTest.market_player_id.in_(set(market_player_ids)))
        .subquery()
    )
    rows = current_session().scalars(
        select(IntegrationTest)
        .join(numbered, numbered.c.id == IntegrationTest.id)
        .where(numbered.c.place == 1)
    )
    return {row.market_player_id: row for row in rows}


def pending_players(first: int) -> tuple[int, Sequence[MarketPlayer]]:
    """Return how many companies wait to be approved, and those that have waited for longest."""
    waiting = MarketPlayer.state == MarketPlayerState.PENDING
    session = current_session()
    count = session.scalar(select(func.count()).select_from(MarketPlayer).where(waiting))
    oldest = select(MarketPlayer).where(waiting).order_by(MarketPlayer.id).limit(first)
    return count or 0, session.scalars(oldest).all()


def failed_tests(first: int) -> tuple[int, Sequence[FailedTest]]:
    """Return of how many platforms the last test failed, and the newest of these tests."""
    later = aliased(IntegrationTest)
    condition = (
        IntegrationTest.passed.is_(False)
        & (MarketPlayer.state != MarketPlayerState.DEREGISTERED)
        & ~select(later.id)
        .where(
            later.market_player_id == IntegrationTest.market_player_id,
            later.id > IntegrationTest.id,
        )
        .exists()
    )
    statement = (
        select(MarketPlayer, IntegrationTest)
        .join(IntegrationTest, IntegrationTest.market_player_id == MarketPlayer.id)
        .where(condition)
    )
    session = current_session()
    count = session.scalar(statement.with_only_columns(func.count(), maintain_column_froms=True))
    rows = session.execute(statement.order_by(IntegrationTest.id.desc()).limit(first))
    return count or 0, [FailedTest(player, test) for player, test in rows]


def ending_platform_keys(until: datetime, first: int) -> tuple[int, Sequence[EndingPlatformKey]]:
    """Return how many presented keys end before a moment or fail to be refreshed; the first."""
    condition = _of_the_register() & or_(PlatformKey.valid_until <= until, PlatformKey.failures > 0)
    statement = (
        select(MarketPlayer, PlatformKey)
        .join(PlatformKey, PlatformKey.market_player_id == MarketPlayer.id)
        .where(condition)
    )
    session = current_session()
    count = session.scalar(statement.with_only_columns(func.count(), maintain_column_froms=True))
    soonest = statement.order_by(PlatformKey.valid_until, MarketPlayer.id).limit(first)
    return count or 0, [
        EndingPlatformKey(player, key.valid_until, key.failures)
        for player, key in session.execute(soonest)
    ]


def ending_api_keys(
    moment: datetime, until: datetime, first: int
) -> tuple[int, Sequence[EndingApiKey]]:
    """Return how many companies' newest keys end between two moments, and the first to end."""
    newer = aliased(ApiKey)
    statement = (
        select(MarketPlayer, Credential, ApiKey)
        .join(Credential, Credential.market_player_id == MarketPlayer.id)
        .join(ApiKey, ApiKey.credential_id == Credential.id)
        .where(
            _of_the_register(),
            ApiKey.ends_at > moment,
            ApiKey.ends_at <= until,
            Credential.revoked_at.is_(None),
            ~select(newer.id)
            .where(newer.credential_id == ApiKey.credential_id, newer.id > ApiKey.id)
            .exists(),
        )
    )
    session = current_session()
    count = session.scalar(statement.with_only_columns(func.count(), maintain_column_froms=True))
    soonest = statement.order_by(ApiKey.ends_at, ApiKey.id).limit(first)
    return count or 0, [
        EndingApiKey(player, credential.id, credential.label, key.ends_at)
        for player, credential, key in session.execute(soonest)
    ]


def _of_the_register() -> ColumnElement[bool]:
    return MarketPlayer.state != MarketPlayerState.DEREGISTERED
