"""One server that stands in for the platforms of the companies that are made up.

Each has a path of its own and takes every event, so that what a visitor does with these companies
goes on as it would.
"""

import secrets
from datetime import timedelta
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mpp_sdk.clock import now
from mpp_sdk.contracts.eu_mp.models import ConnectionStatus, ConnectionTest, IssuedApiKey
from mpp_sdk.secrets import hash_secret, new_secret
from mpp_sdk.web.contract import Contract

_VALIDITY = timedelta(days=90)


class StandIns:
    """The made-up platforms and the keys that they take, by the name in their path."""

    def __init__(self) -> None:
        self._keys: dict[str, set[str]] = {}
        self._contract = Contract.load("eu_mp")

    def open(self, name: str) -> str:
        """Have a platform answer below `/name`; return the key that it takes."""
        key = f"demo-{secrets.token_urlsafe(24)}"
        self._keys.setdefault(name, set()).add(hash_secret(key))
        return key

    def app(self) -> Starlette:
        """Return the server of all of them."""
        base = f"/{{name}}{self._contract.base_path}"
        return Starlette(
            routes=[
                Route(f"{base}/test", self._test),
                Route(f"{base}/apikey", self._new_key, methods=["POST"]),
                Route(f"{base}/{{event:path}}", self._event, methods=["POST"]),
            ]
        )

    def _is_known(self, request: Request) -> bool:
        presented = hash_secret(request.headers.get("X-API-Key", ""))
        return presented in self._keys.get(request.path_params["name"], ())

    async def _test(self, request: Request) -> Response:
        if not self._is_known(request):
            return _refused()
        answer = ConnectionTest(
            status=ConnectionStatus.AVAILABLE,
            contract=self._contract.name,
            contract_version=self._contract.version,
            time=now(),
        )
        return _json(answer.model_dump_json(by_alias=True))

    async def _new_key(self, request: Request) -> Response:
        if not self._is_known(request):
            return _refused()
        key = new_secret("demo")
        self._keys[request.path_params["name"]].add(hash_secret(key))
        moment = now()
        answer = IssuedApiKey(
            api_key=key,
            valid_from=moment,
            valid_until=moment + _VALIDITY,
            previous_key_valid_until=moment + _VALIDITY,
        )
        return _json(answer.model_dump_json(by_alias=True))

    async def _event(self, request: Request) -> Response:
        if not self._is_known(request):
            return _refused()
        event = await request.json()
        return JSONResponse({"eventId": event["eventId"], "outcome": "APPLIED"})


def _json(body: str) -> Response:
    return Response(body, media_type="application/json")


def _refused() -> Response:
    return JSONResponse({"title": "The key is not known"}, HTTPStatus.UNAUTHORIZED)
