"""Whether an answer is one that the contract lists for its operation."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.errors import InvalidInput
from mpp_sdk.web.contract import Contract, Operation
from mpp_sdk.web.strict_json import read_json
from mpp_sdk.web.validation import Validators

PROBLEM = "application/problem+json"
_JSON = ("application/json", PROBLEM)
_MOST = 5


class Answers:
    """Holds answers against a contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._validators = Validators(contract)

    def faults(self, exchange: Exchange) -> Iterator[str]:
        """Return in what an answer breaks the contract, in words; nothing for a sound one."""
        operation = exchange.operation
        if operation is None:
            return
        listed = self._response(operation, exchange.status)
        if listed is None:
            expected = ", ".join(sorted(operation.statuses))
            yield f"The contract lists no {exchange.status} here, only {expected}."
            return
        yield from self._headers(listed, exchange)
        yield from self._body(listed, exchange)

    def problem_faults(self, exchange: Exchange) -> Iterator[str]:
        """Return in what a refusal is no RFC 9457 problem of these contracts."""
        if exchange.media_type != PROBLEM:
            yield f"A refusal is {PROBLEM}, and this is {exchange.media_type or 'untyped'}."
            return
        schema = self._contract.document["components"]["schemas"]["Problem"]
        yield from self._schema_faults(schema, exchange)

    def data_faults(self, schema: Mapping[str, Any], text: str) -> Iterator[str]:
        """Return in what a text breaks a schema of the contract."""
        try:
            yield from self._value_faults(schema, read_json(text.encode()))
        except InvalidInput as error:
            yield f"It cannot be read: {error.detail}"

    def _response(self, operation: Operation, status: int) -> Mapping[str, Any] | None:
        node = self._contract.document["paths"][operation.path][operation.method.lower()]
        response = node["responses"].get(str(status))
        return None if response is None else self._contract.resolve(response)

    def _headers(self, listed: Mapping[str, Any], exchange: Exchange) -> Iterator[str]:
        for name, node in listed.get("headers", {}).items():
            header = self._contract.resolve(node)
            value = exchange.headers.get(name.lower())
            needed = header.get("required", False) or name in ("WWW-Authenticate", "Retry-After")
            if value is None and needed:
                yield f"The header {name} is missing, which belongs to {exchange.status}."

    def _body(self, listed: Mapping[str, Any], exchange: Exchange) -> Iterator[str]:
        content = listed.get("content", {})
        if not content:
            return
        if exchange.media_type not in content:
            given = exchange.media_type or "no media type"
            yield f"The answer is {given}, and the contract has {' or '.join(content)}."
            return
        if exchange.media_type in _JSON:
            yield from self._schema_faults(content[exchange.media_type].get("schema", {}), exchange)

    def _value_faults(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        found = self._validators.compile(schema).iter_errors(value)
        for broken in islice(found, _MOST):
            pointer = "".join(f"/{part}" for part in broken.instance_path) or "the body"
            yield f"{pointer}: {broken.message}."

    def _schema_faults(self, schema: Mapping[str, Any], exchange: Exchange) -> Iterator[str]:
        try:
            value = read_json(exchange.body)
        except InvalidInput as error:
            yield f"The body cannot be read: {error.detail}"
            return
        yield from self._value_faults(schema, value)
        if exchange.media_type == PROBLEM and isinstance(value, dict):
            stated = value.get("status")
            if stated != exchange.status:
                yield f"/status says {stated}, and the status is {exchange.status}."
