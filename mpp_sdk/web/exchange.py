"""What is known of a request on its way through the layers, kept in its ASGI scope."""

import re
import time
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from mpp_sdk.errors import FieldError
from mpp_sdk.ids import new_id
from mpp_sdk.web.call import JSON, Principal
from mpp_sdk.web.contract import Contract, Operation

Scope = MutableMapping[str, Any]

_KEY = "flexagora.exchange"
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


@dataclass
class Exchange:
    """One request and what each layer has found out about it.

    path_values are the undecoded parts of the path; arguments what the handler gets. header_values
    has every header as often as it came, headers those of a name joined (RFC 9110, 5.3). page is
    the name of the web page that was asked for, where no contract has an operation for it. streams
    says that the answer is a stream, which lasts as long as somebody follows it.
    """

    method: str
    path: str
    correlation_id: str
    started: float = field(default_factory=time.perf_counter)
    contract: Contract | None = None
    operation: Operation | None = None
    path_values: dict[str, str] = field(default_factory=dict)
    scheme: str | None = None
    principal: Principal | None = None
    header_values: dict[str, list[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    errors: list[FieldError] = field(default_factory=list)
    media_type: str = JSON
    body: bytes = b""
    document: Any = None
    event_id: str | None = None
    page: str | None = None
    status: int | None = None
    streams: bool = False


def open_exchange(scope: Scope) -> Exchange:
    """Return the exchange of a new request, kept in its scope."""
    sent = (value for name, value in scope["headers"] if name.lower() == b"x-correlation-id")
    given = next(sent, b"").decode("latin-1")
    valid = _CORRELATION_ID.fullmatch(given) is not None
    exchange = Exchange(
        method=scope["method"],
        path=raw_path(scope),
        correlation_id=given if valid else str(new_id()),
    )
    scope["extensions"] = {**(scope.get("extensions") or {}), _KEY: exchange}
    return exchange


def exchange_of(scope: Scope) -> Exchange:
    """Return the exchange of a request. Raises KeyError when it has none."""
    exchange: Exchange = scope["extensions"][_KEY]
    return exchange


def has_exchange(scope: Scope) -> bool:
    """Return whether a frame already surrounds this request."""
    return _KEY in (scope.get("extensions") or {})


def header_items(scope: Scope) -> Iterator[tuple[str, str]]:
    """Return the headers, names in lower case."""
    return ((n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in scope["headers"])


def read_headers(exchange: Exchange, scope: Scope) -> None:
    """Note the headers of a request in its exchange."""
    values: dict[str, list[str]] = {}
    for name, value in header_items(scope):
        values.setdefault(name, []).append(value)
    exchange.header_values = values
    exchange.headers = {name: ", ".join(each) for name, each in values.items()}


def raw_path(scope: Scope) -> str:
    """Return the path as it was sent, still percent-encoded, without the query."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return str(scope["path"])
    return raw.partition(b"?")[0].decode("latin-1")
