"""Use cases of market players, their platforms and their credentials."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.core import audit
from marketplace.core.environment import current_environment
from marketplace.core.etag import check_if_match
from marketplace.core.paging import Page
from marketplace.core.unit_of_work import current_session, release
from marketplace.identity import integration, listeners, repository
from marketplace.identity.access import (
    current_principal,
    require_administration,
    require_operator,
    require_operator_or_party,
    visible_to,
)
from marketplace.identity.domain import (
    COMPANY_ROLES,
    MARKET_PLAYER,
    AccessRole,
    CredentialKind,
    KeyPolicy,
    MarketPlayerRole,
    MarketPlayerState,
    after_issue,
    is_eic_code,
    issue,
)
from marketplace.identity.listeners import PlayerChange
from marketplace.identity.recent import forget_recent
from marketplace.identity.repository import MarketPlayerFilter
from marketplace.identity.speaking import ASK_EVERY
from marketplace.identity.tables import (
    ApiKey,
    Credential,
    HeldRole,
    IntegrationTest,
    MarketPlayer,
    Platform,
    PlatformKey,
    SigningSecret,
)
from mpp_sdk.clock import now
from mpp_sdk.errors import Conflict, Forbidden, InvalidInput, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import hash_secret, new_secret
from mpp_sdk.transport import AddressPolicy, check_url, same_origin
from mpp_sdk.webhooks import new_signing_secret

API_KEY_PREFIX = "fxk"
_CLIENT_ID_PREFIX = "fxc"
_CLIENT_SECRET_PREFIX = "fxs"  # noqa: S105 - the beginning of a secret, not one
_SIGN_UP_LABEL = "sign-up"
_SIGNING_SECRET_OVERLAP = timedelta(hours=24)
_CREDENTIALS_LIMIT = 200
_KEPT_AFTER_END = timedelta(days=7)


@dataclass(frozen=True)
class Statement:
    """What a company states about itself."""

    name: str
    roles: frozenset[MarketPlayerRole]
    country: str
    contact_email: str
    eic_code: str | None = None
    website: str | None = None


@dataclass(frozen=True)
class Company:
    """A market player as others see it."""

    market_player_id: UUID
    name: str
    roles: tuple[MarketPlayerRole, ...]
    eic_code: str | None


@dataclass(frozen=True)
class IssuedCredential:
    """A credential and its secret, which is seen this once. valid_until is that of an API key."""

    credential: Credential
    secret: str
    valid_until: datetime | None = None


@dataclass(frozen=True)
class IssuedKey:
    """A new API key, seen this once."""

    api_key: str
    valid_from: datetime
    valid_until: datetime
    previous_key_valid_until: datetime


@dataclass(frozen=True)
class CredentialState:
    """A credential and when its newest API key expires, if it is one."""

    credential: Credential
    valid_until: datetime | None


@dataclass(frozen=True)
class PlatformState:
    """A platform's connection settings and what is known of the connection.

    signing_secret is there only when it has just been made.
    """

    platform: Platform
    key: PlatformKey | None
    last_test: IntegrationTest | None
    signing_secret: str | None = None


@dataclass(frozen=True)
class PlatformStatement:
    """What a company states about its platform. Without an API key the one there is stays."""

    base_url: str
    api_key: str | None
    rotate_signing_secret: bool


def companies(ids: Iterable[UUID]) -> dict[UUID, Company]:
    """Return market players as others see them, by their ids."""
    return {
        player.id: Company(player.id, player.name, tuple(player.roles), player.eic_code)
        for player in repository.market_players(ids)
    }


def player_state(market_player_id: UUID) -> MarketPlayerState:
    """Return the state that a market player is in now. Raises NotFound."""
    return _player(market_player_id).state


def lock_player(market_player_id: UUID) -> None:
    """Have others wait who change the same market player, until the transaction ends."""
    _player(market_player_id, for_update=True)


def platform_base_url(market_player_id: UUID) -> str | None:
    """Return where a market player's platform is; None when no connection settings are stated."""
    platform = repository.platform(market_player_id)
    return None if platform is None else platform.base_url


# Market players


def register_market_player(statement: Statement) -> tuple[MarketPlayer, IssuedCredential]:
    """Register a market player, PENDING, with an OAuth 2 client of its own.

    Raises InvalidInput and Conflict as register_company does.
    """
    player = register_company(statement)
    return player, _issue_client(player.id, _SIGN_UP_LABEL, COMPANY_ROLES)


