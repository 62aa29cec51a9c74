"""What is checked of every request: its parameters and its body."""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

import anyio
import anyio.to_thread
import jsonschema_rs

from mpp_sdk.errors import (
    FieldError,
    InvalidInput,
    NotAcceptable,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from mpp_sdk.web.contract import Contract, ContractError, Operation, Parameter
from mpp_sdk.web.exchange import Exchange, Scope
from mpp_sdk.web.formats import CHECKS, UNCHECKED
from mpp_sdk.web.strict_json import MAX_INTEGER, escape, is_safe_text, read_json

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
DEFAULT_LIMIT = 1024 * 1024
"""How many bytes of a body are read, unless a server is told otherwise."""

_IN_A_THREAD = 64 * 1024
"""From this size on a body is parsed and checked in a thread: it would hold up the loop."""
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_MOST_ERRORS = 200
_BODY_SECONDS = 30


class Validators:
    """The compiled checks of every operation of a contract."""

    def __init__(self, contract: Contract, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        schemas = contract.document.get("components", {}).get("schemas", {})
        self._components = {
            "components": {"schemas": {name: _draft4(schema) for name, schema in schemas.items()}}
        }
        self._parameters = {
            operation.operation_id: [
                (parameter, self.compile(parameter.schema)) for parameter in operation.parameters
            ]
            for operation in contract.operations
        }
        self._bodies = {
            (operation.operation_id, media_type): (
                contract.resolve(contract.body_schema(operation, media_type)),
                self.compile(contract.body_schema(operation, media_type)),
            )
            for operation in contract.operations
            for media_type in operation.body_media_types
        }

    def compile(self, schema: Mapping[str, Any]) -> jsonschema_rs.Draft4Validator:
        """Return the check of a schema of this contract."""
        return jsonschema_rs.Draft4Validator(
            {"allOf": [_draft4(schema)], **self._components},
            formats=dict(CHECKS),
            validate_formats=True,
            mask="the value",
            offline=True,
        )

    def compile_errors(self, schema: Mapping[str, Any]) -> Callable[[Any], list[FieldError]]:
        """Return what finds every rule of a schema of this contract that a JSON value breaks."""
        validator = self.compile(schema)
        return lambda value: [FieldError(*found) for found in _errors(validator, value)]

    async def check(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        """Read a request whose operation is known and check it all; fill its exchange.

        Raises InvalidInput with every error found, or what no body could mend.
        """
        operation = exchange.operation
        if operation is None:
            raise RuntimeError("Validation runs after routing")
        media_type = _content_type(exchange, operation)
        exchange.media_type = _negotiate(exchange.headers.get("accept"), operation)
        self.check_parameters(operation, exchange, scope)
        if media_type is None:
            raise_noted(exchange)
            if operation.method in ("POST", "PUT", "PATCH"):
                exchange.body = await read_body(receive, self.limit)
            return
        exchange.body = await read_body(receive, self.limit)
        if len(exchange.body) > _IN_A_THREAD:
            await anyio.to_thread.run_sync(self.check_body, operation, exchange, media_type)
        else:
            self.check_body(operation, exchange, media_type)

    def check_parameters(self, operation: Operation, exchange: Exchange, scope: Scope) -> None:
        """Fill the exchange's arguments from path, query and headers, and note its errors."""
        values = {
            "path": {name: [value] for name, value in exchange.path_values.items()},
            "query": _query(scope, exchange.errors),
            "header": exchange.header_values,
        }
        known = {parameter.name for parameter in operation.parameters if parameter.place == "query"}
        for name in values["query"]:
            if name not in known:
                _note(exchange, name[:100], "unknown", "There is no such query parameter.")
        for parameter, validator in self._parameters[operation.operation_id]:
            key = parameter.name.lower() if parameter.place == "header" else parameter.name
            self._argument(exchange, parameter, validator, values[parameter.place].get(key))

    def _argument(
        self,
        exchange: Exchange,
        parameter: Parameter,
        validator: jsonschema_rs.Draft4Validator,
        given: list[str] | None,
    ) -> None:
        if given is None:
            if parameter.required:
                _note(exchange, parameter.name, "required", f"{parameter.name} is missing.")
            elif "default" in parameter.schema:
                exchange.arguments[parameter.argument] = parameter.schema["default"]
            return
        many = parameter.type == "array" and parameter.explode
        if len(given) > 1 and not many:
            _note(exchange, parameter.name, "repeated", f"{parameter.name} is there twice.")
            return
        try:
            value = _typed(given, parameter)
        except InvalidInput as error:
            exchange.errors.extend(error.errors)
            return
        found = [
            FieldError(parameter.name + pointer, rule, detail)
            for pointer, rule, detail in _errors(validator, value)
        ]
        exchange.errors.extend(found)
        if not found:
            exchange.arguments[parameter.argument] = value

    def body_errors(self, operation_id: str, value: Any) -> list[FieldError]:
        """Return every rule of the contract that a JSON value breaks as an operation's body."""
        _, validator = self._bodies[operation_id, JSON]
        return [FieldError(*found) for found in _errors(validator, value)]

    def check_body(self, operation: Operation, exchange: Exchange, media_type: str) -> None:
        """Parse the exchange's body and check it. Raises InvalidInput with every error found."""
        schema, validator = self._bodies[operation.operation_id, media_type]
        if not exchange.body:
            if operation.body_required:
                _note(exchange, "", "required", "The body is missing.")
        else:
            try:
                exchange.document = (
                    read_json(exchange.body) if media_type == JSON else _form(exchange.body, schema)
                )
            except InvalidInput as error:
                exchange.errors.extend(error.errors)
            else:
                exchange.errors.extend(
                    FieldError(pointer, rule, detail)
                    for pointer, rule, detail in _errors(validator, exchange.document)
                )
        raise_noted(exchange)


def raise_noted(exchange: Exchange) -> None:
    """Raise InvalidInput when errors were noted."""
    found = exchange.errors
    if len(found) == 1:
        raise InvalidInput(found[0].detail, found)
    if found:
        raise InvalidInput(f"{len(found)} rules of the contract are broken.", found)


async def read_body(receive: Receive, limit: int) -> bytes:
    """Return the whole body. Raises PayloadTooLarge as soon as more than limit bytes arrive."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _read_all(receive, limit)
    except TimeoutError:
        detail = f"The body did not arrive within {_BODY_SECONDS} s."
        raise InvalidInput.field("", "incomplete", detail) from None


async def _read_all(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInput.field("", "incomplete", "The body is incomplete.")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise PayloadTooLarge(f"At most {limit} bytes are read.")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _content_type(exchange: Exchange, operation: Operation) -> str | None:
    """Return the media type of the body as the contract spells it, None where it takes no body."""
    if not operation.body_media_types:
        return None
    sent = exchange.headers.get("content-type")
    expected = f"Send {' or '.join(operation.body_media_types)}."
    if sent is None:
        # An absent body is reported as such, not as a body of the wrong type.
        length = exchange.headers.get("content-length", "")
        if "transfer-encoding" not in exchange.headers and length in ("", "0"):
            return operation.body_media_types[0]
        raise UnsupportedMediaType(f"The body has no Content-Type. {expected}")
    media_type, *attributes = (part.strip().lower() for part in sent.split(";"))
    if media_type not in operation.body_media_types:
        raise UnsupportedMediaType(expected)
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            raise UnsupportedMediaType("Only UTF-8 is read.")
    return media_type


def _negotiate(accept: str | None, operation: Operation) -> str:
    """Return the media type to answer in.

    Raises NotAcceptable only where the contract offers it: everywhere else there is one rendering,
    and a client that accepts another one is still better served with it than with nothing.
    """
    offered = operation.success_media_types or (JSON,)
    if accept is None or "406" not in operation.statuses:
        return offered[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    if not ranges:
        return offered[0]
    best = max(offered, key=lambda one: _quality(one, ranges))  # the first one wins a draw
    if _quality(best, ranges) <= 0:
        raise NotAcceptable(f"Available are {' and '.join(offered)}.")
    return best


def _range(text: str) -> tuple[str, float]:
    name, *attributes = (part.strip().lower() for part in text.split(";"))
    quality = 1.0
    for attribute in attributes:
        key, _, value = attribute.partition("=")
        if key.strip() == "q" and re.fullmatch(r"[01](\.[0-9]{0,3})?", value.strip()):
            quality = min(float(value), 1.0)
    return name, quality


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Return the quality of the most specific range that matches."""
    kind = media_type.partition("/")[0]
    for name in (media_type, f"{kind}/*", "*/*"):
        for given, quality in ranges:
            if given == name:
                return quality
    return 0.0


def _query(scope: Scope, errors: list[FieldError]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for pair in scope.get("query_string", b"").split(b"&"):
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name, value = _decoded(raw_name), _decoded(raw_value)
        if name is None or value is None:
            detail = "The query must be UTF-8 without the NUL character."
            errors.append(FieldError(name[:100] if name else "query", "characters", detail))
            continue
        values.setdefault(name, []).append(value)
    return values


def _decoded(raw: bytes) -> str | None:
    """Return a part of a query or form, where + stands for a space."""
    return decode_component(raw.replace(b"+", b" "))


def decode_component(raw: bytes) -> str | None:
    """Return a percent-encoded part of a URL as text, None when it is not text."""
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if is_safe_text(text) else None


def _typed(given: list[str], parameter: Parameter) -> Any:
    """Return the text of a parameter as a value of its JSON type."""
    if parameter.type != "array":
        return _scalar(given[0], parameter.type, parameter.name)
    items = given if parameter.explode else given[0].split(",")
    kind = str(parameter.schema.get("items", {}).get("type", "string"))
    return [_scalar(item, kind, parameter.name) for item in items]


def _scalar(text: str, kind: str, name: str) -> Any:
    match kind:
        case "integer" if _INTEGER.fullmatch(text) and len(text) <= 20:
            integer = int(text)
            if abs(integer) <= MAX_INTEGER:
                return integer
        case "number" if _NUMBER.fullmatch(text) and len(text) <= 64:
            number = float(text)
            if math.isfinite(number):
                return number
        case "boolean" if text in ("true", "false"):
            return text == "true"
        case "string":
            return text
    raise InvalidInput.field(name, "type", f"{name} must be of type {kind}.")


def _form(data: bytes, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a form. Raises InvalidInput for a field that is there twice."""
    fields: dict[str, Any] = {}
    properties = schema.get("properties", {})
    for pair in data.split(b"&"):
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name, value = _decoded(raw_name), _decoded(raw_value)
        if name is None or value is None:
            raise InvalidInput.field("", "characters", "The form must be UTF-8 without NUL.")
        if name in fields:
            raise InvalidInput.field(
                f"/{escape(name[:100])}", "repeated", "A field is there twice."
            )
        fields[name] = _scalar(value, properties.get(name, {}).get("type", "string"), name)
    return fields


def _errors(validator: jsonschema_rs.Draft4Validator, value: Any) -> Iterator[tuple[str, str, str]]:
    """Return pointer, rule and detail of every rule that a value breaks."""
    if validator.is_valid(value):
        return
    for number, error in enumerate(validator.iter_errors(value)):
        if number >= _MOST_ERRORS:
            return
        pointer = "".join(f"/{escape(part)}" for part in error.instance_path)
        rule = error.kind.name
        match error.kind:
            case jsonschema_rs.ValidationErrorKind.Required():
                yield f"{pointer}/{escape(str(error.kind.property))}", rule, "This is required."
            case jsonschema_rs.ValidationErrorKind.AdditionalProperties():
                for name in error.kind.unexpected:
                    yield f"{pointer}/{escape(name[:100])}", rule, "There is no such property."
            case jsonschema_rs.ValidationErrorKind.Format() if error.kind.format == "date-time":
                detail = "This must be a moment of RFC 3339 with its offset."
                yield pointer, rule, detail
            case _:
                message = error.message
                yield pointer, rule, message[:1].upper() + message[1:] + "."


def _note(exchange: Exchange, pointer: str, rule: str, detail: str) -> None:
    exchange.errors.append(FieldError(pointer, rule, detail))


_VALUES = ("enum", "default", "example", "properties")
_NOT_IN_DRAFT4 = ("nullable", "example", "discriminator", "xml", "externalDocs")


def _draft4(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema draft 4 has it.

    What a handler checks itself, to tell what is wrong with each of many, is let through. Raises
    ContractError for a format that nothing here checks.
    """
    if isinstance(schema, list):
        return [_draft4(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-checked-by-handler") is True:
        return {}
    kind = schema.get("format")
    if isinstance(kind, str) and kind not in CHECKS and kind not in UNCHECKED:
        raise ContractError(f"Nothing checks the format {kind}")
    out = {key: value if key in _VALUES else _draft4(value) for key, value in schema.items()}
    for key in _NOT_IN_DRAFT4:
        out.pop(key, None)
    if isinstance(schema.get("properties"), dict):
        out["properties"] = {name: _draft4(each) for name, each in schema["properties"].items()}
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        out["type"] = [schema["type"], "null"]
        if "enum" in schema and None not in schema["enum"]:
            out["enum"] = [*schema["enum"], None]
    return out
