"""The client of the OpenID provider by which people sign in: authorization code and PKCE."""

from collections.abc import Mapping
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.flask_client.apps import FlaskOAuth2App
from flask import current_app, url_for
from flask_babel import gettext as _
from joserfc.errors import JoseError
from werkzeug.wrappers import Response

from marketplace.accounts.federation import Identity
from marketplace.core.environment import current_environment
from marketplace.core.settings import Settings
from mpp_sdk.errors import Forbidden, Unavailable
from mpp_sdk.transport.trust import authorities

_NAME = "provider"
_EXTENSION = "flexagora_openid"
_SCOPE = "openid email profile"
_TIMEOUT_S = 10
_LEEWAY_S = 30
_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""What an ID token may be signed with: by a key that the provider alone has, and never not."""

_USUAL_ALGORITHM = "RS256"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderFailed(Unavailable):
    """The OpenID provider does not answer, or not as it must."""

    title = "Your organisation's sign-in cannot be reached"


class NotSignedIn(Forbidden):
    """What came back from the OpenID provider lets nobody in."""

    title = "You are not signed in"


class Provider(FlaskOAuth2App):
    """The OpenID provider of the settings, as its discovery document describes it."""

    discovery_url = ""
    allow_http = False

    def load_server_metadata(self) -> dict[str, Any]:
        """Return the discovery document. Raises ProviderFailed for one that cannot be used."""
        if not self._is_safe(self.discovery_url):
            raise ProviderFailed(_("Its address must begin with https://."))
        found: dict[str, Any] = super().load_server_metadata()
        named = isinstance(found.get("issuer"), str)
        if not named or not all(self._is_safe(found.get(name)) for name in _ENDPOINTS):
            found.clear()  # or it would be remembered
            raise ProviderFailed(
                _("Its discovery document lacks the issuer, or an address with https://.")
            )
        offered = found.get("id_token_signing_alg_values_supported", [_USUAL_ALGORITHM])
        found["id_token_signing_alg_values_supported"] = sorted(_ALGORITHMS.intersection(offered))
        return found

    def _is_safe(self, address: object) -> bool:
        schemes = ("https://", "http://") if self.allow_http else ("https://",)
        return isinstance(address, str) and address.startswith(schemes)


class _Providers(OAuth):
    oauth2_client_cls = Provider


def provider_name() -> str | None:
    """Return what the provider's button is called; None where there is no provider."""
    settings = current_environment().settings
    return settings.oidc_name if settings.oidc_discovery_url else None


def to_provider() -> Response:
    """Return the way to the provider's sign-in page. Raises ProviderFailed."""
    address = current_environment().settings.effective_public_url + url_for("account.from_provider")
    try:
        answer: Response = _provider().authorize_redirect(address)
    except (requests.RequestException, AuthlibBaseError, RuntimeError, ValueError) as error:
        raise ProviderFailed(_("It does not answer. Try again in a while.")) from error
    return answer


def identity() -> Identity:
    """Return who somebody is, by what the provider's page has sent them back with.

    The ID token is the provider's own: its signature, issuer, audience, time and nonce are checked.
    Raises NotSignedIn and ProviderFailed.
    """
    provider = _provider()
    try:
        metadata = provider.load_server_metadata()
        expected = {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": provider.client_id},
            "sub": {"essential": True},
        }
        token = provider.authorize_access_token(claims_options=expected, leeway=_LEEWAY_S)
    except requests.RequestException as error:
        raise ProviderFailed(_("It does not answer. Try again in a while.")) from error
    except (AuthlibBaseError, JoseError, RuntimeError, ValueError) as error:
        raise NotSignedIn(
            _(
                "What your organisation's sign-in has sent back is not valid, or was used before. "
                "Begin again on the sign-in page."
            )
        ) from error
    claims = token.get("userinfo")
    if claims is None:
        raise NotSignedIn(_("Your organisation's sign-in does not say who you are (no ID token)."))
    return _identity(claims)


def _identity(claims: Mapping[str, Any]) -> Identity:
    subject, email, name = claims["sub"], claims.get("email"), claims.get("name")
    if not isinstance(subject, str) or not subject:
        raise NotSignedIn(_("Your organisation's sign-in does not say who you are (no subject)."))
    return Identity(
        issuer=str(claims["iss"]),
        subject=subject,
        email=email if isinstance(email, str) else None,
        email_verified=claims.get("email_verified") is True,
        name=name if isinstance(name, str) else None,
    )


def _provider() -> Provider:
    """Return the provider of this site, which remembers the discovery document and the keys."""
    settings = current_environment().settings
    if not settings.oidc_discovery_url:
        raise NotSignedIn(_("People sign in here with an e-mail address and a password."))
    providers = current_app.extensions.get(_EXTENSION)
    if providers is None:
        providers = current_app.extensions[_EXTENSION] = _registered(settings)
    found: Provider = providers.create_client(_NAME)
    return found


def _registered(settings: Settings) -> _Providers:
    providers = _Providers(current_app)
    client = providers.register(  # type: ignore[no-untyped-call]  # not in the stubs
        _NAME,
        server_metadata_url=settings.oidc_discovery_url,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret.get_secret_value() or None,
        client_kwargs={
            "scope": _SCOPE,
            "code_challenge_method": "S256",
            "default_timeout": _TIMEOUT_S,
            "verify": authorities(),
        },
    )
    client.discovery_url = settings.oidc_discovery_url
    client.allow_http = settings.allow_http
    return providers
