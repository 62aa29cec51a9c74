"""Market players, platforms, credentials and tokens over HTTP."""

from uuid import UUID

from marketplace.core.etag import etag
from marketplace.identity import oauth, service
from marketplace.identity import tables as rows
from marketplace.identity.domain import AccessRole as HeldAccessRole
from marketplace.identity.domain import CredentialKind as KindOfCredential
from marketplace.identity.domain import MarketPlayerRole as HeldRole
from marketplace.identity.domain import MarketPlayerState as State
from marketplace.identity.repository import MarketPlayerFilter
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import (
    AccessRole,
    ActionReason,
    Credential,
    CredentialDraft,
    CredentialKind,
    CredentialPage,
    IntegrationTest,
    IntegrationTestPage,
    IntegrationTestStep,
    IssuedCredential,
    MarketPlayer,
    MarketPlayerDraft,
    MarketPlayerPage,
    MarketPlayerRegistration,
    MarketPlayerRole,
    MarketPlayerState,
    Platform,
    PlatformDraft,
    TokenRequest,
)
from mpp_sdk.contracts.notifications.models import ConnectionStatus, ConnectionTest, IssuedApiKey
from mpp_sdk.web.call import Reply, current_call


def issue_token(body: TokenRequest) -> Reply:
    """Answer a token request."""
    form = body.model_dump(exclude_none=True)
    return oauth.token_response(form, current_call().headers)


def register_market_player(body: MarketPlayerDraft) -> Reply:
    """Register a market player."""
    player, credential = service.register_market_player(_statement(body))
    registration = MarketPlayerRegistration(
        market_player=_market_player(player), credential=_issued(credential)
    )
    return Reply(registration, headers={"Location": _below(f"/market-players/{player.id}")})


def list_market_players(
    limit: int = 50,
    cursor: str | None = None,
    state: MarketPlayerState | None = None,
    role: MarketPlayerRole | None = None,
    q: str | None = None,
) -> MarketPlayerPage:
    """List market players."""
    wanted = MarketPlayerFilter(
        state=State(state) if state else None,
        role=HeldRole(role) if role else None,
        name_contains=q,
    )
    page = service.list_market_players(wanted, limit, cursor)
    return MarketPlayerPage(
        items=[_market_player(player) for player in page.items], next_cursor=page.next_cursor
    )


def read_market_player(market_player_id: UUID) -> Reply:
    """Read a market player."""
    return _player_reply(service.read_market_player(market_player_id))


def edit_market_player(
    market_player_id: UUID, body: MarketPlayerDraft, if_match: str | None = None
) -> Reply:
    """Edit a market player."""
    return _player_reply(service.edit_market_player(market_player_id, _statement(body), if_match))


