"""The contracts as OpenAPI Generator is given them: resolved, and without what it gets wrong."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_FORM = "application/x-www-form-urlencoded"
CONTRACTS = ("eu-mp", "notifications", "marketplace", "metering", "flexoffer")

Json = Any
"""A value of a parsed document: dict, list, str, int, float, bool or None."""


class DocumentError(Exception):
    """A contract cannot be given to the generator."""


def document_path(contract: str) -> Path:
    """Return where the resolved document of a contract is. Raises DocumentError for no contract."""
    if contract not in CONTRACTS:
        raise DocumentError(f"there is no contract {contract}; there are {', '.join(CONTRACTS)}")
    return ROOT / "mpp_sdk" / "contracts" / contract.replace("-", "_") / "document.json"


def document(contract: str, *, forms: bool = True, unions: bool = True) -> dict[str, Json]:
    """Return a contract's document as the generator is given it. Raises DocumentError.

    Without forms, the operations that take one are left out. Without unions, what is one or many is
    many.
    """
    parsed: dict[str, Json] = json.loads(document_path(contract).read_text(encoding="utf-8"))
    if not forms:
        parsed = _without_forms(parsed)
    return prepared(parsed if unions else _without_unions(parsed))


def prepared(original: dict[str, Json]) -> dict[str, Json]:
    """Return a copy of a document that gives code which compiles, with plain names.

    `uniqueItems` is left out: a list of inline enum values that has it becomes a Set with a type
    that Java does not know, and a Set is not written as JSON by TypeScript. Who serves the contract
    checks the rule anyway. An operation is named without the folder that the Python handler is in:
    `catalogue.list_services` becomes `list_services`. Raises DocumentError when two have one name.
    """
    copy: dict[str, Json] = _without_unique_items(original)
    copy.pop("x-generated", None)
    names: set[str] = set()
    for operation in _operations(copy):
        name = operation["operationId"].rpartition(".")[2]
        if name in names:
            raise DocumentError(f"two operations are named {name}, so one SDK cannot have both")
        names.add(name)
        operation["operationId"] = name
    return copy


def _without_forms(document: dict[str, Json]) -> dict[str, Json]:
    paths = {
        path: {name: part for name, part in item.items() if not _takes_a_form(part)}
        for path, item in document["paths"].items()
    }
    return {**document, "paths": {path: item for path, item in paths.items() if item}}


def _without_unions(document: dict[str, Json]) -> dict[str, Json]:
    """Return a document in which a schema of one thing or a list of it is the list.

    Raises DocumentError for another union.
    """
    schemas = document.get("components", {}).get("schemas", {})
    changed = {}
    for name, schema in schemas.items():
        if "oneOf" in schema:
            either = [_resolved(document, one) for one in schema["oneOf"]]
            lists = [one for one in either if one.get("type") == "array"]
            if len(either) != 2 or len(lists) != 1:
                raise DocumentError(f"{name} is neither one thing nor a list of it")
            changed[name] = lists[0]
    components = {**document.get("components", {}), "schemas": {**schemas, **changed}}
    return {**document, "components": components}


def _resolved(document: dict[str, Json], node: Json) -> dict[str, Json]:
    schema = node.get("$ref", "").removeprefix("#/components/schemas/")
    found: dict[str, Json] = document["components"]["schemas"][schema] if schema else node
    return found


def _takes_a_form(part: Json) -> bool:
    """Return whether a part of a path is an operation that takes a form."""
    return isinstance(part, dict) and _FORM in part.get("requestBody", {}).get("content", {})


def _without_unique_items(node: Json) -> Json:
    if isinstance(node, list):
        return [_without_unique_items(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_unique_items(value)
        for key, value in node.items()
        if not (key == "uniqueItems" and isinstance(value, bool))
    }


def _operations(document: dict[str, Json]) -> list[dict[str, Json]]:
    return [
        operation
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and "operationId" in operation
    ]
