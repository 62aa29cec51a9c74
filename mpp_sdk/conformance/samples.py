"""Calls that are right, made from the contract's own examples, and calls that are wrong in one way.

A sample of an event has an id of its own and happens now: whatever ran before, it is news to the
server. Where a contract is about a subscription that must exist, it is the one of the target, and
points of delivery are ones that nobody has.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from mpp_sdk import clock
from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.target import Target
from mpp_sdk.ids import new_id
from mpp_sdk.web.contract import Contract, Operation, Parameter
from mpp_sdk.web.strict_json import escape

_MAKES_SUBSCRIPTIONS = frozenset({"eu-mp"})
"""Contracts under which a call may be about a subscription that the server has never heard of."""

_NO_SUBSCRIPTION = "Name an ACTIVE subscription with --subscription."
_NO_POD = "Name a point of delivery whose readings may be had with --pod."
_LATELY = timedelta(hours=1)
_A_DAY = timedelta(days=1)
_MANY = 100_000
"""A list that may be longer than this is not tried at its limit."""


@dataclass(frozen=True)
class Sample:
    """What one call sends. A header that is None is not sent; body bytes go as they are."""

    path: Mapping[str, object] = field(default_factory=dict)
    query: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: Any = None

    def changed(self, **changes: Any) -> "Sample":
        """Return the call with other parts; path, query and headers are added to those it has.

        A query parameter that is None is left out.
        """
        merged = {
            name: {**getattr(self, name), **value} if name != "body" else value
            for name, value in changes.items()
        }
        return replace(self, **merged)

    def content(self) -> bytes | None:
        """Return the body as it is sent."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()

    def address(self, template: str) -> str:
        """Return the path with its values and its query."""
        path = template
        for name, value in self.path.items():
            path = path.replace("{" + name + "}", quote(str(value), safe=""))
        given = {name: str(value) for name, value in self.query.items() if value is not None}
        query = urlencode(given)
        return f"{path}?{query}" if query else path


@dataclass(frozen=True)
class Break:
    """A body that breaks one rule of its schema: which field, and how, in words."""

    body: Any
    pointer: str
    what: str
    kind: str
    """`missing`, `type`, `value` or `unknown`."""


@dataclass(frozen=True)
class BadValue:
    """A value that a parameter may not have: what is sent, None to leave it out, and the rule."""

    parameter: Parameter
    value: str | None
    what: str


def sample_of(contract: Contract, operation: Operation, target: Target) -> Sample:
    """Return a right call of an operation.

    Raises NotShown when the target lacks what it is about.
    """
    node = contract.document["paths"][operation.path][operation.method.lower()]
    path: dict[str, object] = {}
    query: dict[str, object] = {}
    for parameter in operation.parameters:
        value = _value_of(contract, operation, parameter.name)
        if parameter.place == "path":
            path[parameter.name] = value
        elif parameter.place == "query" and parameter.required:
            query[parameter.name] = value
    if "subscriptionId" in path:
        path["subscriptionId"] = _subscription(target)
    if "podId" in path:
        path["podId"] = _pod(target)
    if {"from", "to"} <= path.keys():
        now = clock.now()
        path |= {"from": (now - _A_DAY).isoformat(), "to": (now + _A_DAY).isoformat()}
    if "id" in path:  # what the kit makes up, and nobody has
        path["id"] = new_id()
    if "start" in query and "end" in query:
        query |= _period(target)
    if "since" in query:  # the example's may be a day that is still to come
        query["since"] = (clock.now() - _LATELY).isoformat()
    body = None
    if "requestBody" in node:
        media = contract.resolve(node["requestBody"])["content"].get("application/json", {})
        given = copy.deepcopy(media.get("example"))
        body = _fresh(given[0] if isinstance(given, list) else given, target)
    return Sample(path, query, {}, body)


def new_pod() -> str:
    """Return the id of a point of delivery that nobody has."""
    return f"CONFORMANCE-{new_id()}"


def _subscription(target: Target) -> str:
    if target.subscription_id is None:
        raise NotShown(_NO_SUBSCRIPTION)
    return str(target.subscription_id)


def _pod(target: Target) -> str:
    if not target.pod_ids:
        raise NotShown(_NO_POD)
    return target.pod_ids[0]


def _period(target: Target) -> dict[str, object]:
    """Return a period of a day, the first of the target's own where it names one."""
    if target.period is not None:
        start = target.period[0]
        end = min(target.period[1], start + timedelta(days=1))
    else:
        end = clock.now().replace(minute=0, second=0, microsecond=0)
        start = end - timedelta(days=1)
    return {"start": start.isoformat(), "end": end.isoformat()}