def activate_market_player(
    market_player_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Activate a market player."""
    return _player_reply(service.activate_market_player(market_player_id, body.reason, if_match))


def suspend_market_player(
    market_player_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Suspend a market player."""
    return _player_reply(service.suspend_market_player(market_player_id, body.reason, if_match))


def reinstate_market_player(
    market_player_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Reinstate a market player."""
    return _player_reply(service.reinstate_market_player(market_player_id, body.reason, if_match))


def deregister_market_player(
    market_player_id: UUID, body: ActionReason, if_match: str | None = None
) -> Reply:
    """Deregister a market player."""
    return _player_reply(service.deregister_market_player(market_player_id, body.reason, if_match))


def read_platform(market_player_id: UUID) -> Reply:
    """Read a platform's connection settings."""
    return _platform_reply(service.read_platform(market_player_id))


def set_platform(market_player_id: UUID, body: PlatformDraft, if_match: str | None = None) -> Reply:
    """State a platform's connection settings."""
    statement = service.PlatformStatement(
        base_url=body.base_url,
        api_key=body.api_key,
        rotate_signing_secret=bool(body.rotate_signing_secret),
    )
    return _platform_reply(service.set_platform(market_player_id, statement, if_match))


def test_platform(market_player_id: UUID) -> IntegrationTest:
    """Run the integration set-up test."""
    return _integration_test(service.test_platform(market_player_id))


def list_platform_tests(
    market_player_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    passed: bool | None = None,
) -> IntegrationTestPage:
    """List a platform's integration set-up tests."""
    page = service.list_platform_tests(market_player_id, passed, limit, cursor)
    return IntegrationTestPage(
        items=[_integration_test(test) for test in page.items], next_cursor=page.next_cursor
    )


def issue_credential(market_player_id: UUID, body: CredentialDraft) -> IssuedCredential:
    """Issue a credential."""
    roles = frozenset(HeldAccessRole(role.value) for role in body.roles)
    return _issued(
        service.issue_credential(market_player_id, KindOfCredential(body.kind), body.label, roles)
    )


def list_credentials(
    market_player_id: UUID,
    limit: int = 50,
    cursor: str | None = None,
    kind: CredentialKind | None = None,
) -> CredentialPage:
    """List a market player's credentials."""
    wanted = KindOfCredential(kind) if kind else None
    page = service.list_credentials(market_player_id, wanted, limit, cursor)
    return CredentialPage(
        items=[_credential(state) for state in page.items], next_cursor=page.next_cursor
    )


def revoke_credential(
    market_player_id: UUID, credential_id: UUID, body: ActionReason
) -> Credential:
    """Revoke a credential."""
    return _credential(service.revoke_credential(market_player_id, credential_id, body.reason))


def refresh_api_key() -> IssuedApiKey:
    """Issue another API key to the calling platform."""
    issued = service.refresh_api_key()
    return IssuedApiKey(
        api_key=issued.api_key,
        valid_from=issued.valid_from,
        valid_until=issued.valid_until,
        previous_key_valid_until=issued.previous_key_valid_until,
    )


def test_connection() -> ConnectionTest:
    """Say that the notifications API is available."""
    contract = current_call().contract
    return ConnectionTest(
        status=ConnectionStatus.AVAILABLE,
        contract=contract.name,
        contract_version=contract.version,
        time=now(),
    )


def _below(path: str) -> str:
    return current_call().contract.base_path + path


def _statement(draft: MarketPlayerDraft) -> service.Statement:
    return service.Statement(
        name=draft.name,
        roles=frozenset(HeldRole(role) for role in draft.roles),
        country=draft.country,
        contact_email=draft.contact_email,
        eic_code=draft.eic_code,
        website=draft.website,
    )


def _market_player(player: rows.MarketPlayer) -> MarketPlayer:
    return MarketPlayer(
        market_player_id=player.id,
        name=player.name,
        roles=[MarketPlayerRole(role) for role in player.roles],
        country=player.country,
        eic_code=player.eic_code,
        contact_email=player.contact_email,
        website=player.website,
        state=MarketPlayerState(player.state),
        state_reason=player.state_reason,
        created_at=player.created_at,
    )


def _player_reply(player: rows.MarketPlayer) -> Reply:
    return Reply(_market_player(player), headers={"ETag": etag(player)})


def _platform_reply(state: service.PlatformState) -> Reply:
    platform, key, test = state.platform, state.key, state.last_test
    body = Platform(
        market_player_id=platform.market_player_id,
        base_url=platform.base_url,
        api_key_present=key is not None,
        api_key_valid_until=key.valid_until if key else None,
        signing_secret=state.signing_secret,
        last_test_passed=test.passed if test else None,
        last_test_at=test.started_at if test else None,
        contract_version=platform.contract_version,
        contract_version_at=platform.contract_version_at,
        updated_at=platform.updated_at,
    )
    return Reply(body, headers={"ETag": etag(platform)})


def _integration_test(test: rows.IntegrationTest) -> IntegrationTest:
    return IntegrationTest(
        test_id=test.id,
        passed=test.passed,
        started_at=test.started_at,
        steps=[IntegrationTestStep.model_validate(step) for step in test.steps],
    )


def _access_roles(credential: rows.Credential) -> list[AccessRole]:
    return [AccessRole(role) for role in credential.scope.split()]


def _credential(state: service.CredentialState) -> Credential:
    credential = state.credential
    return Credential(
        credential_id=credential.id,
        kind=CredentialKind(credential.kind),
        label=credential.label,
        roles=_access_roles(credential),
        client_id=credential.client_id,
        created_at=credential.created_at,
        valid_until=state.valid_until,
        last_used_at=credential.last_used_at,
        revoked_at=credential.revoked_at,
    )


def _issued(issued: service.IssuedCredential) -> IssuedCredential:
    credential = issued.credential
    is_key = credential.kind is KindOfCredential.API_KEY
    return IssuedCredential(
        credential_id=credential.id,
        kind=CredentialKind(credential.kind),
        label=credential.label,
        roles=_access_roles(credential),
        client_id=credential.client_id,
        client_secret=None if is_key else issued.secret,
        api_key=issued.secret if is_key else None,
        created_at=credential.created_at,
        valid_until=issued.valid_until,
    )
