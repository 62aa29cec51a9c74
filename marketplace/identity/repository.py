"""Every query about market players, their platforms and their credentials."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, case, delete, func, or_, select, update
from sqlalchemy.orm import joinedload

from marketplace.core.paging import Key, Page, paginate
from marketplace.core.unit_of_work import current_session
from marketplace.identity.domain import CredentialKind, MarketPlayerRole, MarketPlayerState
from marketplace.identity.speaking import LONGEST_VERSION
from marketplace.identity.tables import (
    AccessToken,
    ApiKey,
    Credential,
    HeldRole,
    IntegrationTest,
    MarketPlayer,
    Platform,
    PlatformKey,
    SigningSecret,
)


@dataclass(frozen=True)
class PresentedKeys:
    """How it stands with the keys that the marketplace presents to platforms.

    due is how many are to be refreshed now, failing how many were asked for more than once without
    success, first_end when the first one ends that is not renewed before.
    """

    due: int
    failing: int
    first_end: datetime | None


@dataclass(frozen=True)
class MarketPlayerFilter:
    """Which market players are asked for; what is None does not restrict.

    last_test_passed asks for those whose platform was tested, and how the last test ended.
    """

    id: UUID | None = None
    state: MarketPlayerState | None = None
    role: MarketPlayerRole | None = None
    name_contains: str | None = None
    last_test_passed: bool | None = None


def market_player(market_player_id: UUID) -> MarketPlayer | None:
    """Return a market player, if there is one with this id."""
    return current_session().get(MarketPlayer, market_player_id)


def market_player_for_update(market_player_id: UUID) -> MarketPlayer | None:
    """Return a market player, locked until the transaction ends."""
    return current_session().get(
        MarketPlayer, market_player_id, with_for_update={"of": MarketPlayer}
    )


def market_players(ids: Iterable[UUID]) -> Sequence[MarketPlayer]:
    """Return those of the market players that there are."""
    statement = select(MarketPlayer).where(MarketPlayer.id.in_(set(ids)))
    return current_session().scalars(statement).all()


def list_market_players(
    wanted: MarketPlayerFilter,
    limit: int,
    cursor: str | None,
    order: Sequence[Key] = (Key(MarketPlayer.id, descending=True),),
) -> Page[MarketPlayer]:
    """Return a page of the market players that a filter selects, the newest first."""
    statement = select(MarketPlayer)
    if wanted.id is not None:
        statement = statement.where(MarketPlayer.id == wanted.id)
    if wanted.state is not None:
        statement = statement.where(MarketPlayer.state == wanted.state)
    if wanted.role is not None:
        statement = statement.where(MarketPlayer.held_roles.any(HeldRole.role == wanted.role))
    if wanted.name_contains is not None:
        name = func.lower(MarketPlayer.name)
        statement = statement.where(name.contains(wanted.name_contains.lower(), autoescape=True))
    if wanted.last_test_passed is not None:
        last = (
            select(IntegrationTest.passed)
            .where(IntegrationTest.market_player_id == MarketPlayer.id)
            .order_by(IntegrationTest.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        statement = statement.where(last.is_(wanted.last_test_passed))
    return paginate(current_session(), statement, order, limit, cursor, bound_to=wanted)


def registered_with_eic_code(eic_code: str) -> MarketPlayer | None:
    """Return the market player to which an EIC code belongs now."""
    statement = select(MarketPlayer).where(
        MarketPlayer.eic_code == eic_code, MarketPlayer.state != MarketPlayerState.DEREGISTERED
    )
    return current_session().scalars(statement).one_or_none()


def platform(market_player_id: UUID) -> Platform | None:
    """Return the connection settings of a market player's platform."""
    return current_session().get(Platform, market_player_id)


def platform_key(market_player_id: UUID, *, for_update: bool = False) -> PlatformKey | None:
    """Return the key that the marketplace presents to a platform."""
    return current_session().get(PlatformKey, market_player_id, with_for_update=for_update or None)


def platform_key_to_refresh(moment: datetime) -> PlatformKey | None:
    """Return the key whose refresh has been due for longest, locked.

    Keys that another process holds locked are left out.
    """
    statement = (
        select(PlatformKey)
        .join(MarketPlayer, MarketPlayer.id == PlatformKey.market_player_id)
        .where(
            PlatformKey.next_refresh_at <= moment,
            MarketPlayer.state != MarketPlayerState.DEREGISTERED,
        )
        .order_by(PlatformKey.next_refresh_at)
        .limit(1)
        .with_for_update(skip_locked=True, of=PlatformKey)
    )
    return current_session().scalars(statement).one_or_none()


