"""Says what is wrong with an answer: by the contract, and by who may see what."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from mpp_sdk.web.contract import Contract, Operation
from mpp_sdk.web.routing import Routes

from .grammar import Request
from .wire import Answer

PROBLEM = "application/problem+json"
_UNROUTED = {400, 401, 404, 405, 429}
"""How a request may be answered that is none of the contract's operations."""


@dataclass(frozen=True)
class Flaw:
    """What is wrong, in a word, and in detail."""

    kind: str
    detail: str


class Judge:
    """Judges the answers of one contract's server."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._routes = Routes(contract, contract.base_path)
        self._validators: dict[tuple[str, str, str], jsonschema_rs.Validator | None] = {}

    def flaws(self, request: Request, answer: Answer, foreign: "Foreign") -> Iterator[Flaw]:
        """Yield what is wrong with an answer. foreign is what the caller must not see."""
        if answer.status >= 500:
            yield Flaw("server error", f"{answer.status} {answer.body[:300]!r}")
        seen = foreign.seen(request, answer)
        if seen:
            yield Flaw("foreign", f"It tells {', '.join(sorted(seen))}")
        if "x-injected" in answer.headers:
            yield Flaw("injection", "A header came from a value.")
        yield from self._by_contract(request, answer)

    def _by_contract(self, request: Request, answer: Answer) -> Iterator[Flaw]:
        operation = self._operation(request)
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        if operation is None:
            if answer.status >= 400 and request.method != "HEAD" and media_type != PROBLEM:
                yield Flaw("no problem", f"{answer.status} {media_type} {answer.body[:200]!r}")
            if answer.status not in _UNROUTED and request.method != "OPTIONS":
                yield Flaw("undocumented", f"{answer.status} where there is no operation")
            return
        if str(answer.status) not in operation.statuses:
            yield Flaw("undocumented", f"{answer.status} of {operation.operation_id}")
            return
        if answer.body:
            yield from self._by_schema(operation, str(answer.status), media_type, answer.body)

    def _operation(self, request: Request) -> Operation | None:
        path = request.target.partition("?")[0]
        try:
            return self._routes.find(request.method, path)[0]
        except Exception:
            return None

    def _by_schema(
        self, operation: Operation, status: str, media_type: str, body: bytes
    ) -> Iterator[Flaw]:
        key = (operation.operation_id, status, media_type)
        if key not in self._validators:
            self._validators[key] = self._validator(operation, status, media_type)
        validator = self._validators[key]
        if validator is None:
            yield Flaw("undocumented", f"{media_type} with {status} of {operation.operation_id}")
            return
        document = json.loads(body) if media_type.endswith("json") else body.decode()
        for error in validator.iter_errors(document):
            yield Flaw("schema", f"{status} of {operation.operation_id}: {error.message[:300]}")

    def _validator(
        self, operation: Operation, status: str, media_type: str
    ) -> jsonschema_rs.Validator | None:
        node = self._contract.document["paths"][operation.path][operation.method.lower()]
        content = self._contract.resolve(node["responses"][status]).get("content", {})
        if media_type not in content:
            return None
        schema = _plain(
            {
                "allOf": [content[media_type].get("schema", {})],
                "components": self._contract.document["components"],
            }
        )
        return jsonschema_rs.Draft4Validator(schema)


class Foreign:
    """What a caller must never be told: the ids and names of others, and every secret."""

    def __init__(self, words: Iterable[str]) -> None:
        escaped = [re.escape(word.encode()) for word in sorted(words)]
        self._pattern = re.compile(b"|".join(escaped)) if escaped else None

    def seen(self, request: Request, answer: Answer) -> set[str]:
        """Return what an answer tells that the request did not say itself."""
        if self._pattern is None:
            return set()
        told = b"\n".join((answer.body, repr(answer.headers).encode()))
        found = {one.decode() for one in self._pattern.findall(told)}
        if not found:
            return found
        said = f"{request.target}{request.headers}{(request.body or b'').decode('latin-1')}"
        return {one for one in found if one not in said}


def _plain(node: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema: what is nullable may be null."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, Mapping):
        return node
    made = {name: _plain(one) for name, one in node.items() if name not in ("example", "examples")}
    if made.pop("nullable", False) is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made
