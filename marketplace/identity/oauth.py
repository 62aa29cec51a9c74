"""The OAuth 2 token endpoint: client credentials (RFC 6749, 4.4), by Authlib."""

import base64
import json
import logging
import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, cast

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientCredentialsGrant,
    ClientMixin,
    JsonRequest,
    OAuth2Payload,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.errors import InvalidScopeError
from authlib.oauth2.rfc6749.util import scope_to_list
from authlib.oauth2.rfc6750 import BearerTokenGenerator

from marketplace.core.environment import current_environment
from marketplace.core.unit_of_work import current_session
from marketplace.identity import repository
from marketplace.identity.domain import AccessRole
from marketplace.identity.tables import AccessToken, Credential
from mpp_sdk.clock import now
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import hash_secret, matches, new_secret
from mpp_sdk.web.call import JSON, Reply
from mpp_sdk.web.problems import REALM

_TOKEN_PREFIX = "fxt"  # noqa: S105 - the beginning of a token, not one
_AUTH_METHODS = ("client_secret_basic", "client_secret_post")
_CLIENT_ID = re.compile(r"fxc_[0-9a-f]{24}")


# At DEBUG it writes every token that it issues.
logging.getLogger("authlib.oauth2.rfc6749.grants.client_credentials").disabled = True


def token_response(form: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
    """Return the answer of the token endpoint: a token, or an error of RFC 6749, 5.2.

    headers has lower-case names.
    """
    return cast(Reply, _SERVER.create_token_response(_Request(form, headers)))


class _Client(ClientMixin):
    """A credential as Authlib sees a client."""

    def __init__(self, credential: Credential) -> None:
        self.credential = credential

    def get_client_id(self) -> str:
        return self.credential.client_id or ""

    def get_allowed_scope(self, scope: Collection[str] | str | None) -> str:
        """Return the scope to grant: what is asked for, or all there is.

        Raises InvalidScopeError for more than the client holds.
        """
        held = self.credential.scope.split()
        asked = list(dict.fromkeys(scope_to_list(scope) or held))
        if not set(asked) <= set(held):
            raise InvalidScopeError(f"This client holds the scopes {' '.join(held)}.")
        return " ".join(asked)

    def check_client_secret(self, client_secret: str) -> bool:
        return matches(client_secret, self.credential.secret_hash or "")

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in _AUTH_METHODS

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == ClientCredentialsGrant.GRANT_TYPE


class _Payload(OAuth2Payload):
    def __init__(self, form: Mapping[str, str]) -> None:
        self._form = dict(form)

    @property
    def data(self) -> dict[str, str]:
        return self._form

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: [value] for name, value in self._form.items()})


class _Request(OAuth2Request):
    def __init__(self, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
        # Whether the way here was encrypted is known to what stands in front of this process, not
        # to it; Authlib, which insists on https, is given the endpoint's name.
        super().__init__(
            "POST", "https://flexagora.invalid/oauth/token", headers=_basic_authorization(headers)
        )
        self._form = dict(form)
        self.payload = _Payload(form)

    @property
    def form(self) -> dict[str, str]:
        return self._form


def _basic_authorization(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the Authorization header when it is one of HTTP Basic that Authlib can read."""
    given = headers.get("authorization", "")
    kind, _, encoded = given.partition(" ")
    if kind.lower() != "basic":
        return {}
    try:
        base64.b64decode(encoded, validate=True).decode()
    except ValueError:  # neither base64 nor UTF-8: not a client's name and secret
        return {}
    return {"Authorization": given}


class _Grant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = list(_AUTH_METHODS)  # noqa: RUF012 - so declared by Authlib


class _Server(AuthorizationServer):
    """Authlib's server, on the unit of work of the call."""

    def __init__(self) -> None:
        super().__init__(scopes_supported=[role.value for role in AccessRole])
        self.register_grant(_Grant)
        self.register_token_generator(
            "default",
            BearerTokenGenerator(
                access_token_generator=lambda **_: new_secret(_TOKEN_PREFIX),
                expires_generator=lambda *_: _lifetime_seconds(),
            ),
        )

    # Authlib takes None for a client that there is not; its stubs do not know.
    def query_client(self, client_id: str) -> _Client | None:  # type: ignore[override]
        if not _CLIENT_ID.fullmatch(client_id):
            return None
        credential = repository.credential_of_client(client_id)
        return _Client(credential) if credential else None

    def save_token(self, token: Mapping[str, Any], request: OAuth2Request) -> None:
        moment = now()
        client = cast(_Client, request.client)
        current_session().add(
            AccessToken(
                id=new_id(),
                credential_id=client.credential.id,
                token_hash=hash_secret(token["access_token"]),
                scope=token["scope"],
                issued_at=moment,
                expires_at=moment + timedelta(seconds=token["expires_in"]),
            )
        )
        client.credential.last_used_at = moment

    def create_oauth2_request(self, request: _Request) -> OAuth2Request:
        return request

    def create_json_request(self, request: object) -> JsonRequest:
        raise NotImplementedError("the token endpoint takes forms")

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Tell nobody."""

    def handle_response(self, status: int, body: Any, headers: Any) -> Reply:
        kept = {name: value for name, value in headers if name.lower() != "content-type"}
        if "WWW-Authenticate" in kept:
            kept["WWW-Authenticate"] = f'Basic realm="{REALM}"'
        return Reply(json.dumps(body).encode(), status, kept, JSON)


def _lifetime_seconds() -> int:
    return int(current_environment().settings.access_token_lifetime.total_seconds())


_SERVER = _Server()