def platform_to_ask(moment: datetime) -> tuple[Platform, PlatformKey] | None:
    """Return the platform that is due to be asked for its version, and its key; it is locked.

    Those that another process holds locked are left out.
    """
    statement = (
        select(Platform, PlatformKey)
        .join(PlatformKey, PlatformKey.market_player_id == Platform.market_player_id)
        .join(MarketPlayer, MarketPlayer.id == Platform.market_player_id)
        .where(
            or_(
                Platform.next_version_ask_at.is_(None),
                Platform.next_version_ask_at <= moment,
            ),
            MarketPlayer.state != MarketPlayerState.DEREGISTERED,
        )
        .order_by(Platform.next_version_ask_at.asc().nulls_first())
        .limit(1)
        .with_for_update(skip_locked=True, of=Platform)
    )
    row = current_session().execute(statement).one_or_none()
    return None if row is None else (row[0], row[1])


def put_off_version(market_player_id: UUID, next_ask_at: datetime) -> None:
    """Write down when a platform is asked again which version it speaks."""
    _write_past_version(market_player_id, None, next_version_ask_at=next_ask_at)


def note_version(
    market_player_id: UUID,
    base_url: str,
    version: str | None,
    moment: datetime,
    next_ask_at: datetime | None,
) -> None:
    """Write down which version the platform at an address said that it speaks.

    Nothing is written when the company has stated another address since.
    """
    _write_past_version(
        market_player_id,
        base_url,
        contract_version=None if version is None else version[:LONGEST_VERSION],
        contract_version_at=None if version is None else moment,
        next_version_ask_at=next_ask_at,
    )


def _write_past_version(
    market_player_id: UUID, base_url: str | None, **values: str | datetime | None
) -> None:
    """Write columns of a platform that are no part of what a company edits: its ETag stays."""
    statement = update(Platform).where(Platform.market_player_id == market_player_id)
    if base_url is not None:
        statement = statement.where(Platform.base_url == base_url)
    # Of the rows of an UPDATE that SQL alone does, the mapper raises no version.
    current_session().execute(statement.values(**values))


def signing_secrets(market_player_id: UUID, moment: datetime) -> Sequence[SigningSecret]:
    """Return the secrets with which a platform's events are signed now, the newest first."""
    statement = (
        select(SigningSecret)
        .where(
            SigningSecret.market_player_id == market_player_id,
            or_(SigningSecret.ends_at.is_(None), SigningSecret.ends_at > moment),
        )
        .order_by(SigningSecret.id.desc())
    )
    return current_session().scalars(statement).all()


@dataclass(frozen=True)
class StoredTarget:
    """How a platform is reached, as it is stored; the newest signing secret comes first."""

    base_url: str
    contract_version: str | None
    encrypted_key: str = field(repr=False)
    encrypted_secrets: tuple[str, ...] = field(repr=False)


def platform_targets(
    market_player_ids: Collection[UUID], moment: datetime
) -> dict[UUID, StoredTarget]:
    """Return how platforms are reached at a moment, those that have stated it."""
    secrets: dict[UUID, list[str]] = {}
    live = (
        select(SigningSecret.market_player_id, SigningSecret.encrypted_secret)
        .where(
            SigningSecret.market_player_id.in_(market_player_ids),
            or_(SigningSecret.ends_at.is_(None), SigningSecret.ends_at > moment),
        )
        .order_by(SigningSecret.id.desc())
    )
    for owner, secret in current_session().execute(live):
        secrets.setdefault(owner, []).append(secret)
    stated = (
        select(
            Platform.market_player_id,
            Platform.base_url,
            Platform.contract_version,
            PlatformKey.encrypted_key,
        )
        .join(PlatformKey, PlatformKey.market_player_id == Platform.market_player_id)
        .where(Platform.market_player_id.in_(market_player_ids))
    )
    return {
        owner: StoredTarget(base_url, version, key, tuple(secrets.get(owner, ())))
        for owner, base_url, version, key in current_session().execute(stated)
    }


def last_integration_test(market_player_id: UUID) -> IntegrationTest | None:
    """Return the last integration set-up test of a platform."""
    statement = (
        select(IntegrationTest)
        .where(IntegrationTest.market_player_id == market_player_id)
        .order_by(IntegrationTest.id.desc())
        .limit(1)
    )
    return current_session().scalars(statement).one_or_none()


def list_integration_tests(
    market_player_id: UUID, passed: bool | None, limit: int, cursor: str | None
) -> Page[IntegrationTest]:
    """Return a page of a platform's integration set-up tests, the newest first."""
    statement = select(IntegrationTest).where(IntegrationTest.market_player_id == market_player_id)
    if passed is not None:
        statement = statement.where(IntegrationTest.passed == passed)
    newest_first = [Key(IntegrationTest.id, descending=True)]
    wanted = (market_player_id, passed)
    return paginate(current_session(), statement, newest_first, limit, cursor, bound_to=wanted)


