"""Signing in with the account of an organisation, at an OpenID provider that really runs."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.functional.website.browserless import PASSWORD, Page, Visitor, sign_in, sign_up
from tests.functional.website.places import Place, opened
from tests.services.oidc_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider, oidc_provider

BUTTON = "Sign in with Levante's directory"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with oidc_provider() as running:
        yield running


@pytest.fixture(scope="module")
def place(provider: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(
        tmp_path_factory.mktemp("place"),
        oidc_discovery_url=provider.discovery_url,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_name="Levante's directory",
    ) as place:
        yield place


@pytest.fixture
def email() -> str:
    return f"ana-{uuid4().hex[:8]}@levante.example"


@pytest.fixture
def invited(place: Place, email: str) -> str:
    """Return the address of somebody whom a company has invited, and whom nobody knows yet."""
    boss = sign_up(place.url, f"Levante {uuid4().hex[:6]}", f"boss-{uuid4().hex}@levante.example")
    invite(boss, email)
    return email


def invite(boss: Visitor, email: str) -> None:
    boss.press(
        boss.go("/company/people"),
        "Send the invitation",
        {"name": "Ana", "email": email, "roles": ["requester"]},
    )


def come(place: Place, path: str = "/sign-in") -> tuple[Visitor, Page]:
    """Return somebody who has gone over the provider's page, and where that has led."""
    someone = Visitor(place.url)
    return someone, someone.follow(someone.go(path), BUTTON)


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.go("/account").path == "/account"


def subject() -> str:
    return uuid4().hex


def test_an_invited_person_comes_in_and_is_known_from_then_on(
    place: Place, provider: OpenIdProvider, invited: str
) -> None:
    who = {"sub": subject(), "email": invited, "name": "Ana Ruiz"}
    provider.tell(claims=who)
    someone, page = come(place, "/sign-in?next=/company/people")
    assert page.path == "/company/people"
    assert invited in someone.go("/account").words
    provider.tell(claims={**who, "email": None, "email_verified": None})
    again, _ = come(place)
    assert invited in again.go("/account").words


def test_the_return_is_bound_to_this_client_by_pkce_state_and_nonce(
    place: Place, provider: OpenIdProvider
) -> None:
    someone = Visitor(place.url)
    link = someone.go("/sign-in").link(BUTTON)
    answer = someone.session.get(link, allow_redirects=False, timeout=30)
    asked = {
        name: values[0]
        for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()
    }
    assert answer.headers["Location"].startswith(provider.url)
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{place.url}/sign-in/return"
    assert len(asked["state"]) >= 20
    assert len(asked["nonce"]) >= 20


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"claims": {"nonce": "another"}}, id="wrong nonce"),
        pytest.param({"claims": {"nonce": None}}, id="no nonce"),
        pytest.param({"claims": {"exp": int(time.time()) - 120}}, id="expired"),
        pytest.param({"claims": {"exp": None}}, id="without an end"),
        pytest.param({"claims": {"iat": int(time.time()) + 86_400}}, id="of tomorrow"),
        pytest.param({"claims": {"aud": "another"}}, id="wrong audience"),
        pytest.param({"claims": {"aud": "another", "azp": CLIENT_ID}}, id="audience beside azp"),
        pytest.param({"claims": {"aud": None}}, id="no audience"),
        pytest.param({"claims": {"iss": "https://evil.example"}}, id="wrong issuer"),
        pytest.param({"claims": {"sub": None}}, id="no subject"),
        pytest.param({"claims": {"sub": 7}}, id="a subject that is no text"),
        pytest.param({"signed": "other"}, id="bad signature"),
        pytest.param({"signed": "none"}, id="alg none"),
        pytest.param({"signed": "hmac"}, id="signed with the public key"),
        pytest.param({"status": 500}, id="the token endpoint fails"),
    ],
)
def test_what_is_not_the_providers_word_lets_nobody_in(
    place: Place, provider: OpenIdProvider, invited: str, told: dict[str, dict[str, object]]
) -> None:
    claims = {"sub": subject(), "email": invited, **told.get("claims", {})}
    provider.tell(**{**told, "claims": claims})
    someone, page = come(place)
    assert page.status in (403, 503)
    assert "sign-in" in page.words
    assert not is_signed_in(someone)
    provider.tell(claims={"sub": subject(), "email": invited})
    come(place)
    assert is_signed_in(come(place)[0])


def test_a_return_that_was_not_asked_for_lets_nobody_in(
    place: Place, provider: OpenIdProvider, invited: str
) -> None:
    provider.tell(claims={"sub": subject(), "email": invited})
    attacker = Visitor(place.url)
    back = back_from_provider(attacker)
    victim = Visitor(place.url)
    assert victim.go(back).status == 403
    assert not is_signed_in(victim)
    victim.session.get(victim.go("/sign-in").link(BUTTON), allow_redirects=False, timeout=30)
    assert victim.go(back).status == 403
    assert not is_signed_in(victim)