def _fresh(body: Any, target: Target) -> Any:
    if not isinstance(body, dict):
        return body
    if "eventId" in body:
        body["eventId"] = str(new_id())
    if "subscriptionId" in body:
        makes = target.contract in _MAKES_SUBSCRIPTIONS
        body["subscriptionId"] = str(new_id()) if makes else _subscription(target)
    if "podId" in body:
        body["podId"] = new_pod()
    if "podIds" in body:
        body["podIds"] = [new_pod(), new_pod()]
    if "acceptBefore" in body:
        body = _offered_anew(body)
    for measurement in body.get("measurements", ()):
        measurement["flexOfferId"] = str(new_id())
    moment = clock.now()
    if "occurredAt" in body:
        body["occurredAt"] = moment.isoformat()
    if isinstance(body.get("validity"), dict):
        year = timedelta(days=365)
        body["validity"] = {"start": moment.isoformat(), "end": (moment + year).isoformat()}
    return body


def _offered_anew(draft: dict[str, Any]) -> dict[str, Any]:
    """Return a flex-offer of somebody new, as many days later as make its deadlines lie ahead."""
    first = datetime.fromisoformat(draft["acceptBefore"])
    later = _A_DAY * max(-((first - clock.now()) // _A_DAY) + 1, 0)
    moved: dict[str, Any] = {
        name: (datetime.fromisoformat(draft[name]) + later).isoformat()
        for name in ("acceptBefore", "assignBefore", "startAfter", "startBefore")
        if name in draft
    }
    draft.pop("podId", None)  # who receives it may know its points of delivery
    return {**draft, **moved, "offeredBy": f"CONFORMANCE-{new_id()}"}


def _value_of(contract: Contract, operation: Operation, name: str) -> object:
    item = contract.document["paths"][operation.path]
    node = item[operation.method.lower()]
    for declared in (*item.get("parameters", ()), *node.get("parameters", ())):
        parameter = contract.resolve(declared)
        if parameter["name"] == name:
            schema = contract.resolve(parameter["schema"])
            value: object = parameter.get("example", schema.get("example"))
            return value if value is not None else schema.get("enum", ["x"])[0]
    raise KeyError(name)


def filled(contract: Contract, schema: Mapping[str, Any], body: Any) -> Any:
    """Return the right body with every optional property that it leaves out, each with a right
    value.
    """
    schema = contract.resolve(schema)
    if isinstance(body, dict):
        properties = schema.get("properties", {})
        return body | {
            name: filled(contract, inner, body.get(name, example(contract, inner)))
            for name, inner in properties.items()
        }
    if isinstance(body, list) and "items" in schema:
        return [filled(contract, schema["items"], one) for one in body]
    return body


def example(contract: Contract, schema: Mapping[str, Any]) -> Any:
    """Return a value that a schema takes, its own example where it has one."""
    schema = contract.resolve(schema)
    if "example" in schema:
        return copy.deepcopy(schema["example"])
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {
                name: example(contract, inner)
                for name, inner in schema.get("properties", {}).items()
                if name in schema.get("required", ())
            }
        case "array":
            return [example(contract, schema["items"])]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    match schema.get("format"):
        case "uuid":
            return str(new_id())
        case "date-time":
            return clock.now().isoformat()
        case "uri":
            return "https://platform.example"
    return "x" * max(schema.get("minLength", 1), 1)


def breaks(contract: Contract, schema: Mapping[str, Any], body: Any) -> Iterator[Break]:
    """Return the right body, wrong in one way each: every field that is required left out, every
    field of a wrong type, format, value or size, and what is refused as unknown.
    """
    whole = filled(contract, schema, body)
    yield from _breaks(contract, schema, whole, whole, (), required=True)


def bad_values(operation: Operation) -> Iterator[BadValue]:
    """Return what the parameters of an operation may not be, one at a time.

    Headers of signatures are left out, since a bad one is a bad credential.
    """
    for parameter in operation.parameters:
        if parameter.place == "header" and parameter.name.lower().startswith("webhook-"):
            continue
        if parameter.required and parameter.place != "path":
            yield BadValue(parameter, None, "is missing")
        for wrong, what in _wrong_texts(parameter.schema):
            if parameter.place == "header" and not _fits_a_header(wrong):
                continue
            if parameter.place == "path" and wrong in ("", ".", ".."):
                continue
            yield BadValue(parameter, wrong, what)


def with_unknown_properties(
    contract: Contract, schema: Mapping[str, Any], body: Any, name: str
) -> Any:
    """Return the right body with a property that no contract has in every object that may have
    more properties.
    """
    schema = contract.resolve(schema)
    if isinstance(body, dict):
        properties = schema.get("properties", {})
        changed = {
            key: with_unknown_properties(contract, properties.get(key, {}), value, name)
            for key, value in body.items()
        }
        if schema.get("additionalProperties") is not False:
            changed[name] = {"since": "a later version"}
        return changed
    if isinstance(body, list):
        items = schema.get("items", {})
        return [with_unknown_properties(contract, items, one, name) for one in body]
    return body


def _breaks(
    contract: Contract,
    schema: Mapping[str, Any],
    whole: Any,
    value: Any,
    at: tuple[str | int, ...],
    *,
    required: bool,
) -> Iterator[Break]:
    schema = contract.resolve(schema)
    if at:
        for wrong, what, kind in _wrong_values(schema, value):
            yield Break(_with(whole, at, wrong), _pointer(at), what, kind)
        if required and not schema.get("nullable"):
            yield Break(_with(whole, at, None), _pointer(at), "is null", "type")
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if name in value:
                inner = (*at, name)
                yield Break(_without(whole, inner), _pointer(inner), "is missing", "missing")
        for name, inner_schema in schema.get("properties", {}).items():
            if name in value:
                needed = name in schema.get("required", ())
                yield from _breaks(
                    contract, inner_schema, whole, value[name], (*at, name), required=needed
                )
        if schema.get("additionalProperties") is False:
            extra = (*at, "conformanceKit")
            yield Break(_with(whole, extra, 1), _pointer(extra), "is not to be there", "unknown")
    elif isinstance(value, list) and value and "items" in schema:
        yield from _breaks(contract, schema["items"], whole, value[0], (*at, 0), required=True)


def _wrong_values(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[Any, str, str]]:
    kind = schema.get("type")
    other: Any = 17 if kind in ("string", "object", "array") else "no value of this type"
    if kind is not None:
        yield other, "is of another type", "type"
    match kind:
        case "string":
            for wrong, what in _wrong_texts(schema):
                yield wrong, what, "value"
        case "integer" | "number":
            if kind == "integer":
                yield 1.5, "is no whole number", "type"
            for bound, step, what in (("minimum", -1, "less"), ("maximum", 1, "more")):
                if bound in schema:
                    yield schema[bound] + step, f"is {what} than it may be", "value"
        case "array":
            if schema.get("minItems", 0) > 0:
                yield [], "has too few members", "value"
            most = schema.get("maxItems", _MANY)
            if most < _MANY and value and isinstance(value[0], str):
                many = [f"CONFORMANCE-{number}" for number in range(most + 1)]
                yield many, "has too many members", "value"
            if schema.get("uniqueItems") and value:
                yield [value[0], value[0]], "has a member twice", "value"


def _wrong_texts(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return texts that a schema of one value does not take, as they stand in JSON or a URL."""
    kind = schema.get("type")
    if kind in ("integer", "number"):
        yield "many", "is no number"
        for bound, step, what in (("minimum", -1, "less"), ("maximum", 1, "more")):
            if bound in schema:
                yield str(schema[bound] + step), f"is {what} than it may be"
        return
    if "format" in schema:
        yield "not one", f"is no {schema['format']}"
        if schema["format"] == "date-time":
            yield "2026-12-01T10:00:00", "is a moment without offset"
    if "enum" in schema:
        yield "NO_SUCH_VALUE", "is none of the values"
    if schema.get("minLength", 0) > 0:
        yield "", "is shorter than it may be"
    pattern = schema.get("pattern")
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1), "is longer than it may be"
    if pattern is not None:
        wrong = next((one for one in _ODD if re.search(pattern, one) is None), None)
        if wrong is not None:
            yield wrong, f"does not match {pattern}"


_ODD = ("not, this", "\u00e9", "-", "0x")
"""Texts of which one breaks any pattern that is stricter than a length."""


def _fits_a_header(text: str) -> bool:
    """Return whether a text can be sent as a header and arrives as it is."""
    return bool(text) and text.isascii() and text == text.strip()


def _pointer(at: tuple[str | int, ...]) -> str:
    return "".join(f"/{escape(part)}" for part in at)


def _with(whole: Any, at: tuple[str | int, ...], value: Any) -> Any:
    changed = copy.deepcopy(whole)
    node = changed
    for part in at[:-1]:
        node = node[part]
    node[at[-1]] = value
    return changed


def _without(whole: Any, at: tuple[str | int, ...]) -> Any:
    changed = copy.deepcopy(whole)
    node = changed
    for part in at[:-1]:
        node = node[part]
    del node[at[-1]]
    return changed
