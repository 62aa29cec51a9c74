"""An OpenID provider as a process of its own: discovery, keys, codes, PKCE and signed ID tokens.

It is as strict as a good one (client, address, PKCE, codes that work once), asks nobody for a
password, and tells of whoever the test says, as rightly or wrongly as the test says.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "flexagora"
CLIENT_SECRET = "of-the-marketplace"
_LIFETIME_S = 300
_START_S = 30


class OpenIdProvider:
    """A provider that runs at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.discovery_url = f"{url}/.well-known/openid-configuration"

    def tell(self, **told: object) -> None:
        """Say what the next sign-ins tell.

        claims replace those of the ID token (None drops one); signed is `key`, `other` (by a key
        that nobody knows), `none` or `hmac`; status is that of the token endpoint.
        """
        requests.put(f"{self.url}/tell", json=told, timeout=10).raise_for_status()


@contextmanager
def oidc_provider() -> Iterator[OpenIdProvider]:
    """Give a provider in a process of its own, for as long as the block runs."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield OpenIdProvider(process.stdout.readline().strip())
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_START_S)
            process.kill()


class _State:
    def __init__(self) -> None:
        self.url = ""
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.other = RSAKey.generate_key(2048, {"kid": "one"})
        self.told: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}

    def discovery(self) -> Mapping[str, object]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, asked: Mapping[str, str]) -> str:
        """Return where the browser is sent back to."""
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe()
        self.codes[code] = dict(asked)
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, object]]:
        """Return the answer to a client that presents a code."""
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if _base64(digest) != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        return self.told.get("status", 200), {
            "access_token": secrets.token_urlsafe(),
            "token_type": "Bearer",
            "expires_in": _LIFETIME_S,
            "id_token": self._id_token(asked["nonce"]),
        }

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "ana",
            "iat": now,
            "exp": now + _LIFETIME_S,
            "nonce": nonce,
            "email_verified": True,
            **self.told.get("claims", {}),
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        signed = self.told.get("signed", "key")
        if signed in ("none", "hmac"):
            algorithm = "none" if signed == "none" else "HS256"
            head = _base64(json.dumps({"alg": algorithm, "kid": "one"}).encode())
            body = f"{head}.{_base64(json.dumps(claims).encode())}"
            known = self.key.as_pem(private=False)
            return f"{body}." + ("" if signed == "none" else _base64(_hmac(known, body)))
        key = self.other if signed == "other" else self.key
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)


def _hmac(key: bytes, body: str) -> bytes:
    return hmac.new(key, body.encode(), hashlib.sha256).digest()


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _serve() -> None:
    state = _State()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/.well-known/openid-configuration":
                self._answer(200, state.discovery())
            elif parts.path == "/jwks":
                self._answer(200, {"keys": [state.key.as_dict(private=False)]})
            elif parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", state.authorize(_flat(parts.query)))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            form = _flat(self._body())
            scheme, _, given = self.headers.get("Authorization", "").partition(" ")
            expected = f"{CLIENT_ID}:{CLIENT_SECRET}"
            if scheme != "Basic" or unquote(base64.b64decode(given).decode()) != expected:
                self._answer(401, {"error": "invalid_client"})
                return
            self._answer(*state.token(form))

        def do_PUT(self) -> None:
            state.told = json.loads(self._body())
            self._answer(200, {})

        def _body(self) -> str:
            return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()

        def _answer(self, status: int, body: Mapping[str, object]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    print(state.url, flush=True)
    server.serve_forever()


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


if __name__ == "__main__":
    _serve()