def test_a_return_works_once(place: Place, provider: OpenIdProvider, invited: str) -> None:
    provider.tell(claims={"sub": subject(), "email": invited})
    someone = Visitor(place.url)
    back = back_from_provider(someone)
    before = someone.session.cookies.copy()
    assert someone.go(back).path == "/overview"
    assert someone.go(back).status == 403
    thief = Visitor(place.url)
    thief.session.cookies.update(before)
    assert thief.go(back).status == 403
    assert not is_signed_in(thief)


@pytest.mark.parametrize(
    "query",
    ["", "?code=x", "?state=x", "?code=x&state=x", "?error=access_denied&error_description=<b>"],
)
def test_a_return_with_nonsense_is_told_what_to_do(place: Place, query: str) -> None:
    page = Visitor(place.url).go(f"/sign-in/return{query}")
    assert page.status == 403
    assert "Begin again" in page.words
    assert "<b>" not in page.text


def test_nobody_whom_no_company_has_invited_comes_in(
    place: Place, provider: OpenIdProvider, email: str
) -> None:
    provider.tell(claims={"sub": subject(), "email": email})
    someone, page = come(place)
    assert page.status == 403
    assert "Ask an administrator of your company to invite you" in page.words
    assert not is_signed_in(someone)


@pytest.mark.parametrize("verified", [False, None, "true"])
def test_an_address_that_the_provider_has_not_verified_opens_nothing(
    place: Place, provider: OpenIdProvider, invited: str, verified: object
) -> None:
    who = {"sub": subject(), "email": invited, "email_verified": verified}
    provider.tell(claims=who)
    someone, page = come(place)
    assert page.status == 403
    assert "without a verified e-mail address" in page.words
    assert not is_signed_in(someone)


def test_an_address_that_somebody_only_claims_is_not_linked(
    place: Place, provider: OpenIdProvider, email: str
) -> None:
    squatter = sign_up(place.url, f"Turia {uuid4().hex[:6]}", email)
    provider.tell(claims={"sub": subject(), "email": email})
    someone, page = come(place)
    assert page.status == 403
    assert not is_signed_in(someone)
    assert is_signed_in(squatter)


def test_somebody_of_another_company_sees_nothing_of_the_first(
    place: Place, provider: OpenIdProvider, email: str
) -> None:
    first = sign_up(place.url, f"Levante {uuid4().hex[:6]}", f"boss-{uuid4().hex}@levante.example")
    first.press(first.go("/company/credentials"), "Issue")
    person = first.go("/company/people").link("Ana Ruiz")
    credential = next(
        form.action
        for form in first.go("/company/credentials").tree.forms
        if (form.action or "").endswith("/revoke")
    )
    second = sign_up(place.url, f"Turia {uuid4().hex[:6]}", f"boss-{uuid4().hex}@turia.example")
    invite(second, email)
    provider.tell(claims={"sub": subject(), "email": email})
    someone, page = come(place)
    assert page.path == "/overview"
    assert "Turia" in someone.go("/company").title
    assert someone.go(person).status == 404
    [token] = someone.go("/account").tree.xpath("(//input[@name='csrf_token'])[1]/@value")
    refused = someone.post(credential, [("csrf_token", str(token)), ("reason", "mine now")])
    assert refused.status in (403, 404)
    assert "revoked" not in first.go("/company/credentials").words


def test_a_password_is_still_taken_beside_the_provider(place: Place, email: str) -> None:
    sign_up(place.url, f"Levante {uuid4().hex[:6]}", email)
    assert is_signed_in(sign_in(place.url, email, PASSWORD))


def test_a_provider_that_is_down_is_told_of(tmp_path: Path) -> None:
    with opened(
        tmp_path,
        oidc_discovery_url="http://127.0.0.1:9/.well-known/openid-configuration",
        oidc_client_id=CLIENT_ID,
        oidc_name="Levante's directory",
    ) as place:
        _, page = come(place)
        assert page.status == 503
        assert "Try again" in page.words


def test_a_provider_without_tls_is_not_called(tmp_path: Path, provider: OpenIdProvider) -> None:
    with opened(
        tmp_path,
        oidc_discovery_url=provider.discovery_url,
        oidc_client_id=CLIENT_ID,
        oidc_name="Levante's directory",
        allow_http=False,
    ) as place:
        _, page = come(place)
        assert page.status == 503
        assert "https" in page.words


def back_from_provider(visitor: Visitor) -> str:
    """Return the address to which the provider sends somebody back, who does not go there."""
    link = visitor.go("/sign-in").link(BUTTON)
    there = visitor.session.get(link, allow_redirects=False, timeout=30).headers["Location"]
    back = visitor.session.get(there, allow_redirects=False, timeout=30).headers["Location"]
    return str(back)
