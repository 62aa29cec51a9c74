"""A request as a contract's operation makes it, before it is known where it goes."""

import json
import secrets as random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from urllib.parse import quote, urlencode
from uuid import UUID

from pydantic import BaseModel

IDEMPOTENCY_KEY = "Idempotency-Key"

_FORM = "application/x-www-form-urlencoded"
_SECRET_ENDINGS = ("secret", "key", "token", "password")


@dataclass(frozen=True)
class Request:
    """One operation with its arguments. path is that of the contract; None values are left out."""

    method: str
    path: str
    path_values: Mapping[str, object] = field(default_factory=dict)
    query: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, object] = field(default_factory=dict)
    body: BaseModel | None = None
    form: bool = False
    accept: str = "application/json"

    @property
    def repeatable(self) -> bool:
        """Whether carrying it out twice is the same as once: a read, or a write with a key."""
        return self.method == "GET" or self.headers.get(IDEMPOTENCY_KEY) is not None

    def url(self, base_url: str) -> str:
        """Return where it goes, with its query."""
        path = self.path
        for name, value in self.path_values.items():
            path = path.replace("{" + name + "}", quote(_text(value), safe=""))
        query = urlencode({n: _text(v) for n, v in self.query.items() if v is not None})
        return f"{base_url}{path}?{query}" if query else base_url + path

    def sent_headers(self) -> dict[str, str]:
        """Return the headers that follow from the operation and its arguments."""
        sent = {"Accept": f"{self.accept}, application/problem+json"}
        if self.body is not None:
            sent["Content-Type"] = _FORM if self.form else "application/json"
        return sent | {n: _text(v) for n, v in self.headers.items() if v is not None}

    def content(self) -> bytes | None:
        """Return the body as it is sent."""
        if self.body is None:
            return None
        if not self.form:
            return self.body.model_dump_json(by_alias=True, exclude_none=True).encode()
        fields = self.body.model_dump(mode="json", by_alias=True, exclude_none=True)
        return urlencode({n: _text(v) for n, v in fields.items()}, quote_via=quote).encode()


def new_idempotency_key() -> str:
    """Return a key for one write, random, so that nobody guesses it: 32 hexadecimal digits."""
    return random.token_hex(16)


def secrets_in(body: BaseModel | None) -> Iterator[str]:
    """Yield what a body holds of secrets: the texts in fields that are called so."""
    if body is not None:
        yield from _secrets(json.loads(body.model_dump_json(by_alias=True, exclude_none=True)))


def _secrets(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _secrets(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str) and str(name).lower().endswith(_SECRET_ENDINGS):
                yield value
            else:
                yield from _secrets(value)


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case datetime():
            return value.isoformat()
        case list() | tuple():
            return ",".join(_text(item) for item in value)
        case UUID() | str() | int() | float():
            return str(value)
        case _:
            raise TypeError(f"Cannot be sent as a parameter: {type(value).__name__}")