def register_company(statement: Statement) -> MarketPlayer:
    """Register a market player, PENDING, without a credential: its people act for it.

    Raises InvalidInput when the EIC code or the web site is not one, Conflict when the EIC code
    belongs to another company.
    """
    player = MarketPlayer(id=new_id(), state=MarketPlayerState.PENDING, created_at=now())
    _state(player, statement)
    current_session().add(player)
    current_session().flush()
    audit.record(
        "MarketPlayer",
        player.id,
        "register",
        to_state=player.state,
        market_player_id=player.id,
    )
    return player


def list_market_players(
    wanted: MarketPlayerFilter, limit: int, cursor: str | None
) -> Page[MarketPlayer]:
    """Return a page of market players: all of them for operators, else one's own."""
    own = visible_to()
    if own is not None:
        wanted = MarketPlayerFilter(own, wanted.state, wanted.role, wanted.name_contains)
    return repository.list_market_players(wanted, limit, cursor)


def read_market_player(market_player_id: UUID) -> MarketPlayer:
    """Return a market player: one's own, or any for operators. Raises NotFound."""
    require_operator_or_party("market player", market_player_id, market_player_id)
    return _player(market_player_id)


def edit_market_player(
    market_player_id: UUID, statement: Statement, if_match: str | None
) -> MarketPlayer:
    """Replace what a company states about itself."""
    require_administration("market player", market_player_id, market_player_id)
    player = _player(market_player_id, for_update=True)
    check_if_match(player, if_match)
    MARKET_PLAYER.after(player.state, "edit")
    _state(player, statement)
    forget_recent()
    current_session().flush()
    audit.record(
        "MarketPlayer",
        player.id,
        "edit",
        from_state=player.state,
        to_state=player.state,
        market_player_id=player.id,
    )
    return player


def activate_market_player(
    market_player_id: UUID, reason: str, if_match: str | None
) -> MarketPlayer:
    """Let a PENDING market player take part."""
    return _move(market_player_id, "activate", reason, if_match)


def suspend_market_player(
    market_player_id: UUID, reason: str, if_match: str | None
) -> MarketPlayer:
    """Suspend an ACTIVE market player, and what listeners make of it."""
    player = _move(market_player_id, "suspend", reason, if_match)
    listeners.tell(PlayerChange.SUSPENDED, player.id, reason)
    return player


def reinstate_market_player(
    market_player_id: UUID, reason: str, if_match: str | None
) -> MarketPlayer:
    """Make a SUSPENDED market player ACTIVE again, and what listeners make of it."""
    player = _move(market_player_id, "reinstate", reason, if_match)
    listeners.tell(PlayerChange.REINSTATED, player.id, reason)
    return player


def deregister_market_player(
    market_player_id: UUID, reason: str, if_match: str | None
) -> MarketPlayer:
    """End a market player's part for good: its credentials stop working at once."""
    player = _move(market_player_id, "deregister", reason, if_match)
    for credential in repository.live_credentials(player.id):
        _revoke(credential, reason)
    listeners.tell(PlayerChange.DEREGISTERED, player.id, reason)
    return player


# Platforms


def read_platform(market_player_id: UUID) -> PlatformState:
    """Return a platform's connection settings, without secrets. Raises NotFound."""
    require_operator_or_party("platform of market player", market_player_id, market_player_id)
    return _platform_state(_platform(market_player_id))


def set_platform(
    market_player_id: UUID, statement: PlatformStatement, if_match: str | None
) -> PlatformState:
    """State where a platform is and the API key that the marketplace presents there.

    Raises InvalidInput when the address is not one that may be called, or when there is no API key
    and none was stated before for the same host.
    """
    require_administration("market player", market_player_id, market_player_id)
    check_url(statement.base_url, address_policy())  # slow: before anything is locked
    player = _player(market_player_id, for_update=True)
    MARKET_PLAYER.after(player.state, "edit")
    platform = repository.platform(market_player_id)
    moment = now()
    if platform is None:
        platform = Platform(market_player_id=market_player_id)
        current_session().add(platform)
    else:
        check_if_match(platform, if_match)
        _check_key_goes_along(platform.base_url, statement)
    if platform.base_url != (base_url := statement.base_url.rstrip("/")):
        platform.base_url = base_url
        platform.contract_version = platform.contract_version_at = None
        platform.next_version_ask_at = None  # at once
    platform.updated_at = moment
    current_session().flush()
    _present(market_player_id, statement.api_key, moment)
    secret = _signing_secret(market_player_id, moment, renew=statement.rotate_signing_secret)
    current_session().flush()
    audit.record("Platform", market_player_id, "set", market_player_id=market_player_id)
    return _platform_state(platform, secret)


