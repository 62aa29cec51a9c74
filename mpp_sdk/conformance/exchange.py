"""A call that the kit made, and what was answered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mpp_sdk.errors import InvalidInput
from mpp_sdk.web.contract import Operation
from mpp_sdk.web.strict_json import read_json

_SECRET_HEADERS = frozenset({"x-api-key", "authorization", "webhook-signature"})
_SECRET_FIELDS = frozenset({"apiKey", "clientSecret", "access_token"})
_SHOWN_BYTES = 2_000


@dataclass(frozen=True)
class Request:
    """What was sent. `path` includes the contract's base path and the query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None

    def shown_headers(self) -> dict[str, str]:
        """Return the headers with the secrets in them left out."""
        return {
            name: "***" if name.lower() in _SECRET_HEADERS else value
            for name, value in self.headers.items()
        }


@dataclass(frozen=True)
class Exchange:
    """A request and its answer. Header names of the answer are in small letters.

    operation is None for a call that is in no contract.
    """

    operation: Operation | None
    request: Request
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def media_type(self) -> str:
        """The media type of the answer, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the answer's body as JSON, or None where it is none."""
        try:
            return read_json(self.body)
        except (ValueError, InvalidInput):
            return None

    def fields(self) -> dict[str, Any]:
        """Return the answer's body as a JSON object; an empty one where it is none."""
        found = self.json()
        return found if isinstance(found, dict) else {}

    def __str__(self) -> str:
        """Return the call in a line, as a person would name it."""
        return f"{self.request.method} {self.request.path} was answered {self.status}"


def shown(body: bytes | None) -> str:
    """Return a body as a report shows it: text, not too long, without keys that were issued."""
    if not body:
        return ""
    try:
        found = json.loads(body)
    except ValueError:
        return body[:_SHOWN_BYTES].decode("utf-8", "replace")
    return json.dumps(_without_secrets(found), ensure_ascii=False)[:_SHOWN_BYTES]


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: "***" if name in _SECRET_FIELDS else _without_secrets(inner)
                for name, inner in value.items()
            }
        case list():
            return [_without_secrets(inner) for inner in value]
        case _:
            return value
