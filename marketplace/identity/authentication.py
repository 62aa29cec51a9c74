"""Knows credentials: whose an API key or an access token is."""

from datetime import datetime, timedelta

from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import repository
from marketplace.identity.access import MarketplacePrincipal
from marketplace.identity.domain import KeyPolicy, after_use
from marketplace.identity.recent import forget_recent, recent_of
from marketplace.identity.service import key_policy
from marketplace.identity.tables import Credential
from mpp_sdk.clock import now
from mpp_sdk.errors import Unauthenticated
from mpp_sdk.secrets import hash_secret

_NOTED_EVERY = timedelta(minutes=5)
"""How exact `last_used_at` is: a write for every call would cost more than the call."""


class CredentialAuthenticator:
    """The authenticator of the marketplace's contracts."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._recent = recent_of(environment)

    def remembered(self, scheme: str, credential: str) -> MarketplacePrincipal | None:
        """Return who presented a credential a moment ago; None when nobody is remembered."""
        return self._recent.get((scheme, hash_secret(credential)), now())

    def authenticate(self, scheme: str, credential: str) -> MarketplacePrincipal:
        """Return who presents a credential. Raises Unauthenticated."""
        with in_environment(self._environment):
            if scheme == "apiKey":
                return self._by_api_key(credential)
            return self._by_token(credential)

    def _by_api_key(self, presented: str) -> MarketplacePrincipal:
        moment, known = now(), self._recent.version
        with unit_of_work(self._environment.engine, read_only=True):
            key = repository.api_key_of_hash(hash_secret(presented))
        if key is None or key.credential.revoked_at is not None:
            raise Unauthenticated("The API key is unknown or revoked.")
        if not key.life.is_valid(moment):
            raise Unauthenticated(
                "The API key was replaced by a newer one."
                if key.superseded or key.ends_at < key.expires_at
                else "The API key has expired."
            )
        if key.first_used_at is None:
            self._first_use(hash_secret(presented), key_policy(), moment)
        self._note_use(key.credential, moment)
        principal = _principal(key.credential, key.credential.scope)
        self._recent.put(("apiKey", key.key_hash), principal, key.ends_at, known)
        return principal

    def _by_token(self, presented: str) -> MarketplacePrincipal:
        moment, known = now(), self._recent.version
        with unit_of_work(self._environment.engine, read_only=True):
            token = repository.access_token_of_hash(hash_secret(presented))
        if token is None or token.credential.revoked_at is not None:
            raise Unauthenticated("The access token is unknown or revoked.")
        if token.expires_at <= moment:
            raise Unauthenticated("The access token has expired: get another one.")
        self._note_use(token.credential, moment)
        principal = _principal(token.credential, token.scope)
        self._recent.put(("oauth2", token.token_hash), principal, token.expires_at, known)
        return principal

    def _first_use(self, key_hash: str, policy: KeyPolicy, moment: datetime) -> None:
        """Let the keys before a key end, because it has arrived."""
        with unit_of_work(self._environment.engine):
            used = repository.api_key_of_hash(key_hash)
            if used is None:
                return
            forget_recent()
            for key in repository.api_keys(used.credential_id):
                if key.id == used.id:
                    key.first_used_at = key.first_used_at or moment
                elif key.id < used.id and not key.superseded:
                    key.apply(after_use(key.life, policy, moment))

    def _note_use(self, credential: Credential, moment: datetime) -> None:
        last = credential.last_used_at
        if last is None or moment - last >= _NOTED_EVERY:
            with unit_of_work(self._environment.engine):
                repository.note_use(credential.id, moment)


def _principal(credential: Credential, scope: str) -> MarketplacePrincipal:
    player = credential.market_player
    owner = f"{player.name} ({credential.label})" if player else credential.label
    return MarketplacePrincipal(
        subject=f"credential:{credential.id}",
        name=owner[:200],
        roles=frozenset(scope.split()),
        credential_id=credential.id,
        market_player_id=credential.market_player_id,
        player_state=player.state if player else None,
    )
