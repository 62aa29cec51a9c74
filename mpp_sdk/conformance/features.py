"""What a contract has, so that a case is tried only where the contract has what it is about."""

from collections.abc import Mapping
from typing import Any

from mpp_sdk.web.contract import Contract, Operation, Parameter

JSON = "application/json"
EVENTS = "text/event-stream"
IDEMPOTENCY_KEY = "Idempotency-Key"


def takes_json(operation: Operation) -> bool:
    """Return whether an operation takes a body in JSON."""
    return JSON in operation.body_media_types


def takes_many(contract: Contract, operation: Operation) -> bool:
    """Return whether a body may be one thing or a list of such."""
    return "oneOf" in contract.resolve(contract.body_schema(operation, JSON))


def schema_of_one(contract: Contract, operation: Operation) -> Mapping[str, Any]:
    """Return the schema of a body in JSON; that of one thing where the body may be many."""
    schema = contract.resolve(contract.body_schema(operation, JSON))
    either = [contract.resolve(one) for one in schema.get("oneOf", (schema,))]
    return next(one for one in either if one.get("type") != "array")


def is_stream(operation: Operation) -> bool:
    """Return whether an operation answers with events for as long as its caller listens."""
    return EVENTS in operation.success_media_types


def may_be_missing(operation: Operation) -> bool:
    """Return whether a right call may be answered 404.

    That goes for what has an id that the kit makes up, and for what exists once or not at all.
    """
    named = {one.name for one in operation.parameters if one.place == "path"}
    once = operation.method == "GET" and not named
    return "404" in operation.statuses and (once or named == {"id"})


def is_list(operation: Operation) -> bool:
    """Return whether an operation gives a list in pages."""
    names = {parameter.name for parameter in operation.parameters}
    return operation.method == "GET" and {"limit", "cursor"} <= names


def is_repeatable(operation: Operation) -> bool:
    """Return whether an operation takes a body that may be sent again under the same key."""
    keyed = any(parameter.name == IDEMPOTENCY_KEY for parameter in operation.parameters)
    return takes_json(operation) and keyed


def filters_of(operation: Operation) -> list[Parameter]:
    """Return the parameters of a list of which only a few values are allowed."""
    return [one for one in operation.parameters if one.place == "query" and "enum" in one.schema]


def has_bodies(contract: Contract) -> bool:
    """Return whether anything takes a body."""
    return any(map(takes_json, contract.operations))


def has_lists(contract: Contract) -> bool:
    """Return whether there are lists."""
    return any(map(is_list, contract.operations))


def has_filtered_lists(contract: Contract) -> bool:
    """Return whether there are lists of which only a part may be asked for."""
    return any(filters_of(one) for one in contract.operations if is_list(one))


def has_queries(contract: Contract) -> bool:
    """Return whether anything takes a query."""
    return _has_parameters(contract, "query")


def has_path_parameters(contract: Contract) -> bool:
    """Return whether a path has parts that vary."""
    return _has_parameters(contract, "path")


def has_repeatable_calls(contract: Contract) -> bool:
    """Return whether a call with a body can be repeated under its Idempotency-Key."""
    return any(map(is_repeatable, contract.operations))


def has_several_repeatable_calls(contract: Contract) -> bool:
    """Return whether that goes for more than one operation."""
    return sum(map(is_repeatable, contract.operations)) > 1


def forbids_properties(contract: Contract) -> bool:
    """Return whether a body may not have properties that the contract does not know."""
    return any(_closed(contract, closed=True))


def ignores_properties(contract: Contract) -> bool:
    """Return whether a body may have properties that the contract does not know."""
    return any(_closed(contract, closed=False))


def _closed(contract: Contract, *, closed: bool) -> list[bool]:
    schemas = [schema_of_one(contract, one) for one in contract.operations if takes_json(one)]
    return [(one.get("additionalProperties") is False) is closed for one in schemas]


def _has_parameters(contract: Contract, place: str) -> bool:
    return any(one.place == place for each in contract.operations for one in each.parameters)