def test_platform(market_player_id: UUID) -> IntegrationTest:
    """Return the result of the integration set-up test, done now.

    Raises Conflict when the platform's connection settings were not stated yet.
    """
    require_administration("market player", market_player_id, market_player_id)
    _player(market_player_id)
    platform = repository.platform(market_player_id)
    key = repository.platform_key(market_player_id)
    if platform is None or key is None:
        raise Conflict("State the platform's connection settings first.")
    environment = current_environment()
    base_url = platform.base_url
    box = environment.settings.secret_box
    api_key = box.decrypt(key.encrypted_key)
    started_at = now()
    signing = repository.signing_secrets(market_player_id, started_at)
    signing_secrets = [box.decrypt(secret.encrypted_secret) for secret in signing]
    release()  # the platform may take its time
    tested = integration.test_platform(
        base_url,
        api_key,
        address_policy(),
        environment.settings.request_timeout,
        signing_secrets,
    )
    test = IntegrationTest(
        id=new_id(),
        market_player_id=market_player_id,
        passed=tested.passed,
        started_at=started_at,
        steps=[step.to_json() for step in tested.steps],
    )
    current_session().add(test)
    if tested.contract_version is not None:
        told_at = now()
        repository.note_version(
            market_player_id, base_url, tested.contract_version, told_at, told_at + ASK_EVERY
        )
    audit.record(
        "Platform",
        market_player_id,
        "test",
        to_state="PASSED" if test.passed else "FAILED",
        market_player_id=market_player_id,
    )
    return test


def list_platform_tests(
    market_player_id: UUID, passed: bool | None, limit: int, cursor: str | None
) -> Page[IntegrationTest]:
    """Return a page of a platform's integration set-up tests, the newest first.

    passed restricts them to those that did, or did not; None does not restrict.
    """
    require_operator_or_party("market player", market_player_id, market_player_id)
    _player(market_player_id)
    return repository.list_integration_tests(market_player_id, passed, limit, cursor)


def address_policy() -> AddressPolicy:
    """Return which addresses the marketplace calls, as the operator has set it."""
    settings = current_environment().settings
    return AddressPolicy(
        allow_private=settings.allow_private_addresses, allow_http=settings.allow_http
    )


# Credentials


def issue_credential(
    market_player_id: UUID, kind: CredentialKind, label: str, roles: frozenset[AccessRole]
) -> IssuedCredential:
    """Issue a credential to a market player.

    A company's credential issues none with a role that it does not hold itself; an operator and the
    company's administrator, who answer for all of them, issue any. Raises Forbidden and Conflict.
    """
    require_administration("market player", market_player_id, market_player_id)
    player = _player(market_player_id, for_update=True)
    MARKET_PLAYER.after(player.state, "edit")
    principal = current_principal()
    answers_for_all = principal.is_operator or principal.person_id is not None
    missing = roles - COMPANY_ROLES if answers_for_all else roles - principal.roles
    if missing:
        raise Forbidden(f"Your credential does not hold {', '.join(sorted(missing))} itself.")
    if len(repository.live_credentials(market_player_id)) >= _CREDENTIALS_LIMIT:
        raise Conflict(f"There are {_CREDENTIALS_LIMIT} credentials already: revoke some first.")
    if kind is CredentialKind.API_KEY:
        return _issue_api_key(market_player_id, label, roles)
    return _issue_client(market_player_id, label, roles)


def list_credentials(
    market_player_id: UUID, kind: CredentialKind | None, limit: int, cursor: str | None
) -> Page[CredentialState]:
    """Return a page of a market player's credentials, without their secrets, the newest first."""
    require_operator_or_party("market player", market_player_id, market_player_id)
    _player(market_player_id)
    page = repository.list_credentials(market_player_id, kind, limit, cursor)
    expiries = repository.last_api_key_expiries(credential.id for credential in page.items)
    return page.map(lambda credential: CredentialState(credential, expiries.get(credential.id)))


