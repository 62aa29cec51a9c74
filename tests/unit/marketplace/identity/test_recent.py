"""Whom the marketplace lets in without asking its database, and how soon it stops doing so."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from marketplace.core.environment import Environment
from marketplace.identity import authentication, recent
from marketplace.identity import service as identity
from marketplace.identity.access import MarketplacePrincipal
from marketplace.identity.authentication import CredentialAuthenticator
from marketplace.identity.domain import AccessRole, CredentialKind
from marketplace.identity.recent import REMEMBERED_S, Recent
from mpp_sdk.clock import now
from mpp_sdk.database import open_database
from mpp_sdk.errors import Unauthenticated
from tests.unit.marketplace.market import OPERATOR, Company, Market

_WHO = MarketplacePrincipal("credential:1", "Somebody")
_KEY = ("apiKey", "hash")


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list whose one number is what the monotonic clock says."""
    moments = [1000.0]
    monkeypatch.setattr(recent, "monotonic", lambda: moments[0])
    return moments


@pytest.fixture
def authenticator(market: Market) -> CredentialAuthenticator:
    return CredentialAuthenticator(market.environment)


@pytest.fixture
def elsewhere(market: Market, sqlite_url: str) -> Iterator[Market]:
    """Return the same marketplace, as another process has it."""
    engine = open_database(sqlite_url)
    yield Market(Environment(market.environment.settings, engine))
    engine.dispose()


def _key(market: Market, company: Company) -> identity.IssuedCredential:
    return market.call(
        company,
        identity.issue_credential,
        company.id,
        CredentialKind.API_KEY,
        "platform",
        frozenset({AccessRole.PROVIDER}),
    )


def _let_in(authenticator: CredentialAuthenticator, secret: str) -> MarketplacePrincipal:
    """Return who was let in twice: the first use of a key is noted, the second remembered."""
    authenticator.authenticate("apiKey", secret)
    return authenticator.authenticate("apiKey", secret)


def test_it_is_for_a_moment_and_never_longer_than_the_key(moments: list[float]) -> None:
    known, moment = Recent(), now()
    known.put(_KEY, _WHO, moment + timedelta(seconds=1), known.version)
    assert known.get(_KEY, moment) is _WHO
    assert known.get(_KEY, moment + timedelta(seconds=1)) is None  # its key has ended
    assert known.get(("oauth2", "hash"), moment) is None
    moments[0] += REMEMBERED_S
    assert known.get(_KEY, moment) is None


def test_one_caller_asks_anew_before_all_have_to(moments: list[float]) -> None:
    known, moment = Recent(), now()
    known.put(_KEY, _WHO, moment + timedelta(days=1), known.version)
    moments[0] += REMEMBERED_S - 0.25
    assert [known.get(_KEY, moment) for _ in range(3)] == [None, _WHO, _WHO]
    moments[0] += 0.25
    assert [known.get(_KEY, moment) for _ in range(3)] == [None, None, None]


def test_what_was_read_before_a_change_is_not_remembered_after_it() -> None:
    known, moment = Recent(), now()
    read_at = known.version
    known.clear()
    known.put(_KEY, _WHO, moment + timedelta(days=1), read_at)
    assert known.get(_KEY, moment) is None


def test_a_revoked_credential_is_refused_at_once_by_the_process_that_revokes_it(
    market: Market, provider: Company, authenticator: CredentialAuthenticator
) -> None:
    issued = _key(market, provider)
    who = _let_in(authenticator, issued.secret)
    assert authenticator.remembered("apiKey", issued.secret) == who
    assert authenticator.remembered("oauth2", issued.secret) is None
    market.call(provider, identity.revoke_credential, provider.id, issued.credential.id, "Stolen.")
    assert authenticator.remembered("apiKey", issued.secret) is None
    with pytest.raises(Unauthenticated):
        authenticator.authenticate("apiKey", issued.secret)


def test_and_by_another_process_within_seconds(
    market: Market,
    elsewhere: Market,
    provider: Company,
    authenticator: CredentialAuthenticator,
    moments: list[float],
) -> None:
    issued = _key(market, provider)
    _let_in(authenticator, issued.secret)
    elsewhere.call(
        provider, identity.revoke_credential, provider.id, issued.credential.id, "Stolen."
    )
    assert authenticator.remembered("apiKey", issued.secret) is not None
    moments[0] += REMEMBERED_S
    assert authenticator.remembered("apiKey", issued.secret) is None
    with pytest.raises(Unauthenticated):
        authenticator.authenticate("apiKey", issued.secret)


def test_a_suspended_company_is_known_as_such_at_once(
    market: Market, provider: Company, authenticator: CredentialAuthenticator
) -> None:
    issued = _key(market, provider)
    _let_in(authenticator, issued.secret)
    market.call(OPERATOR, identity.suspend_market_player, provider.id, "Review.", None)
    assert authenticator.remembered("apiKey", issued.secret) is None
    who = authenticator.authenticate("apiKey", issued.secret)
    assert who.player_state == "SUSPENDED"


def test_the_first_use_of_a_key_is_noted_before_it_is_remembered(
    market: Market,
    provider: Company,
    authenticator: CredentialAuthenticator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older = _key(market, provider)
    who = authenticator.authenticate("apiKey", older.secret)
    with market.working(who):
        newer = identity.refresh_api_key().api_key
    assert authenticator.remembered("apiKey", older.secret) is None
    authenticator.authenticate("apiKey", older.secret)
    authenticator.authenticate("apiKey", newer)  # ends the older one in a minute
    assert authenticator.remembered("apiKey", older.secret) is None
    assert _let_in(authenticator, newer) == who
    assert authenticator.remembered("apiKey", newer) == who
    authenticator.authenticate("apiKey", older.secret)
    assert authenticator.remembered("apiKey", older.secret) == who
    monkeypatch.setattr(authentication, "now", lambda: now() + timedelta(minutes=2))
    assert authenticator.remembered("apiKey", older.secret) is None