def credential(credential_id: UUID) -> Credential | None:
    """Return a credential, if there is one with this id."""
    return current_session().get(Credential, credential_id)


def credential_of_client(client_id: str) -> Credential | None:
    """Return the credential of an OAuth 2 client that was not revoked, with its market player."""
    statement = (
        select(Credential)
        .where(Credential.client_id == client_id, Credential.revoked_at.is_(None))
        .options(joinedload(Credential.market_player))
    )
    return current_session().scalars(statement).one_or_none()


def list_credentials(
    market_player_id: UUID, kind: CredentialKind | None, limit: int, cursor: str | None
) -> Page[Credential]:
    """Return a page of a market player's credentials, the newest first."""
    statement = select(Credential).where(Credential.market_player_id == market_player_id)
    if kind is not None:
        statement = statement.where(Credential.kind == kind)
    newest_first = [Key(Credential.id, descending=True)]
    return paginate(
        current_session(),
        statement,
        newest_first,
        limit,
        cursor,
        bound_to=(market_player_id, kind),
    )


def live_credentials(market_player_id: UUID) -> Sequence[Credential]:
    """Return the credentials of a market player that were not revoked."""
    statement = select(Credential).where(
        Credential.market_player_id == market_player_id, Credential.revoked_at.is_(None)
    )
    return current_session().scalars(statement).all()


def operator_credentials() -> Sequence[Credential]:
    """Return the operators' credentials that were not revoked, the oldest first."""
    statement = (
        select(Credential)
        .where(Credential.market_player_id.is_(None), Credential.revoked_at.is_(None))
        .order_by(Credential.id)
    )
    return current_session().scalars(statement).all()


def api_key_of_hash(key_hash: str) -> ApiKey | None:
    """Return the API key with a hash, with its credential and its market player."""
    statement = (
        select(ApiKey)
        .where(ApiKey.key_hash == key_hash)
        .options(joinedload(ApiKey.credential).joinedload(Credential.market_player))
    )
    return current_session().scalars(statement).one_or_none()


def api_keys(credential_id: UUID) -> Sequence[ApiKey]:
    """Return the keys of a credential, locked, the oldest first."""
    statement = (
        select(ApiKey)
        .where(ApiKey.credential_id == credential_id)
        .order_by(ApiKey.id)
        .with_for_update()
    )
    return current_session().scalars(statement).all()


def last_api_key_expiries(credential_ids: Iterable[UUID]) -> dict[UUID, datetime]:
    """Return when the newest key of each credential expires."""
    statement = (
        select(ApiKey.credential_id, ApiKey.expires_at)
        .where(ApiKey.credential_id.in_(set(credential_ids)))
        .order_by(ApiKey.id)
    )
    return {row.credential_id: row.expires_at for row in current_session().execute(statement)}


def access_token_of_hash(token_hash: str) -> AccessToken | None:
    """Return the access token with a hash, with its credential and its market player."""
    statement = (
        select(AccessToken)
        .where(AccessToken.token_hash == token_hash)
        .options(joinedload(AccessToken.credential).joinedload(Credential.market_player))
    )
    return current_session().scalars(statement).one_or_none()


def note_use(credential_id: UUID, moment: datetime) -> None:
    """Write down that a credential was used."""
    current_session().execute(
        update(Credential).where(Credential.id == credential_id).values(last_used_at=moment)
    )


def forget_ended(moment: datetime) -> int:
    """Delete the keys, tokens and signing secrets that ended before a moment; return how many."""
    ended = (
        delete(AccessToken).where(AccessToken.expires_at < moment),
        delete(ApiKey).where(ApiKey.ends_at < moment),
        delete(SigningSecret).where(SigningSecret.ends_at < moment),
    )
    connection = current_session().connection()
    return sum(connection.execute(statement).rowcount for statement in ended)


def presented_keys(connection: Connection, moment: datetime) -> PresentedKeys:
    """Return how it stands with the keys that the marketplace presents to platforms."""
    due = case((PlatformKey.next_refresh_at <= moment, 1), else_=0)
    failing = case((PlatformKey.failures > 1, 1), else_=0)
    row = connection.execute(
        select(
            func.coalesce(func.sum(due), 0),
            func.coalesce(func.sum(failing), 0),
            func.min(PlatformKey.valid_until),
        )
    ).one()
    return PresentedKeys(*row)


def players_by_state(connection: Connection) -> dict[MarketPlayerState, int]:
    """Return how many market players are in each state."""
    rows = connection.execute(select(MarketPlayer.state, func.count()).group_by(MarketPlayer.state))
    return dict.fromkeys(MarketPlayerState, 0) | {row[0]: row[1] for row in rows}