def revoke_credential(market_player_id: UUID, credential_id: UUID, reason: str) -> CredentialState:
    """Have a credential stop working at once, with every key and token that came from it."""
    require_administration("market player", market_player_id, market_player_id)
    credential = repository.credential(credential_id)
    if credential is None or credential.market_player_id != market_player_id:
        raise NotFound.entity("credential", credential_id)
    if credential.revoked_at is not None:
        raise Conflict("The credential is revoked already.")
    _revoke(credential, reason)
    expiries = repository.last_api_key_expiries([credential.id])
    return CredentialState(credential, expiries.get(credential.id))


def refresh_api_key() -> IssuedKey:
    """Issue another API key for the credential that the caller presents.

    The keys before it stay valid until it is first used, and a little longer, or until their
    overlap ends.
    """
    credential_id = current_principal().credential_id
    credential = repository.credential(credential_id) if credential_id else None
    if credential is None or credential.kind is not CredentialKind.API_KEY:
        raise Forbidden("Only an API key is refreshed here.")
    policy = key_policy()
    moment = now()
    previous_ends_at = moment + policy.overlap
    forget_recent()
    for key in repository.api_keys(credential.id):
        key.apply(after_issue(key.life, key.expires_at, policy, moment))
        if not key.superseded:
            previous_ends_at = min(previous_ends_at, key.ends_at)
    secret, row = _new_api_key(credential.id, policy, moment)
    audit.record(
        "Credential", credential.id, "refresh", market_player_id=credential.market_player_id
    )
    return IssuedKey(secret, row.valid_from, row.expires_at, previous_ends_at)


def key_policy() -> KeyPolicy:
    """Return how long API keys live, as the operator has set it."""
    settings = current_environment().settings
    return KeyPolicy(
        validity=settings.api_key_validity,
        overlap=settings.api_key_overlap,
        grace=settings.api_key_grace,
    )


def forget_ended() -> int:
    """Delete what ended long ago: keys, tokens and signing secrets; return how many."""
    return repository.forget_ended(now() - _KEPT_AFTER_END)


# Operators


def create_operator(name: str) -> IssuedCredential:
    """Make an operator's account: an OAuth 2 client with the role operator."""
    return _issue_client(None, name, frozenset({AccessRole.OPERATOR}))


def list_operators() -> Sequence[Credential]:
    """Return the operators' accounts that were not revoked."""
    return repository.operator_credentials()


def revoke_operator(client_id: str) -> Credential:
    """Have an operator's account stop working at once. Raises NotFound."""
    credential = repository.credential_of_client(client_id)
    if credential is None or credential.market_player_id is not None:
        raise NotFound.entity("operator with the client id", client_id)
    _revoke(credential, None)
    return credential


def _player(market_player_id: UUID, *, for_update: bool = False) -> MarketPlayer:
    if for_update:
        player = repository.market_player_for_update(market_player_id)
    else:
        player = repository.market_player(market_player_id)
    if player is None:
        raise NotFound.entity("market player", market_player_id)
    return player


def _state(player: MarketPlayer, statement: Statement) -> None:
    if statement.eic_code is not None:
        _check_eic_code(player.id, statement.eic_code)
    if statement.website is not None and not statement.website.startswith(("https://", "http://")):
        raise InvalidInput.field("/website", "uri", "A web site begins with https://.")
    player.name = statement.name.strip()
    player.country = statement.country
    player.contact_email = statement.contact_email
    player.eic_code = statement.eic_code
    player.website = statement.website
    player.updated_at = now()
    held = {held.role for held in player.held_roles}
    player.held_roles = [
        *[one for one in player.held_roles if one.role in statement.roles],
        *[HeldRole(role=role) for role in sorted(statement.roles - held)],
    ]


def _check_eic_code(market_player_id: UUID, eic_code: str) -> None:
    if not is_eic_code(eic_code):
        raise InvalidInput.field(
            "/eicCode", "eicCode", "This is not an EIC code: its check character is not right."
        )
    owner = repository.registered_with_eic_code(eic_code)
    if owner is not None and owner.id != market_player_id:
        raise Conflict("A market player with this EIC code is registered already.")


def _move(market_player_id: UUID, action: str, reason: str, if_match: str | None) -> MarketPlayer:
    require_operator()
    player = _player(market_player_id, for_update=True)
    check_if_match(player, if_match, required=False)
    before = player.state
    player.state = MARKET_PLAYER.after(before, action)
    player.state_reason = reason
    forget_recent()
    player.updated_at = now()
    audit.record(
        "MarketPlayer",
        player.id,
        action,
        from_state=before,
        to_state=player.state,
        reason=reason,
        market_player_id=player.id,
    )
    return player


def _platform(market_player_id: UUID) -> Platform:
    platform = repository.platform(market_player_id)
    if platform is None:
        raise NotFound.entity("platform of market player", market_player_id)
    return platform


def _platform_state(platform: Platform, signing_secret: str | None = None) -> PlatformState:
    return PlatformState(
        platform,
        repository.platform_key(platform.market_player_id),
        repository.last_integration_test(platform.market_player_id),
        signing_secret,
    )


def _check_key_goes_along(base_url: str, statement: PlatformStatement) -> None:
    """Raise InvalidInput when the key that one host knows would be presented to another one.

    Whoever holds a credential of the company could otherwise have the key sent to a host of theirs.
    """
    if statement.api_key is None and not same_origin(base_url, statement.base_url):
        raise InvalidInput.field(
            "/apiKey", "required", "State the API key that the platform at the new address knows."
        )


def _present(market_player_id: UUID, api_key: str | None, moment: datetime) -> None:
    key = repository.platform_key(market_player_id, for_update=True)
    if api_key is None:
        if key is None:
            raise InvalidInput.field(
                "/apiKey", "required", "State the API key that the platform knows, the first time."
            )
        return
    if key is None:
        key = PlatformKey(market_player_id=market_player_id)
        current_session().add(key)
    key.encrypted_key = current_environment().settings.secret_box.encrypt(api_key)
    key.obtained_at = moment
    key.valid_until = None
    key.refresh_id = None
    # It went through people's hands, and nobody knows its end: it is replaced at once.
    key.next_refresh_at = moment
    key.failures = 0


def _signing_secret(market_player_id: UUID, moment: datetime, *, renew: bool) -> str | None:
    live = repository.signing_secrets(market_player_id, moment)
    if live and not renew:
        return None
    for secret in live:
        overlap_ends_at = moment + _SIGNING_SECRET_OVERLAP
        secret.ends_at = min(secret.ends_at or overlap_ends_at, overlap_ends_at)
    plain = new_signing_secret()
    current_session().add(
        SigningSecret(
            id=new_id(),
            market_player_id=market_player_id,
            encrypted_secret=current_environment().settings.secret_box.encrypt(plain),
        )
    )
    return plain


def _new_credential(
    market_player_id: UUID | None, kind: CredentialKind, label: str, roles: frozenset[AccessRole]
) -> Credential:
    credential = Credential(
        id=new_id(),
        market_player_id=market_player_id,
        kind=kind,
        label=label.strip(),
        scope=" ".join(sorted(roles)),
        created_at=now(),
    )
    current_session().add(credential)
    audit.record("Credential", credential.id, "issue", market_player_id=market_player_id)
    return credential


def _issue_client(
    market_player_id: UUID | None, label: str, roles: frozenset[AccessRole]
) -> IssuedCredential:
    credential = _new_credential(market_player_id, CredentialKind.OAUTH2_CLIENT, label, roles)
    credential.client_id = f"{_CLIENT_ID_PREFIX}_{secrets.token_hex(12)}"
    secret = new_secret(_CLIENT_SECRET_PREFIX)
    credential.secret_hash = hash_secret(secret)
    current_session().flush()
    return IssuedCredential(credential, secret)


def _issue_api_key(
    market_player_id: UUID, label: str, roles: frozenset[AccessRole]
) -> IssuedCredential:
    credential = _new_credential(market_player_id, CredentialKind.API_KEY, label, roles)
    current_session().flush()
    secret, row = _new_api_key(credential.id, key_policy(), now())
    return IssuedCredential(credential, secret, row.expires_at)


def _new_api_key(credential_id: UUID, policy: KeyPolicy, moment: datetime) -> tuple[str, ApiKey]:
    secret = new_secret(API_KEY_PREFIX)
    life = issue(policy, moment)
    row = ApiKey(
        id=new_id(),
        credential_id=credential_id,
        key_hash=hash_secret(secret),
        valid_from=life.valid_from,
        expires_at=life.ends_at,
        ends_at=life.ends_at,
    )
    current_session().add(row)
    current_session().flush()
    return secret, row


def _revoke(credential: Credential, reason: str | None) -> None:
    credential.revoked_at = now()
    forget_recent()
    audit.record(
        "Credential",
        credential.id,
        "revoke",
        reason=reason,
        market_player_id=credential.market_player_id,
    )
